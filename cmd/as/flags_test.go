package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/store"
)

// TestNotLocked: a locked store is explained, and other errors stay.
func TestNotLocked(t *testing.T) {
	err := registryError("client", "alice", fmt.Errorf("store: client.add: %w: SQLITE_BUSY", store.ErrBusy))
	if err == nil || !strings.Contains(err.Error(), "nothing was changed") || strings.Contains(err.Error(), "SQLITE") {
		t.Errorf("got %v", err)
	}
	if err := notLocked(io.EOF); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want EOF", err)
	}
	if err := notLocked(nil); err != nil {
		t.Errorf("got %v, want nil", err)
	}
}
