package c509_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/c509"
	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/vector"
)

// c5t names a certificate with a hash of any algorithm.
func c5t(t *testing.T, algorithm int64, hash []byte) edhoc.IDCred {
	t.Helper()
	b := cborseq.AppendInt(cborseq.AppendMap(nil, 1), 22)
	b = cborseq.AppendInt(cborseq.AppendArray(b, 2), algorithm)
	id, err := edhoc.ParseIDCred(cborseq.AppendBytes(b, hash))
	must(t, err)
	return id
}

// CRED_x is C509Certificate, the array; the names are of ~C509Certificate (RFC 9528,
// Section 3.5.2; Section 3.4).
//
//spec:9528-3.5.2-2
func TestCredential(t *testing.T) {
	e := load(t)
	for _, c := range []struct {
		name string
		raw  []byte
	}{{"native", e.Native.C509}, {"re-encoded", e.Reencoded[0].C509}} {
		t.Run(c.name, func(t *testing.T) {
			cert, err := c509.Parse(c.raw)
			must(t, err)
			cred, err := cert.Credential([]byte("k"))
			must(t, err)
			if want := append([]byte{0x8b}, c.raw...); !bytes.Equal(cred.CRED(), want) {
				t.Errorf("CRED = %x, want %x", cred.CRED(), want)
			}
			if got, want := cred.Subject(), "CN=01-23-45-FF-FE-67-89-AB"; got != want {
				t.Errorf("subject %q, want %q", got, want)
			}
			key, err := edhoc.NewSignatureKey(edhoc.P256, e.Keys.SubjectPrivate)
			must(t, err)
			if !cred.PublicKey().Equal(key.Public()) {
				t.Error("another public key")
			}
			whole := sha256.Sum256(c.raw)
			other := sha256.Sum256(cred.CRED())
			for i, m := range []struct {
				id   edhoc.IDCred
				fits bool
			}{
				{edhoc.C5T(c.raw), true},
				{c5t(t, -15, whole[:8]), true},
				{c5t(t, -16, whole[:]), true},
				{c5t(t, -16, whole[:8]), false},
				{c5t(t, -15, whole[:]), false},
				{c5t(t, -16, other[:]), false},
				{c5t(t, -14, whole[:]), false}, // SHA-1
				{edhoc.C5C(c.raw), true},
				{edhoc.C5C(c.raw, []byte("more")), true},
				{edhoc.C5C([]byte("more"), c.raw), false},
				{edhoc.KID([]byte("k")), true},
				{edhoc.KID([]byte("j")), false},
			} {
				if got := cred.Matches(m.id); got != m.fits {
					t.Errorf("%d: %x matches: %t, want %t", i, m.id.Header(), got, m.fits)
				}
			}
			if got := cred.ByValue().C5C; len(got) != 1 || !bytes.Equal(got[0], c.raw) {
				t.Errorf("by value: %x", got)
			}
			from, to := cert.Validity()
			for _, v := range []struct {
				at int64
				ok bool
			}{{from.Unix() - 1, false}, {from.Unix(), true}, {to.Unix(), true}, {to.Unix() + 1, false}} {
				if err := cred.ValidAt(time.Unix(v.at, 0)); (err == nil) != v.ok {
					t.Errorf("at %d: %v", v.at, err)
				}
			}
		})
	}
}

// Certificates without use for EDHOC.
func TestCredentialRefuses(t *testing.T) {
	v := vector.Load[opensslCertificates](t, "testdata/openssl.json")
	for _, e := range v.Expressible {
		c, err := c509.FromX509(e.DER)
		must(t, err)
		_, err = c.Credential(nil)
		fits := slices.Contains([]string{"all", "p384", "ed25519", "ed448", "X25519", "X448"}, e.Name)
		if fits && err != nil || !fits && !errors.Is(err, c509.ErrInvalid) {
			t.Errorf("%s: %v", e.Name, err)
		}
	}
	// A key usage that cannot be written in CBOR, and says nothing.
	e := load(t)
	tail := []byte{0x01, 0x58, 0x40}
	n := bytes.LastIndex(e.Reencoded[0].C509, tail)
	none := vector.Bytes(t, "82 43 551d0f 44 03020780")
	raw := slices.Concat(e.Reencoded[0].C509[:n], none, e.Reencoded[0].C509[n+1:])
	c, err := c509.Parse(raw)
	must(t, err)
	cred, err := c.Credential(nil)
	must(t, err)
	if cred.Subject() == "" {
		t.Error("no subject")
	}
	raw = slices.Concat(e.Reencoded[0].C509[:n], vector.Bytes(t, "82 43 551d0f 43 030100"), e.Reencoded[0].C509[n+1:])
	c, err = c509.Parse(raw)
	must(t, err)
	if _, err := c.Credential(nil); !errors.Is(err, c509.ErrInvalid) || !strings.Contains(err.Error(), "key usage") {
		t.Errorf("key usage of nothing: %v", err)
	}
}

// identity makes one with a certificate of a.
func (a *authority) identity(t *testing.T, name string, method edhoc.Method, how string) edhoc.Identity {
	t.Helper()
	static := method == edhoc.StaticDHStaticDH
	usage := x509.KeyUsageDigitalSignature
	if static {
		usage = x509.KeyUsageKeyAgreement
	}
	key := device(t, edhoc.P256, static, name)
	var cert *c509.Certificate
	if a.x509 == nil {
		cert = a.issue(t, name, key.Public(), usage)
	} else {
		cert = a.issueX509(t, name, key.Public(), usage)
	}
	cred, err := cert.Credential(nil)
	must(t, err)
	id := edhoc.C5T(cert.Sequence())
	switch how {
	case "c5c":
		id = edhoc.C5C(cert.Sequence(), a.cert.Sequence())
	case "c5u":
		id = edhoc.C5U("coap://example.org/" + hex.EncodeToString(c509.COSE(cert, a.cert))) // fetching is decoding
	}
	return edhoc.Identity{Credential: cred, ID: id, Key: key}
}

// issueX509 makes the X.509 certificate of a device, and gives its C509.
func (a *authority) issueX509(t *testing.T, name string, key *edhoc.PublicKey, usage x509.KeyUsage) *c509.Certificate {
	t.Helper()
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, key.X(), key.Y()))
	must(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(9), Subject: pkix.Name{CommonName: name}, KeyUsage: usage, NotBefore: now, NotAfter: now.AddDate(0, 1, 0),
	}, a.x509, pub, a.key)
	must(t, err)
	cert, err := c509.FromX509(der)
	must(t, err)
	return cert
}

// Handshakes of two parties with certificates of one root, by hash, value and URI, native
// and re-encoded. Each side knows the certificates that are named, and trusts the root.
func TestHandshake(t *testing.T) {
	native := newAuthority(t, "P-256", "root", nil)
	x, xroot := issueX509(t, x509CA(), nil, "xroot", "xroot")
	subs := map[string]*authority{
		"native":            newAuthority(t, "P-384", "sub", native),
		"below X.509":       newAuthority(t, "Ed25519", "xsub", &authority{cert: xroot, key: newSigner(t, "P-256", "xroot")}),
		"directly below it": {cert: xroot, key: newSigner(t, "P-256", "xroot")},
		"re-encoded":        {cert: xroot, key: newSigner(t, "P-256", "xroot"), x509: x},
	}
	opts := c509.VerifyOptions{Roots: []*c509.Certificate{native.cert, xroot}, CurrentTime: now}
	for name, sub := range subs {
		for _, method := range []edhoc.Method{edhoc.SignatureSignature, edhoc.StaticDHStaticDH} {
			for _, how := range []string{"c5t", "c5c", "c5u"} {
				t.Run(fmt.Sprintf("%s, method %d, %s", name, method, how), func(t *testing.T) {
					i, r := sub.identity(t, "initiator", method, how), sub.identity(t, "responder", method, how)
					known := []*edhoc.Credential{i.Credential, r.Credential}
					find := func(id edhoc.IDCred) []*edhoc.Credential {
						chain := id.C5C
						if id.C5U != "" {
							resource, err := hex.DecodeString(strings.TrimPrefix(id.C5U, "coap://example.org/"))
							must(t, err)
							chain, err = c509.ParseCOSE(resource)
							must(t, err)
						}
						if chain != nil {
							cred, err := c509.Verify(chain, opts)
							must(t, err)
							return []*edhoc.Credential{cred}
						}
						n := slices.IndexFunc(known, func(c *edhoc.Credential) bool { return c.Matches(id) })
						return known[n : n+1]
					}
					handshake(t, i, r, method, find)
				})
			}
		}
	}
}

func handshake(t *testing.T, i, r edhoc.Identity, method edhoc.Method, find func(edhoc.IDCred) []*edhoc.Credential) {
	t.Helper()
	config := func(id edhoc.Identity) edhoc.Config {
		return edhoc.Config{Methods: []edhoc.Method{method}, Suites: []edhoc.SuiteID{2}, Identities: []edhoc.Identity{id}}
	}
	initiator, err := edhoc.NewInitiator(config(i))
	must(t, err)
	responder, err := edhoc.NewResponder(config(r))
	must(t, err)
	msg1, a2, err := initiator.ComposeMessage1("\x01")
	must(t, err)
	v1, err := responder.ProcessMessage1(msg1)
	must(t, err)
	msg2, a3, err := v1.ComposeMessage2("\x02")
	must(t, err)
	r2, err := a2.ProcessMessage2(msg2)
	must(t, err)
	v2, err := r2.Verify(find(r2.IDCredR)...)
	must(t, err)
	if got, want := v2.Credential.Subject(), "CN=responder"; got != want {
		t.Errorf("initiator talks to %q, want %q", got, want)
	}
	msg3, sent, err := v2.ComposeMessage3()
	must(t, err)
	r3, err := a3.ProcessMessage3(msg3)
	must(t, err)
	v3, err := r3.Verify(find(r3.IDCredI)...)
	must(t, err)
	if got, want := v3.Credential.Subject(), "CN=initiator"; got != want {
		t.Errorf("responder talks to %q, want %q", got, want)
	}
	msg4, atR, err := v3.ComposeMessage4()
	must(t, err)
	atI, _, err := sent.ProcessMessage4(msg4)
	must(t, err)
	x, err := atI.Export(1, nil, 32)
	must(t, err)
	y, err := atR.Export(1, nil, 32)
	must(t, err)
	if !x.Equal(y) {
		t.Error("exports differ")
	}
}

// Without expiration, there is no last moment.
func TestCredentialNoExpiration(t *testing.T) {
	root := newAuthority(t, "P-256", "root", nil)
	cert := root.issue(t, "device", device(t, edhoc.P256, false, "device").Public(), 0, func(m *c509.Template) { m.NotAfter = time.Time{} })
	cred, err := cert.Credential(nil)
	must(t, err)
	if err := cred.ValidAt(time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Error(err)
	}
}

// A certificate for static Diffie-Hellman does not sign, and the other way round.
func TestCredentialKeyUsage(t *testing.T) {
	root := newAuthority(t, "P-256", "root", nil)
	for _, static := range []bool{false, true} {
		key := device(t, edhoc.P256, static, "device")
		usage, method := x509.KeyUsageKeyAgreement, edhoc.SignatureSignature
		if static {
			usage, method = x509.KeyUsageDigitalSignature, edhoc.StaticDHStaticDH
		}
		cert := root.issue(t, "device", key.Public(), usage)
		cred, err := cert.Credential(nil)
		must(t, err)
		_, err = edhoc.NewResponder(edhoc.Config{
			Methods: []edhoc.Method{method}, Suites: []edhoc.SuiteID{2},
			Identities: []edhoc.Identity{{Credential: cred, ID: cred.ByValue(), Key: key}},
		})
		if !errors.Is(err, edhoc.ErrConfig) {
			t.Errorf("static %t against the key usage: %v", static, err)
		}
	}
}
