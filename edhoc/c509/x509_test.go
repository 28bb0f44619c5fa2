package c509_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/edhoc/c509"
	"github.com/ostiary/ostiary/internal/vector"
)

type opensslCertificates struct {
	Expressible []struct {
		Name string
		DER  vector.Hex
	}
	Inexpressible []struct {
		Name   string
		DER    vector.Hex
		Reason string
	}
}

// Certificates that OpenSSL made: all algorithms of the registries it has, one with every
// extension.
func TestOpenSSL(t *testing.T) {
	v := vector.Load[opensslCertificates](t, "testdata/openssl.json")
	for _, e := range v.Expressible {
		t.Run(e.Name, func(t *testing.T) {
			c := roundTrip(t, e.DER)
			if e.Name == "all" {
				if n := len(c.Extensions()); n != 22 {
					t.Errorf("%d extensions, want 22", n)
				}
				for _, x := range c.Extensions() {
					if x.OID != nil && !bytes.Equal(x.OID, []byte{0x2a, 3, 4, 5}) {
						t.Errorf("extension %x keeps its OID", x.OID)
					}
				}
			}
		})
	}
	for _, e := range v.Inexpressible {
		t.Run(e.Name, func(t *testing.T) {
			if _, err := c509.FromX509(e.DER); !errors.Is(err, c509.ErrInexpressible) || !strings.Contains(err.Error(), e.Reason) {
				t.Errorf("FromX509: %v, want %q", err, e.Reason)
			}
		})
	}
}

// roundTrip converts an X.509 certificate and back, and through the parser.
func roundTrip(t rapid.TB, der []byte) *c509.Certificate {
	t.Helper()
	c, err := c509.FromX509(der)
	must(t, err)
	if len(c.Sequence()) >= len(der) {
		t.Errorf("%d bytes of CBOR for %d of DER", len(c.Sequence()), len(der))
	}
	parsed, err := c509.Parse(c.Sequence())
	must(t, err)
	for _, x := range []*c509.Certificate{c, parsed} {
		back, err := x.ToX509()
		must(t, err)
		if !bytes.Equal(back, der) {
			t.Fatalf("ToX509 = %x, want %x", back, der)
		}
	}
	again, err := c509.ParseItem(c.Item())
	must(t, err)
	if !bytes.Equal(again.Sequence(), parsed.Sequence()) {
		t.Errorf("ParseItem gives %x, Parse %x", again.Sequence(), parsed.Sequence())
	}
	return parsed
}

// signers are keys of every kind that crypto/x509 signs with, made once.
var signers = sync.OnceValue(func() map[string]crypto.Signer {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, err2 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p521, err3 := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	_, ed, err4 := ed25519.GenerateKey(rand.Reader)
	r, err5 := rsa.GenerateKey(rand.Reader, 2048)
	if err := errors.Join(err, err2, err3, err4, err5); err != nil {
		panic(err)
	}
	return map[string]crypto.Signer{"P-256": p256, "P-384": p384, "P-521": p521, "Ed25519": ed, "RSA": r}
})

// drawTemplate draws what a certificate of crypto/x509 may say.
func drawTemplate(t *rapid.T) *x509.Certificate {
	text := rapid.StringMatching(`[a-fA-Z0-9 .:\-*@æß]{1,12}`)
	host := rapid.StringMatching(`[a-z0-9]{1,8}\.example\.org`)
	eui := rapid.StringMatching(`([0-9A-F]{2}-){7}[0-9A-F]{2}|([0-9A-F]{2}-){3}FF-FE-([0-9A-F]{2}-){2}[0-9A-F]{2}`)
	some := func(g *rapid.Generator[string], name string) []string { return rapid.SliceOfN(g, 0, 2).Draw(t, name) }
	one := func(g *rapid.Generator[string], name string) []string { return rapid.SliceOfN(g, 0, 1).Draw(t, name) }
	start := time.Unix(rapid.Int64Range(0, 2600000000).Draw(t, "notBefore"), 0)
	tmpl := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 1, 19).Draw(t, "serial")),
		Subject: pkix.Name{
			CommonName: rapid.OneOf(text, eui, rapid.StringMatching(`([0-9a-f]{2}){1,8}`)).Draw(t, "CN"),
			Country:    one(rapid.StringMatching(`[A-Za-z]{2}`), "C"), Organization: one(text, "O"), Locality: one(text, "L"),
			SerialNumber: rapid.StringMatching(`[A-Za-z0-9]{0,6}`).Draw(t, "serialNumber"),
		},
		NotBefore: start, NotAfter: start.Add(time.Duration(rapid.Int64Range(0, 1<<32).Draw(t, "length")) * time.Second),
		KeyUsage:    x509.KeyUsage(rapid.IntRange(0, 511).Draw(t, "usage")),
		ExtKeyUsage: rapid.SliceOfNDistinct(rapid.SampledFrom([]x509.ExtKeyUsage{0, 1, 2, 3, 4, 8, 9, 11}), 0, 3, rapid.ID).Draw(t, "purposes"),
		DNSNames:    some(host, "dns"), EmailAddresses: some(rapid.StringMatching(`[a-z]{1,5}@example\.org`), "email"),
		OCSPServer: some(rapid.StringMatching(`http://[a-z]{1,9}`), "ocsp"), IssuingCertificateURL: some(host, "issuing"),
		CRLDistributionPoints: some(rapid.StringMatching(`http://[a-z]{1,9}`), "crl"),
		SubjectKeyId:          rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "ski"),
	}
	if tmpl.SerialNumber.Sign() == 0 {
		tmpl.SerialNumber.SetInt64(1)
	}
	if rapid.Bool().Draw(t, "no expiration") {
		tmpl.NotAfter = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	if rapid.Bool().Draw(t, "constraints") {
		tmpl.BasicConstraintsValid, tmpl.IsCA = true, rapid.Bool().Draw(t, "CA")
		if tmpl.IsCA {
			tmpl.MaxPathLen = rapid.IntRange(-1, 3).Draw(t, "path")
			tmpl.MaxPathLenZero = tmpl.MaxPathLen == 0
			tmpl.PermittedDNSDomains = some(host, "permitted")
			tmpl.PermittedDNSDomainsCritical = rapid.Bool().Draw(t, "critical")
			tmpl.ExcludedIPRanges = []*net.IPNet{{IP: net.IP{192, 0, 2, 0}, Mask: net.CIDRMask(rapid.IntRange(24, 32).Draw(t, "mask"), 32)}}
		}
	}
	if rapid.Bool().Draw(t, "more names") {
		tmpl.IPAddresses = []net.IP{{192, 0, 2, 1}}
		tmpl.URIs = []*url.URL{{Scheme: "coap", Host: "example.org"}}
		tmpl.Policies = []x509.OID{mustOID(t, 2, 23, 140, 1, 2, 1), mustOID(t, 1, 3, 6, 1, 4, 1, 99999, 7)}
	}
	if rapid.Bool().Draw(t, "private extension") {
		tmpl.ExtraExtensions = []pkix.Extension{{
			Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 8}, Critical: rapid.Bool().Draw(t, "critical"),
			Value: rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "value"),
		}}
	}
	return tmpl
}

func mustOID(t *rapid.T, arcs ...uint64) x509.OID {
	oid, err := x509.OIDFromInts(arcs)
	if err != nil {
		t.Fatal(err)
	}
	return oid
}

// Whatever crypto/x509 makes goes there and back.
func TestRoundTripX509(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		tmpl := drawTemplate(r)
		key := signers()[rapid.SampledFrom([]string{"P-256", "P-384", "P-521", "Ed25519", "RSA"}).Draw(r, "key")]
		issuer := tmpl
		if rapid.Bool().Draw(r, "other issuer") {
			issuer = &x509.Certificate{Subject: pkix.Name{CommonName: "issuer"}, SubjectKeyId: []byte{1, 2, 3}}
		}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, issuer, key.Public(), key)
		if err != nil {
			r.Skip(err)
		}
		c := roundTrip(r, der)
		want, err := x509.ParseCertificate(der)
		must(t, err)
		for raw, got := range map[string]c509.Name{string(want.RawSubject): c.Subject(), string(want.RawIssuer): c.Issuer()} {
			var name pkix.RDNSequence
			if _, err := asn1.Unmarshal([]byte(raw), &name); err != nil || got.String() != name.String() {
				r.Errorf("name %q, want %q", got, name)
			}
		}
		if from, to := c.Validity(); !from.Equal(want.NotBefore) || !to.Equal(want.NotAfter) {
			r.Errorf("validity %v to %v, want %v to %v", from, to, want.NotBefore, want.NotAfter)
		}
		if c.SerialNumber().Cmp(want.SerialNumber) != 0 {
			r.Errorf("serial number %v, want %v", c.SerialNumber(), want.SerialNumber)
		}
		if err := c.CheckSignature(key.Public()); err != nil {
			r.Error(err)
		}
	})
}
