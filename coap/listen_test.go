package coap_test

import (
	"context"
	"testing"

	"github.com/ostiary/ostiary/coap"
)

// TestListenAndServe: it ends with its context, and says so when the address
// cannot be had.
func TestListenAndServe(t *testing.T) {
	server := coap.Server{Handler: &coap.Mux{}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.ListenAndServe(ctx, "127.0.0.1:0") }()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("ended by its context: got %v, want nil", err)
	}
	taken, err := coap.Listen("udp4", "127.0.0.1:0", coap.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := server.ListenAndServe(t.Context(), taken.LocalAddr().String()); err == nil {
		t.Error("an address that is in use: got nil, want an error")
	}
}
