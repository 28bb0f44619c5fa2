package oscorecoap_test

import (
	"bytes"
	"context"
	"crypto/cipher"
	"testing"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// The cases of the OSCORE plug tests ("Tests Specification for OSCORE",
// version 5), client and server against each other over loopback.

// plugParams are the security contexts A and C of the specification, of the
// client; B and D have the IDs swapped.
func plugParams(idContext []byte) oscore.Config {
	return oscore.Config{Params: oscore.Params{
		MasterSecret: []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
		MasterSalt:   []byte{0x9e, 0x7c, 0xa9, 0x22, 0x23, 0x78, 0x63, 0x40},
		IDContext:    idContext,
		SenderID:     []byte{}, RecipientID: []byte{1},
	}}
}

var contextC = []byte{0x37, 0xcb, 0xf3, 0x21, 0x00, 0x17, 0xa2, 0xd3}

// plugServer serves the resources of the specification, over go-coap, behind a
// relay that records.
type plugServer struct {
	path      *relay
	transport transport
	observe1  chan coap.ResponseWriter
	observe2  chan coap.ResponseWriter
}

func newPlugServer(t *testing.T, tr transport) *plugServer {
	t.Helper()
	s := &plugServer{transport: tr, observe1: make(chan coap.ResponseWriter, 4), observe2: make(chan coap.ResponseWriter, 4)}
	var contexts oscore.Contexts
	for _, id := range [][]byte{nil, contextC} {
		cfg := plugParams(id)
		cfg.SenderID, cfg.RecipientID = cfg.RecipientID, cfg.SenderID
		if err := contexts.Add(associate(t, cfg)); err != nil {
			t.Fatal(err)
		}
	}
	mux := new(coap.Mux)
	mux.HandleFunc("GET /oscore/hello/coap", hello())
	mux.HandleFunc("GET /oscore/hello/1", hello())
	mux.HandleFunc("GET /oscore/hello/2", hello(coap.Option{ID: coap.ETag, Value: []byte{0x2b}}))
	mux.HandleFunc("GET /oscore/hello/3", hello(coap.Option{ID: coap.MaxAge, Value: []byte{5}}))
	mux.HandleFunc("POST /oscore/hello/6", func(w coap.ResponseWriter, r *coap.Request) {
		_ = w.Respond(text(coap.Changed, string(r.Payload)))
	})
	mux.HandleFunc("PUT /oscore/hello/7", put)
	mux.HandleFunc("GET /oscore/observe1", observable(s.observe1, "one"))
	mux.HandleFunc("GET /oscore/observe2", observable(s.observe2, "two"))
	mux.HandleFunc("DELETE /oscore/test", func(w coap.ResponseWriter, _ *coap.Request) {
		_ = w.Respond(&coap.Response{Code: coap.Deleted})
	})
	h := oscorecoap.Handler(&contexts, mux, oscorecoap.Plain(mux, "/oscore/hello/coap"),
		oscorecoap.Config{Understands: []coap.OptionID{coap.IfMatch, coap.IfNoneMatch}})
	s.path = newRelay(t, tr.serve(t, h))
	return s
}

func text(code coap.Code, payload string, options ...coap.Option) *coap.Response {
	resp := &coap.Response{Code: code, Payload: []byte(payload)}
	resp.Options.AddUint(coap.ContentFormat, 0)
	for _, o := range options {
		resp.Options.Add(o.ID, o.Value)
	}
	return resp
}

func hello(options ...coap.Option) func(coap.ResponseWriter, *coap.Request) {
	return func(w coap.ResponseWriter, r *coap.Request) {
		if accept, ok := r.Options.Uint(coap.Accept); ok && accept != 0 {
			_ = w.Respond(&coap.Response{Code: coap.NotAcceptable})
			return
		}
		_ = w.Respond(text(coap.Content, "Hello World!", options...))
	}
}

// put is the resource /oscore/hello/7, whose ETag is 0x7b.
func put(w coap.ResponseWriter, r *coap.Request) {
	match, ok := r.Options.Get(coap.IfMatch)
	if ok && !bytes.Equal(match, []byte{0x7b}) || r.Options.Has(coap.IfNoneMatch) {
		_ = w.Respond(&coap.Response{Code: coap.PreconditionFailed})
		return
	}
	_ = w.Respond(&coap.Response{Code: coap.Changed})
}

// observable answers "one" to a registration, and plain to everything else.
func observable(registered chan<- coap.ResponseWriter, plain string) func(coap.ResponseWriter, *coap.Request) {
	return func(w coap.ResponseWriter, r *coap.Request) {
		if observe, ok := r.Options.Uint(coap.Observe); ok && observe == 0 {
			_ = w.Respond(text(coap.Content, "one", coap.Option{ID: coap.Observe}))
			registered <- w
			return
		}
		_ = w.Respond(text(coap.Content, plain))
	}
}

// client returns a client with a context of the specification, fresh.
func (s *plugServer) client(t *testing.T, cfg oscore.Config) *oscorecoap.Client {
	t.Helper()
	return oscorecoap.NewClient(s.transport.dial(t, s.path.addr()), associate(t, cfg), oscorecoap.ClientConfig{})
}

// do sends a request and checks the response, and the codes on the wire.
func (s *plugServer) do(t *testing.T, c coap.Doer, r *coap.Request, outer, code, outerResponse coap.Code, payload string) *coap.Response {
	t.Helper()
	resp, err := c.Do(t.Context(), r)
	wantResponse(t, resp, err, code, payload)
	s.wantOuter(t, true, outer)
	s.wantOuter(t, false, outerResponse)
	return resp
}

func (s *plugServer) wantOuter(t *testing.T, up bool, want coap.Code) {
	t.Helper()
	passed := s.path.passed(up)
	if got := codeOf(passed[len(passed)-1]); got != want {
		t.Errorf("outer code %v, want %v", got, want)
	}
}

func wantOption(t *testing.T, resp *coap.Response, id coap.OptionID, want ...byte) {
	t.Helper()
	if got, ok := resp.Options.Get(id); !ok || !bytes.Equal(got, want) {
		t.Errorf("option %d: got %x, %v, want %x", id, got, ok, want)
	}
}

func TestPlugCorrectUse(t *testing.T) {
	overLoopback(t, func(t *testing.T, tr transport) {
		s := newPlugServer(t, tr)
		a := s.client(t, plugParams(nil))
		t.Run("0", func(t *testing.T) {
			resp := s.do(t, tr.dial(t, s.path.addr()), coap.NewRequest(coap.GET, "/oscore/hello/coap"), coap.GET, coap.Content, coap.Content, "Hello World!")
			wantOption(t, resp, coap.ContentFormat)
		})
		t.Run("1", func(t *testing.T) {
			resp := s.do(t, a, coap.NewRequest(coap.GET, "/oscore/hello/1"), coap.POST, coap.Content, coap.Changed, "Hello World!")
			wantOption(t, resp, coap.ContentFormat)
		})
		t.Run("2", func(t *testing.T) {
			c := s.client(t, plugParams(contextC))
			s.do(t, c, coap.NewRequest(coap.GET, "/oscore/hello/1"), coap.POST, coap.Content, coap.Changed, "Hello World!")
			up, down := s.path.passed(true), s.path.passed(false)
			if !bytes.Contains(up[len(up)-1], contextC) || bytes.Contains(down[len(down)-1], contextC) {
				t.Error("the ID Context belongs in the request, and not in the response")
			}
		})
		t.Run("3", func(t *testing.T) {
			resp := s.do(t, a, coap.NewRequest(coap.GET, "/oscore/hello/2?first=1"), coap.POST, coap.Content, coap.Changed, "Hello World!")
			wantOption(t, resp, coap.ETag, 0x2b)
		})
		t.Run("4", func(t *testing.T) {
			r := coap.NewRequest(coap.GET, "/oscore/hello/3")
			r.Options.AddUint(coap.Accept, 0)
			resp := s.do(t, a, r, coap.POST, coap.Content, coap.Changed, "Hello World!")
			wantOption(t, resp, coap.MaxAge, 5)
		})
		t.Run("5", func(t *testing.T) {
			var got []string
			if err := a.Observe(t.Context(), coap.NewRequest(coap.GET, "/oscore/hello/1"), func(r *coap.Response) { got = append(got, string(r.Payload)) }); err != nil {
				t.Fatal(err)
			}
			if len(got) != 1 || got[0] != "Hello World!" {
				t.Errorf("got %q, want one response", got)
			}
			s.wantOuter(t, true, coap.FETCH)
			s.wantOuter(t, false, coap.Changed)
		})
		t.Run("6", func(t *testing.T) { s.observe(t, a) })
		t.Run("7", func(t *testing.T) { s.observeAndCancel(t, a) })
		t.Run("8", func(t *testing.T) {
			r := coap.NewRequest(coap.POST, "/oscore/hello/6")
			r.Options.AddUint(coap.ContentFormat, 0)
			r.Payload = []byte{0x4a}
			s.do(t, a, r, coap.POST, coap.Changed, coap.Changed, "\x4a")
		})
		t.Run("9", func(t *testing.T) {
			r := coap.NewRequest(coap.PUT, "/oscore/hello/7")
			r.Options.AddUint(coap.ContentFormat, 0)
			r.Options.Add(coap.IfMatch, []byte{0x7b})
			r.Payload = []byte{0x7a}
			s.do(t, a, r, coap.POST, coap.Changed, coap.Changed, "")
		})
		t.Run("10", func(t *testing.T) {
			r := coap.NewRequest(coap.PUT, "/oscore/hello/7")
			r.Options.AddUint(coap.ContentFormat, 0)
			r.Options.Add(coap.IfNoneMatch, nil)
			r.Payload = []byte{0x8a}
			s.do(t, a, r, coap.POST, coap.PreconditionFailed, coap.Changed, "")
		})
		t.Run("11", func(t *testing.T) {
			s.do(t, a, coap.NewRequest(coap.DELETE, "/oscore/test"), coap.POST, coap.Deleted, coap.Changed, "")
		})
	})
}

// observe is case 6: two notifications, and an error that ends it.
func (s *plugServer) observe(t *testing.T, a *oscorecoap.Client) {
	got := make(chan *coap.Response, 8)
	done := make(chan error, 1)
	go func() {
		done <- a.Observe(t.Context(), coap.NewRequest(coap.GET, "/oscore/observe1"), func(r *coap.Response) { got <- r })
	}()
	w := wait(t, s.observe1, "registration")
	s.wantOuter(t, true, coap.FETCH)
	first := wait(t, got, "first notification")
	s.wantOuter(t, false, coap.Content)
	_ = w.Respond(text(coap.Content, "two", coap.Option{ID: coap.Observe}))
	second := wait(t, got, "second notification")
	_ = w.Respond(text(coap.InternalServerError, "Terminate Observe"))
	last := wait(t, got, "last response")
	wantResponse(t, first, nil, coap.Content, "one")
	wantResponse(t, second, nil, coap.Content, "two")
	wantResponse(t, last, nil, coap.InternalServerError, "Terminate Observe")
	if !first.Options.Has(coap.Observe) || !second.Options.Has(coap.Observe) || last.Options.Has(coap.Observe) {
		t.Error("the two notifications have Observe, the error has not")
	}
	if err := wait(t, done, "Observe"); err != nil {
		t.Error(err)
	}
}

// observeAndCancel is case 7: registration and cancellation.
func (s *plugServer) observeAndCancel(t *testing.T, a *oscorecoap.Client) {
	got := make(chan *coap.Response, 8)
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		done <- a.Observe(ctx, coap.NewRequest(coap.GET, "/oscore/observe2"), func(r *coap.Response) { got <- r })
	}()
	w := wait(t, s.observe2, "registration")
	wantResponse(t, wait(t, got, "first notification"), nil, coap.Content, "one")
	_ = w.Respond(text(coap.Content, "two", coap.Option{ID: coap.Observe}))
	wantResponse(t, wait(t, got, "second notification"), nil, coap.Content, "two")
	cancel()
	if err := wait(t, done, "Observe"); err != nil {
		t.Error(err)
	}
	if err := w.Respond(text(coap.Content, "three", coap.Option{ID: coap.Observe})); err == nil {
		t.Error("a notification after the cancellation: no error")
	}
}

func TestPlugIncorrectUse(t *testing.T) {
	overLoopback(t, func(t *testing.T, tr transport) {
		s := newPlugServer(t, tr)
		get := func() *coap.Request { return coap.NewRequest(coap.GET, "/oscore/hello/1") }
		refused := func(t *testing.T, cfg oscore.Config, code coap.Code, payload string) {
			t.Helper()
			_, err := s.client(t, cfg).Do(t.Context(), get())
			var unprotected *oscorecoap.UnprotectedError
			if !asError(err, &unprotected) || unprotected.Response.Code != code || string(unprotected.Response.Payload) != payload {
				t.Errorf("got %v, want an unprotected %v %q", err, code, payload)
			}
		}
		t.Run("12", func(t *testing.T) {
			cfg := plugParams(nil)
			cfg.SenderID = []byte{7}
			refused(t, cfg, coap.Unauthorized, "Security context not found")
		})
		t.Run("13", func(t *testing.T) {
			cfg := plugParams(nil)
			cfg.DangerNewAEAD = changeKey(0xf0) // the Sender Key begins with f0
			refused(t, cfg, coap.BadRequest, "Decryption failed")
		})
		t.Run("14", func(t *testing.T) {
			cfg := plugParams(nil)
			cfg.DangerNewAEAD = changeKey(0xff) // the Recipient Key begins with ff
			_, err := s.client(t, cfg).Do(t.Context(), get())
			var e *oscore.Error
			if !asError(err, &e) {
				t.Errorf("got %v, want an *oscore.Error", err)
			}
			s.wantOuter(t, false, coap.Changed)
		})
		t.Run("15", func(t *testing.T) {
			// The specification's client sets its sequence number back: here a
			// new client of the same context, whose first request is what that
			// of case 14 was. Its token shows that it is no retransmission.
			refused(t, plugParams(nil), coap.Unauthorized, "Replay detected")
		})
		t.Run("16", func(t *testing.T) {
			unaware := newRelay(t, unawareServer(t))
			c := oscorecoap.NewClient(tr.dial(t, unaware.addr()), associate(t, plugParams(nil)), oscorecoap.ClientConfig{})
			_, err := c.Do(t.Context(), coap.NewRequest(coap.GET, "/oscore/hello/coap"))
			var unprotected *oscorecoap.UnprotectedError
			if !asError(err, &unprotected) || unprotected.Response.Code != coap.BadOption {
				t.Errorf("got %v, want an unprotected 4.02", err)
			}
		})
		t.Run("17", func(t *testing.T) {
			resp, err := tr.dial(t, s.path.addr()).Do(t.Context(), get())
			wantResponse(t, resp, err, coap.Unauthorized, "")
		})
	})
}

// changeKey makes another key of the one that begins with a byte.
func changeKey(first byte) func(cose.Algorithm, []byte) (cipher.AEAD, error) {
	return func(a cose.Algorithm, key []byte) (cipher.AEAD, error) {
		key = bytes.Clone(key)
		if key[0] == first {
			key[15] ^= 1
		}
		return a.NewAEAD(key)
	}
}
