package main

import (
	"path/filepath"
	"testing"

	"github.com/ostiary/ostiary/test/interop"
)

// handshakes calls do with each recorded handshake, by the name of its run and case.
func handshakes(t *testing.T, do func(name string, parties *interop.Parties, tr *interop.Transcript)) {
	t.Helper()
	peer, err := interop.LoadJSON[interop.Peer]("expect.json")
	if err != nil {
		t.Fatal(err)
	}
	parties, err := interop.LoadJSON[interop.Parties]((&suite{dir: "."}).credentials())
	if err != nil {
		t.Fatal(err)
	}
	for i := range peer.Runs {
		r := &peer.Runs[i]
		if r.Name != "edhoc-client" && r.Name != "edhoc-server" {
			continue
		}
		transcripts, err := interop.LoadAll(filepath.Join("testdata", r.Name+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		recorded := map[string]bool{}
		for _, tr := range transcripts {
			name := tr.Datagrams[0].Case
			recorded[name] = true
			do(r.Name+", "+name, &parties, tr)
		}
		for _, c := range r.Cases {
			if want := c.Skip == "" && (edhocCase{name: c.Name}).plain(); recorded[c.Name] != want {
				t.Errorf("%s, %s: recorded: %t", r.Name, c.Name, recorded[c.Name])
			}
		}
	}
}

// TestReplayEDHOC replays the handshakes with aiocoap and what they protect.
func TestReplayEDHOC(t *testing.T) {
	handshakes(t, func(name string, parties *interop.Parties, tr *interop.Transcript) {
		if err := tr.ReplayHandshake(parties); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := tr.Replay(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
}

// TestReplayEDHOCNotices: another bit in the last byte of a datagram is noticed in the
// one replay or in the other.
func TestReplayEDHOCNotices(t *testing.T) {
	handshakes(t, func(name string, parties *interop.Parties, tr *interop.Transcript) {
		for i := range tr.Datagrams {
			b := tr.Datagrams[i].Bytes
			if len(b) == 4 {
				continue // an acknowledgement
			}
			b[len(b)-1] ^= 1
			if tr.ReplayHandshake(parties) == nil && tr.Replay() == nil {
				t.Errorf("%s: datagram %d may be changed", name, i)
			}
			b[len(b)-1] ^= 1
		}
	})
}
