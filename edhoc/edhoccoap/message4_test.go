package edhoccoap

import (
	"errors"
	"testing"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// What the profile of the server and that of the client say about message_4, in the
// sequential flow and with the combined request.
//
//spec:9668-3.3.1-4
//spec:9668-3.3.1-6
//spec:9668-5-1
func TestMessage4Profiles(t *testing.T) {
	type profile struct{ must, may bool }
	unused, optional, due := profile{}, profile{may: true}, profile{must: true}
	for _, c := range []struct {
		server, client profile
		message4       bool // is sent in the sequential flow
		sequential     bool // works
		combined       bool // works
	}{
		{unused, unused, false, true, true},
		{unused, optional, false, false, true},
		{unused, due, false, false, false},
		{optional, unused, true, true, true},
		{optional, optional, true, true, true},
		{optional, due, true, true, false},
		{due, unused, true, true, false},
		{due, optional, true, true, false},
		{due, due, true, true, false},
		{profile{true, true}, optional, true, true, false}, // Message4 is stronger
		{optional, profile{true, true}, true, true, false},
	} {
		w := newWorld(t, func(w *world) {
			w.cfg.Message4, w.cfg.Message4Optional = c.server.must, c.server.may
			w.client.Message4, w.client.Message4Optional = c.client.must, c.client.may
		})
		s, id, err := w.client.Establish(t.Context())
		if (err == nil) != c.sequential {
			t.Errorf("%v: sequential: %v", c, err)
		}
		all := w.direct.Requests()
		if resp := w.post(all[1].Payload); resp.Code != coap.Changed || (len(resp.Payload) > 0) != c.message4 {
			t.Errorf("%v: message_3 is answered with %v %x", c, resp.Code, resp.Payload)
		}
		if err == nil {
			if s.Confirmed() != (c.client.must || c.client.may) {
				t.Errorf("%v: confirmed %t", c, s.Confirmed())
			}
			w.wantWorks(w.oscoreClient(s, id, w.direct))
		}
		contexts := w.contexts.Len()

		h, err := w.client.Begin(t.Context())
		must(t, err)
		s, id, d, err := h.Combine(w.direct)
		if c.client.must {
			if !errors.Is(err, ErrConfig) {
				t.Errorf("%v: Combine: %v", c, err)
			}
			continue
		}
		must(t, err)
		o := w.oscoreClient(s, id, d)
		if c.combined {
			w.wantWorks(o)
			continue
		}
		// An EDHOC error message in clear, and no context.
		_, err = o.Do(t.Context(), coap.NewRequest(coap.GET, "/temp"))
		var u *oscorecoap.UnprotectedError
		if !errors.As(err, &u) || w.contexts.Len() != contexts {
			t.Fatalf("%v: combined: %v, %d contexts", c, err, w.contexts.Len())
		}
		want(t, u.Response, coap.BadRequest, edhoc.ErrorMessage(&edhoc.Error{Code: edhoc.CodeUnspecified}))
	}
}

// One server, and peers that do as each likes, in turn.
func TestMessage4AsEachChooses(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.Message4Optional, w.client.Message4Optional = true, true })
	for range 2 {
		s, id, err := w.client.Establish(t.Context())
		must(t, err)
		if !s.Confirmed() {
			t.Error("there was no message_4")
		}
		w.wantWorks(w.oscoreClient(s, id, w.direct))
		_, c, _ := w.combine()
		w.wantWorks(c)
	}
	if w.contexts.Len() != 4 || len(w.failures) != 0 {
		t.Errorf("%d contexts, failures %v", w.contexts.Len(), w.failures)
	}
}

// A combined request does not follow a message_3 that was answered alone, nor the other
// way round: the answers differ.
func TestMessage3BothWays(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.Message4Optional, w.client.Message4Optional = true, true })
	_, c, d := w.combine()
	w.wantWorks(c)
	d.done = false
	if err := d.Sequential(t.Context()); !errors.Is(err, ErrResponse) {
		t.Errorf("alone, after the combined request: %v", err)
	}
	_, c, d = w.combine()
	must(t, d.Sequential(t.Context()))
	d.done = false
	_, err := c.Do(t.Context(), coap.NewRequest(coap.GET, "/temp"))
	var u *oscorecoap.UnprotectedError
	if !errors.As(err, &u) || Refused(u.Response) == nil {
		t.Errorf("combined, after it came alone: %v", err)
	}
	d.done = true
	w.wantWorks(c)
}
