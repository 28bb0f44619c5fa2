package store

import (
	"path/filepath"
	"testing"

	"github.com/ostiary/ostiary/ace/as"
)

func TestRevision(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s", "db")
	s, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	revision := func() string {
		t.Helper()
		r, err := s.Revision(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	seen := map[string]bool{revision(): true}
	for _, change := range []func() error{
		func() error { return s.Admin("a").AddClient(t.Context(), as.Client{Name: "alice"}) },
		func() error { return s.Admin("a").UpdateClient(t.Context(), as.Client{Name: "alice", Suspended: true}) },
		func() error { return s.Admin("a").RemoveClient(t.Context(), "alice") },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		r := revision()
		if seen[r] {
			t.Errorf("revision %q came before", r)
		}
		seen[r] = true
	}
	if before, err := revision(), s.Admin("a").RemoveClient(t.Context(), "nobody"); err == nil || revision() != before {
		t.Errorf("a change that failed: %v, revision %q after %q", err, revision(), before)
	}
}
