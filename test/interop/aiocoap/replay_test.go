package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ostiary/ostiary/test/interop"
)

func load(t *testing.T, name string) *interop.Transcript {
	t.Helper()
	tr, err := interop.Load(filepath.Join("testdata", name+".json"))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// TestReplay replays what was recorded with aiocoap and provisioned contexts. No case is without messages that were verified.
func TestReplay(t *testing.T) {
	peer, err := interop.LoadJSON[interop.Peer]("expect.json")
	if err != nil {
		t.Fatal(err)
	}
	replayed := 0
	for _, r := range peer.Runs {
		if new(suite).runs()[r.Name] == nil {
			t.Errorf("expect.json has a run %q, which there is not", r.Name)
		}
		tr := load(t, r.Name)
		if tr == nil {
			continue
		}
		replayed++
		if err := tr.Replay(); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
		inside := map[string]int{}
		for _, d := range tr.Datagrams {
			if d.Inner != nil {
				inside[d.Case+" from "+d.From]++
			}
		}
		for _, c := range r.Cases {
			for _, from := range []string{interop.FromClient, interop.FromServer} {
				if c.Skip == "" && inside[c.Name+" from "+from] == 0 {
					t.Errorf("%s, %s: nothing protected from the %s", r.Name, c.Name, from)
				}
			}
		}
	}
	if replayed != 4 {
		t.Errorf("replayed %d runs, want 4", replayed)
	}
}

// TestReplayNotices: a repeated request that had another Echo value is noticed.
func TestReplayNotices(t *testing.T) {
	for _, run := range []string{"client-restarted", "server-restarted"} {
		tr := load(t, run)
		challenged := false
		for i := range tr.Datagrams {
			d := &tr.Datagrams[i]
			if d.From == interop.FromServer && d.Inner.Code == "4.01" {
				challenged = true
			}
			if challenged && d.From == interop.FromClient {
				d.Bytes[len(d.Bytes)-1] ^= 1
				break
			}
		}
		if !challenged || tr.Replay() == nil {
			t.Errorf("%s: challenged: %t; a change was not noticed", run, challenged)
		}
	}
}
