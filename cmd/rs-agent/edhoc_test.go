package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/ace/client"
	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/cmd/internal/settings"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/edhoc/oscorekeys"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// agentWorld is an agent in front of the sample device, and clients that reach it
// without a network.
type agentWorld struct {
	t     *testing.T
	path  string // of the configuration
	agent *agent
	key   *ace.TokenKey
	log   *bytes.Buffer
}

// network is the way to the agent.
func (w *agentWorld) network() coap.Doer {
	return &coaptest.Direct{Handler: coap.HandlerFunc(func(rw coap.ResponseWriter, r *coap.Request) { w.agent.handler.ServeCOAP(rw, r) })}
}

func newAgentWorld(t *testing.T) *agentWorld { return newAgentWorldWith(t, nil) }

// newAgentWorldWith makes one whose configuration and credentials are changed.
func newAgentWorldWith(t *testing.T, change func(*config, *credentials.ResourceServer)) *agentWorld {
	t.Helper()
	w := &agentWorld{t: t, log: new(bytes.Buffer)}
	dir := filepath.Join(t.TempDir(), "agent")
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check(t, err)
	device := make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		server := coap.Server{Handler: newSample()}
		device <- server.Serve(ctx, conn)
	}()
	t.Cleanup(func() {
		stop()
		<-device
	})
	init := initCommand{Dir: dir, Listen: "127.0.0.1:5683", Upstream: "coap://" + conn.LocalAddr().String(), Credentials: "rs.toml"}
	check(t, init.Run(cli.Streams{Out: w.log, Err: w.log}))
	w.path = filepath.Join(dir, "agent.toml")
	key := secret.Bytes("0123456789abcdef")
	known := credentials.ResourceServer{
		Name: "sensor", AS: "coap://as.example/token", Issuer: "coap://as.example", Audiences: []string{"sensor"},
		TokenKey: credentials.TokenKey{ID: []byte{7}, Algorithm: "AES-CCM-16-64-128", Key: settings.Secret{Bytes: key}},
	}
	check(t, known.Write(filepath.Join(dir, "rs.toml")))
	w.key, err = ace.NewTokenKey(ace.TokenKeyConfig{Issuer: known.Issuer, ID: []byte{7}, Secret: key})
	check(t, err)
	cfg, read, err := (&configFlag{Config: w.path}).load()
	check(t, err)
	if change != nil {
		change(&cfg, read)
	}
	w.agent, err = newAgent(t.Context(), w.path, cfg, read, slog.New(slog.DiscardHandler))
	check(t, err)
	t.Cleanup(func() { w.agent.close() })
	return w
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *agentWorld) streams() cli.Streams { return cli.Streams{Out: w.log, Err: w.log} }

// add trusts a peer, and gives its credentials.
func (w *agentWorld) add(name, scope string) *credentials.EDHOC {
	w.t.Helper()
	out := filepath.Join(w.t.TempDir(), "client.toml")
	c := peerAdd{configFlag: configFlag{w.path}, OutFlag: cli.OutFlag{Out: out}, Name: name, Scope: scope}
	check(w.t, c.Run(w.streams()))
	known, err := credentials.ReadClient(out)
	check(w.t, err)
	return known.EDHOC
}

func (w *agentWorld) remove(name string) {
	w.t.Helper()
	c := peerRemove{configFlag{w.path}, name}
	check(w.t, c.Run())
}

// handshake gives the channel of a handshake that the first request ends.
func (w *agentWorld) handshake(key *credentials.EDHOC) coap.Doer {
	w.t.Helper()
	cfg, err := key.Initiator()
	check(w.t, err)
	return w.handshakeAs(cfg)
}

func (w *agentWorld) handshakeAs(cfg edhoc.Config) coap.Doer {
	w.t.Helper()
	d, _ := w.establish(cfg)
	return d
}

// establish gives also the association, which may be renewed.
func (w *agentWorld) establish(cfg edhoc.Config) (coap.Doer, *oscore.Association) {
	w.t.Helper()
	initiator, err := edhoc.NewInitiator(cfg)
	check(w.t, err)
	own, err := readEDHOCKey(w.path, w.agent.cfg)
	check(w.t, err)
	identity, err := own.Identity()
	check(w.t, err)
	server := identity.Credential
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	check(w.t, err)
	c := edhoccoap.Client{
		Doer: w.network(), Initiator: initiator, IDs: ids,
		Find: func(context.Context, edhoc.IDCred, []edhoc.EADItem) ([]*edhoc.Credential, error) {
			return []*edhoc.Credential{server}, nil
		},
	}
	h, err := c.Begin(w.t.Context())
	check(w.t, err)
	session, _, next, err := h.Combine(w.network())
	check(w.t, err)
	params, err := oscorekeys.Params(session, oscorekeys.Lengths{})
	check(w.t, err)
	association, err := oscore.NewAssociation(oscore.Config{Params: params, B2: oscore.B2Allowed, Clock: time.Now})
	check(w.t, err)
	return oscorecoap.NewClient(next, association, oscorecoap.ClientConfig{}), association
}

// code is that of the protected answer to a request; 0 if the answer is not protected.
func (w *agentWorld) code(d coap.Doer, method coap.Code, path string) coap.Code {
	w.t.Helper()
	response, err := d.Do(w.t.Context(), coap.NewRequest(method, path))
	var clear *oscorecoap.UnprotectedError
	if errors.As(err, &clear) {
		return 0
	}
	check(w.t, err)
	return response.Code
}

func (w *agentWorld) want(when string, d coap.Doer, method coap.Code, path string, want coap.Code) {
	w.t.Helper()
	if got := w.code(d, method, path); got != want {
		w.t.Errorf("%s: got %v, want %v", when, got, want)
	}
}

// TestPeerRights is ED-18: a peer has what its scope says, inside OSCORE, and one
// without a scope has nothing.
//
//spec:9668-3.3.1-6
func TestPeerRights(t *testing.T) {
	w := newAgentWorld(t)
	alice := w.handshake(w.add("alice", `[["/value",1]]`))
	w.want("combined request", alice, coap.GET, "/value", coap.Content)
	w.want("uncovered method", alice, coap.PUT, "/value", coap.MethodNotAllowed)
	w.want("uncovered resource", alice, coap.GET, "/secret", coap.Forbidden)
	w.want("upload of a token", alice, coap.POST, acecoap.AuthzInfoPath, coap.Unauthorized)
	bob := w.handshake(w.add("bob", ""))
	w.want("no scope", bob, coap.GET, "/value", coap.Forbidden)
	mallory := w.handshake(w.add("mallory", `[["/value",2]]`))
	w.want("combined request, uncovered method", mallory, coap.GET, "/value", coap.MethodNotAllowed)
	w.want("after the others", alice, coap.GET, "/value", coap.Content)
}

// TestPeerWithCertificate: a device may have a certificate, and name it by its hash or
// send it along. Who has one of another does not come in.
func TestPeerWithCertificate(t *testing.T) {
	w := newAgentWorld(t)
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &pair.PublicKey, pair)
	check(t, err)
	file := filepath.Join(t.TempDir(), "pump.pem")
	check(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	add := peerAdd{configFlag: configFlag{w.path}, Name: "pump", Scope: `[["/value",1]]`, PublicKey: file}
	check(t, add.Run(w.streams()))
	credential, err := edhoc.ParseX509(der)
	check(t, err)
	scalar, err := pair.Bytes()
	check(t, err)
	key, err := edhoc.NewStaticDHKey(edhoc.P256, scalar)
	check(t, err)
	for name, id := range map[string]edhoc.IDCred{"x5chain": credential.ByValue(), "x5t": edhoc.X5T(der)} {
		d := w.handshakeAs(edhoc.Config{
			Methods:    []edhoc.Method{edhoc.StaticDHStaticDH},
			Identities: []edhoc.Identity{{Credential: credential, ID: id, Key: key}},
		})
		w.want(name, d, coap.GET, "/value", coap.Content)
		w.want(name, d, coap.PUT, "/value", coap.MethodNotAllowed)
	}
}

// TestStrangers: who is not in the list leaves nothing behind, and hears no more than
// RFC 9668, Section 3.3.1 has it hear.
//
//spec:9668-3.3.1-7
//spec:9668-3.3.1-8
func TestStrangers(t *testing.T) {
	w := newAgentWorld(t)
	key, _ := newKey(t, "stranger", 1)
	own, err := readEDHOCKey(w.path, w.agent.cfg)
	check(t, err)
	key.Peer = own.Credential
	_, err = w.handshake(key).Do(t.Context(), coap.NewRequest(coap.GET, "/value"))
	var clear *oscorecoap.UnprotectedError
	if !errors.As(err, &clear) || clear.Response.Code != coap.BadRequest {
		t.Fatalf("got %v, want 4.00 in clear", err)
	}
	var told *edhoc.PeerError
	if refused := edhoccoap.Refused(clear.Response); !errors.As(refused, &told) || told.Code != edhoc.CodeUnspecified {
		t.Errorf("got %v, want error code 1", refused)
	}
	if s := w.agent.ids.Stats(); s.Confirmed != 0 || w.agent.contexts.Len() != 0 {
		t.Errorf("%d identifiers and %d contexts are left", s.Confirmed, w.agent.contexts.Len())
	}
}

// TestDiscovery: the agent says what it supports, unless the list of the server behind
// it is public.
func TestDiscovery(t *testing.T) {
	w := newAgentWorld(t)
	list := func() string {
		t.Helper()
		response, err := w.network().Do(t.Context(), coap.NewRequest(coap.GET, wellKnownCore))
		check(t, err)
		return string(response.Payload)
	}
	const want = `</.well-known/edhoc>;rt="core.edhoc";ed-r;ed-method=1;ed-method=3;ed-csuite=2;ed-csuite=3;ed-csuite=5;` +
		`ed-cred-t=1;ed-cred-t=2;ed-idcred-t=4;ed-idcred-t=14;ed-idcred-t=33;ed-idcred-t=34;ed-comb-req`
	if got := list(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	w.agent.cfg.Public = []string{wellKnownCore}
	if _, ours := w.agent.inClear()[wellKnownCore]; ours {
		t.Error("the list of the server behind the agent cannot be had")
	}
	response, err := w.network().Do(t.Context(), coap.NewRequest(coap.GET, "/value"))
	check(t, err)
	if response.Code != coap.Unauthorized {
		t.Errorf("/value in clear: got %v, want 4.01", response.Code)
	}
}

// TestOneKeyForTwoUses is ED-17: the key for clients is not that for the authorization
// server.
func TestOneKeyForTwoUses(t *testing.T) {
	w := newAgentWorld(t)
	own, err := readEDHOCKey(w.path, w.agent.cfg)
	check(t, err)
	known := *w.agent.known
	known.EDHOC = own
	if _, err := newAgent(t.Context(), w.path, w.agent.cfg, &known, w.agent.log); err == nil || !strings.Contains(err.Error(), "a key of its own") {
		t.Errorf("got %v, want an error", err)
	}
}

// TestPeerSessionsEnd: with the peer, and with its scope, when the agent looks again;
// those of others go on.
func TestPeerSessionsEnd(t *testing.T) {
	w := newAgentWorld(t)
	alice, bob := w.handshake(w.add("alice", `[["/value",1]]`)), w.handshake(w.add("bob", `[["/value",1]]`))
	w.want("alice", alice, coap.GET, "/value", coap.Content)
	w.want("bob", bob, coap.GET, "/value", coap.Content)
	w.agent.sweep(t.Context())
	w.want("nothing has changed", alice, coap.GET, "/value", coap.Content)

	var codes []coap.Code
	registered, done := make(chan bool, 8), make(chan error, 1)
	go func() {
		done <- alice.(coap.Observer).Observe(t.Context(), coap.NewRequest(coap.GET, "/value"), func(r *coap.Response) {
			codes = append(codes, r.Code)
			registered <- true
		})
	}()
	<-registered
	w.remove("alice")
	w.agent.sweep(t.Context())
	check(t, <-done)
	if want := []coap.Code{coap.Content, coap.Unauthorized}; !slices.Equal(codes, want) {
		t.Errorf("the observer saw %v, want %v", codes, want)
	}
	w.want("alice was removed", alice, coap.GET, "/value", 0)
	w.want("bob was not", bob, coap.GET, "/value", coap.Content)
	if n := w.agent.contexts.Len(); n != 1 {
		t.Errorf("got %d contexts, want 1", n)
	}

	list, err := readPeers(filepath.Join(filepath.Dir(w.path), "peers.toml"))
	check(t, err)
	list.List[0].Scope = `[["/value",5]]`
	text, err := list.text()
	check(t, err)
	check(t, settings.Replace(filepath.Join(filepath.Dir(w.path), "peers.toml"), text))
	w.agent.sweep(t.Context())
	w.want("bob has another scope", bob, coap.GET, "/value", 0)
	if s := w.agent.ids.Stats(); s.Confirmed != s.Released || w.agent.contexts.Len() != 0 {
		t.Errorf("%d identifiers and %d contexts are left", s.Confirmed-s.Released, w.agent.contexts.Len())
	}
}

// TestPeerRenews: a peer renews its context as often as it likes, if it may, and keeps its
// rights; it gets none back that it has lost (RFC 8613, Appendix B.2).
func TestPeerRenews(t *testing.T) {
	for _, may := range []bool{true, false} {
		w := newAgentWorldWith(t, func(c *config, _ *credentials.ResourceServer) { c.Renewal = may })
		cfg, err := w.add("alice", `[["/value",1]]`).Initiator()
		check(t, err)
		alice, association := w.establish(cfg)
		w.want("before", alice, coap.GET, "/value", coap.Content)
		if !may {
			check(t, association.Rederive())
			w.want("may not renew", alice, coap.GET, "/value", 0)
			continue
		}
		for range 2 {
			check(t, association.Rederive())
			w.want("renewed", alice, coap.GET, "/value", coap.Content)
			w.want("renewed, for what it may not", alice, coap.PUT, "/value", coap.MethodNotAllowed)
		}
		w.remove("alice")
		w.agent.sweep(t.Context())
		check(t, association.Rederive())
		w.want("removed", alice, coap.GET, "/value", 0)
	}
}

// TestSpentSessionEnds: with the right of an association, which ends when its keys are
// used up, the session ends and gives its identifier back.
func TestSpentSessionEnds(t *testing.T) {
	w := newAgentWorld(t)
	alice := w.handshake(w.add("alice", `[["/value",1]]`))
	w.want("before", alice, coap.GET, "/value", coap.Content)
	if !w.agent.rs.Tokens().Remove("edhoc:1:alice") {
		t.Fatal("alice has no right")
	}
	w.want("after", alice, coap.GET, "/value", 0)
	if s := w.agent.ids.Stats(); s.Confirmed != s.Released || w.agent.contexts.Len() != 0 {
		t.Errorf("%d identifiers and %d contexts are left", s.Confirmed-s.Released, w.agent.contexts.Len())
	}
}

// TestPeerListDamaged: sessions go on, and nobody gets a new one until the list can
// be read again.
func TestPeerListDamaged(t *testing.T) {
	w := newAgentWorld(t)
	key := w.add("alice", `[["/value",1]]`)
	alice, late := w.handshake(key), w.handshake(key)
	w.want("alice", alice, coap.GET, "/value", coap.Content)
	path := filepath.Join(filepath.Dir(w.path), "peers.toml")
	list, err := readPeers(path)
	check(t, err)
	good, err := list.text()
	check(t, err)
	check(t, settings.Replace(path, append([]byte("x = 1\n"), good...)))
	w.agent.sweep(t.Context())
	if !strings.Contains(w.agent.trouble, `unknown key "x"`) {
		t.Errorf("trouble: got %q", w.agent.trouble)
	}
	w.want("a session of before", alice, coap.GET, "/value", coap.Content)
	w.want("a handshake that ends now", late, coap.GET, "/value", 0)
	check(t, settings.Replace(path, good))
	w.agent.sweep(t.Context())
	if w.agent.trouble != "" {
		t.Errorf("trouble: got %q, want none", w.agent.trouble)
	}
	w.want("when it is repaired", w.handshake(key), coap.GET, "/value", coap.Content)
}

// TestTokensAndPeers: a client with a token that bears the name of a peer, in every
// claim that may, is not that peer, nor does it end its session; both have contexts of
// one table with identifiers of one allocator.
func TestTokensAndPeers(t *testing.T) {
	w := newAgentWorld(t)
	alice := w.handshake(w.add("alice", `[["/value",1]]`))
	w.want("peer", alice, coap.GET, "/value", coap.Content)
	token := w.token("alice", ace.AIF{{Path: "/secret", Methods: ace.GET}})
	w.want("token", token, coap.GET, "/secret", coap.Content)
	w.want("token for what the peer may", token, coap.GET, "/value", coap.Forbidden)
	w.want("peer for what the token may", alice, coap.GET, "/secret", coap.Forbidden)
	w.want("peer", alice, coap.GET, "/value", coap.Content)
	seen := map[idalloc.ID]bool{}
	for _, h := range w.agent.ids.Holdings() {
		if seen[h.ID] {
			t.Errorf("identifier %v is held twice", h.ID)
		}
		seen[h.ID] = true
	}
	if w.agent.contexts.Len() != 2 || len(seen) != 2 {
		t.Errorf("got %d contexts and %d identifiers, want 2 and 2", w.agent.contexts.Len(), len(seen))
	}
	w.remove("alice")
	w.agent.sweep(t.Context())
	w.want("peer that was removed", alice, coap.GET, "/value", 0)
	w.want("token after the peer went", token, coap.GET, "/secret", coap.Content)
}

// token uploads a token with name in every claim that holds one.
func (w *agentWorld) token(name string, scope ace.AIF) coap.Doer {
	w.t.Helper()
	claims := claimsOf(name, scope)
	token, err := ace.EncryptCWT(nil, claims, w.key, nil)
	check(w.t, err)
	d, err := w.upload(token, claims)
	check(w.t, err)
	return d
}

func claimsOf(name string, scope ace.AIF) *ace.Claims {
	material := &ace.OSCOREInputMaterial{ID: []byte(name), MasterSecret: secret.Bytes("fedcba9876543210"), Salt: []byte("salt")}
	return &ace.Claims{
		Issuer: "coap://as.example", Audience: "sensor", Subject: name, CWTID: []byte(name),
		Expiration: ace.Date(time.Now().Add(time.Hour)), Scope: ace.AIFScope(scope), Cnf: &ace.Confirmation{OSCORE: material},
	}
}

func (w *agentWorld) upload(token []byte, claims *ace.Claims) (coap.Doer, error) {
	w.t.Helper()
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	check(w.t, err)
	c, err := client.New(client.Config{Transport: acecoap.NewTransport(w.network()), IDs: ids, Clock: time.Now})
	check(w.t, err)
	session, err := c.Upload(w.t.Context(), "192.0.2.1:5683", &client.Access{
		Audience: "sensor", Scope: claims.Scope, Token: token, Expires: time.Now().Add(time.Hour), Material: claims.Cnf.OSCORE,
	})
	if err != nil {
		return nil, err
	}
	return acecoap.Doer(session, coap.BlockwiseConfig{}), nil
}
