package trust

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/ostiary/ostiary/edhoc"
)

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newStore(t *testing.T, cfg Config) *Store {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return now }
	}
	s, err := New(cfg)
	must(t, err)
	return s
}

// newCCS makes a raw public key with a name.
func newCCS(t *testing.T, subject, kid string) *edhoc.Credential {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	signer, err := edhoc.NewSigner(key)
	must(t, err)
	var id []byte
	if kid != "" {
		id = []byte(kid)
	}
	c, err := edhoc.NewCCS(signer.Public(), subject, id)
	must(t, err)
	return c
}

// newCert makes a certificate authority and a certificate that it has signed.
func newCert(t *testing.T, subject string, notAfter time.Time) (roots *x509.CertPool, der []byte) {
	t.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	must(t, err)
	parent, err := x509.ParseCertificate(caDER)
	must(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: subject}, NotBefore: now.Add(-time.Hour), NotAfter: notAfter,
	}
	der, err = x509.CreateCertificate(rand.Reader, leaf, parent, &key.PublicKey, caKey)
	must(t, err)
	roots = x509.NewCertPool()
	roots.AddCert(parent)
	return roots, der
}

func find(s *Store, id edhoc.IDCred) ([]*edhoc.Credential, error) {
	return s.Find(context.Background(), id, nil)
}

// wantRefused checks that the peer is refused, as its fault.
func wantRefused(t *testing.T, what string, err error) {
	t.Helper()
	var e *edhoc.Error
	if !errors.As(err, &e) || e.Code != edhoc.CodeUnspecified {
		t.Errorf("%s: got %v, want an *edhoc.Error with code 1", what, err)
	}
}

func stored(s *Store, c *edhoc.Credential) Level {
	for x, level := range s.All() {
		if string(x.CRED()) == string(c.CRED()) {
			return level
		}
	}
	return Untrusted
}

func vouch(level Level) func(context.Context, *edhoc.Credential, []edhoc.EADItem) (Level, error) {
	return func(context.Context, *edhoc.Credential, []edhoc.EADItem) (Level, error) { return level, nil }
}

// TestPolicies is Table 1 of draft-ietf-lake-edhoc-impl-cons.
func TestPolicies(t *testing.T) {
	roots, good := newCert(t, "good", now.Add(time.Hour))
	expiredRoots, expired := newCert(t, "expired", now.Add(-time.Minute))
	for _, v := range []struct {
		name       string
		cfg        Config
		new, newer bool // accepted when new; when new and expired
	}{
		{"LEARNING", Config{Policy: Learning}, true, false},
		{"NO-LEARNING", Config{}, false, false},
		{"NO-LEARNING with exception", Config{Vouch: vouch(Trusted)}, true, false},
		{"NO-LEARNING, vouched for provisionally", Config{Vouch: vouch(Provisional)}, true, false},
		{"NO-LEARNING, not vouched for", Config{Vouch: vouch(Untrusted)}, false, false},
		{"LEARNING, not vouched for", Config{Policy: Learning, Vouch: vouch(Untrusted)}, false, false},
	} {
		for _, c := range []struct {
			what  string
			roots *x509.CertPool
			der   []byte
			known bool
			want  bool
		}{
			{"stored and valid", roots, good, true, true},
			{"stored and expired", expiredRoots, expired, true, false},
			{"new and valid", roots, good, false, v.new},
			{"new and expired", expiredRoots, expired, false, v.newer},
		} {
			cfg := v.cfg
			cfg.X509 = &x509.VerifyOptions{Roots: c.roots}
			s := newStore(t, cfg)
			cred, err := edhoc.ParseX509(c.der)
			must(t, err)
			if c.known {
				s.Add(cred)
			}
			got, err := find(s, edhoc.X5Chain(c.der))
			if !c.want {
				wantRefused(t, v.name+", "+c.what, err)
				if stored(s, cred) != Untrusted {
					t.Errorf("%s, %s: still stored", v.name, c.what)
				}
				continue
			}
			if err != nil || len(got) != 1 || string(got[0].CRED()) != string(cred.CRED()) {
				t.Errorf("%s, %s: got %d, %v", v.name, c.what, len(got), err)
			}
		}
	}
}

// TestStoredOnlyAfterProof: what a peer sends stays out of the store until the peer has
// proved to own it, and is found by reference from then on.
func TestStoredOnlyAfterProof(t *testing.T) {
	roots, der := newCert(t, "device", now.Add(time.Hour))
	s := newStore(t, Config{Policy: Learning, X509: &x509.VerifyOptions{Roots: roots}})
	for i := range 3 {
		got, err := find(s, edhoc.X5Chain(der))
		must(t, err)
		if n := len(s.byCred); n != 0 {
			t.Fatalf("Find %d: %d stored", i, n)
		}
		if i == 2 {
			must(t, s.Verified(got[0]))
		}
	}
	got, err := find(s, edhoc.X5T(der))
	if err != nil || len(got) != 1 || got[0].Subject() != "CN=device" {
		t.Errorf("by x5t: got %v, %v", got, err)
	}
	if got := stored(s, got[0]); got != Trusted {
		t.Errorf("got level %d, want %d", got, Trusted)
	}
}

// TestSameKID: several credentials under one key identifier are all candidates.
func TestSameKID(t *testing.T) {
	s := newStore(t, Config{})
	s.Add(newCCS(t, "a", "k"))
	s.Add(newCCS(t, "b", "k"))
	s.Add(newCCS(t, "c", "other"))
	got, err := find(s, edhoc.KID([]byte("k")))
	if err != nil || len(got) != 2 {
		t.Errorf("got %d, %v, want 2", len(got), err)
	}
	_, err = find(s, edhoc.KID([]byte("nobody")))
	wantRefused(t, "unknown kid", err)
}

// TestNameOfAnother: a raw public key cannot take the name of a stored peer, nor of one
// that came while its handshake ran.
func TestNameOfAnother(t *testing.T) {
	s := newStore(t, Config{Policy: Learning})
	s.Add(newCCS(t, "alice", "1"))
	mallory := newCCS(t, "alice", "2")
	_, err := find(s, mallory.ByValue())
	wantRefused(t, "name of a stored peer", err)

	first, second := newCCS(t, "bob", "3"), newCCS(t, "bob", "4")
	one, err := find(s, first.ByValue())
	must(t, err)
	two, err := find(s, second.ByValue())
	must(t, err)
	must(t, s.Verified(one[0]))
	wantRefused(t, "name taken meanwhile", s.Verified(two[0]))
	wantRefused(t, "credential of nobody's handshake", s.Verified(newCCS(t, "carol", "5")))
	must(t, s.Verified(one[0]))
}

func TestMaxLearned(t *testing.T) {
	roots, der := newCert(t, "signed", now.Add(time.Hour))
	s := newStore(t, Config{Policy: Learning, MaxLearned: 1, X509: &x509.VerifyOptions{Roots: roots}})
	got, err := find(s, newCCS(t, "first", "1").ByValue())
	must(t, err)
	must(t, s.Verified(got[0]))
	_, err = find(s, newCCS(t, "second", "2").ByValue())
	wantRefused(t, "raw public key when full", err)
	signed, err := find(s, edhoc.X5Chain(der))
	must(t, err)
	must(t, s.Verified(signed[0]))
	if stored(s, signed[0]) != Untrusted || len(s.byCred) != 1 {
		t.Errorf("got %d stored, want 1", len(s.byCred))
	}
	s.Add(newCCS(t, "operator's", "3")) // is not learned
	s.Remove(got[0])
	if s.learned != 0 || len(s.byCred) != 1 {
		t.Errorf("got %d learned of %d", s.learned, len(s.byCred))
	}
}

func TestProvisional(t *testing.T) {
	clock := now
	var removed []string
	s := newStore(t, Config{
		Vouch: vouch(Provisional), ConfirmWithin: time.Minute, Now: func() time.Time { return clock },
		Removed: func(c *edhoc.Credential) { removed = append(removed, c.Subject()) },
	})
	for _, name := range []string{"confirmed", "forgotten"} {
		got, err := find(s, newCCS(t, name, name).ByValue())
		must(t, err)
		must(t, s.Verified(got[0]))
		if got := stored(s, got[0]); got != Provisional {
			t.Errorf("got level %d, want %d", got, Provisional)
		}
		if name == "confirmed" && !s.Confirm(got[0]) {
			t.Error("Confirm: got false")
		}
	}
	clock = now.Add(time.Minute)
	if _, err := find(s, edhoc.KID([]byte("confirmed"))); err != nil {
		t.Errorf("confirmed: %v", err)
	}
	_, err := find(s, edhoc.KID([]byte("forgotten")))
	wantRefused(t, "not confirmed", err)
	s.Sweep()
	if len(removed) != 1 || removed[0] != "forgotten" || len(s.byCred) != 1 {
		t.Errorf("got %v removed, %d left", removed, len(s.byCred))
	}
	if s.Confirm(newCCS(t, "unknown", "")) || s.Remove(newCCS(t, "unknown", "")) {
		t.Error("a credential that is not there was confirmed or removed")
	}
}

func TestRevokedAndUnwanted(t *testing.T) {
	known := newCCS(t, "known", "1")
	revoked, removed := false, 0
	s := newStore(t, Config{
		Revoked: func(context.Context, *edhoc.Credential, []edhoc.EADItem) (bool, error) { return revoked, nil },
		Wanted:  func(c *edhoc.Credential) bool { return c.Subject() != "unwanted" },
		Removed: func(*edhoc.Credential) { removed++ },
	})
	s.Add(known)
	s.Add(newCCS(t, "unwanted", "2"))
	_, err := find(s, edhoc.KID([]byte("2")))
	wantRefused(t, "unwanted", err)
	if removed != 0 {
		t.Error("an unwanted credential was removed")
	}
	revoked = true
	_, err = find(s, edhoc.KID([]byte("1")))
	wantRefused(t, "revoked", err)
	if removed != 1 || stored(s, known) != Untrusted {
		t.Errorf("got %d removed", removed)
	}
}

// TestOurFault: what fails on our side is not blamed on the peer.
func TestOurFault(t *testing.T) {
	gone := errors.New("list is gone")
	fail := func(context.Context, *edhoc.Credential, []edhoc.EADItem) (bool, error) { return false, gone }
	ccs := newCCS(t, "x", "1")
	for name, cfg := range map[string]Config{
		"Revoked": {Policy: Learning, Revoked: fail},
		"Vouch": {Vouch: func(context.Context, *edhoc.Credential, []edhoc.EADItem) (Level, error) {
			return Trusted, gone
		}},
		"Envelope": {Policy: Learning, Envelope: func(context.Context, []edhoc.EADItem) (edhoc.IDCred, bool, error) {
			return edhoc.IDCred{}, false, gone
		}},
	} {
		if _, err := find(newStore(t, cfg), ccs.ByValue()); !errors.Is(err, gone) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	s := newStore(t, Config{Revoked: fail})
	s.Add(ccs)
	if _, err := find(s, ccs.ByValue()); !errors.Is(err, gone) || stored(s, ccs) != Trusted {
		t.Errorf("stored: got %v", err)
	}
}

// TestURI: nothing is fetched for a peer that would be refused anyway.
func TestURI(t *testing.T) {
	roots, der := newCert(t, "device", now.Add(time.Hour))
	_, foreign := newCert(t, "device", now.Add(time.Hour))
	fetched := 0
	cfg := Config{X509: &x509.VerifyOptions{Roots: roots}, Fetch: func(_ context.Context, uri string) ([][]byte, error) {
		fetched++
		switch uri {
		case "coap://good/cert":
			return [][]byte{der}, nil
		case "coap://foreign/cert":
			return [][]byte{foreign}, nil
		}
		return nil, refuse("host is not known")
	}}
	_, err := find(newStore(t, cfg), edhoc.X5U("coap://good/cert"))
	wantRefused(t, "NO-LEARNING", err)
	if fetched != 0 {
		t.Errorf("got %d fetches, want none", fetched)
	}
	cfg.Policy = Learning
	s := newStore(t, cfg)
	got, err := find(s, edhoc.X5U("coap://good/cert"))
	if err != nil || got[0].Subject() != "CN=device" {
		t.Errorf("got %v, %v", got, err)
	}
	for _, uri := range []string{"coap://foreign/cert", "coap://elsewhere/cert"} {
		_, err = find(s, edhoc.X5U(uri))
		wantRefused(t, uri, err)
	}
	_, err = find(s, edhoc.C5U("coap://good/cert"))
	wantRefused(t, "c5u without C509", err)
}

func TestKindsThatAreNotConfigured(t *testing.T) {
	_, der := newCert(t, "device", now.Add(time.Hour))
	s := newStore(t, Config{Policy: Learning})
	kcwt, err := edhoc.ParseIDCred([]byte{0xa1, 13, 0x84, 0x40, 0xa0, 0x40, 0x40})
	must(t, err)
	for name, id := range map[string]edhoc.IDCred{
		"x5chain": edhoc.X5Chain(der), "x5t": edhoc.X5T(der), "x5u": edhoc.X5U("coap://x"), "c5c": edhoc.C5C([]byte{1}), "kcwt": kcwt,
	} {
		_, err := find(s, id)
		wantRefused(t, name, err)
	}
}

func TestHooks(t *testing.T) {
	want := newCCS(t, "of a hook", "1")
	kcwt, err := edhoc.ParseIDCred([]byte{0xa1, 13, 0x84, 0x40, 0xa0, 0x40, 0x40})
	must(t, err)
	bad := errors.New("signature")
	s := newStore(t, Config{
		Policy: Learning,
		CWT:    func([]byte) (*edhoc.Credential, error) { return nil, bad },
		C509: func(chain [][]byte, at time.Time) (*edhoc.Credential, error) {
			if len(chain) != 1 || chain[0][0] != 7 || !at.Equal(now) {
				t.Errorf("got chain %x at %v", chain, at)
			}
			return edhoc.NewCredential([]byte{0x81, 7}, want.PublicKey(), nil)
		},
	})
	_, err = find(s, kcwt)
	wantRefused(t, "kcwt", err)
	if !errors.Is(err, bad) {
		t.Errorf("got %v, want the cause %v", err, bad)
	}
	got, err := find(s, edhoc.C5C([]byte{7}))
	if err != nil || !got[0].PublicKey().Equal(want.PublicKey()) {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestEnvelope is the consistency check of Section 5.4.
func TestEnvelope(t *testing.T) {
	a, b := newCCS(t, "a", "k"), newCCS(t, "b", "k")
	var item edhoc.IDCred
	envelope := func(context.Context, []edhoc.EADItem) (edhoc.IDCred, bool, error) { return item, true, nil }
	for _, v := range []struct {
		name   string
		id     edhoc.IDCred
		item   edhoc.IDCred
		stored bool
		want   bool
	}{
		{"same values", a.ByValue(), a.ByValue(), false, true},
		{"different values", a.ByValue(), b.ByValue(), false, false},
		{"reference to the value", edhoc.KID([]byte("k")), a.ByValue(), false, true},
		{"value of the reference", a.ByValue(), edhoc.KID([]byte("k")), false, true},
		{"other reference", edhoc.KID([]byte("z")), a.ByValue(), false, false},
		{"references to one that is stored", edhoc.KID([]byte("k")), edhoc.KID([]byte("k")), true, true},
		{"references to nothing", edhoc.KID([]byte("k")), edhoc.KID([]byte("k")), false, false},
		{"value of one of two under a reference", edhoc.KID([]byte("k")), b.ByValue(), true, true},
		{"stored value against another", a.ByValue(), b.ByValue(), true, false},
	} {
		s := newStore(t, Config{Policy: Learning, Envelope: envelope})
		item = v.item
		if v.stored {
			s.Add(a)
			s.Add(b)
		}
		got, err := find(s, v.id)
		if !v.want {
			wantRefused(t, v.name, err)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
		}
		for _, c := range got {
			if v.name == "value of one of two under a reference" && (len(got) != 1 || c.Subject() != "b") {
				t.Errorf("%s: got %q of %d", v.name, c.Subject(), len(got))
			}
		}
	}
}

// TestFreshIsBounded: handshakes that do not come to an end cost no memory for good.
func TestFreshIsBounded(t *testing.T) {
	s := newStore(t, Config{Policy: Learning})
	c := newCCS(t, "", "")
	first, err := find(s, c.ByValue())
	must(t, err)
	for range maxFresh {
		_, err := find(s, c.ByValue())
		must(t, err)
	}
	if n := len(s.fresh.known); n != maxFresh {
		t.Errorf("got %d, want %d", n, maxFresh)
	}
	wantRefused(t, "the oldest", s.Verified(first[0]))
}

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no clock": {},
		"no roots": {Now: time.Now, X509: &x509.VerifyOptions{}},
	} {
		if _, err := New(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
