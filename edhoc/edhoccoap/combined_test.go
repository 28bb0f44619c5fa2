package edhoccoap

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// combine runs a handshake up to the Doer of the combined request.
func (w *world) combine() (*edhoc.Session, *oscorecoap.Client, *CombinedDoer) {
	w.t.Helper()
	h, err := w.client.Begin(w.t.(*testing.T).Context())
	must(w.t, err)
	s, id, d, err := h.Combine(w.direct)
	must(w.t, err)
	return s, w.oscoreClient(s, id, d), d
}

// Two round trips for handshake and first request (RFC 9668, Figure 2).
//
//spec:9668-3.1-1
//spec:9668-3.1-2
//spec:9668-3.3.1-1
//spec:9668-3.3.1-6
func TestCombined(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		before := len(w.direct.Requests())
		_, c, _ := w.combine()
		w.wantWorks(c)
		w.wantWorks(c)
		sent := w.direct.Requests()[before:]
		if len(sent) != 3 {
			t.Fatalf("%d requests", len(sent))
		}
		first, second := sent[1], sent[2]
		if v, ok := first.Options.Get(coap.EDHOC); !ok || len(v) != 0 || !first.Options.Has(coap.OSCORE) || first.Options.Has(coap.ContentFormat) {
			t.Errorf("combined request: %v", first.Options)
		}
		if second.Options.Has(coap.EDHOC) {
			t.Error("the second request has an EDHOC option")
		}
	}
	if len(w.failures) != 0 || w.contexts.Len() != 2 || w.executed != 4 {
		t.Errorf("failures %v, %d contexts, %d executed", w.failures, w.contexts.Len(), w.executed)
	}
}

// The same combined request again, from wherever: the same answer, and nothing is done
// twice.
func TestCombinedAgain(t *testing.T) {
	w := newWorld(t)
	_, c, _ := w.combine()
	w.wantWorks(c)
	all := w.direct.Requests()
	request := all[len(all)-1]
	first, err := w.direct.Do(t.Context(), request)
	must(t, err)
	second, err := w.direct.Do(t.Context(), request)
	must(t, err)
	if !bytes.Equal(first.Payload, second.Payload) || !first.Options.Has(coap.OSCORE) || w.executed != 1 || w.contexts.Len() != 1 {
		t.Errorf("%x and %x, %d executed", first.Payload, second.Payload, w.executed)
	}
	// With another message_3 it is refused and hurts nobody.
	other := request.Clone()
	other.Payload[3] ^= 1
	resp, err := w.direct.Do(t.Context(), other)
	must(t, err)
	want(t, resp, coap.BadRequest, edhoc.ErrorMessage(&edhoc.Error{Code: edhoc.CodeUnspecified}))
	w.wantWorks(c)
}

// TestCombinedIsAuthorized is behaviour 46 and ED-18: what is inside is authorized as in
// any other request.
//
//spec:9668-7-1
//spec:9668-7-2
func TestCombinedIsAuthorized(t *testing.T) {
	w := newWorld(t, func(w *world) { w.refuse = &oscorecoap.Refusal{Code: coap.Forbidden} })
	_, c, _ := w.combine()
	resp, err := c.Do(t.Context(), coap.NewRequest(coap.GET, "/temp"))
	must(t, err)
	if resp.Code != coap.Forbidden || w.executed != 0 {
		t.Errorf("got %v, %d executed", resp.Code, w.executed)
	}
}

// TestCombinedFails is behaviour 46 and ED-18: a failed handshake is answered in clear with
// code 1 and leaves no context, whatever failed.
//
//spec:9668-3.3.1-4
//spec:9668-3.3.1-7
//spec:9668-3.3.1-8
func TestCombinedFails(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"unknown credential": func(w *world) { w.cfg.Find = finder() },
		"message_4 is due":   func(w *world) { w.cfg.Message4 = true },
		"own fault": func(w *world) {
			w.cfg.Establish = func(*edhoc.Session, *idalloc.Live) error { return errors.New("full") }
		},
	} {
		w := newWorld(t, change)
		_, c, _ := w.combine()
		_, err := c.Do(t.Context(), coap.NewRequest(coap.GET, "/temp"))
		var u *oscorecoap.UnprotectedError
		if !errors.As(err, &u) {
			t.Fatalf("%s: %v", name, err)
		}
		code := coap.BadRequest
		if name == "own fault" {
			code = coap.InternalServerError
		}
		want(t, u.Response, code, edhoc.ErrorMessage(&edhoc.Error{Code: edhoc.CodeUnspecified}))
		var peer *edhoc.PeerError
		if err := Refused(u.Response); !errors.As(err, &peer) || peer.Code != edhoc.CodeUnspecified {
			t.Errorf("%s: refused: %v", name, err)
		}
		if w.contexts.Len() != 0 || w.executed != 0 || w.server.Pending() != 0 || len(w.failures) != 1 {
			t.Errorf("%s: %d contexts, %d executed, failures %v", name, w.contexts.Len(), w.executed, w.failures)
		}
	}
}

// Combined requests that are none.
//
//spec:9668-3.3.1-2
//spec:9668-3.3.1-3
func TestCombinedMalformed(t *testing.T) {
	w := newWorld(t)
	h, err := w.client.Begin(t.Context())
	must(t, err)
	oscoreOption := append([]byte{0x09, 0x00}, h.cR...)
	for name, c := range map[string]struct {
		option  []byte
		payload []byte
		msg     []byte
	}{
		"no OSCORE option":      {nil, append(bytes.Clone(h.msg3), 1, 2, 3), nil},
		"malformed OSCORE":      {[]byte{0xff}, append(bytes.Clone(h.msg3), 1, 2, 3), nil},
		"no kid":                {[]byte{0x01, 0x00}, append(bytes.Clone(h.msg3), 1, 2, 3), nil},
		"no ciphertext":         {oscoreOption, h.msg3, nil},
		"no message_3":          {oscoreOption, []byte{1, 2, 3}, nil},
		"empty":                 {oscoreOption, nil, nil},
		"kid of no handshake":   {[]byte{0x09, 0x00, 'x', 'y'}, append(bytes.Clone(h.msg3), 1, 2, 3), edhoc.ErrorMessage(&edhoc.Error{Code: 1})},
		"message_3 as a text":   {oscoreOption, append([]byte{0x61, 0x61}, 1, 2, 3), nil},
		"message_3 not minimal": {oscoreOption, append([]byte{0x58, 0x01, 0x61}, 1, 2, 3), nil},
	} {
		r := coap.NewRequest(coap.POST, "/")
		if c.option != nil {
			r.Options.Set(coap.OSCORE, c.option)
		}
		r.Options.Set(coap.EDHOC, nil)
		r.Payload = c.payload
		resp, err := w.direct.Do(t.Context(), r)
		must(t, err)
		if resp.Code != coap.BadRequest || !bytes.Equal(resp.Payload, c.msg) {
			t.Errorf("%s: %v %x", name, resp.Code, resp.Payload)
		}
	}
	if w.server.Pending() != 1 {
		t.Error("the handshake is gone")
	}
	if _, _, err := h.Finish(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestEDHOCOption is ED-18.
//
// An EDHOC option inside OSCORE is a critical option that nobody has processed; a value
// of the outer one is ignored.
//
//spec:9668-3.3.1-5
//spec:9668-3.1-3
func TestEDHOCOption(t *testing.T) {
	r := coap.NewRequest(coap.GET, "/temp")
	r.Options.Set(coap.EDHOC, nil)
	if got := coap.CheckOptions(r); got != coap.EDHOC {
		t.Errorf("inside OSCORE: %v", got)
	}
	if got := coap.CheckOptions(r, coap.EDHOC); got != 0 {
		t.Errorf("where it is understood: %v", got)
	}
	r.Options.Add(coap.EDHOC, nil)
	if got := coap.CheckOptions(r, coap.EDHOC); got != coap.EDHOC {
		t.Errorf("twice: %v", got)
	}
	w := newWorld(t)
	inner := w.direct
	w.direct = &coaptest.Direct{Handler: coap.HandlerFunc(func(rw coap.ResponseWriter, r *coap.Request) {
		if r.Options.Has(coap.EDHOC) {
			r.Options.Set(coap.EDHOC, []byte("ignore me"))
		}
		inner.Handler.ServeCOAP(rw, r)
	})}
	w.client.Doer = w.direct
	_, c, _ := w.combine()
	w.wantWorks(c)
}

// A large body goes in inner blocks, of which the first one brings message_3; what does
// not fit goes in sequence.
//
//spec:9668-3.2.2-1
//spec:9668-3.2.2-2
//spec:9668-3.2.2-3
func TestCombinedBlockwise(t *testing.T) {
	w := newWorld(t)
	_, c, _ := w.combine()
	r := coap.NewRequest(coap.POST, "/big")
	r.Payload = bytes.Repeat([]byte("x"), 3000)
	resp, err := c.Do(t.Context(), r)
	must(t, err)
	if resp.Code != coap.Content || len(resp.Payload) < 3000 || w.executed != 1 {
		t.Errorf("got %v, %d bytes, %d executed", resp.Code, len(resp.Payload), w.executed)
	}
	n := 0
	for _, r := range w.direct.Requests() {
		if r.Options.Has(coap.EDHOC) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d requests with an EDHOC option", n)
	}

	w = newWorld(t)
	_, c, d := w.combine()
	d.handshake.msg3 = append(d.handshake.msg3, make([]byte, maxUnfragmented)...)
	before := len(w.direct.Requests())
	if _, err := c.Do(t.Context(), coap.NewRequest(coap.GET, "/temp")); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if len(w.direct.Requests()) != before {
		t.Error("something was sent")
	}
	d.handshake.msg3 = d.handshake.msg3[:len(d.handshake.msg3)-maxUnfragmented]
	must(t, d.Sequential(t.Context()))
	must(t, d.Sequential(t.Context()))
	w.wantWorks(c)
}

// A proxy may fragment the combined request.
func TestCombinedOuterBlockwise(t *testing.T) {
	w := newWorld(t)
	h, err := w.client.Begin(t.Context())
	must(t, err)
	s, id, d, err := h.Combine(coap.BlockwiseClient(w.direct, coap.BlockwiseConfig{BlockSize: 16}))
	must(t, err)
	c := w.oscoreClient(s, id, d)
	before := len(w.direct.Requests())
	w.wantWorks(c)
	if n := len(w.direct.Requests()) - before; n < 2 {
		t.Errorf("%d requests", n)
	}
}

// Where message_4 is used there is no combined request; and the Doer sends nothing in
// clear.
func TestCombineMisuse(t *testing.T) {
	w := newWorld(t)
	h, err := w.client.Begin(t.Context())
	must(t, err)
	h.client.Message4 = true
	if _, _, _, err := h.Combine(w.direct); !errors.Is(err, ErrConfig) {
		t.Errorf("with message_4: %v", err)
	}
	w = newWorld(t)
	_, _, d := w.combine()
	if _, err := d.Do(t.Context(), coap.NewRequest(coap.GET, "/temp")); !errors.Is(err, ErrConfig) {
		t.Errorf("in clear: %v", err)
	}
	if err := d.Observe(t.Context(), coap.NewRequest(coap.GET, "/temp"), nil); !errors.Is(err, ErrConfig) {
		t.Errorf("observation first: %v", err)
	}
}

// A server that is busy has not seen message_3: it goes along with the next request.
func TestCombinedWhenBusy(t *testing.T) {
	w := newWorld(t)
	_, c, d := w.combine()
	d.next = &coaptest.Direct{Handler: coap.HandlerFunc(func(rw coap.ResponseWriter, _ *coap.Request) { busy(rw) })}
	if _, err := c.Do(t.Context(), coap.NewRequest(coap.GET, "/temp")); err == nil {
		t.Error("no error")
	}
	d.next = w.direct
	w.wantWorks(c)
	w.wantWorks(c)
	if w.executed != 2 || w.contexts.Len() != 1 {
		t.Errorf("%d executed, %d contexts", w.executed, w.contexts.Len())
	}
}

// A request that waits for the first one to be answered ends with its context.
func TestCombinedWaits(t *testing.T) {
	w := newWorld(t)
	h, err := w.client.Begin(t.Context())
	must(t, err)
	sent, answer := make(chan struct{}), make(chan struct{})
	_, _, d, err := h.Combine(doerFunc(func(context.Context, *coap.Request) (*coap.Response, error) {
		close(sent)
		<-answer
		return nil, errGone
	}))
	must(t, err)
	first := make(chan error)
	go func() {
		r := coap.NewRequest(coap.POST, "/")
		r.Options.Set(coap.OSCORE, nil)
		_, err := d.Do(context.Background(), r)
		first <- err
	}()
	<-sent
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := d.Do(ctx, coap.NewRequest(coap.POST, "/")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Do: %v", err)
	}
	if err := d.Sequential(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Sequential: %v", err)
	}
	if err := d.Observe(ctx, coap.NewRequest(coap.POST, "/"), nil); !errors.Is(err, ErrConfig) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Observe: %v", err)
	}
	close(answer)
	if err := <-first; !errors.Is(err, errGone) {
		t.Errorf("the first: %v", err)
	}
}
