package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/ace/client"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/store"
)

// The names of the demonstration. Both audiences are the same server; tokens
// for the second live briefly.
const (
	demoAudience = "sensor"
	demoBrief    = "sensor-brief"
	demoLifetime = 3 * time.Second // of tokens for demoBrief
)

const demoPolicy = `
permit (
  principal in Group::"visitors",
  action in [Action::"GET", Action::"PUT"],
  resource
) when { resource.path == "/value" };
`

// demo is the stage: servers, clients, and what the steps hand on.
type demo struct {
	t              *tracer
	log            *slog.Logger // of the authorization server
	asAddr, rsAddr netip.AddrPort
	rs             *acecoap.ResourceServer
	rsIDs          *idalloc.Allocator
	people         map[string]*credentials.Client
	known          []*credentials.ResourceServer // what the resource server knows
	value          value
	servers        sync.WaitGroup
	stop           context.CancelFunc
	failed         chan error

	alice, bob *actorOfDemo
}

// actorOfDemo is a client with what it has got.
type actorOfDemo struct {
	party   *party
	wire    *wire
	access  *client.Access
	session *client.Session
}

func newDemo(ctx context.Context, dir string, t *tracer, log *slog.Logger) (*demo, error) {
	d := &demo{t: t, log: log, people: map[string]*credentials.Client{}, failed: make(chan error, 2)}
	ctx, d.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := d.authorizationServer(ctx, dir); err != nil {
		return nil, errors.Join(err, d.close())
	}
	if err := d.resourceServer(ctx); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// authorizationServer does what init, rs add, client add and serve do.
func (d *demo) authorizationServer(ctx context.Context, dir string) error {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		return err
	}
	d.asAddr = conn.LocalAddr().(*net.UDPAddr).AddrPort() //nolint:forcetypeassert // of a UDPConn
	path, err := initialize(ctx, filepath.Join(dir, "as"), "coap://as.example", d.asAddr.String(), "")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "policy.cedar"), []byte(demoPolicy), 0o600); err != nil {
		return err
	}
	cfg, db, err := (&configFlag{Config: path}).open(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(d.register(ctx, db, cfg), db.Close()); err != nil {
		return err
	}
	a, err := newAuthority(ctx, path, cfg, d.log, func(next coap.Handler) coap.Handler {
		return d.t.handler("as", next)
	})
	if err != nil {
		return err
	}
	d.servers.Go(func() { d.failed <- a.serve(ctx, conn, nil) })
	return nil
}

func (d *demo) register(ctx context.Context, db *store.Store, cfg config) error {
	for audience, lifetime := range map[string]time.Duration{demoAudience: 0, demoBrief: demoLifetime} {
		r, err := addResourceServer(ctx, db, cfg, nil, newResourceServer{name: audience, algorithm: "AES-CCM-16-64-128", lifetime: lifetime})
		if err != nil {
			return err
		}
		d.known = append(d.known, r)
	}
	for _, who := range []string{"alice", "bob"} {
		c, err := addClient(ctx, db, cfg, newClient{name: who, renewal: "b2", groups: []string{"visitors"}})
		if err != nil {
			return err
		}
		d.people[who] = c
	}
	return nil
}

// resourceServer is the library use of a resource server.
func (d *demo) resourceServer(ctx context.Context) error {
	var err error
	if d.rsIDs, err = idalloc.New(idalloc.Config{Now: time.Now}); err != nil {
		return err
	}
	tokens := rs.Config{Hints: ace.CreationHints{AS: d.known[0].AS, Audience: demoAudience}}
	for _, k := range d.known {
		algorithm, err := k.TokenKey.COSE()
		if err != nil {
			return err
		}
		key, err := ace.NewTokenKey(ace.TokenKeyConfig{Issuer: k.Issuer, ID: k.TokenKey.ID, Algorithm: algorithm, Secret: k.TokenKey.Key.Bytes})
		if err != nil {
			return err
		}
		tokens.Keys = append(tokens.Keys, key)
		tokens.Audiences = append(tokens.Audiences, k.Audiences...)
	}
	d.rs, err = acecoap.NewResourceServer(acecoap.Config{
		Tokens: tokens, IDs: d.rsIDs, Association: oscore.Config{B2: oscore.B2Allowed, Clock: time.Now},
	}, &d.value)
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		return err
	}
	d.rsAddr = conn.LocalAddr().(*net.UDPAddr).AddrPort() //nolint:forcetypeassert // of a UDPConn
	server := coap.Server{
		Handler: d.t.handler("rs", d.rs), Config: coap.Config{Understands: []coap.OptionID{coap.OSCORE}},
	}
	d.servers.Go(func() { d.failed <- server.Serve(ctx, conn) })
	return nil
}

// close ends the servers and the clients.
func (d *demo) close() error {
	d.stop()
	d.servers.Wait()
	for _, a := range []*actorOfDemo{d.alice, d.bob} {
		if a != nil {
			a.party.close()
		}
	}
	close(d.failed)
	var err error
	for e := range d.failed {
		err = errors.Join(err, e)
	}
	return err
}

// enter makes a client ready.
func (d *demo) enter(ctx context.Context, who string) (*actorOfDemo, error) {
	a := new(actorOfDemo)
	var err error
	a.party, err = newParty(ctx, d.people[who], demoAudience+","+demoBrief, func(t client.Transport) client.Transport {
		a.wire = &wire{Transport: t, t: d.t, from: who, to: d.serverName}
		return a.wire
	})
	return a, err
}

// serverName names the server at an address.
func (d *demo) serverName(address string) string {
	if address == d.rsURI() {
		return "rs"
	}
	return "as"
}

func (d *demo) rsURI() string { return fmt.Sprintf("coap://%v", d.rsAddr) }

// value is the application behind the resource server: /value, which can be
// read and written, and /config, of which no token speaks.
type value struct {
	mu       sync.Mutex // guards what follows
	content  []byte
	requests int
}

// ServeCOAP implements coap.Handler.
func (v *value) ServeCOAP(w coap.ResponseWriter, r *coap.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.requests++
	response := r.NewResponse(coap.MethodNotAllowed)
	switch r.Code {
	case coap.GET:
		response.Code, response.Payload = coap.Content, v.content
	case coap.PUT:
		response.Code, v.content = coap.Changed, slices.Clone(r.Payload)
	}
	_ = w.Respond(response)
}

// count is how many requests have reached the application.
func (v *value) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.requests
}

func (v *value) set(content string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.content = []byte(content)
}

func (v *value) get() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return string(v.content)
}

// uriPath is the Uri-Path of one segment.
func uriPath(segment string) []oscore.Option {
	return []oscore.Option{{Number: uint16(coap.URIPath), Value: []byte(segment)}}
}

// keysDiffer compares two security contexts by what they make of the same
// message with the same Partial IV.
func (d *demo) keysDiffer(before, after *oscore.Context) error {
	if before == nil || after == nil {
		return errors.New("there is no security context")
	}
	if bytes.Equal(before.IDContext(), after.IDContext()) {
		return errors.New("the ID Context is the old one, and so are the keys")
	}
	d.t.line("", "", "", fmt.Sprintf("ID Context before: h'%x'", before.IDContext()))
	d.t.line("", "", "", fmt.Sprintf("ID Context after:  h'%x'", after.IDContext()))
	return nil
}
