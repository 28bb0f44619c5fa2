package coap_test

import (
	"bytes"
	"context"
	"net"
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

// TestDrop: a request that gets no response is acknowledged, and nothing is
// kept for it, whether the handler says so at once or later.
func TestDrop(t *testing.T) {
	type dropper interface{ Drop() }
	release := make(chan bool)
	dropped := make(chan bool, 8)
	handler := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		d, ok := w.(dropper)
		if !ok {
			t.Errorf("%T has no Drop", w)
			return
		}
		if r.Path() == "/now" {
			d.Drop()
			d.Drop()
			if err := w.Respond(r.NewResponse(coap.Content)); err == nil {
				t.Error("a dropped request was answered")
			}
			dropped <- true
			return
		}
		go func() {
			<-release
			d.Drop()
			dropped <- true
		}()
	})
	server, err := coap.Listen("udp", "127.0.0.1:0", coap.Config{Handler: handler})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := coap.Dial("udp", server.LocalAddr().String(), coap.Config{NStart: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithCancel(t.Context())
	for _, path := range []string{"/now", "/later"} {
		go func() { _, _ = client.Do(ctx, coap.NewRequest(coap.GET, path)) }()
	}
	<-dropped
	close(release)
	<-dropped
	if n := server.Stats().Pending; n != 0 {
		t.Errorf("%d requests are pending after Drop, want 0", n)
	}
	cancel()
	if got := client.Endpoint.Stats().Retransmissions; got != 0 {
		t.Errorf("%d retransmissions, want none: dropped requests are acknowledged", got)
	}
}

// TestOuterObserveEndsNoProtectedObservation: the outer option is not
// protected; anybody on the path could end an observation with it.
func TestOuterObserveEndsNoProtectedObservation(t *testing.T) {
	handler := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		response := r.NewResponse(coap.Content)
		response.Options.SetUint(coap.Observe, 0)
		response.Options.Set(coap.OSCORE, nil)
		response.Payload = []byte("ciphertext")
		_ = w.Respond(response)
	})
	server, err := coap.Listen("udp4", "127.0.0.1:0", coap.Config{Handler: handler, Understands: []coap.OptionID{coap.OSCORE}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	conn, err := net.Dial("udp4", server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i, c := range []struct {
		message string
		want    int // observations
	}{
		{"\x41\x01\x00\x01\xaa\x60\x31\x09\xff\x01", 1},     // Observe 0, OSCORE
		{"\x41\x01\x00\x02\xaa\x61\x01\x31\x09\xff\x01", 1}, // Observe 1, OSCORE
		{"\x41\x01\x00\x03\xaa\x61\x01", 0},                 // Observe 1, in clear
	} {
		if _, err := conn.Write([]byte(c.message)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		if got := server.Stats().Observations; got != c.want {
			t.Errorf("after message %d: %d observations, want %d", i+1, got, c.want)
		}
	}
}
