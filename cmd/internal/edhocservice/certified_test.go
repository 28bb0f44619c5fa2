package edhocservice

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/ostiary/ostiary/edhoc"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newCertKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return key
}

var certStart = time.Unix(2_000_000_000, 0)

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: newCertKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: certStart, NotAfter: certStart.Add(48 * time.Hour), BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	check(t, err)
	a.cert, err = x509.ParseCertificate(der)
	check(t, err)
	return a
}

// issue makes a certificate for a day, with an extension of a size.
func (a *authority) issue(name string, size int) []byte {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: certStart, NotAfter: certStart.Add(24 * time.Hour),
		ExtraExtensions: []pkix.Extension{{Id: []int{1, 2, 3}, Value: make([]byte, size)}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &newCertKey(a.t).PublicKey, a.key)
	check(a.t, err)
	return der
}

// newCertified makes sessions that believe an authority, in the first hour of its
// certificates.
func newCertified(t *testing.T, peers ...Peer) (*sessions, *authority) {
	t.Helper()
	a := newAuthority(t)
	l := &list{}
	l.set("1", peers...)
	s, _ := newSessions(l)
	s.roots = x509.NewCertPool()
	s.roots.AddCert(a.cert)
	s.now = func() time.Time { return certStart.Add(time.Hour) }
	return s, a
}

// TestCertifiedClock: certificates are valid by the clock of the service.
func TestCertifiedClock(t *testing.T) {
	s, a := newCertified(t, Peer{Name: "pump", CertificateSubject: "CN=pump"})
	der := a.issue("pump", 0)
	for at, want := range map[time.Duration]int{-time.Second: 0, 0: 1, 24 * time.Hour: 1, 24*time.Hour + time.Second: 0} {
		s.now = func() time.Time { return certStart.Add(at) }
		wantFound(t, s, edhoc.X5Chain(der), want)
	}
}

// TestCertifiedSize: a chain costs no more than one that a device has.
func TestCertifiedSize(t *testing.T) {
	s, a := newCertified(t, Peer{Name: "pump", CertificateSubject: "CN=pump"})
	der := a.issue("pump", 1000)
	more := func(n int) [][]byte { return [][]byte{der, a.issue("x", n)} }
	wantFound(t, s, edhoc.X5Chain(more(2000)...), 1)
	wantFound(t, s, edhoc.X5Chain(more(3000)...), 0)
	wantFound(t, s, edhoc.X5Chain(a.issue("pump", maxChain)), 0)
}

// TestCertifiedIsWho: who has a certificate is the peer with its subject: of two with one
// subject the first, and nobody whose own credential is something else.
func TestCertifiedIsWho(t *testing.T) {
	alice := newPeer(t, "alice", "a", 1)
	s, a := newCertified(t, alice, Peer{Name: "pump", Rights: "p", CertificateSubject: "CN=pump"},
		Peer{Name: "mallory", Rights: "m", CertificateSubject: "CN=pump"}, Peer{Name: "carol", CertificateSubject: "CN=alice,O=x"})
	for _, name := range []string{"alice", "mallory", "PUMP", "pump ", "", "carol"} {
		wantFound(t, s, edhoc.X5Chain(a.issue(name, 0)), 0)
	}
	der := a.issue("pump", 0)
	credential, err := edhoc.ParseX509(der)
	check(t, err)
	if p, ok := s.peer(credential); ok {
		t.Errorf("got %s before the certificate was verified", p.Name)
	}
	wantFound(t, s, edhoc.X5Chain(der), 1)
	p, ok := s.peer(credential)
	if !ok || p.Name != "pump" || p.Rights != "p" {
		t.Errorf("got %s with the rights %q, want pump", p.Name, p.Rights)
	}
	wantFound(t, s, edhoc.X5T(der), 0)
}

// TestCertifiedBound: what is remembered of handshakes does not grow without end.
func TestCertifiedBound(t *testing.T) {
	s, a := newCertified(t, Peer{Name: "pump", CertificateSubject: "CN=pump"})
	s.certified = map[string]Peer{}
	for i := range maxCertified {
		s.certified[fmt.Sprint(i)] = Peer{}
	}
	wantFound(t, s, edhoc.X5Chain(a.issue("pump", 0)), 1)
	if len(s.certified) != 1 {
		t.Errorf("%d certificates are remembered, want 1", len(s.certified))
	}
}
