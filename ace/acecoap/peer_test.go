package acecoap_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// associate makes an association of another kind than of tokens, as EDHOC does. It
// gives the side of the server and a way to it.
func (w *world) associate(subject string, limits oscore.Limits) (*oscore.Association, *oscorecoap.Client) {
	w.t.Helper()
	id, err := w.ids.Allocate(idalloc.Holder{Source: idalloc.SourceEDHOC}, idalloc.ID([]byte{0x99}))
	check(w.t, err)
	params := oscore.Params{
		MasterSecret: secret.Bytes("secret of " + subject + "....."), SenderID: []byte{0x99}, RecipientID: []byte(id.ID()),
	}
	server, err := oscore.NewAssociation(oscore.Config{Params: params, Subject: subject, Limits: limits})
	check(w.t, err)
	params.SenderID, params.RecipientID = params.RecipientID, params.SenderID
	peer, err := oscore.NewAssociation(oscore.Config{Params: params})
	check(w.t, err)
	check(w.t, w.rs.Contexts().Add(server))
	return server, oscorecoap.NewClient(w.plain(), peer, oscorecoap.ClientConfig{})
}

func (w *world) admit(subject string, ended *int) {
	w.t.Helper()
	check(w.t, w.rs.Admit(rs.Standing{
		Subject: subject, Source: "test", Peer: "pump",
		Permissions: ace.AIF{{Path: "/value", Methods: ace.GET}},
		Ended:       func(rs.Removed) { *ended++ },
	}))
}

// TestAdmit: a peer without a token may do what the owner has said and nothing more,
// and one of whom he has said nothing may do nothing; all answers are protected.
//
//spec:9200-5.10.2-3
//spec:9200-5.10.2-4
//spec:9200-5.10.2-5
func TestAdmit(t *testing.T) {
	w := newWorld(t)
	_, pump := w.associate("peer:pump", oscore.Limits{})
	_, stranger := w.associate("peer:stranger", oscore.Limits{})
	ended := 0
	w.admit("peer:pump", &ended)
	for _, c := range []struct {
		who    *oscorecoap.Client
		method coap.Code
		path   string
		want   coap.Code
	}{
		{pump, coap.GET, "/value", coap.Content},
		{pump, coap.PUT, "/value", coap.MethodNotAllowed},
		{pump, coap.GET, "/other", coap.Forbidden},
		{pump, coap.POST, "/authz-info", coap.Unauthorized},
		{stranger, coap.GET, "/value", coap.Unauthorized},
		{pump, coap.GET, "/value", coap.Content}, // after all that
	} {
		before := w.requests()
		got := do(t, c.who, coap.NewRequest(c.method, c.path)) // an answer in clear is an error
		if got.Code != c.want || (w.requests() > before) != (c.want == coap.Content) {
			t.Errorf("%v %s: got %v, want %v", c.method, c.path, got.Code, c.want)
		}
	}
	if source, peer := w.grant.Standing(); source != "test" || peer != "pump" {
		t.Errorf("the application knows %q, %q", source, peer)
	}
	if ended != 0 {
		t.Error("the right has ended")
	}
}

// TestTokenInTheNameOfAPeer: a client whose token gives it the subject of a peer is
// another association with other rights.
func TestTokenInTheNameOfAPeer(t *testing.T) {
	w := newWorld(t)
	ended := 0
	_, _ = w.associate("alice", oscore.Limits{})
	w.admit("alice", &ended)
	session, _ := w.open("alice") // whose token says GET and PUT
	d := acecoap.Doer(session, coap.BlockwiseConfig{})
	if got := do(t, d, coap.NewRequest(coap.PUT, "/value")); got.Code != coap.Changed {
		t.Errorf("token of alice: got %v, want 2.04", got.Code)
	}
	if source, _ := w.grant.Standing(); source != "" || w.grant.Claims() == nil {
		t.Error("the right of the token is taken for that of the peer")
	}
	w.rs.Tokens().Remove("alice")
	if got := do(t, d, coap.NewRequest(coap.PUT, "/value")); got.Code != coap.Changed || ended != 1 {
		t.Errorf("after the peer went: got %v, ended %d", got.Code, ended)
	}
}

// TestDiscardPeer: its observation ends with a 4.01, and then nothing is known of it.
func TestDiscardPeer(t *testing.T) {
	w := newWorld(t)
	server, pump := w.associate("peer:pump", oscore.Limits{})
	ended := 0
	w.admit("peer:pump", &ended)
	var codes []coap.Code
	registered, done := make(chan bool, 8), make(chan error, 1)
	go func() {
		done <- pump.Observe(t.Context(), coap.NewRequest(coap.GET, "/value"), func(r *coap.Response) {
			codes = append(codes, r.Code)
			registered <- true
		})
	}()
	<-registered
	w.rs.Discard(server)
	check(t, <-done)
	if want := []coap.Code{coap.Content, coap.Unauthorized}; !slices.Equal(codes, want) {
		t.Errorf("the peer saw %v, want %v", codes, want)
	}
	if ended != 1 || w.rs.Contexts().Len() != 0 || w.rs.Tokens().Contains("peer:pump") {
		t.Errorf("ended %d, %d contexts left", ended, w.rs.Contexts().Len())
	}
	var clear *oscorecoap.UnprotectedError
	if _, err := pump.Do(t.Context(), coap.NewRequest(coap.GET, "/value")); !errors.As(err, &clear) {
		t.Errorf("got %v, want an answer in clear", err)
	}
}

// TestUsedUpKeysEndAPeer: as they end a token.
func TestUsedUpKeysEndAPeer(t *testing.T) {
	w := newWorld(t)
	_, pump := w.associate("peer:pump", oscore.Limits{Protected: 2})
	ended := 0
	w.admit("peer:pump", &ended)
	for range 3 {
		_, _ = pump.Do(t.Context(), coap.NewRequest(coap.GET, "/value"))
	}
	check(t, w.rs.Expire())
	if ended != 1 {
		t.Errorf("ended %d times, want 1", ended)
	}
}

// TestClear: a handler for requests in clear is found by its path, before the
// application, and only in clear.
func TestClear(t *testing.T) {
	seen := 0
	w := newWorld(t)
	cfg := acecoap.Config{
		Tokens: rs.Config{Audiences: []string{"x"}, Introspect: acecoap.Introspector(issuer, nil, acecoap.IntrospectionConfig{})},
		IDs:    w.ids, Public: []string{"/open", "/both"},
		Clear: map[string]coap.Handler{
			"/both": coap.HandlerFunc(func(rw coap.ResponseWriter, r *coap.Request) {
				seen++
				_ = rw.Respond(r.NewResponse(coap.Changed))
			}),
		},
	}
	server, err := acecoap.NewResourceServer(cfg, w)
	check(t, err)
	d := &coaptest.Direct{Handler: server}
	for path, want := range map[string]coap.Code{"/both": coap.Changed, "/open": coap.Content, "/value": coap.Unauthorized} {
		if got := do(t, d, coap.NewRequest(coap.GET, path)); got.Code != want {
			t.Errorf("%s: got %v, want %v", path, got.Code, want)
		}
	}
	if seen != 1 {
		t.Errorf("asked %d times, want 1", seen)
	}
}

// TestUploadOffTheReader: where tokens are introspected, the goroutine that reads the
// socket does not wait for the AS.
func TestUploadOffTheReader(t *testing.T) {
	w := newWorld(t)
	pool := coap.NewPool(coap.PoolConfig{Workers: 4, PerPeer: 4})
	asked, answer := make(chan bool), make(chan bool)
	server, err := acecoap.NewResourceServer(acecoap.Config{
		Tokens: rs.Config{Audiences: []string{"x"}, Introspect: rs.Introspector{
			Issuer: issuer,
			Ask: func([]byte) (*ace.IntrospectionResponse, error) {
				asked <- true
				<-answer
				return nil, errors.New("no route")
			},
		}},
		IDs: w.ids, Pool: pool,
	}, w)
	check(t, err)
	r := coap.NewRequest(coap.POST, acecoap.AuthzInfoPath)
	r.RemoteAddr = netip.MustParseAddrPort("192.0.2.1:5683")
	r.Options.SetUint(coap.ContentFormat, 19)
	r.Payload = (&ace.AuthzInfoRequest{AccessToken: []byte("opaque"), Nonce1: make([]byte, 8), ClientRecipientID: []byte{1}}).Append(nil)

	// Nobody is asked about a token from an address that nobody has shown to be his.
	challenge := send(server, r)
	echo, ok := challenge.wait().Options.Get(coap.Echo)
	if !ok || challenge.wait().Code != coap.Unauthorized {
		t.Fatalf("without a proof of the address: got %v", challenge.wait().Code)
	}
	r.Options.Set(coap.Echo, echo)
	posts := []waiter{send(server, r), send(server, r)} // return, though nobody answers
	for range posts {
		<-asked
	}
	close(answer)
	for _, w := range posts {
		if got := w.wait().Code; got != coap.BadRequest { // refused, not waved through
			t.Errorf("got %v, want 4.00", got)
		}
	}
	pool.Close()
}

// waiter is a coap.ResponseWriter that keeps the response.
type waiter chan *coap.Response

func send(h coap.Handler, r *coap.Request) waiter {
	w := make(waiter, 1)
	h.ServeCOAP(w, r)
	return w
}

func (w waiter) Respond(r *coap.Response) error { w <- r; return nil }

func (w waiter) wait() *coap.Response {
	r := <-w
	w <- r
	return r
}
