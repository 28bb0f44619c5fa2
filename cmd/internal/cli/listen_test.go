package cli

import (
	"errors"
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
