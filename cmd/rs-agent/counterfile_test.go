package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/ace/rs"
)

func TestCounterFile(t *testing.T) {
	f := &counterFile{path: filepath.Join(t.TempDir(), "state")}
	if got, err := f.Load(); err != nil || got != nil {
		t.Fatalf("Load without a file: got %v, %v; want none", got, err)
	}
	// A crash has left a part.
	if err := os.WriteFile(f.path+".part", bytes.Repeat([]byte("x"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []rs.Counter{{Issuer: "coap://as.example", Sequence: 7, Left: 60}}
	for range 2 { // the second replaces the first
		if err := f.Save(want); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := f.Load(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Load: got %v, %v; want %v", got, err, want)
	}
	left, err := os.ReadDir(filepath.Dir(f.path))
	if err != nil || len(left) != 1 {
		t.Errorf("files left behind: %v, %v", left, err)
	}
}

// TestCounterFileDamaged: a damaged file stops the agent, for an empty one
// would let tokens that have expired live again.
func TestCounterFileDamaged(t *testing.T) {
	f := &counterFile{path: filepath.Join(t.TempDir(), "state")}
	if err := os.WriteFile(f.path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load(); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("Load: got %v, want an error", err)
	}
}
