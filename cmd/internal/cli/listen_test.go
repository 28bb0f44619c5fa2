package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
)

func TestListenUDP(t *testing.T) {
	first, err := ListenUDP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	for _, c := range []struct{ name, address, want string }{
		{"in use", first.LocalAddr().String(), "is another server running?"},
		{"of another machine", "192.0.2.1:5683", "this machine does not have the address"},
		{"no port", "127.0.0.1", "want an address and a port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ListenUDP(c.address)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	var usage *UsageError
	if _, err := ListenUDP("here"); !errors.As(err, &usage) {
		t.Errorf("got %v, want a UsageError", err)
	}
}

func TestDrained(t *testing.T) {
	var told bytes.Buffer
	log, err := Logger(&told, "info", "text")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{nil, net.ErrClosed} {
		if got := Drained(err, log); got != err {
			t.Errorf("Drained(%v) = %v", err, got)
		}
	}
	if told.Len() != 0 {
		t.Errorf("log holds %s", &told)
	}
	if got := Drained(fmt.Errorf("shut down: %w", context.DeadlineExceeded), log); got != nil {
		t.Errorf("Drained after the deadline: got %v, want nil", got)
	}
	if !strings.Contains(told.String(), "without an answer") {
		t.Errorf("log holds %q", &told)
	}
}
