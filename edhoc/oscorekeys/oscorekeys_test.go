package oscorekeys

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/vector"
	"github.com/ostiary/ostiary/oscore"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// side is one party of a handshake.
type side struct {
	id   edhoc.Identity
	rand []byte
	conn edhoc.ConnID

	rather edhoc.SuiteID // a suite that an Initiator prefers, with X25519
}

func handshake(t testing.TB, suite edhoc.SuiteID, m edhoc.Method, i, r side) (*edhoc.Session, *edhoc.Session) {
	t.Helper()
	config := func(s side) edhoc.Config {
		c := edhoc.Config{Methods: []edhoc.Method{m}, Suites: []edhoc.SuiteID{suite}, Identities: []edhoc.Identity{s.id}}
		if s.rand != nil {
			c.Rand = bytes.NewReader(s.rand)
		}
		return c
	}
	c := config(i)
	if i.rather != 0 { // than the suite that the Responder supports
		c.Suites = []edhoc.SuiteID{i.rather, suite}
		c.Identities = append(c.Identities, rawKey(t, edhoc.X25519, 9))
	}
	ini, err := edhoc.NewInitiator(c)
	must(t, err)
	if i.rather != 0 {
		ini, err = ini.Retry(&edhoc.PeerError{Code: edhoc.CodeWrongCipherSuite, SuitesR: []edhoc.SuiteID{suite}})
		must(t, err)
	}
	res, err := edhoc.NewResponder(config(r))
	must(t, err)
	msg1, a2, err := ini.ComposeMessage1(i.conn)
	must(t, err)
	v1, err := res.ProcessMessage1(msg1)
	must(t, err)
	msg2, a3, err := v1.ComposeMessage2(r.conn)
	must(t, err)
	r2, err := a2.ProcessMessage2(msg2)
	must(t, err)
	v2, err := r2.Verify(r.id.Credential)
	must(t, err)
	msg3, sent, err := v2.ComposeMessage3()
	must(t, err)
	r3, err := a3.ProcessMessage3(msg3)
	must(t, err)
	v3, err := r3.Verify(i.id.Credential)
	must(t, err)
	a, err := sent.WithoutMessage4()
	must(t, err)
	b, err := v3.WithoutMessage4()
	must(t, err)
	return a, b
}

// The OSCORE parameters of RFC 9529, Section 3, before and after the key update.
//
//spec:9528-A.1-1
//spec:9528-A.1-2
//spec:9528-A.1-3
//spec:9528-A.1-4
//spec:9528-3.3.3-1
func TestRFC9529(t *testing.T) {
	v := vector.Load[struct{ Trace map[string]vector.Hex }](t, "testdata/rfc9529/oscore.json").Trace
	party := func(x, conn, random string) side {
		cred, err := edhoc.ParseCCS(v["CRED_"+x+"_cbor"])
		must(t, err)
		key, err := edhoc.NewStaticDHKey(edhoc.P256, v["SK_"+x+"_raw"])
		must(t, err)
		id := edhoc.Identity{Credential: cred, ID: edhoc.KID(cred.KID()), Key: key}
		return side{id: id, rand: v[random], conn: edhoc.ConnID(v[conn])}
	}
	first := party("I", "C_I_raw", "X_raw")
	first.rather = 6
	i, r := handshake(t, 2, edhoc.StaticDHStaticDH, first, party("R", "C_R_raw", "Y_raw"))
	for _, suffix := range []string{"", "_after_KeyUpdate"} {
		for _, c := range []struct {
			s      *edhoc.Session
			sender string
			other  string
		}{{i, "client_OSCORE_sender_id", "server_OSCORE_sender_id"}, {r, "server_OSCORE_sender_id", "client_OSCORE_sender_id"}} {
			p, err := Params(c.s, Lengths{})
			must(t, err)
			if !p.MasterSecret.Equal(v["OSCORE_master_secret"+suffix+"_raw"]) || !bytes.Equal(p.MasterSalt, v["OSCORE_master_salt"+suffix+"_raw"]) {
				t.Errorf("Master Secret %x, Master Salt %x%s", []byte(p.MasterSecret), p.MasterSalt, suffix)
			}
			if !bytes.Equal(p.SenderID, v[c.sender]) || !bytes.Equal(p.RecipientID, v[c.other]) {
				t.Errorf("Sender ID %x, Recipient ID %x, want %x, %x", p.SenderID, p.RecipientID, v[c.sender], v[c.other])
			}
			if p.AEAD != cose.AES_CCM_16_64_128 || p.HKDF != cose.HMAC256_256 || p.IDContext != nil {
				t.Errorf("AEAD %v, HKDF %v, ID Context %x", p.AEAD, p.HKDF, p.IDContext)
			}
			must(t, c.s.KeyUpdate(v["key_update_context_raw"]))
		}
	}
}

func rawKey(t testing.TB, curve edhoc.Curve, name byte) edhoc.Identity {
	t.Helper()
	size := map[edhoc.Curve]int{edhoc.P256: 32, edhoc.P384: 48, edhoc.X25519: 32, edhoc.X448: 56}[curve]
	key, err := edhoc.NewStaticDHKey(curve, bytes.Repeat([]byte{name}, size))
	must(t, err)
	cred, err := edhoc.NewCCS(key.Public(), "", []byte{name})
	must(t, err)
	return edhoc.Identity{Credential: cred, ID: edhoc.KID([]byte{name}), Key: key}
}

// A request and its response, for each suite whose hash OSCORE has.
//
//spec:9528-A.1-5
//spec:9528-A.1-3
//spec:9528-A.1-2
func TestExchange(t *testing.T) {
	for suite, c := range map[edhoc.SuiteID]struct {
		curve edhoc.Curve
		aead  cose.Algorithm
		hkdf  cose.Algorithm
	}{
		0: {edhoc.X25519, cose.AES_CCM_16_64_128, cose.HMAC256_256}, 1: {edhoc.X25519, cose.AES_CCM_16_64_128, cose.HMAC256_256},
		2: {edhoc.P256, cose.AES_CCM_16_64_128, cose.HMAC256_256}, 3: {edhoc.P256, cose.AES_CCM_16_64_128, cose.HMAC256_256},
		4: {edhoc.X25519, cose.ChaCha20Poly1305, cose.HMAC256_256}, 5: {edhoc.P256, cose.ChaCha20Poly1305, cose.HMAC256_256},
		6: {edhoc.X25519, cose.A128GCM, cose.HMAC256_256}, 24: {edhoc.P384, cose.A256GCM, cose.HMAC384_384},
		25: {edhoc.X448, cose.ChaCha20Poly1305, 0},
	} {
		i, r := handshake(t, suite, edhoc.StaticDHStaticDH, side{id: rawKey(t, c.curve, 1), conn: "\x01"}, side{id: rawKey(t, c.curve, 2), conn: "\x02"})
		for _, l := range []Lengths{{}, {Secret: 64, Salt: NoSalt}, {Salt: 32}} {
			pi, err := Params(i, l)
			if c.hkdf == 0 {
				if !errors.Is(err, ErrUnsuitable) {
					t.Errorf("suite %v: %v, want ErrUnsuitable", suite, err)
				}
				continue
			}
			must(t, err)
			pr, err := Params(r, l)
			must(t, err)
			if pi.AEAD != c.aead || pi.HKDF != c.hkdf {
				t.Errorf("suite %v: %v, %v", suite, pi.AEAD, pi.HKDF)
			}
			if want := map[int]int{0: 8, NoSalt: 0, 32: 32}[l.Salt]; len(pi.MasterSalt) != want || l.Secret != 0 && len(pi.MasterSecret) != l.Secret {
				t.Errorf("suite %v, %+v: %d and %d bytes", suite, l, len(pi.MasterSecret), len(pi.MasterSalt))
			}
			roundTrip(t, pi, pr)
		}
		if _, err := Params(i, Lengths{Secret: 8}); !errors.Is(err, ErrUnsuitable) {
			t.Errorf("short Master Secret: %v", err)
		}
		if _, err := Params(i, Lengths{Salt: -2}); !errors.Is(err, ErrUnsuitable) {
			t.Errorf("Master Salt of -2 bytes: %v", err)
		}
	}
}

func roundTrip(t testing.TB, client, server oscore.Params) {
	t.Helper()
	c, err := oscore.NewContext(oscore.Config{Params: client})
	must(t, err)
	s, err := oscore.NewContext(oscore.Config{Params: server})
	must(t, err)
	out, x, err := c.ProtectRequest(oscore.Message{Code: 1, Payload: []byte("hello")})
	must(t, err)
	m, y, err := s.VerifyRequest(out)
	must(t, err)
	if string(m.Payload) != "hello" {
		t.Errorf("request %q", m.Payload)
	}
	back, err := y.ProtectResponse(oscore.Message{Code: 0x45, Payload: []byte("world")})
	must(t, err)
	m, err = x.VerifyResponse(back)
	must(t, err)
	if string(m.Payload) != "world" {
		t.Errorf("response %q", m.Payload)
	}
}

// Identifiers that OSCORE cannot use, and a Session that is gone.
func TestUnsuitable(t *testing.T) {
	for _, c := range []struct {
		suite edhoc.SuiteID
		curve edhoc.Curve
		n     int
		ok    bool
	}{{2, edhoc.P256, 7, true}, {2, edhoc.P256, 8, false}, {4, edhoc.X25519, 6, true}, {4, edhoc.X25519, 7, false}} {
		id := edhoc.ConnID(bytes.Repeat([]byte{7}, c.n))
		for _, ids := range [][2]edhoc.ConnID{{id, "\x01"}, {"\x01", id}} {
			i, r := handshake(t, c.suite, edhoc.StaticDHStaticDH, side{id: rawKey(t, c.curve, 1), conn: ids[0]}, side{id: rawKey(t, c.curve, 2), conn: ids[1]})
			for _, s := range []*edhoc.Session{i, r} {
				if _, err := Params(s, Lengths{}); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrUnsuitable) {
					t.Errorf("identifiers %v in suite %v: %v", ids, c.suite, err)
				}
			}
		}
	}
	i, _ := handshake(t, 2, edhoc.StaticDHStaticDH, side{id: rawKey(t, edhoc.P256, 1), conn: "\x01"}, side{id: rawKey(t, edhoc.P256, 2), conn: "\x02"})
	i.Erase()
	if _, err := Params(i, Lengths{}); !errors.Is(err, edhoc.ErrSpent) {
		t.Errorf("Session without keys: %v", err)
	}
	if hkdf(cose.SHA512) != cose.HMAC512_512 {
		t.Error("HKDF SHA-512")
	}
}
