package oscorecoap_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

func TestRequestsReachTheHandler(t *testing.T) {
	p := newPair(t, nil)
	type seen struct {
		code           coap.Code
		path, query    string
		payload        string
		subject        string
		grant          any
		remote         netip.AddrPort
		nonConfirmable bool
	}
	var got seen
	h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		got = seen{
			r.Code, r.Path(), strings.Join(r.Options.Queries(), "&"), string(r.Payload),
			r.Identity.Subject(), oscorecoap.Grant(r.Context()), r.RemoteAddr, r.NonConfirmable,
		}
		if r.Identity != p.server {
			t.Errorf("identity is %v, want the server's association", r.Identity)
		}
		if r.Options.Has(coap.OSCORE) {
			t.Error("the handler sees the OSCORE option")
		}
		resp := &coap.Response{Code: coap.Changed, Payload: []byte("re: " + got.payload)}
		resp.Options.AddUint(coap.MaxAge, 9)
		_ = w.Respond(resp)
	}), nil, oscorecoap.Config{Authorize: func(sec *oscore.Association, r *coap.Request) (any, error) {
		return "grant for " + sec.Subject() + " " + r.Path(), nil
	}})
	c, d := p.connect(h)
	for i, code := range []coap.Code{coap.GET, coap.POST, coap.PUT, coap.DELETE, coap.FETCH, coap.PATCH, coap.IPATCH} {
		r := coap.NewRequest(code, "/a/b?x=1")
		r.NonConfirmable = i%2 == 1
		if code != coap.GET && code != coap.DELETE {
			r.Payload = []byte("body")
		}
		resp, err := c.Do(t.Context(), r)
		wantResponse(t, resp, err, coap.Changed, "re: "+string(r.Payload))
		if age, _ := resp.Options.Uint(coap.MaxAge); age != 9 || resp.Options.Has(coap.OSCORE) {
			t.Errorf("%v: response options %v, want Max-Age 9 only", code, resp.Options)
		}
		want := seen{code, "/a/b", "x=1", string(r.Payload), "client", "grant for client /a/b", addrA, r.NonConfirmable}
		if got != want {
			t.Errorf("handler got %+v, want %+v", got, want)
		}
		sent := d.Requests()[i]
		if sent.Code != coap.POST || !sent.Options.Has(coap.OSCORE) || sent.Options.Has(coap.URIPath) || strings.Contains(string(sent.Payload), "body") {
			t.Errorf("%v went out as %+v, want a POST that hides it", code, sent)
		}
	}
}

func TestHandlerWithoutGrant(t *testing.T) {
	p := newPair(t, nil)
	h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		if g := oscorecoap.Grant(r.Context()); g != nil {
			t.Errorf("grant is %v, want none", g)
		}
		_ = w.Respond(r.NewResponse(coap.Valid))
	}), nil, oscorecoap.Config{})
	c, _ := p.connect(h)
	resp, err := c.Do(t.Context(), coap.NewRequest(coap.GET, "/"))
	wantResponse(t, resp, err, coap.Valid, "")
}

// What is protected cannot be reached in clear, nor the other way round.
func TestPlainAndProtectedAreApart(t *testing.T) {
	p := newPair(t, nil)
	plain := oscorecoap.Plain(respondWith(coap.Created, "plain"), "/authz-info")
	h := p.handler(t, respondWith(coap.Content, "protected"), plain, oscorecoap.Config{})
	clear := &coaptest.Direct{Handler: h}
	for path, want := range map[string]coap.Code{
		"/authz-info": coap.Created, "/": coap.Unauthorized, "/x": coap.Unauthorized, "/authz-info/x": coap.Unauthorized,
		"/authz-infox": coap.Unauthorized, "//authz-info": coap.Unauthorized,
	} {
		resp, err := clear.Do(t.Context(), coap.NewRequest(coap.POST, path))
		if err != nil || resp.Code != want {
			t.Errorf("%s in clear: got %v, %v, want %v", path, resp, err, want)
		}
	}
	c, _ := p.connect(h)
	resp, err := c.Do(t.Context(), coap.NewRequest(coap.POST, "/authz-info"))
	wantResponse(t, resp, err, coap.Content, "protected")

	none := &coaptest.Direct{Handler: p.handler(t, respondWith(coap.Content, "protected"), nil, oscorecoap.Config{})}
	resp, err = none.Do(t.Context(), coap.NewRequest(coap.GET, "/x"))
	wantResponse(t, resp, err, coap.Unauthorized, "")
}

// The errors of RFC 8613, Section 8.2, are not protected, and each says what
// failed and no more.
func TestRequestsThatDoNotVerify(t *testing.T) {
	for name, c := range map[string]struct {
		change func(client, server *oscore.Config)
		spoil  func(r *coap.Request)
		code   coap.Code
		text   string
	}{
		"unknown kid":            {func(client, _ *oscore.Config) { client.SenderID = []byte{9} }, nil, coap.Unauthorized, "Security context not found"},
		"wrong key":              {func(client, _ *oscore.Config) { client.MasterSecret = []byte("another secret!!") }, nil, coap.BadRequest, "Decryption failed"},
		"ciphertext changed":     {nil, func(r *coap.Request) { r.Payload[0] ^= 1 }, coap.BadRequest, "Decryption failed"},
		"malformed option":       {nil, func(r *coap.Request) { r.Options.Set(coap.OSCORE, []byte{0xff}) }, coap.BadOption, "Failed to decode COSE"},
		"no kid":                 {nil, func(r *coap.Request) { r.Options.Set(coap.OSCORE, nil) }, coap.BadOption, "Failed to decode COSE"},
		"two OSCORE options":     {nil, func(r *coap.Request) { r.Options.Add(coap.OSCORE, []byte{9, 0, 1}) }, coap.BadOption, "Failed to decode COSE"},
		"OSCORE without payload": {nil, func(r *coap.Request) { r.Payload = nil }, coap.BadOption, "Failed to decode COSE"},
	} {
		p := newPair(t, c.change)
		var refused error
		h := p.handler(t, coap.HandlerFunc(func(coap.ResponseWriter, *coap.Request) { t.Errorf("%s: handler called", name) }), nil,
			oscorecoap.Config{Observer: oscorecoap.Observer{Refused: func(_ netip.AddrPort, err error) { refused = err }}})
		r, _ := p.protect(t, coap.NewRequest(coap.GET, "/x"))
		if c.spoil != nil {
			c.spoil(r)
		}
		w := newWriter("t")
		serveOne(t.Context(), h, r, addrA, w)
		resp := w.only(t)
		if age, ok := resp.Options.Uint(coap.MaxAge); resp.Code != c.code || string(resp.Payload) != c.text || resp.Options.Has(coap.OSCORE) || !ok || age != 0 {
			t.Errorf("%s: got %v %q with %v, want %v %q and Max-Age 0 in clear", name, resp.Code, resp.Payload, resp.Options, c.code, c.text)
		}
		var e *oscore.Error
		if !errors.As(refused, &e) {
			t.Errorf("%s: observer was told %v, want an *oscore.Error", name, refused)
		}
		// Nothing is kept of it: the same bytes are judged anew.
		again := newWriter("t")
		serveOne(t.Context(), h, r, addrB, again)
		if resp := again.only(t); resp.Code != c.code {
			t.Errorf("%s: second time got %v, want %v", name, resp.Code, c.code)
		}
	}
}

func TestNoErrorToAGroup(t *testing.T) {
	p := newPair(t, nil)
	h := p.handler(t, respondWith(coap.Content, "x"), nil, oscorecoap.Config{})
	for _, r := range []*coap.Request{
		coap.NewRequest(coap.GET, "/x"),
		{Code: coap.POST, Options: coap.Options{{ID: coap.OSCORE, Value: []byte{9, 0, 77}}}, Payload: []byte("no such context")},
	} {
		r.Multicast = true
		w := newWriter("t")
		serveOne(t.Context(), h, r, addrA, w)
		w.nothing(t)
	}
}

func TestAuthorize(t *testing.T) {
	internal := errors.New("the table is gone")
	hints := &oscorecoap.Refusal{Code: coap.Unauthorized, Payload: []byte("hints"), Err: errors.New("expired")}
	hints.Options.AddUint(coap.ContentFormat, 19)
	for name, c := range map[string]struct {
		err     error
		code    coap.Code
		payload string
	}{
		"no right":            {&oscorecoap.Refusal{Code: coap.Forbidden}, coap.Forbidden, ""},
		"not this method":     {&oscorecoap.Refusal{Code: coap.MethodNotAllowed}, coap.MethodNotAllowed, ""},
		"expired, with hints": {hints, coap.Unauthorized, "hints"},
		"wrapped":             {errors.Join(errors.New("x"), hints), coap.Unauthorized, "hints"},
		"mistake of ours":     {internal, coap.InternalServerError, ""},
		"refusal that grants": {&oscorecoap.Refusal{Code: coap.Content}, coap.InternalServerError, ""},
		"refusal of nothing":  {&oscorecoap.Refusal{}, coap.InternalServerError, ""},
	} {
		p := newPair(t, nil)
		var denied error
		h := p.handler(t, coap.HandlerFunc(func(coap.ResponseWriter, *coap.Request) { t.Errorf("%s: handler called", name) }), nil, oscorecoap.Config{
			Authorize: func(*oscore.Association, *coap.Request) (any, error) { return nil, c.err },
			Observer:  oscorecoap.Observer{Denied: func(_ *oscore.Association, _ *coap.Request, err error) { denied = err }},
		})
		client, d := p.connect(h)
		resp, err := client.Do(t.Context(), coap.NewRequest(coap.GET, "/x"))
		wantResponse(t, resp, err, c.code, c.payload) // verified, so it was protected
		if !errors.Is(denied, c.err) {
			t.Errorf("%s: observer was told %v, want %v", name, denied, c.err)
		}
		if format, ok := resp.Options.Uint(coap.ContentFormat); c.payload != "" && (!ok || format != 19) {
			t.Errorf("%s: Content-Format %v, want 19", name, format)
		}
		if n := len(d.Requests()); n != 1 {
			t.Errorf("%s: %d requests, want 1", name, n)
		}
	}
}

// Each block is authorized, so that a right that ends ends a transfer.
func TestEveryBlockIsAuthorized(t *testing.T) {
	p := newPair(t, nil)
	left := 3
	h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		_ = w.Respond(&coap.Response{Code: coap.Content, Payload: make([]byte, 5000)})
	}), nil, oscorecoap.Config{Authorize: func(*oscore.Association, *coap.Request) (any, error) {
		if left--; left < 0 {
			return nil, &oscorecoap.Refusal{Code: coap.Unauthorized}
		}
		return nil, nil
	}})
	c, _ := p.connect(h)
	resp, err := c.Do(t.Context(), coap.NewRequest(coap.GET, "/x"))
	wantResponse(t, resp, err, coap.Unauthorized, "")
}

func TestCriticalOptionsInside(t *testing.T) {
	p := newPair(t, nil)
	handler := respondWith(coap.Content, "x")
	c, _ := p.connect(p.handler(t, handler, nil, oscorecoap.Config{}))
	for name, tc := range map[string]struct {
		id   coap.OptionID
		want coap.Code
	}{
		"unknown critical": {65, coap.BadOption},
		"unknown elective": {64, coap.Content},
		"If-Match":         {coap.IfMatch, coap.BadOption},
	} {
		r := coap.NewRequest(coap.GET, "/x")
		r.Options.Add(tc.id, []byte{1})
		resp, err := c.Do(t.Context(), r)
		if err != nil || resp.Code != tc.want {
			t.Errorf("%s: got %v, %v, want %v", name, resp, err, tc.want)
		}
	}
	more, _ := p.connect(p.handler(t, handler, nil, oscorecoap.Config{Understands: []coap.OptionID{coap.IfMatch}}))
	r := coap.NewRequest(coap.GET, "/x")
	r.Options.Add(coap.IfMatch, []byte{1})
	resp, err := more.Do(t.Context(), r)
	wantResponse(t, resp, err, coap.Content, "x")

	// What a proxy would have done is not done here.
	r = coap.NewRequest(coap.GET, "/x")
	r.Options.AddString(coap.ProxyScheme, "coap")
	resp, err = c.Do(t.Context(), r)
	wantResponse(t, resp, err, coap.ProxyingNotSupported, "")
}

// The inner No-Response counts, the outer does not (RFC 8613, Section
// 4.1.3.6).
func TestNoResponse(t *testing.T) {
	p := newPair(t, nil)
	h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		code := coap.Content
		if r.Path() == "/bad" {
			code = coap.NotFound
		}
		_ = w.Respond(r.NewResponse(code))
	}), nil, oscorecoap.Config{})
	for _, c := range []struct {
		path   string
		inside bool
		want   coap.Code
	}{{"/x", true, 0}, {"/bad", true, coap.NotFound}, {"/x", false, coap.Content}} {
		r := coap.NewRequest(coap.PUT, c.path)
		if c.inside {
			r.Options.AddUint(coap.NoResponse, 2)
		}
		out, x := p.protect(t, r)
		if !c.inside {
			out.Options.AddUint(coap.NoResponse, 2)
		}
		w := newWriter("t")
		serveOne(t.Context(), h, out, addrA, w)
		if c.want == 0 {
			w.nothing(t)
			again := newWriter("t")
			serveOne(t.Context(), h, out, addrB, again)
			again.nothing(t)
			continue
		}
		if m := unprotect(t, x, w.only(t)); coap.Code(m.Code) != c.want {
			t.Errorf("%s: got %v, want %v", c.path, m.Code, c.want)
		}
	}

	// A transport that cannot be told that there is no response gets one: the
	// option is elective.
	r := coap.NewRequest(coap.PUT, "/x")
	r.Options.AddUint(coap.NoResponse, 2)
	out, x := p.protect(t, r)
	simple := new(recorder)
	serveOne(t.Context(), h, out, addrA, simple)
	if len(simple.responses) != 1 {
		t.Fatalf("%d responses, want 1", len(simple.responses))
	}
	unprotect(t, x, simple.responses[0])
}

// recorder is a ResponseWriter that can nothing else.
type recorder struct{ responses []*coap.Response }

func (r *recorder) Respond(resp *coap.Response) error {
	r.responses = append(r.responses, resp.Clone())
	return nil
}

// A handler may answer later, and once.
func TestRespondLater(t *testing.T) {
	p := newPair(t, nil)
	later := make(chan coap.ResponseWriter, 1)
	h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, _ *coap.Request) { later <- w }), nil, oscorecoap.Config{})
	r, x := p.protect(t, coap.NewRequest(coap.GET, "/x"))
	w := newWriter("t")
	serveOne(t.Context(), h, r, addrA, w)
	w.none(t)
	rw := <-later
	if err := rw.Respond(&coap.Response{Code: coap.Content, Payload: []byte("late")}); err != nil {
		t.Fatal(err)
	}
	wantError(t, rw.Respond(&coap.Response{Code: coap.Content}), coap.ErrResponded)
	if m := unprotect(t, x, w.only(t)); string(m.Payload) != "late" {
		t.Errorf("got %q, want late", m.Payload)
	}
}

// An answer that can not be protected any more is an unprotected 5.03.
func TestResponseAfterDiscard(t *testing.T) {
	p := newPair(t, nil)
	var failed error
	var h *oscorecoap.Server
	h = p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		h.Discard(p.server)
		wantError(t, w.Respond(&coap.Response{Code: coap.Content, Payload: []byte("secret")}), oscore.ErrDiscarded)
	}), nil, oscorecoap.Config{Observer: oscorecoap.Observer{Failed: func(_ *oscore.Association, err error) { failed = err }}})
	r, _ := p.protect(t, coap.NewRequest(coap.GET, "/x"))
	w := newWriter("t")
	serveOne(t.Context(), h, r, addrA, w)
	if resp := w.only(t); resp.Code != coap.ServiceUnavailable || len(resp.Payload) != 0 {
		t.Errorf("got %v %q, want a bare 5.03", resp.Code, resp.Payload)
	}
	wantError(t, failed, oscore.ErrDiscarded)
	if p.contexts.Len() != 0 {
		t.Error("the association is still in the table")
	}
}

//spec:8613-4.1.3.4.1-2
func TestBodiesOfManyBlocks(t *testing.T) {
	p := newPair(t, nil)
	body := slices.Repeat([]byte("0123456789abcdef"), 600) // 9600 bytes
	h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		_ = w.Respond(&coap.Response{Code: coap.Content, Payload: append([]byte("re: "), r.Payload...)})
	}), nil, oscorecoap.Config{})
	c, d := p.connect(h)
	for _, code := range []coap.Code{coap.POST, coap.PUT, coap.FETCH} {
		for _, size := range []int{0, 1, 1023, 1024, 1025, 4096, 9600} {
			r := coap.NewRequest(code, "/x")
			r.Payload = body[:size]
			resp, err := c.Do(t.Context(), r)
			wantResponse(t, resp, err, coap.Content, "re: "+string(body[:size]))
		}
	}
	for _, r := range d.Requests() {
		if len(r.Payload) > 600 || r.Options.Has(coap.Block1) || r.Options.Has(coap.Block2) {
			t.Fatalf("a datagram of %d bytes, or with outer blocks, was sent", len(r.Payload))
		}
	}
}

// Transfers of two peers do not mix, though they come from one address.
func TestBlocksBelongToTheAssociation(t *testing.T) {
	one, two := newPair(t, nil), newPair(t, func(client, server *oscore.Config) {
		client.SenderID, server.RecipientID = []byte{0x11}, []byte{0x11}
		client.MasterSecret, server.MasterSecret = []byte("another secret!!"), []byte("another secret!!")
	})
	two.contexts = one.contexts
	var got []string
	h := one.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		got = append(got, string(r.Payload))
		_ = w.Respond(r.NewResponse(coap.Changed))
	}), nil, oscorecoap.Config{})
	if err := one.contexts.Add(two.server); err != nil {
		t.Fatal(err)
	}
	block := func(p *pair, num uint32, more bool, payload string) coap.Code {
		r := coap.NewRequest(coap.PUT, "/x")
		r.Options.SetBlock(coap.Block1, coap.Block{Num: num, More: more})
		r.Payload = []byte(payload)
		out, x := p.protect(t, r)
		w := newWriter(payload)
		serveOne(t.Context(), h, out, addrA, w)
		return coap.Code(unprotect(t, x, w.only(t)).Code)
	}
	for _, step := range []struct {
		p    *pair
		num  uint32
		more bool
		body string
		want coap.Code
	}{
		{one, 0, true, "AAAAAAAAAAAAAAAA", coap.Continue},
		{two, 0, true, "BBBBBBBBBBBBBBBB", coap.Continue},
		{one, 1, false, "a", coap.Changed},
		{two, 1, false, "b", coap.Changed},
	} {
		if code := block(step.p, step.num, step.more, step.body); code != step.want {
			t.Errorf("block %q: got %v, want %v", step.body, code, step.want)
		}
	}
	if want := []string{"AAAAAAAAAAAAAAAAa", "BBBBBBBBBBBBBBBBb"}; !slices.Equal(got, want) {
		t.Errorf("bodies %q, want %q", got, want)
	}
}

func TestContextOfTheRequest(t *testing.T) {
	type key struct{}
	p := newPair(t, nil)
	h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		if v := r.Context().Value(key{}); v != "outer" {
			t.Errorf("value of the outer context: got %v, want outer", v)
		}
		_ = w.Respond(r.NewResponse(coap.Valid))
	}), nil, oscorecoap.Config{Authorize: func(*oscore.Association, *coap.Request) (any, error) { return 1, nil }})
	r, _ := p.protect(t, coap.NewRequest(coap.GET, "/x"))
	w := newWriter("t")
	serveOne(context.WithValue(t.Context(), key{}, "outer"), h, r, addrA, w)
	w.only(t)
}

// A proxy may fragment the protected messages (RFC 8613, Section 4.1.3.4.2).
//
//spec:8613-4.1.3.4.2-1
//spec:8613-4.1.3.4.2-2
//spec:8613-4.1.3.4.2-3
func TestOuterBlocks(t *testing.T) {
	p := newPair(t, nil)
	handler := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		_ = w.Respond(&coap.Response{Code: coap.Content, Payload: slices.Clone(r.Payload)})
	})
	d := &coaptest.Direct{Handler: p.handler(t, handler, nil, oscorecoap.Config{MaxUnfragmented: 1000})}
	proxy := coap.BlockwiseClient(d, coap.BlockwiseConfig{BlockSize: 64})
	c := oscorecoap.NewClient(proxy, p.client, oscorecoap.ClientConfig{})
	r := coap.NewRequest(coap.PUT, "/x")
	r.Payload = slices.Repeat([]byte("0123456789abcdef"), 100)
	resp, err := c.Do(t.Context(), r)
	wantResponse(t, resp, err, coap.Content, string(r.Payload))
	for _, sent := range d.Requests() {
		if len(sent.Payload) > 64 {
			t.Fatalf("a fragment of %d bytes, want 64", len(sent.Payload))
		}
	}

	c = oscorecoap.NewClient(proxy, p.client, oscorecoap.ClientConfig{Blockwise: coap.BlockwiseConfig{BlockSize: 1024}})
	_, err = c.Do(t.Context(), r) // a message of more than 1000 bytes
	var unprotected *oscorecoap.UnprotectedError
	if !errors.As(err, &unprotected) || unprotected.Response.Code != coap.RequestEntityTooLarge {
		t.Errorf("longer than MAX_UNFRAGMENTED_SIZE: got %v, want an unprotected 4.13", err)
	}
}

// An answer to a peer whose association has ended with its rights goes out
// without OSCORE, and is repeated like any other.
func TestUnprotectedRefusal(t *testing.T) {
	p := newPair(t, nil)
	h := p.handler(t, respondWith(coap.Content, "x"), nil, oscorecoap.Config{Authorize: func(*oscore.Association, *coap.Request) (any, error) {
		return nil, &oscorecoap.Refusal{Code: coap.Unauthorized, Payload: []byte("hints"), Unprotected: true}
	}})
	for _, in := range []*coap.Request{coap.NewRequest(coap.GET, "/x"), observeRequest(0)} {
		r, _ := p.protect(t, in)
		for range 2 {
			w := newWriter("t")
			serveOne(t.Context(), h, r, addrA, w)
			if resp := w.only(t); resp.Code != coap.Unauthorized || string(resp.Payload) != "hints" || resp.Options.Has(coap.OSCORE) {
				t.Errorf("got %v %q with %v, want a plain 4.01", resp.Code, resp.Payload, resp.Options)
			}
		}
	}
}
