package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/test/interop"
)

// runs calls do with each run, its role and its recordings.
func runs(t *testing.T, do func(r *interop.Run, lakers *role, recordings []*recording)) {
	t.Helper()
	peer, err := interop.LoadJSON[interop.Peer]("expect.json")
	if err != nil {
		t.Fatal(err)
	}
	s := &suite{dir: "."}
	for i := range peer.Runs {
		r := &peer.Runs[i]
		if s.runs()[r.Name] == nil {
			t.Errorf("expect.json has a run %q, which there is not", r.Name)
		}
		lakers, err := s.newRole(r)
		if err != nil {
			t.Fatal(err)
		}
		recordings, err := load(filepath.Join("testdata", r.Name+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		do(r, lakers, recordings)
	}
}

// TestReplay has every case with what lakers has said once. Our side has to say the
// same as then, byte for byte, and to come to the same end.
func TestReplay(t *testing.T) {
	unused := map[string]bool{}
	for name := range cases {
		unused[name] = true
	}
	runs(t, func(r *interop.Run, lakers *role, recordings []*recording) {
		for _, c := range r.Cases {
			delete(unused, c.Name)
			i := slices.IndexFunc(recordings, func(rec *recording) bool { return rec.Case == c.Name })
			if (i < 0) != (c.Skip != "") {
				t.Errorf("%s, %s: recording %d, reason %q", r.Name, c.Name, i, c.Skip)
			}
			if i < 0 {
				continue
			}
			if err := lakers.replay(t.Context(), recordings[i]); err != nil {
				t.Errorf("%s, %s: %v", r.Name, c.Name, err)
			}
		}
	})
	for name := range unused {
		t.Errorf("no run has the case %q", name)
	}
}

// TestReplayNotices changes one answer of lakers at a time: whatever it says is
// compared or goes into the keys.
func TestReplayNotices(t *testing.T) {
	runs(t, func(r *interop.Run, lakers *role, recordings []*recording) {
		rec := recordings[slices.IndexFunc(recordings, func(rec *recording) bool { return rec.Case == "kid-message-4" })]
		for i := range rec.exchanges {
			good := rec.exchanges[i].Answer
			end := bytes.LastIndexByte(good, '"')
			if end < 0 {
				continue // it says no more than that it is done
			}
			rec.exchanges[i].Answer = slices.Clone(good)
			digit := &rec.exchanges[i].Answer[end-1]
			*digit = map[bool]byte{true: '1', false: '0'}[*digit == '0']
			if lakers.replay(t.Context(), rec) == nil {
				t.Errorf("%s: %s may be changed into %s", r.Name, good, rec.exchanges[i].Answer)
			}
			rec.exchanges[i].Answer = good
		}
		if err := lakers.replay(t.Context(), rec); err != nil {
			t.Errorf("%s, unchanged: %v", r.Name, err)
		}
		rec.exchanges = append(rec.exchanges, rec.exchanges[0])
		if lakers.replay(t.Context(), rec) == nil {
			t.Errorf("%s: an exchange that nobody asks for is not noticed", r.Name)
		}
	})
}
