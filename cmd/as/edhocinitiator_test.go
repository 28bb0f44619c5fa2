package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/cmd/internal/edhocservice"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// trusting is an edhocservice.Source of one peer.
type trusting edhocservice.Peer

func (p trusting) Revision(context.Context) (string, error) { return "1", nil }
func (p trusting) Peers(context.Context) ([]edhocservice.Peer, error) {
	return []edhocservice.Peer{edhocservice.Peer(p)}, nil
}

// serveResourceServer runs a resource server on a loopback address that lets the server
// in, and has /value.
func serveResourceServer(t *testing.T, own edhoc.Identity, profile edhoccoap.Profile, server *edhoc.Credential) netip.AddrPort {
	t.Helper()
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	contexts := new(oscore.Contexts)
	service, err := edhocservice.New(edhocservice.Config{
		Identities: []edhoc.Identity{own}, Profile: profile, Trusted: trusting{Name: "as", Credential: server},
		IDs: ids, Contexts: contexts, Discard: func(a *oscore.Association) { a.Discard() },
		Limits: edhocservice.Limits{Sessions: 4, SessionsPerPeer: 4, Lifetime: time.Hour}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	app := new(coap.Mux)
	app.HandleFunc("/value", func(w coap.ResponseWriter, r *coap.Request) { _ = w.Respond(r.NewResponse(coap.Content)) })
	protected := oscorecoap.Handler(contexts, app, oscorecoap.Plain(service.Resources(), edhoccoap.Path), oscorecoap.Config{})
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := coap.Server{Handler: service.Around(protected), Config: coap.Config{Understands: []coap.OptionID{coap.OSCORE, coap.EDHOC}}}
		_ = s.Serve(ctx, conn)
	}()
	t.Cleanup(func() {
		stop()
		<-done
		service.Close()
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// TestServerAsInitiator: the server runs EDHOC with a resource server, whose registered
// key it checks, and makes a request inside OSCORE.
func TestServerAsInitiator(t *testing.T) {
	for _, c := range []struct {
		server, rs credentials.KeyType
		method     int // to ask for
		want       int64
	}{
		{credentials.P256, credentials.P256, -1, 3},
		{credentials.P256Sign, credentials.P256, -1, 1},
		{credentials.P256, credentials.P256Sign, 2, 2},
		{credentials.Ed25519, credentials.Ed25519, -1, 0},
		{credentials.Ed25519, credentials.X25519, -1, 1},
		{credentials.X25519, credentials.P256Sign, 2, 2}, // suite 6
	} {
		t.Run(string(c.server+" "+c.rs), func(t *testing.T) {
			path := newServer(t, c.server)
			flags := configFlag{Config: path}
			cfg, db, err := flags.open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			keys, err := readEDHOCKeys(path, cfg)
			if err != nil {
				t.Fatal(err)
			}
			file, err := addResourceServer(t.Context(), db, cfg, keys, newResourceServer{
				name: "sensor", algorithm: "A128GCM", introspection: as.WithClaims, key: newKey{fresh: true, kind: c.rs},
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			own, err := file.EDHOC.Identity()
			if err != nil {
				t.Fatal(err)
			}
			server, err := file.EDHOC.PeerCredential()
			if err != nil {
				t.Fatal(err)
			}
			address := serveResourceServer(t, own, credentials.Profile([]credentials.KeyType{c.rs}), server)
			var out, errs bytes.Buffer
			run := func(change func(*edhocCommand)) error {
				out.Reset()
				command := edhocCommand{
					URI: "coap://" + address.String() + "/value", RS: "sensor", Method: c.method, Repeat: 1, Timeout: 20 * time.Second,
				}
				command.Config, command.Output = path, "json"
				if change != nil {
					change(&command)
				}
				return command.Run(t.Context(), cli.Streams{Out: &out, Err: &errs})
			}
			for _, combined := range []bool{false, true} {
				if err := run(func(e *edhocCommand) { e.Combined = combined }); err != nil {
					t.Fatal(err)
				}
				var items []edhocItem
				if err := json.Unmarshal(out.Bytes(), &items); err != nil || len(items) != 1 {
					t.Fatalf("%v: %s", err, out.Bytes())
				}
				x := items[0]
				if x.Method != c.want || x.Own.Subject != "coap://as.example" || x.Peer.Subject != "sensor" || x.Code != "2.05 Content" {
					t.Errorf("got %+v, want method %d and 2.05", x, c.want)
				}
			}
			if err := run(func(e *edhocCommand) { e.RS = "valve" }); err == nil || !strings.Contains(err.Error(), `there is no resource server "valve"`) {
				t.Errorf("got %v", err)
			}
			if err := run(func(e *edhocCommand) { e.Method = int(c.want+1) % 4 }); err == nil {
				t.Error("another method: no error")
			}
		})
	}
}

// newServer initializes a server with one key of the type.
func newServer(t *testing.T, kind credentials.KeyType) (path string) {
	t.Helper()
	path, err := initialize(t.Context(), filepath.Join(t.TempDir(), "as"), "coap://as.example", "127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	if kind != credentials.P256 {
		replaceKey(t, path, kind)
	}
	return path
}

// TestServerAsInitiatorRefuses: a resource server with another key than the registered
// one, and one that does not know this server.
func TestServerAsInitiatorRefuses(t *testing.T) {
	w := newEDHOCWorld(t, nil)
	sensor, other := w.registerServer("sensor", as.WithClaims), w.registerServer("other", as.WithClaims)
	identity := func(e *credentials.EDHOC) edhoc.Identity {
		t.Helper()
		i, err := e.Identity()
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	stranger, err := credentials.NewEDHOC("coap://as.example", []byte{0})
	if err != nil {
		t.Fatal(err)
	}
	profile := credentials.Profile([]credentials.KeyType{credentials.P256})
	own := identity(w.own)
	for _, c := range []struct {
		name    string
		address netip.AddrPort
		want    string
	}{
		{"another resource server", serveResourceServer(t, identity(other.EDHOC), profile, own.Credential), "not the resource server that is registered"},
		{"one that does not know the server", serveResourceServer(t, identity(sensor.EDHOC), profile, identity(stranger).Credential), "it refuses this server"},
	} {
		command := edhocCommand{URI: "coap://" + c.address.String() + "/value", RS: "sensor", Method: -1, Repeat: 1, Timeout: 20 * time.Second}
		command.Config = w.a.path
		var out bytes.Buffer
		err := command.Run(t.Context(), cli.Streams{Out: &out, Err: &out})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
}
