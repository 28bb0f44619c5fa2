package acecoap_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/ace/as/astest"
	"github.com/ostiary/ostiary/ace/client"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
	"github.com/ostiary/ostiary/policy"
)

const (
	asAddr = "192.0.2.10:5683"
	rsAddr = "192.0.2.20:5683"
	issuer = "coap://as.example"
)

// A world has an authorization server, a resource server with /value, and
// clients, all in one process and on one clock.
type world struct {
	t           *testing.T
	association oscore.Config
	ledger      *astest.Ledger
	ids         *idalloc.Allocator // of the resource server
	rs          *acecoap.ResourceServer
	as          coap.Handler
	tokens      []error // what the token endpoint observed

	mu      sync.Mutex // guards what follows
	now     time.Time
	seen    int // requests at the application
	notify  []func(*coap.Response) error
	removed []rs.Reason
	grant   rs.Grant // of the last request
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) requests() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

// application is /value: it can be read, written and observed.
func (w *world) ServeCOAP(rw coap.ResponseWriter, r *coap.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen++
	w.grant = acecoap.Grant(r.Context())
	response := r.NewResponse(coap.Content)
	response.Payload = []byte("21 C")
	if observe, ok := r.Options.Uint(coap.Observe); ok && observe == 0 {
		response.Options.SetUint(coap.Observe, 0)
		w.notify = append(w.notify, rw.Respond)
	}
	if r.Code == coap.PUT {
		response.Code, response.Payload = coap.Changed, nil
	}
	_ = rw.Respond(response)
}

func newWorld(t *testing.T) *world {
	return newWorldWith(t, oscore.Config{B2: oscore.B2Allowed})
}

// newWorldWith makes a world whose resource server has such associations.
func newWorldWith(t *testing.T, association oscore.Config) *world {
	t.Helper()
	w := &world{t: t, association: association, ledger: new(astest.Ledger), now: time.Unix(1_900_000_000, 0)}
	key, err := ace.NewTokenKey(ace.TokenKeyConfig{Issuer: issuer, ID: []byte{7}, Secret: secret.Bytes("0123456789abcdef")})
	check(t, err)
	policies, err := policy.Parse("test", []byte(`permit (principal, action in [Action::"GET", Action::"PUT"], resource) when { resource.path == "/value" };`))
	check(t, err)
	server, err := as.New(as.Config{
		Issuer:  issuer,
		Clients: astest.Clients{"alice": {Name: "alice", Profiles: []ace.Profile{ace.ProfileCoAPOSCORE}}, "bob": {Name: "bob", Profiles: []ace.Profile{ace.ProfileCoAPOSCORE}}},
		ResourceServers: astest.ResourceServers{"sensor": {{
			Name: "sensor", Profiles: []ace.Profile{ace.ProfileCoAPOSCORE}, TokenKey: key,
		}}},
		Policy: policies, Ledger: w.ledger, Clock: w.clock, Lifetime: time.Minute,
	})
	check(t, err)
	w.as = acecoap.TokenEndpoint(server, func(_ string, err error) { w.tokens = append(w.tokens, err) })
	w.ids, err = idalloc.New(idalloc.Config{Now: w.clock})
	check(t, err)
	w.rs, err = acecoap.NewResourceServer(acecoap.Config{
		Tokens: rs.Config{
			Audiences: []string{"sensor"}, Keys: []*ace.TokenKey{key},
			Hints:    ace.CreationHints{AS: issuer + "/token", Audience: "sensor"},
			OnRemove: func(x rs.Removed) { w.removed = append(w.removed, x.Reason) },
		},
		IDs: w.ids, Association: w.association, Public: []string{"/open"}, Now: w.clock,
	}, w)
	check(t, err)
	return w
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// plain sends requests to the resource server in clear.
func (w *world) plain() *coaptest.Direct { return &coaptest.Direct{Handler: w.rs} }

// A network is a coap.Doer that finds the servers by their addresses.
type network struct{ as, rs *coaptest.Direct }

func (n *network) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	if r.RemoteAddr == netip.MustParseAddrPort(asAddr) {
		return n.as.Do(ctx, r)
	}
	return n.rs.Do(ctx, r)
}

// client returns a client with an OSCORE association with the AS.
func (w *world) client(name string) (*client.Client, *network) {
	w.t.Helper()
	params := oscore.Params{MasterSecret: secret.Bytes("secret of " + name + "....."), SenderID: []byte{1}, RecipientID: []byte{2}}
	own, err := oscore.NewAssociation(oscore.Config{Params: params})
	check(w.t, err)
	params.SenderID, params.RecipientID = params.RecipientID, params.SenderID
	theirs, err := oscore.NewAssociation(oscore.Config{Params: params, Subject: name})
	check(w.t, err)
	contexts := new(oscore.Contexts)
	check(w.t, contexts.Add(theirs))
	mux := new(coap.Mux)
	mux.Handle("/token", w.as)
	n := &network{
		as: &coaptest.Direct{Handler: oscorecoap.Handler(contexts, mux, nil, oscorecoap.Config{})},
		rs: w.plain(),
	}
	ids, err := idalloc.New(idalloc.Config{Now: w.clock})
	check(w.t, err)
	c, err := client.New(client.Config{
		Transport: acecoap.NewTransport(n), IDs: ids, Clock: w.clock,
		Servers: []client.Server{{
			URI: "coap://" + asAddr + "/token", Address: asAddr, Audiences: []string{"sensor"}, Association: own,
		}},
		Association: oscore.Config{B2: oscore.B2Allowed},
	})
	check(w.t, err)
	return c, n
}

// open opens a session for /value.
func (w *world) open(name string) (*client.Session, *network) {
	w.t.Helper()
	c, n := w.client(name)
	scope := ace.AIFScope(ace.AIF{{Path: "/value", Methods: ace.GET | ace.PUT}})
	s, err := c.Open(w.t.Context(), rsAddr, client.Request{Audience: "sensor", Scope: scope})
	check(w.t, err)
	return s, n
}
