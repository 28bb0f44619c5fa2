package c509_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/ed448"
	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/c509"
)

var now = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// newSigner makes a key that depends on its name only.
func newSigner(t rapid.TB, kind, name string) crypto.Signer {
	t.Helper()
	seed := sha512.Sum512([]byte(kind + name))
	switch kind {
	case "P-384":
		k, err := ecdsa.ParseRawPrivateKey(elliptic.P384(), seed[:48])
		must(t, err)
		return k
	case "P-521":
		k, err := ecdsa.ParseRawPrivateKey(elliptic.P521(), append(make([]byte, 2), seed[:]...))
		must(t, err)
		return k
	case "Ed25519":
		return ed25519.NewKeyFromSeed(seed[:32])
	case "Ed448":
		return ed448.NewKeyFromSeed(seed[:57])
	}
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:32])
	must(t, err)
	return k
}

// device makes a key of EDHOC that depends on its name only.
func device(t rapid.TB, curve edhoc.Curve, static bool, name string) *edhoc.PrivateKey {
	t.Helper()
	seed := sha512.Sum512([]byte(name + curve.String()))
	size := map[edhoc.Curve]int{edhoc.P256: 32, edhoc.P384: 48, edhoc.X25519: 32, edhoc.X448: 56, edhoc.Ed25519: 32, edhoc.Ed448: 57}[curve]
	create := edhoc.NewSignatureKey
	if static {
		create = edhoc.NewStaticDHKey
	}
	k, err := create(curve, seed[:size])
	must(t, err)
	return k
}

// public gives the key of a signer as a Template takes it.
func public(t rapid.TB, s crypto.Signer) *edhoc.PublicKey {
	t.Helper()
	k, err := edhoc.NewSigner(s)
	must(t, err)
	return k.Public()
}

// authority is a native certification authority.
type authority struct {
	cert *c509.Certificate
	key  crypto.Signer
	x509 *x509.Certificate // of one that issues X.509 certificates, or nil
}

// newAuthority makes one below parent, or a root. change alters its template.
func newAuthority(t rapid.TB, kind, name string, parent *authority, change ...func(*c509.Template)) *authority {
	t.Helper()
	a := &authority{key: newSigner(t, kind, name)}
	tmpl := &c509.Template{
		Subject: c509.CommonName(name), NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0),
		PublicKey: public(t, a.key), KeyUsage: x509.KeyUsageCertSign, CA: true, PathLen: -1,
	}
	for _, f := range change {
		f(tmpl)
	}
	if parent == nil {
		parent = &authority{key: a.key}
	}
	var err error
	a.cert, err = c509.Create(nil, tmpl, parent.cert, parent.key)
	must(t, err)
	return a
}

// issue makes a certificate of a device.
func (a *authority) issue(t rapid.TB, name string, key *edhoc.PublicKey, usage x509.KeyUsage, change ...func(*c509.Template)) *c509.Certificate {
	t.Helper()
	tmpl := &c509.Template{
		Subject: c509.CommonName(name), NotBefore: now.AddDate(0, -1, 0), NotAfter: now.AddDate(0, 1, 0), PublicKey: key, KeyUsage: usage,
	}
	for _, f := range change {
		f(tmpl)
	}
	c, err := c509.Create(nil, tmpl, a.cert, a.key)
	must(t, err)
	return c
}

// Every kind of issuer signs for every kind of device.
func TestCreate(t *testing.T) {
	for _, kind := range []string{"P-256", "P-384", "Ed25519", "Ed448"} {
		root := newAuthority(t, kind, "root", nil)
		must(t, root.cert.CheckSignature(root.key.Public()))
		for _, curve := range []edhoc.Curve{edhoc.P256, edhoc.P384, edhoc.X25519, edhoc.X448, edhoc.Ed25519, edhoc.Ed448} {
			t.Run(kind+" "+curve.String(), func(t *testing.T) {
				static := curve == edhoc.X25519 || curve == edhoc.X448
				key := device(t, curve, static, "device")
				c := root.issue(t, "01-23-45-FF-FE-67-89-AB", key.Public(), x509.KeyUsageDigitalSignature)
				must(t, c.CheckSignature(root.key.Public()))
				got, err := c.PublicKey()
				must(t, err)
				if !got.Equal(key.Public()) {
					t.Error("another public key")
				}
				for i := range c.Sequence() { // each bit counts
					bad := c.Sequence()
					bad[i] ^= 1 << (i % 8)
					if b, err := c509.Parse(bad); err == nil && b.CheckSignature(root.key.Public()) == nil {
						t.Errorf("byte %d changed, and the signature verifies", i)
					}
				}
			})
		}
	}
}

// A certificate of a device, as small as that of the draft.
func TestCreateSize(t *testing.T) {
	root := newAuthority(t, "P-256", "RFC test CA", nil)
	key := device(t, edhoc.P256, false, "device")
	c := root.issue(t, "01-23-45-FF-FE-67-89-AB", key.Public(), x509.KeyUsageDigitalSignature, func(tmpl *c509.Template) {
		tmpl.SerialNumber = big.NewInt(128269)
	})
	if got := len(c.Sequence()); got != 140 {
		t.Errorf("%d bytes, want 140", got)
	}
	a, b := root.issue(t, "a", key.Public(), 0), root.issue(t, "a", key.Public(), 0)
	if a.SerialNumber().Cmp(b.SerialNumber()) == 0 {
		t.Error("the same serial number twice")
	}
}

func TestCreateContent(t *testing.T) {
	root := newAuthority(t, "P-256", "root", nil, func(tmpl *c509.Template) { tmpl.PathLen = 0 })
	key := device(t, edhoc.P256, false, "device")
	c := root.issue(t, "", key.Public(), x509.KeyUsageDigitalSignature|x509.KeyUsageKeyAgreement, func(tmpl *c509.Template) {
		tmpl.Subject = c509.Name{{Type: 4, Text: "de", Printable: true}, {Type: 8, Text: "Ostiary"}, {Type: 1, Text: "feed"}, {OID: []byte{0x2a, 3}, Value: []byte{0x0c, 1, 'x'}}}
		tmpl.NotAfter = time.Time{}
		tmpl.DNSNames = []string{"a.example.org", "b.example.org"}
		tmpl.Extensions = []c509.Extension{{ID: 8, Value: []byte{0x02}}, {OID: []byte{0x2a, 4}, Value: []byte{5, 0}}}
	})
	if got, want := c.Subject().String(), "1.2.3=#0c0178,CN=feed,O=Ostiary,C=de"; got != want && !strings.Contains(got, "CN=feed,O=Ostiary,C=de") {
		t.Errorf("subject %q, want %q", got, want)
	}
	if _, to := c.Validity(); to.Year() != 9999 {
		t.Errorf("expires in %d", to.Year())
	}
	var ids []int64
	for _, e := range c.Extensions() {
		ids = append(ids, e.ID)
	}
	if got, want := ids, []int64{2, 3, 8, 0}; len(got) != 4 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || got[3] != want[3] {
		t.Errorf("extensions %v, want %v", got, want)
	}
	if got := root.cert.Extensions()[0]; got.ID != 4 || !got.Critical || !bytes.Equal(got.Value, []byte{0}) {
		t.Errorf("basic constraints %+v", got)
	}
}

func TestCreateRefuses(t *testing.T) {
	root := newAuthority(t, "P-256", "root", nil)
	key := device(t, edhoc.P256, false, "device").Public()
	x, err := edhoc.NewPublicKey(edhoc.P256, key.X(), nil)
	must(t, err)
	leaf := &authority{cert: root.issue(t, "leaf", public(t, newSigner(t, "P-256", "leaf")), 0), key: newSigner(t, "P-256", "leaf")}
	mute := &authority{key: leaf.key, cert: root.issue(t, "mute", public(t, leaf.key), x509.KeyUsageDigitalSignature, func(m *c509.Template) {
		m.Extensions = []c509.Extension{{ID: 4, Critical: true, Value: []byte{0x20}}}
	})}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	long := new(big.Int).Lsh(big.NewInt(1), 8*20-1)
	for name, c := range map[string]struct {
		change func(*c509.Template)
		parent *c509.Certificate
		key    crypto.Signer
	}{
		"negative serial":     {func(m *c509.Template) { m.SerialNumber = big.NewInt(-1) }, root.cert, root.key},
		"serial zero":         {func(m *c509.Template) { m.SerialNumber = big.NewInt(0) }, root.cert, root.key},
		"serial too long":     {func(m *c509.Template) { m.SerialNumber = long }, root.cert, root.key},
		"no key":              {func(m *c509.Template) { m.PublicKey = nil }, root.cert, root.key},
		"key without y":       {func(m *c509.Template) { m.PublicKey = x }, root.cert, root.key},
		"expired when made":   {func(m *c509.Template) { m.NotAfter = m.NotBefore.Add(-time.Second) }, root.cert, root.key},
		"before 1970":         {func(m *c509.Template) { m.NotBefore = time.Unix(-1, 0) }, root.cert, root.key},
		"after 9999":          {func(m *c509.Template) { m.NotAfter = time.Unix(1<<40, 0) }, root.cert, root.key},
		"no such attribute":   {func(m *c509.Template) { m.Subject = c509.Name{{Type: 23, Text: "x"}} }, root.cert, root.key},
		"country of three":    {func(m *c509.Template) { m.Subject = c509.Name{{Type: 4, Text: "DEU"}} }, root.cert, root.key},
		"serialNumber with @": {func(m *c509.Template) { m.Subject = c509.Name{{Type: 3, Text: "a@b"}} }, root.cert, root.key},
		"email not ASCII":     {func(m *c509.Template) { m.Subject = c509.Name{{Type: 0, Text: "ö@b"}} }, root.cert, root.key},
		"text not UTF-8":      {func(m *c509.Template) { m.Subject = c509.CommonName("\xff") }, root.cert, root.key},
		"registered OID":      {func(m *c509.Template) { m.Subject = c509.Name{{OID: []byte{0x55, 4, 3}, Value: []byte{5, 0}}} }, root.cert, root.key},
		"CA without CertSign": {func(m *c509.Template) { m.CA = true }, root.cert, root.key},
		"CA with path -2":     {func(m *c509.Template) { m.CA, m.KeyUsage, m.PathLen = true, x509.KeyUsageCertSign, -2 }, root.cert, root.key},
		"extension twice": {func(m *c509.Template) {
			m.Extensions = []c509.Extension{{ID: 2, Value: []byte{1}}, {ID: 2, Value: []byte{1}}}
		}, root.cert, root.key},
		"unknown extension ID": {func(m *c509.Template) { m.Extensions = []c509.Extension{{ID: 99, Value: []byte{1}}} }, root.cert, root.key},
		"generic key usage": {func(m *c509.Template) {
			m.Extensions = []c509.Extension{{OID: []byte{0x55, 0x1d, 15}, Value: []byte{3, 2, 7, 0x80}}}
		}, root.cert, root.key},
		"parent is no CA":      {func(*c509.Template) {}, leaf.cert, leaf.key},
		"parent does not sign": {func(*c509.Template) {}, mute.cert, mute.key},
		"key of another CA":    {func(*c509.Template) {}, root.cert, leaf.key},
		"not the own key":      {func(*c509.Template) {}, nil, root.key},
		"key of RSA":           {func(*c509.Template) {}, nil, rsaKey},
	} {
		tmpl := &c509.Template{Subject: c509.CommonName("x"), NotBefore: now, NotAfter: now.AddDate(1, 0, 0), PublicKey: key}
		c.change(tmpl)
		if got, err := c509.Create(nil, tmpl, c.parent, c.key); !errors.Is(err, c509.ErrInexpressible) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	good := &c509.Template{Subject: c509.CommonName("x"), NotBefore: now, NotAfter: now.AddDate(1, 0, 0), PublicKey: key}
	if _, err := c509.Create(nil, good, root.cert, root.key); err != nil {
		t.Error(err)
	}
	if _, err := c509.Create(bytes.NewReader(nil), good, root.cert, root.key); !errors.Is(err, c509.ErrInexpressible) {
		t.Errorf("no randomness: %v", err)
	}
}
