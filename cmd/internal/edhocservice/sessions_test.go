package edhocservice

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/internal/cborseq"
)

// list is a Source in memory.
type list struct {
	revision string
	peers    []Peer
	err      error
}

func (l *list) Revision(context.Context) (string, error) { return l.revision, l.err }
func (l *list) Peers(context.Context) ([]Peer, error)    { return l.peers, l.err }

func (l *list) set(revision string, peers ...Peer) { l.revision, l.peers = revision, peers }

func newPeer(t *testing.T, name, rights string, kid ...byte) Peer {
	t.Helper()
	key, err := credentials.NewEDHOC(name, kid)
	if err != nil {
		t.Fatal(err)
	}
	identity, err := key.Identity()
	if err != nil {
		t.Fatal(err)
	}
	return Peer{Name: name, Credential: identity.Credential, Rights: rights}
}

func newSessions(trusted Source) (s *sessions, ended *[]string) {
	ended = new([]string)
	return &sessions{
		trusted: trusted, now: time.Now, log: slog.New(slog.DiscardHandler),
		limits: Limits{Sessions: 10, SessionsPerPeer: 2, Lifetime: time.Hour},
		end:    func(x *Session) { *ended = append(*ended, x.Peer.Name) },
	}, ended
}

func wantFound(t *testing.T, s *sessions, id edhoc.IDCred, want int) {
	t.Helper()
	found, err := s.find(t.Context(), id, nil)
	if err != nil || len(found) != want {
		t.Errorf("got %d credentials, %v; want %d", len(found), err, want)
	}
}

func TestFind(t *testing.T) {
	alice, bob, carol := newPeer(t, "alice", "", 1), newPeer(t, "bob", "", 1), newPeer(t, "carol", "", 2)
	l := &list{}
	l.set("1", alice, bob, carol)
	s, _ := newSessions(l)
	wantFound(t, s, edhoc.KID([]byte{1}), 2)
	wantFound(t, s, edhoc.KID([]byte{2}), 1)
	wantFound(t, s, edhoc.KID([]byte{3}), 0)
	wantFound(t, s, alice.Credential.ByValue(), 1)
	l.set("1", carol) // nobody has said that it changed
	wantFound(t, s, edhoc.KID([]byte{1}), 2)
	l.revision = "2"
	wantFound(t, s, edhoc.KID([]byte{1}), 0)
	wantFound(t, s, alice.Credential.ByValue(), 0)
	l.err = errors.New("disk")
	if _, err := s.find(t.Context(), edhoc.KID([]byte{2}), nil); err == nil {
		t.Error("a peer is trusted though the list cannot be read")
	}
}

// TestFindCertificate: a pinned certificate is found by its hash and by itself, and by
// nothing that would take a look at each.
func TestFindCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(t, err)
	pump, err := edhoc.ParseX509(der)
	check(t, err)
	l := &list{}
	l.set("1", newPeer(t, "alice", "", 1), Peer{Name: "pump", Credential: pump})
	s, _ := newSessions(l)
	hashed := func(algorithm int64, value []byte) edhoc.IDCred {
		b := cborseq.AppendInt(cborseq.AppendMap(nil, 1), 34) // x5t
		id, err := edhoc.ParseIDCred(cborseq.AppendBytes(cborseq.AppendInt(cborseq.AppendArray(b, 2), algorithm), value))
		check(t, err)
		return id
	}
	sum, long := sha256.Sum256(der), sha512.Sum512(der)
	flipped := sum
	flipped[31]++
	wantFound(t, s, edhoc.X5T(der), 1)
	wantFound(t, s, hashed(-16, sum[:]), 1)
	wantFound(t, s, hashed(-16, flipped[:]), 0)
	wantFound(t, s, hashed(-15, sum[:]), 0)
	wantFound(t, s, hashed(-16, sum[:7]), 0)
	wantFound(t, s, hashed(-44, long[:]), 0)
	wantFound(t, s, edhoc.C5T(der), 0)
	wantFound(t, s, edhoc.X5Chain(der), 1)
	wantFound(t, s, edhoc.X5Chain(der, der), 1)
	wantFound(t, s, edhoc.X5Chain([]byte{1}, der), 0)
	s.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	wantFound(t, s, edhoc.X5T(der), 0)
	wantFound(t, s, edhoc.X5Chain(der), 0)
}

// TestOneCredentialOfTwo: it is that of the first in the list.
func TestOneCredentialOfTwo(t *testing.T) {
	alice := newPeer(t, "alice", "", 1)
	mallory := alice
	mallory.Name = "mallory"
	l := &list{}
	l.set("1", alice, mallory)
	s, _ := newSessions(l)
	wantFound(t, s, edhoc.KID([]byte{1}), 1)
	if p, _ := s.peer(alice.Credential); p.Name != "alice" {
		t.Errorf("got %s, want alice", p.Name)
	}
}

// TestSessionsEnd: with the trust, with other rights, and never without a reason. A
// session of a peer that was removed while its handshake ran is not kept.
func TestSessionsEnd(t *testing.T) {
	alice, bob, carol := newPeer(t, "alice", "r", 1), newPeer(t, "bob", "r", 2), newPeer(t, "carol", "r", 3)
	l := &list{}
	l.set("1", alice, bob, carol)
	s, ended := newSessions(l)
	sweep := func() {
		t.Helper()
		if err := s.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	for _, p := range l.peers {
		if !s.add(&Session{Peer: p, made: time.Now()}) {
			t.Fatalf("session of %s is not kept", p.Name)
		}
	}
	sweep()
	if len(*ended) != 0 {
		t.Fatalf("ended without a reason: %v", *ended)
	}
	more := bob
	more.Rights = "rw"
	renamed := carol
	renamed.Name = "caroline"
	l.set("2", more, renamed)
	sweep()
	if want := []string{"alice", "bob", "carol"}; !slices.Equal(*ended, want) {
		t.Errorf("got %v ended, want %v", *ended, want)
	}
	for _, p := range []Peer{alice, bob, carol} {
		if s.add(&Session{Peer: p, made: time.Now()}) {
			t.Errorf("a session of %s is kept that has no right any more", p.Name)
		}
	}
	if !s.add(&Session{Peer: more, made: time.Now()}) {
		t.Error("a session with the new rights is not kept")
	}
}

// TestSessionsPerPeer: one peer has no more than its share, the oldest gives way, and
// another of the same name, with other rights, has a share of its own.
func TestSessionsPerPeer(t *testing.T) {
	alice, other := newPeer(t, "alice", "client", 1), newPeer(t, "alice", "resource server", 2)
	l := &list{}
	l.set("1", alice, other)
	s, _ := newSessions(l)
	var ended []*Session
	s.end = func(x *Session) { ended = append(ended, x) }
	if err := s.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	add := func(p Peer) *Session {
		x := &Session{Peer: p, made: time.Now()}
		if !s.add(x) {
			t.Fatalf("session of %s is not kept", p.Rights)
		}
		return x
	}
	add(other)
	first := add(alice)
	add(alice)
	add(other)
	if len(ended) != 0 {
		t.Fatalf("%d sessions have ended, want 0", len(ended))
	}
	add(alice)
	if len(ended) != 1 || ended[0] != first {
		t.Errorf("%d sessions have ended, want the oldest of its peer", len(ended))
	}
}

// TestSessionLifetime: a session ends when its time is over, and not before.
func TestSessionLifetime(t *testing.T) {
	now := time.Unix(2_000_000_000, 0)
	alice := newPeer(t, "alice", "", 1)
	l := &list{}
	l.set("1", alice)
	s, ended := newSessions(l)
	s.now = func() time.Time { return now }
	check(t, s.sweep(t.Context()))
	if !s.add(&Session{Peer: alice, made: now}) {
		t.Fatal("a session is not kept")
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{s.limits.Lifetime - 1, 0}, {1, 1}} {
		now = now.Add(c.after)
		check(t, s.sweep(t.Context()))
		if len(*ended) != c.want {
			t.Errorf("%v later: %d have ended, want %d", c.after, len(*ended), c.want)
		}
	}
}

// TestSessionsOfAll: there are no more than so many of all peers, and none is too old.
func TestSessionsOfAll(t *testing.T) {
	alice, bob := newPeer(t, "alice", "", 1), newPeer(t, "bob", "", 2)
	l := &list{}
	l.set("1", alice, bob)
	s, ended := newSessions(l)
	s.limits.Sessions = 3
	now := time.Unix(2_000_000_000, 0)
	s.now = func() time.Time { return now }
	check(t, s.sweep(t.Context()))
	for _, p := range []Peer{alice, bob, bob, alice} {
		if !s.add(&Session{Peer: p, made: now}) {
			t.Fatalf("session of %s is not kept", p.Name)
		}
		now = now.Add(time.Minute)
	}
	if !slices.Equal(*ended, []string{"alice"}) {
		t.Errorf("got %v ended, want the oldest", *ended)
	}
	now = time.Unix(2_000_000_000, 0).Add(time.Hour + time.Minute)
	check(t, s.sweep(t.Context()))
	if !slices.Equal(*ended, []string{"alice", "bob"}) {
		t.Errorf("got %v ended, want also the one that is an hour old", *ended)
	}
}

// expiring gives the peer a credential that expires.
func expiring(t *testing.T, p Peer, at time.Time) Peer {
	t.Helper()
	bare, err := edhoc.NewCCS(p.Credential.PublicKey(), "", p.Credential.KID())
	if err != nil {
		t.Fatal(err)
	}
	b := cborseq.AppendInt(cborseq.AppendMap(nil, 2), 4)
	b = cborseq.AppendInt(b, at.Unix())
	b = append(b, bare.CRED()[1:]...) // 'cnf'
	if p.Credential, err = edhoc.ParseCCS(b); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCredentialExpires: RFC 9528, Appendix D.1: it is found no more, and its sessions
// end.
func TestCredentialExpires(t *testing.T) {
	now := time.Unix(2_000_000_000, 0)
	alice := expiring(t, newPeer(t, "alice", "", 1), now.Add(time.Minute))
	l := &list{}
	l.set("1", alice)
	s, ended := newSessions(l)
	s.now = func() time.Time { return now }
	wantFound(t, s, edhoc.KID([]byte{1}), 1)
	if !s.add(&Session{Peer: alice, made: now}) {
		t.Fatal("a session is not kept")
	}
	now = now.Add(time.Minute)
	wantFound(t, s, edhoc.KID([]byte{1}), 0)
	if s.add(&Session{Peer: alice, made: now}) {
		t.Error("a session with an expired credential is kept")
	}
	if err := s.sweep(t.Context()); err != nil || len(*ended) != 1 {
		t.Errorf("got %v ended, %v, want alice", *ended, err)
	}
}
