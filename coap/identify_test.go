package coap_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/ostiary/ostiary/coap"
)

// TestTokenAndEnd: what the layer of OSCORE needs of a ResponseWriter, also
// behind block-wise transfer.
func TestTokenAndEnd(t *testing.T) {
	type writer interface {
		coap.ResponseWriter
		Token() []byte
		End()
	}
	tokens := make(chan []byte, 8)
	ended := make(chan error, 1)
	handler := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		x, ok := w.(writer)
		if !ok {
			t.Errorf("%T has no Token and End", w)
			_ = w.Respond(r.NewResponse(coap.InternalServerError))
			return
		}
		tokens <- bytes.Clone(x.Token())
		ctx := r.Context()
		response := r.NewResponse(coap.Content)
		response.Options.SetUint(coap.Observe, 0)
		_ = w.Respond(response)
		if r.Path() != "/observed" {
			return
		}
		go func() {
			x.End()
			<-ctx.Done()
			late := &coap.Response{Code: coap.Content}
			late.Options.SetUint(coap.Observe, 0)
			ended <- w.Respond(late)
		}()
	})
	server, err := coap.Listen("udp", "127.0.0.1:0", coap.Config{Handler: handler})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := coap.Dial("udp", server.LocalAddr().String(), coap.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for range 2 {
		if _, err := client.Do(t.Context(), coap.NewRequest(coap.GET, "/a")); err != nil {
			t.Fatal(err)
		}
	}
	if first, second := <-tokens, <-tokens; len(first) == 0 || bytes.Equal(first, second) {
		t.Errorf("tokens of two requests: %x and %x", first, second)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_ = client.Observe(ctx, coap.NewRequest(coap.GET, "/observed"), func(*coap.Response) {})
	}()
	if err := <-ended; err == nil {
		t.Error("a notification was sent after End")
	}
	cancel()
	if n := server.Stats().Observations; n != 0 {
		t.Errorf("%d observations after End, want 0", n)
	}
}
