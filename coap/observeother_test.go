package coap_test

import (
	"testing"

	"github.com/ostiary/ostiary/coap"
)

// TestObserveOfAnotherMethod: the Observe option means nothing to other methods than
// GET and FETCH (RFC 7641, Section 2; RFC 8132, Section 2.4). A handler does not see
// it: it would go on to notify by a ResponseWriter that serves somebody else by then.
func TestObserveOfAnotherMethod(t *testing.T) {
	var kept []coap.ResponseWriter
	e, err := coap.Listen("udp4", "127.0.0.1:0", coap.Config{Handler: coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		resp := r.NewResponse(coap.Content)
		if r.Path() == "/yours" {
			for _, w := range kept {
				n := &coap.Response{Code: coap.Content, Payload: []byte("a notification of others")}
				n.Options.AddUint(coap.Observe, 0)
				_ = w.Respond(n)
			}
			resp.Payload = []byte("yours")
		} else if v, ok := r.Options.Uint(coap.Observe); ok && v == 0 {
			kept = append(kept, w) // until the context of the request ends, as coap.ResponseWriter says
			resp.Options.AddUint(coap.Observe, 0)
		}
		_ = w.Respond(resp)
	})})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	client, err := coap.Dial("udp4", e.LocalAddr().String(), coap.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	for _, code := range []coap.Code{coap.POST, coap.PUT, coap.DELETE, coap.PATCH, coap.IPATCH} {
		r := coap.NewRequest(code, "/x")
		r.Options.AddUint(coap.Observe, 0)
		if _, err := client.Do(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	other, err := coap.Dial("udp4", e.LocalAddr().String(), coap.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	resp, err := other.Do(t.Context(), coap.NewRequest(coap.GET, "/yours"))
	if err != nil || string(resp.Payload) != "yours" {
		t.Errorf("got %q, %v; want yours", resp.Payload, err)
	}
	if len(kept) > 0 {
		t.Errorf("%d requests were taken for registrations", len(kept))
	}
}
