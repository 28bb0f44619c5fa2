package edhocservice

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
)

// world is a Service with one peer, alice, who runs handshakes with it.
type world struct {
	*Service
	t        *testing.T
	trusted  *list
	alice    *credentials.EDHOC
	peer     Peer
	contexts oscore.Contexts
	ids      *idalloc.Allocator
	begin    func(*Session) error
	sessions []*Session // that have begun
}

func newWorld(t *testing.T, options ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, trusted: &list{revision: "1"}}
	own, err := credentials.NewEDHOC("server", []byte{0})
	check(t, err)
	identity, err := own.Identity()
	check(t, err)
	w.alice, err = credentials.NewEDHOC("alice", []byte{1})
	check(t, err)
	w.alice.Peer = own.Credential
	known, err := w.alice.Identity()
	check(t, err)
	w.peer = Peer{Name: "alice", Credential: known.Credential, Rights: "r"}
	w.trusted.peers = []Peer{w.peer}
	w.ids, err = idalloc.New(idalloc.Config{Now: time.Now})
	check(t, err)
	w.begin = func(*Session) error { return nil }
	cfg := Config{
		Identities: []edhoc.Identity{identity}, Profile: RawPublicKeys, Trusted: w.trusted, IDs: w.ids, Contexts: &w.contexts,
		Begin: func(s *Session) error {
			w.sessions = append(w.sessions, s)
			return w.begin(s)
		},
		Discard: func(a *oscore.Association) {
			w.contexts.Remove(a)
			a.Discard()
		},
		Limits: Limits{Sessions: 5, SessionsPerPeer: 5, Lifetime: time.Hour},
		Log:    slog.New(slog.DiscardHandler),
	}
	for _, o := range options {
		o(&cfg)
	}
	w.Service, err = New(cfg)
	check(t, err)
	t.Cleanup(w.Close)
	return w
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) handshake() error {
	w.t.Helper()
	cfg, err := w.alice.Initiator()
	check(w.t, err)
	initiator, err := edhoc.NewInitiator(cfg)
	check(w.t, err)
	server, err := w.alice.PeerCredential()
	check(w.t, err)
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	check(w.t, err)
	c := edhoccoap.Client{
		Doer: &coaptest.Direct{Handler: w.Resources()}, Initiator: initiator, IDs: ids, Message4: true,
		Find: func(context.Context, edhoc.IDCred, []edhoc.EADItem) ([]*edhoc.Credential, error) {
			return []*edhoc.Credential{server}, nil
		},
	}
	_, _, err = c.Establish(w.t.Context())
	return err
}

func (w *world) want(when string, contexts int) {
	w.t.Helper()
	s := w.ids.Stats()
	if live := int(s.Confirmed - s.Released); live != contexts || w.contexts.Len() != contexts {
		w.t.Errorf("%s: got %d contexts and %d identifiers, want %d", when, w.contexts.Len(), live, contexts)
	}
}

// TestEnd: a session ends with its association, and only that.
func TestEnd(t *testing.T) {
	w := newWorld(t)
	check(t, w.handshake())
	check(t, w.handshake())
	w.want("two sessions", 2)
	if w.Peers() != 1 {
		t.Errorf("got %d peers, want 1", w.Peers())
	}
	w.End(w.sessions[0].Association)
	w.want("one has ended", 1)
	w.End(w.sessions[0].Association) // it is known no more
	w.want("and again", 1)
	if w.sessions[1].Association.Current() == nil {
		t.Error("the other one has ended")
	}
}

// TestBeginFails: what does not begin leaves nothing behind, and neither does what
// has lost its trust by then.
func TestBeginFails(t *testing.T) {
	w := newWorld(t)
	w.begin = func(*Session) error { return errors.New("no room") }
	if err := w.handshake(); err == nil {
		t.Error("a handshake succeeds whose session does not begin")
	}
	w.want("Begin has failed", 0)
	w.begin = func(*Session) error {
		w.trusted.set("2")
		return w.Sweep(t.Context())
	}
	if err := w.handshake(); err == nil {
		t.Error("a handshake succeeds of a peer that was removed while it ran")
	}
	w.want("removed meanwhile", 0)
	w.trusted.set("3", w.peer)
	w.begin = func(*Session) error { return nil }
	check(t, w.handshake())
	w.want("after that", 1)
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("New accepts a Config without anything")
	}
	w := newWorld(t)
	cfg := w.cfg
	cfg.Limits.SessionsPerPeer = 0
	if _, err := New(cfg); err == nil {
		t.Error("New accepts a limit of 0")
	}
}
