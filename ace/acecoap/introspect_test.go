package acecoap_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/ace/as/astest"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
	"github.com/ostiary/ostiary/policy"
)

// An opaque world has an AS and the resource server "sensor", which cannot read its
// tokens.
type opaque struct {
	now      time.Time
	ledger   *astest.Ledger
	server   *as.Server
	endpoint coap.Handler
	observed []error
}

func newOpaque(t *testing.T) *opaque {
	t.Helper()
	w := &opaque{now: time.Unix(1_900_000_000, 0), ledger: new(astest.Ledger)}
	key, err := ace.NewTokenKey(ace.TokenKeyConfig{Issuer: issuer, ID: []byte{7}, Secret: secret.Bytes("0123456789abcdef")})
	check(t, err)
	policies, err := policy.Parse("test", []byte(`permit (principal, action, resource);`))
	check(t, err)
	profiles := []ace.Profile{ace.ProfileCoAPOSCORE}
	w.server, err = as.New(as.Config{
		Issuer: issuer, Clients: astest.Clients{"alice": {Name: "alice", Profiles: profiles}},
		ResourceServers: astest.ResourceServers{
			"sensor": {{Name: "sensor", Profiles: profiles, TokenKey: key, Introspection: as.WithClaims}},
			"lock":   {{Name: "lock", Profiles: profiles, TokenKey: key}},
		},
		Policy: policies, Ledger: w.ledger, Clock: func() time.Time { return w.now }, Lifetime: time.Minute,
	})
	check(t, err)
	w.endpoint = acecoap.IntrospectionEndpoint(w.server, func(_ string, err error) { w.observed = append(w.observed, err) })
	return w
}

var scopeValue = ace.AIFScope(ace.AIF{{Path: "/value", Methods: ace.GET}})

// token gets alice a token.
func (w *opaque) token(t *testing.T) *ace.TokenResponse {
	t.Helper()
	payload, err := w.server.Token(t.Context(), "alice", (&ace.TokenRequest{Audience: "sensor", Scope: scopeValue}).Append(nil))
	check(t, err)
	answer, err := ace.ParseTokenResponse(payload)
	check(t, err)
	return answer
}

//spec:9200-5.9-3
//spec:9200-5.9.3-2
//spec:9200-5.9.3-3
func TestIntrospectionEndpoint(t *testing.T) {
	w := newOpaque(t)
	good := (&ace.IntrospectionRequest{Token: w.token(t).AccessToken}).Append(nil)
	sensor := named(as.ResourceServerSubject("sensor"))
	for _, c := range []struct {
		name    string
		who     coap.Identity
		method  coap.Code
		format  int
		payload []byte
		want    coap.Code
		oauth   ace.ErrorCode
	}{
		{"answered", sensor, coap.POST, 19, good, coap.Created, 0},
		{"without Content-Format", sensor, coap.POST, -1, good, coap.Created, 0},
		{"nobody", nil, coap.POST, 19, good, coap.Unauthorized, ace.InvalidClient},
		{"a stranger", named(as.ResourceServerSubject("mallory")), coap.POST, 19, good, coap.Unauthorized, ace.InvalidClient},
		{"a client", named("alice"), coap.POST, 19, good, coap.Forbidden, 0},
		{"one who calls itself an RS", named("sensor"), coap.POST, 19, good, coap.Forbidden, 0},
		{"an RS without the right", named(as.ResourceServerSubject("lock")), coap.POST, 19, good, coap.Forbidden, 0},
		{"GET", sensor, coap.GET, -1, nil, coap.MethodNotAllowed, 0},
		{"FETCH", sensor, coap.FETCH, 19, good, coap.MethodNotAllowed, 0},
		{"JSON", sensor, coap.POST, 50, []byte("{}"), coap.UnsupportedContentFormat, 0},
		{"not CBOR", sensor, coap.POST, 19, []byte{0xff}, coap.BadRequest, ace.InvalidRequest},
		{"nothing", sensor, coap.POST, 19, nil, coap.BadRequest, ace.InvalidRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.observed = nil
			r := coap.NewRequest(c.method, acecoap.IntrospectPath)
			if c.format >= 0 {
				r.Options.SetUint(coap.ContentFormat, uint32(c.format))
			}
			r.Payload = c.payload
			response := do(t, &coaptest.Direct{Handler: w.endpoint, Identity: c.who}, r)
			if response.Code != c.want {
				t.Fatalf("got %v, want %v", response.Code, c.want)
			}
			if len(w.observed) > 0 && (w.observed[0] == nil) != (c.want == coap.Created) {
				t.Errorf("observed %v", w.observed[0])
			}
			format, ok := response.Options.Uint(coap.ContentFormat)
			if ok != (len(response.Payload) > 0) || ok && format != 19 {
				t.Errorf("Content-Format %d, %t, for %d bytes; want 19", format, ok, len(response.Payload))
			}
			switch {
			case c.oauth != 0:
				e, err := ace.ParseErrorResponse(response.Payload)
				if err != nil || e.Code != c.oauth {
					t.Errorf("error: got %+v, %v; want %v", e, err, c.oauth)
				}
			case c.want == coap.Created:
				a, err := ace.ParseIntrospectionResponse(response.Payload)
				if err != nil || !a.Active || a.Scope != scopeValue {
					t.Errorf("answer: %+v, %v", a, err)
				}
			case len(response.Payload) > 0:
				t.Errorf("payload %x, want none", response.Payload)
			}
		})
	}
}

// overOSCORE makes the association of sensor with the AS.
func (w *opaque) overOSCORE(t *testing.T) (coap.Doer, *coaptest.Direct) {
	t.Helper()
	params := oscore.Params{MasterSecret: secret.Bytes("secret of sensor"), SenderID: []byte{1}, RecipientID: []byte{2}}
	own, err := oscore.NewAssociation(oscore.Config{Params: params})
	check(t, err)
	params.SenderID, params.RecipientID = params.RecipientID, params.SenderID
	theirs, err := oscore.NewAssociation(oscore.Config{Params: params, Subject: as.ResourceServerSubject("sensor")})
	check(t, err)
	contexts := new(oscore.Contexts)
	check(t, contexts.Add(theirs))
	mux := new(coap.Mux)
	mux.Handle(acecoap.IntrospectPath, w.endpoint)
	wire := &coaptest.Direct{Handler: oscorecoap.Handler(contexts, mux, nil, oscorecoap.Config{})}
	return oscorecoap.NewClient(wire, own, oscorecoap.ClientConfig{}), wire
}

// TestIntrospector: a resource server takes a token that it cannot read, and takes
// it no more when it is revoked.
//
//spec:9200-5.9-1
//spec:9200-5.9-2
//spec:9200-5.9-6
func TestIntrospector(t *testing.T) {
	w := newOpaque(t)
	d, wire := w.overOSCORE(t)
	answer := w.token(t)
	introspector := acecoap.Introspector(issuer, d, acecoap.IntrospectionConfig{})
	tokens, err := rs.New(rs.Config{Audiences: []string{"sensor"}, Introspect: introspector})
	check(t, err)
	token, err := tokens.Verify(answer.AccessToken, w.now)
	check(t, err)
	if got, want := token.Permissions().String(), `[["/value",1]]`; got != want {
		t.Errorf("permissions %s, want %s", got, want)
	}
	got, err := introspector.Ask(answer.AccessToken)
	check(t, err)
	if !got.Active || got.Profile != ace.ProfileCoAPOSCORE || string(got.Cnf.OSCORE.MasterSecret) != string(answer.Cnf.OSCORE.MasterSecret) {
		t.Errorf("answer %+v", got)
	}
	for _, r := range wire.Requests() {
		if !r.Options.Has(coap.OSCORE) || r.Path() == acecoap.IntrospectPath {
			t.Errorf("a request in clear: %v", r.Options)
		}
	}
	w.ledger.Revoke(got.CWTID)
	if got, err := introspector.Ask(answer.AccessToken); err != nil || got.Active || got.Cnf != nil {
		t.Errorf("revoked: %+v, %v, want not active", got, err)
	}
	if _, err := tokens.Verify(answer.AccessToken, w.now); rs.ErrorResponse(err).Code != rs.Unauthorized {
		t.Errorf("revoked: %v, want 4.01", err)
	}
}

// doerFunc is a coap.Doer.
type doerFunc func(context.Context, *coap.Request) (*coap.Response, error)

func (f doerFunc) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) { return f(ctx, r) }

func answering(code coap.Code, format int, payload []byte) coap.Doer {
	return doerFunc(func(_ context.Context, r *coap.Request) (*coap.Response, error) {
		response := r.NewResponse(code)
		response.Payload = payload
		if format >= 0 {
			response.Options.SetUint(coap.ContentFormat, uint32(format))
		}
		return response, nil
	})
}

// TestIntrospectorAnswers: what is no proper answer is an error, and never active.
func TestIntrospectorAnswers(t *testing.T) {
	active := []byte{0xa1, 10, 0xf5}
	invalid := (&ace.ErrorResponse{Code: ace.InvalidClient}).Append(nil)
	for _, c := range []struct {
		name string
		doer coap.Doer
		code uint8 // of the *ace.PeerError; 0: another error
		want ace.ErrorCode
	}{
		{"4.03", answering(coap.Forbidden, -1, nil), 0x83, 0},
		{"4.01", answering(coap.Unauthorized, 19, invalid), 0x81, ace.InvalidClient},
		{"4.01 with another payload", answering(coap.Unauthorized, 19, active), 0x81, 0},
		{"5.00", answering(coap.InternalServerError, 0, []byte("sorry")), 0xa0, 0},
		{"2.05", answering(coap.Content, 19, active), 0x45, 0},
		{"2.01 in JSON", answering(coap.Created, 50, []byte(`{"active":true}`)), 0, 0},
		{"2.01 without Content-Format", answering(coap.Created, -1, active), 0, 0},
		{"2.01 without active", answering(coap.Created, 19, []byte{0xa0}), 0, 0},
		{"2.01 and too long", answering(coap.Created, 19, append([]byte{0xa2, 10, 0xf5, 0x18, 35, 0x79, 0x10, 0x00}, make([]byte, 4096)...)), 0, 0},
		{"no answer", doerFunc(func(context.Context, *coap.Request) (*coap.Response, error) { return nil, errors.New("no route") }), 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := acecoap.Introspector(issuer, c.doer, acecoap.IntrospectionConfig{}).Ask([]byte{1})
			refused, ok := errors.AsType[*ace.PeerError](err)
			if err == nil || got != nil || ok != (c.code != 0) || ok && (refused.Code != c.code || refused.ErrorResponse.Code != c.want) {
				t.Errorf("got %+v, %v, want an error, %x %v", got, err, c.code, c.want)
			}
		})
	}
	if got, err := acecoap.Introspector(issuer, answering(coap.Created, 19, active), acecoap.IntrospectionConfig{}).Ask(make([]byte, 1025)); err == nil {
		t.Errorf("a token of 1025 bytes: %+v", got)
	}
}

// TestIntrospectorBounds: an AS that does not answer, and somebody who posts one
// token after another, hold up a bounded number of requests for a bounded time.
func TestIntrospectorBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := doerFunc(func(ctx context.Context, _ *coap.Request) (*coap.Response, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		i := acecoap.Introspector(issuer, silent, acecoap.IntrospectionConfig{})
		start := time.Now()
		errs := make(chan error, 5)
		for range 5 {
			go func() {
				_, err := i.Ask([]byte{1})
				errs <- err
			}()
		}
		if err := <-errs; !errors.Is(err, acecoap.ErrBusy) || time.Since(start) != 0 {
			t.Errorf("the fifth at a time: %v after %v, want ErrBusy at once", err, time.Since(start))
		}
		for range 4 {
			if err := <-errs; !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 10*time.Second {
				t.Errorf("without an answer: %v after %v, want the end of the time after 10 s", err, time.Since(start))
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		i := acecoap.Introspector(issuer, answering(coap.Created, 19, []byte{0xa1, 10, 0xf4}), acecoap.IntrospectionConfig{Burst: 3, Interval: time.Second})
		asked := func() (n int) {
			for range 100 {
				if _, err := i.Ask([]byte{1}); err == nil {
					n++
				} else if !errors.Is(err, acecoap.ErrBusy) {
					t.Fatal(err)
				}
			}
			return n
		}
		for _, c := range []struct {
			rest time.Duration
			want int
		}{{0, 3}, {999 * time.Millisecond, 0}, {time.Millisecond, 1}, {2 * time.Second, 2}, {time.Hour, 3}} {
			time.Sleep(c.rest)
			if got := asked(); got != c.want {
				t.Errorf("after a rest of %v: %d answered, want %d", c.rest, got, c.want)
			}
		}
	})
}
