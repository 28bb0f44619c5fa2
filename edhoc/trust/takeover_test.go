package trust

import (
	"context"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/ostiary/ostiary/edhoc"
)

func found(t *testing.T, s *Store, id edhoc.IDCred) *edhoc.Credential {
	t.Helper()
	got, err := find(s, id)
	if err != nil || len(got) != 1 {
		t.Fatalf("got %d, %v, want 1", len(got), err)
	}
	return got[0]
}

// TestEnvelopeURI: a URI stands for what it names, in ID_CRED and in the EAD item.
func TestEnvelopeURI(t *testing.T) {
	roots, der := newCert(t, "device", now.Add(time.Hour))
	cert, err := edhoc.ParseX509(der)
	must(t, err)
	mallory := newCCS(t, "mallory", "m")
	uri := edhoc.X5U("coap://host/device")
	var item edhoc.IDCred
	fetch := func(_ context.Context, _ string) ([][]byte, error) { return [][]byte{der}, nil }
	for _, v := range []struct {
		name     string
		id, item edhoc.IDCred
		stored   bool
		none     bool // no Fetch
		want     bool
	}{
		{name: "URI of the value", id: edhoc.X5Chain(der), item: uri, want: true},
		{name: "value of the URI", id: uri, item: edhoc.X5Chain(der), want: true},
		{name: "URI and its hash", id: uri, item: edhoc.X5T(der), want: true},
		{name: "same URI", id: uri, item: uri, want: true},
		{name: "URI of another", id: mallory.ByValue(), item: uri},
		{name: "value of another", id: uri, item: mallory.ByValue()},
		{name: "nothing", id: mallory.ByValue(), item: edhoc.IDCred{}},
		{name: "stored, URI of the value", id: edhoc.X5T(der), item: uri, stored: true, want: true},
		{name: "stored, value of the URI", id: uri, item: edhoc.X5T(der), stored: true, want: true},
		{name: "stored, URI of another", id: edhoc.KID([]byte("m")), item: uri, stored: true},
		{name: "stored, URI of another in ID_CRED", id: uri, item: edhoc.KID([]byte("m")), stored: true},
		{name: "stored, URI that nobody fetches", id: edhoc.X5T(der), item: uri, stored: true, none: true},
		{name: "stored, nothing", id: edhoc.X5T(der), item: edhoc.IDCred{}, stored: true},
	} {
		cfg := Config{
			Policy: Learning, X509: &x509.VerifyOptions{Roots: roots}, Fetch: fetch,
			Envelope: func(context.Context, []edhoc.EADItem) (edhoc.IDCred, bool, error) { return item, true, nil },
		}
		if v.none {
			cfg.Fetch = nil
		}
		s := newStore(t, cfg)
		if v.stored {
			s.Add(cert)
			s.Add(mallory)
		}
		item = v.item
		got, err := find(s, v.id)
		if !v.want {
			wantRefused(t, v.name, err)
			continue
		}
		if err != nil || len(got) != 1 || string(got[0].CRED()) != string(cert.CRED()) {
			t.Errorf("%s: got %d, %v", v.name, len(got), err)
		}
	}
}

// TestEnvelopeURINotFetched: under NO-LEARNING nothing is fetched for who is not stored.
func TestEnvelopeURINotFetched(t *testing.T) {
	roots, der := newCert(t, "device", now.Add(time.Hour))
	s := newStore(t, Config{
		X509: &x509.VerifyOptions{Roots: roots},
		Fetch: func(context.Context, string) ([][]byte, error) {
			t.Error("fetched")
			return nil, errors.New("none")
		},
		Envelope: func(context.Context, []edhoc.EADItem) (edhoc.IDCred, bool, error) {
			return edhoc.X5U("coap://host/device"), true, nil
		},
	})
	_, err := find(s, edhoc.X5Chain(der))
	wantRefused(t, "not stored", err)
}

// TestRemovedMeanwhile: what is removed while a handshake with it runs stays out.
func TestRemovedMeanwhile(t *testing.T) {
	s := newStore(t, Config{Policy: Learning})
	c := newCCS(t, "device", "1")
	one, two := found(t, s, c.ByValue()), found(t, s, c.ByValue())
	must(t, s.Verified(one))
	if !s.Remove(c) {
		t.Fatal("was not there")
	}
	wantRefused(t, "learned by another handshake, and removed", s.Verified(two))
	three := found(t, s, c.ByValue())
	if s.Remove(c) {
		t.Error("was there")
	}
	wantRefused(t, "removed before it was learned", s.Verified(three))
}

// TestProvisionalByURI: trust that has run out is not to be had by another reference.
func TestProvisionalByURI(t *testing.T) {
	roots, der := newCert(t, "device", now.Add(time.Hour))
	clock := now
	s := newStore(t, Config{
		Policy: Learning, Vouch: vouch(Provisional), ConfirmWithin: time.Minute, Now: func() time.Time { return clock },
		X509:  &x509.VerifyOptions{Roots: roots},
		Fetch: func(context.Context, string) ([][]byte, error) { return [][]byte{der}, nil },
	})
	c := found(t, s, edhoc.X5U("coap://host/device"))
	must(t, s.Verified(c))
	clock = now.Add(time.Minute)
	_, err := find(s, edhoc.X5T(der))
	wantRefused(t, "by hash", err)
	if got, err := find(s, edhoc.X5U("coap://host/device")); err == nil {
		wantRefused(t, "by URI", s.Verified(got[0]))
	}
	wantRefused(t, "handshake under way", s.Verified(c))
}

// TestSweepIsOneStep: what is confirmed while Sweep runs stays.
func TestSweepIsOneStep(t *testing.T) {
	clock := now
	var s *Store
	confirmed := map[string]bool{}
	var list []*edhoc.Credential
	s = newStore(t, Config{
		Vouch: vouch(Provisional), Now: func() time.Time { return clock },
		Removed: func(*edhoc.Credential) {
			for _, c := range list {
				if s.Confirm(c) {
					confirmed[c.Subject()] = true
				}
			}
		},
	})
	for _, name := range []string{"a", "b", "c"} {
		c := found(t, s, newCCS(t, name, name).ByValue())
		must(t, s.Verified(c))
		list = append(list, c)
	}
	clock = now.Add(time.Hour)
	s.Sweep()
	for _, c := range list {
		if got := stored(s, c); confirmed[c.Subject()] && got != Trusted {
			t.Errorf("%s: confirmed, and level %d", c.Subject(), got)
		}
	}
}

// TestNameProved: a name belongs to whoever has it from somebody, rather than to whoever
// came first and said it.
func TestNameProved(t *testing.T) {
	roots, der := newCert(t, "pump", now.Add(time.Hour))
	var removed []*edhoc.Credential
	cfg := Config{
		Policy: Learning, X509: &x509.VerifyOptions{Roots: roots},
		Removed: func(c *edhoc.Credential) { removed = append(removed, c) },
	}
	for name, come := range map[string]func(s *Store){
		"certificate": func(s *Store) { must(t, s.Verified(found(t, s, edhoc.X5Chain(der)))) },
		"operator": func(s *Store) {
			cert, err := edhoc.ParseX509(der)
			must(t, err)
			s.Add(cert)
		},
	} {
		removed = nil
		s := newStore(t, cfg)
		mallory := found(t, s, newCCS(t, "CN=pump", "m").ByValue())
		must(t, s.Verified(mallory))
		nameless := found(t, s, newCCS(t, "", "n").ByValue())
		must(t, s.Verified(nameless))
		come(s)
		if stored(s, mallory) != Untrusted || len(removed) != 1 || removed[0] != mallory {
			t.Errorf("%s: who said the name keeps it, %d removed", name, len(removed))
		}
		if stored(s, nameless) != Trusted || s.learned > 2 {
			t.Errorf("%s: the others are gone, %d learned", name, s.learned)
		}
		_, err := find(s, edhoc.KID([]byte("m")))
		wantRefused(t, name, err)
	}
	// What an operator has added stands.
	s := newStore(t, cfg)
	own := newCCS(t, "CN=pump", "o")
	s.Add(own)
	must(t, s.Verified(found(t, s, edhoc.X5Chain(der))))
	if stored(s, own) != Trusted {
		t.Error("the operator's is gone")
	}
	learned := newStore(t, cfg)
	c := found(t, learned, newCCS(t, "CN=pump", "m").ByValue())
	must(t, learned.Verified(c))
	learned.Add(c)
	must(t, learned.Verified(found(t, learned, edhoc.X5Chain(der))))
	if stored(learned, c) != Trusted {
		t.Error("what the operator took over is gone")
	}
}

// TestNameProvisional: provisional trust is nobody's word for a name that another has.
func TestNameProvisional(t *testing.T) {
	s := newStore(t, Config{Vouch: vouch(Provisional)})
	s.Add(newCCS(t, "alice", "1"))
	_, err := find(s, newCCS(t, "alice", "2").ByValue())
	wantRefused(t, "provisional", err)
	s = newStore(t, Config{Vouch: vouch(Trusted)})
	s.Add(newCCS(t, "alice", "1"))
	found(t, s, newCCS(t, "alice", "2").ByValue())
}

// TestOurFaultOfTwo: our fault with one reference is not the peer's because of the other.
func TestOurFaultOfTwo(t *testing.T) {
	gone := errors.New("network is gone")
	roots, _ := newCert(t, "device", now.Add(time.Hour))
	item := edhoc.KID([]byte("k"))
	id := edhoc.X5U("coap://host/device")
	for range 2 {
		s := newStore(t, Config{
			Policy: Learning, X509: &x509.VerifyOptions{Roots: roots},
			Fetch:    func(context.Context, string) ([][]byte, error) { return nil, gone },
			Envelope: func(context.Context, []edhoc.EADItem) (edhoc.IDCred, bool, error) { return item, true, nil },
		})
		var e *edhoc.Error
		if _, err := find(s, id); !errors.Is(err, gone) || errors.As(err, &e) {
			t.Errorf("got %v, want %v", err, gone)
		}
		id, item = item, id
	}
}

// TestManyOfOneKID: nobody makes us try a thousand keys with each message.
func TestManyOfOneKID(t *testing.T) {
	s := newStore(t, Config{Policy: Learning})
	late := found(t, s, newCCS(t, "", "k").ByValue())
	for range maxSameKID - 1 {
		must(t, s.Verified(found(t, s, newCCS(t, "", "k").ByValue())))
	}
	last := found(t, s, newCCS(t, "", "k").ByValue())
	must(t, s.Verified(last))
	wantRefused(t, "one too many meanwhile", s.Verified(late))
	_, err := find(s, newCCS(t, "", "k").ByValue())
	wantRefused(t, "one too many", err)
	found(t, s, newCCS(t, "", "").ByValue())
	found(t, s, newCCS(t, "", "other").ByValue())
	s.Add(newCCS(t, "operator's", "k"))
	if got, err := find(s, edhoc.KID([]byte("k"))); err != nil || len(got) != maxSameKID+1 {
		t.Errorf("got %d, %v, want %d", len(got), err, maxSameKID+1)
	}
}

// TestOurFaultWithHash: a hash and a URI in one ID_CRED.
func TestOurFaultWithHash(t *testing.T) {
	gone := errors.New("network is gone")
	roots, der := newCert(t, "device", now.Add(time.Hour))
	header := append([]byte{0xa2}, edhoc.X5T(der).Header()[1:]...)
	header = append(header, edhoc.X5U("coap://host/device").Header()[1:]...)
	both, err := edhoc.ParseIDCred(header)
	must(t, err)
	s := newStore(t, Config{
		Policy: Learning, X509: &x509.VerifyOptions{Roots: roots},
		Fetch: func(context.Context, string) ([][]byte, error) { return nil, gone },
		Envelope: func(context.Context, []edhoc.EADItem) (edhoc.IDCred, bool, error) {
			return edhoc.KID([]byte("k")), true, nil
		},
	})
	if _, err := find(s, both); !errors.Is(err, gone) {
		t.Errorf("got %v, want %v", err, gone)
	}
}

func TestNewcomersRefused(t *testing.T) {
	s := newStore(t, Config{Policy: Learning, Wanted: func(c *edhoc.Credential) bool { return c.Subject() != "unwanted" }})
	_, err := find(s, newCCS(t, "unwanted", "1").ByValue())
	wantRefused(t, "unwanted", err)
	s.cfg.Revoked = func(context.Context, *edhoc.Credential, []edhoc.EADItem) (bool, error) { return true, nil }
	_, err = find(s, newCCS(t, "revoked", "1").ByValue())
	wantRefused(t, "revoked", err)
	noKey, err := edhoc.ParseIDCred([]byte{0xa1, 14, 0xa1, 2, 0x61, 'x'})
	must(t, err)
	_, err = find(s, noKey)
	wantRefused(t, "claims without a key", err)
}

// TestVerifiedOnce: a handshake that has ended does not bring back what was swept.
func TestVerifiedOnce(t *testing.T) {
	clock := now
	s := newStore(t, Config{Vouch: vouch(Provisional), Now: func() time.Time { return clock }})
	c := found(t, s, newCCS(t, "device", "1").ByValue())
	must(t, s.Verified(c))
	clock = now.Add(time.Hour)
	s.Sweep()
	wantRefused(t, "swept", s.Verified(c))
}

// TestTaggedCWT: a CWT is found with and without its tags.
func TestTaggedCWT(t *testing.T) {
	cwt := []byte{0x84, 0x40, 0xa0, 0x40, 0x40}
	id := func(tags ...byte) edhoc.IDCred {
		got, err := edhoc.ParseIDCred(append(append([]byte{0xa1, 13}, tags...), cwt...))
		must(t, err)
		return got
	}
	c, err := edhoc.NewCredential(cwt, newCCS(t, "", "").PublicKey(), nil)
	must(t, err)
	s := newStore(t, Config{})
	s.Add(c.With(edhoc.Details{ByValue: id()}))
	for _, tagged := range []edhoc.IDCred{id(), id(0xd2), id(0xd8, 61, 0xd2)} {
		found(t, s, tagged)
	}
}
