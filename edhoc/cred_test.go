package edhoc

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
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/vector"
)

// The certificates of RFC 9529, Section 2 are signed with the root key it prints.
//
//spec:9528-3.5.2-1
func TestRFC9529Certificates(t *testing.T) {
	v := vector.Load[traces](t, "testdata/rfc9529/traces.json")
	tr := newTrace(t, v.Trace1)
	now := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, x := range []string{"I", "R"} {
		der := tr.get("CRED_" + x + "_raw")
		leaf, err := x509.ParseCertificate(der)
		must(t, err)
		root := &x509.Certificate{
			Raw: []byte("root"), RawSubject: leaf.RawIssuer, PublicKey: ed25519.PublicKey(tr.get("root_certificate_public_key_raw")),
			PublicKeyAlgorithm: x509.Ed25519, IsCA: true, BasicConstraintsValid: true, Version: 3,
			NotBefore: now.AddDate(-9, 0, 0), NotAfter: now.AddDate(9, 0, 0),
		}
		roots := x509.NewCertPool()
		roots.AddCert(root)
		cred, err := VerifyX509([][]byte{der}, x509.VerifyOptions{Roots: roots, CurrentTime: now})
		must(t, err)
		if !bytes.Equal(cred.CRED(), tr.get("CRED_"+x+"_cbor")) {
			t.Errorf("CRED_%s = %x", x, cred.CRED())
		}
		if want := map[string]string{"I": "CN=EDHOC Initiator Ed25519", "R": "CN=EDHOC Responder Ed25519"}[x]; cred.Subject() != want {
			t.Errorf("subject %q, want %q", cred.Subject(), want)
		}
		root.PublicKey = ed25519.PublicKey(testKey(t, Ed25519, false, "other").Public().x)
		if _, err := VerifyX509([][]byte{der}, x509.VerifyOptions{Roots: roots, CurrentTime: now}); !errors.Is(err, ErrCredential) {
			t.Errorf("under another root: %v", err)
		}
	}
}

// authority is a CA for tests.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
	der  []byte
}

var testTime = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func newAuthority(t *testing.T, name string, parent *authority) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	a := &authority{key: key}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: testTime.AddDate(-1, 0, 0), NotAfter: testTime.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageCertSign,
	}
	if parent == nil {
		parent = &authority{cert: tmpl, key: key}
	}
	a.der, err = x509.CreateCertificate(rand.Reader, tmpl, parent.cert, key.Public(), parent.key)
	must(t, err)
	a.cert, err = x509.ParseCertificate(a.der)
	must(t, err)
	return a
}

func (a *authority) issue(t *testing.T, name string, pub any, usage x509.KeyUsage) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, KeyUsage: usage,
		NotBefore: testTime.AddDate(0, -1, 0), NotAfter: testTime.AddDate(0, 1, 0),
	}, a.cert, pub, a.key)
	must(t, err)
	return der
}

// publicFor gives the key as crypto/x509 takes it.
func publicFor(t *testing.T, k *PublicKey) any {
	t.Helper()
	switch k.curve {
	case Ed25519:
		return ed25519.PublicKey(k.x)
	case X25519: // CreateCertificate does not write it: see resign
		return ed25519.PublicKey(k.x)
	}
	c := elliptic.P256()
	if k.curve == P384 {
		c = elliptic.P384()
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(c, append(append([]byte{4}, k.x...), k.y...))
	must(t, err)
	return pub
}

// TestX509Subject: the subject is all that the certificate says, in its order. One that
// leaves anything out would let the owner of another certificate pass for its subject.
func TestX509Subject(t *testing.T) {
	root := newAuthority(t, "root", nil)
	name := func(oid int, value string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, oid}, Value: value}
	}
	const cn, o = 3, 10
	for want, names := range map[string]pkix.RDNSequence{
		"CN=pump,O=Example":   {{name(o, "Example")}, {name(cn, "pump")}},
		"O=Example,CN=pump":   {{name(cn, "pump")}, {name(o, "Example")}},
		"CN=pump,CN=mallory":  {{name(cn, "mallory")}, {name(cn, "pump")}},
		"CN=pump+CN=mallory":  {{name(cn, "pump"), name(cn, "mallory")}}, // as DER has it
		"CN=pump\\,O=Example": {{name(cn, "pump,O=Example")}},
		"":                    nil,
	} {
		raw, err := asn1.Marshal(names)
		must(t, err)
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(2), RawSubject: raw, NotBefore: testTime, NotAfter: testTime.AddDate(0, 1, 0),
		}, root.cert, root.key.Public(), root.key)
		must(t, err)
		cred, err := ParseX509(der)
		must(t, err)
		if cred.Subject() != want {
			t.Errorf("got %q, want %q", cred.Subject(), want)
		}
	}
}

// TestX509HugeKey: a key of RSA that somebody put into a chain must not cost us minutes.
func TestX509HugeKey(t *testing.T) {
	root := newAuthority(t, "root", nil)
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)
	leaf := newAuthority(t, "sub", root).issue(t, "device", root.key.Public(), 0)
	for bits, want := range map[int]bool{8192: false, 8193: true} {
		n := new(big.Int).SetBit(big.NewInt(1), bits-1, 1)
		huge := root.issue(t, "sub", &rsa.PublicKey{N: n, E: 3}, x509.KeyUsageCertSign)
		_, err := VerifyX509([][]byte{leaf, huge}, x509.VerifyOptions{Roots: roots, CurrentTime: testTime})
		if !errors.Is(err, ErrCredential) || strings.Contains(err.Error(), "RSA key") != want {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
}

// Handshakes with certificates: chains by value, x5t and x5u, each key that
// crypto/x509 knows, each use that the certificate allows.
func TestX509(t *testing.T) {
	root := newAuthority(t, "root", nil)
	sub := newAuthority(t, "sub", root)
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)
	opts := x509.VerifyOptions{Roots: roots, CurrentTime: testTime}
	for _, c := range []struct {
		curve  Curve
		static bool
		suite  SuiteID
		usage  x509.KeyUsage
		ok     bool
	}{
		{P256, false, 2, 0, true},
		{P256, false, 2, x509.KeyUsageDigitalSignature, true},
		{P256, false, 2, x509.KeyUsageKeyAgreement, false},
		{P256, true, 2, x509.KeyUsageKeyAgreement, true},
		{P256, true, 2, x509.KeyUsageDigitalSignature, false},
		{P256, true, 2, x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement, true},
		{P256, false, 2, x509.KeyUsageDataEncipherment, false},
		{P384, false, 24, x509.KeyUsageDigitalSignature, true},
		{P384, true, 24, 0, true},
		{Ed25519, false, 0, x509.KeyUsageDigitalSignature, true},
		{X25519, true, 0, x509.KeyUsageKeyAgreement, true},
	} {
		key := testKey(t, c.curve, c.static, "certified")
		der := sub.issue(t, "device", publicFor(t, key.Public()), c.usage)
		if c.curve == X25519 {
			der = resign(t, sub, der, asn1.ObjectIdentifier{1, 3, 101, 110}, key.Public().x)
		}
		cred, err := VerifyX509([][]byte{der, sub.der}, opts)
		must(t, err)
		m := SignatureSignature
		if c.static {
			m = StaticDHStaticDH
		}
		for _, id := range []IDCred{cred.ByValue(), X5Chain(der, sub.der), X5T(der), X5U("coap://example.org/cert")} {
			var p *parties
			config := Config{Methods: []Method{m}, Suites: []SuiteID{c.suite}, Identities: []Identity{{cred, id, key}}}
			if _, err := NewInitiator(config); (err == nil) != c.ok {
				t.Errorf("%v, static %t, usage %b: %v, want ok %t", c.curve, c.static, c.usage, err, c.ok)
			}
			if !c.ok {
				// The peer refuses it, too.
				pinned, err := NewCredential(cred.CRED(), key.Public(), nil)
				must(t, err)
				p = pair(t, m, c.suite, func(i, _ *Config) { i.Identities[0] = Identity{pinned, X5T(der), key} })
				p.credI = cred
				f := runFlow(t, p, 7)
				if err := steps[7].do(f); err == nil {
					t.Errorf("%v, static %t, usage %b: the Responder accepts", c.curve, c.static, c.usage)
				}
				continue
			}
			p = pair(t, m, c.suite, func(i, r *Config) { i.Identities[0] = Identity{cred, id, key} })
			f := runFlow(t, p, 7)
			got := f.r3.IDCredI
			if !bytes.Equal(got.Header(), id.Header()) {
				t.Errorf("ID_CRED_I = %x, want %x", got.Header(), id.Header())
			}
			if got.X5U == "" && !cred.Matches(got) {
				t.Errorf("%x does not match the certificate", got.Header())
			}
			if got.X5Chain != nil {
				chain := got.X5Chain
				if len(chain) == 1 {
					chain = append(chain, sub.der)
				}
				p.credI, err = VerifyX509(chain, opts)
				must(t, err)
			}
			must(t, steps[7].do(f))
		}
	}

	// What a chain must not be.
	key := testKey(t, P256, false, "certified")
	der := sub.issue(t, "device", publicFor(t, key.Public()), 0)
	other := newAuthority(t, "root", nil)
	for name, bad := range map[string]struct {
		chain [][]byte
		opts  x509.VerifyOptions
	}{
		"no chain":          {nil, opts},
		"no roots":          {[][]byte{der, sub.der}, x509.VerifyOptions{CurrentTime: testTime}},
		"no time":           {[][]byte{der, sub.der}, x509.VerifyOptions{Roots: roots}},
		"a link missing":    {[][]byte{der}, opts},
		"expired":           {[][]byte{der, sub.der}, x509.VerifyOptions{Roots: roots, CurrentTime: testTime.AddDate(0, 2, 0)}},
		"not yet":           {[][]byte{der, sub.der}, x509.VerifyOptions{Roots: roots, CurrentTime: testTime.AddDate(0, -2, 0)}},
		"other root":        {[][]byte{der, newAuthority(t, "sub", other).der}, opts},
		"root in the chain": {[][]byte{other.issue(t, "device", publicFor(t, key.Public()), 0), other.der}, opts},
		"garbage":           {[][]byte{{1, 2, 3}}, opts},
		"garbage behind":    {[][]byte{der, {1, 2, 3}}, opts},
	} {
		if _, err := VerifyX509(bad.chain, bad.opts); !errors.Is(err, ErrCredential) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseX509([]byte("x")); !errors.Is(err, ErrCredential) {
		t.Errorf("ParseX509 of garbage: %v", err)
	}
	// An extended key usage does not matter, unless the caller asks for one.
	special, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(3), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		NotBefore: testTime.AddDate(0, -1, 0), NotAfter: testTime.AddDate(0, 1, 0),
	}, sub.cert, publicFor(t, key.Public()), sub.key)
	must(t, err)
	if _, err := VerifyX509([][]byte{special, sub.der}, opts); err != nil {
		t.Errorf("certificate with an extended key usage: %v", err)
	}
	strict := opts
	strict.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if _, err := VerifyX509([][]byte{special, sub.der}, strict); !errors.Is(err, ErrCredential) {
		t.Errorf("certificate with another extended key usage: %v", err)
	}
	// The given intermediates serve as well, and stay as they are.
	more := x509.NewCertPool()
	more.AddCert(sub.cert)
	opts.Intermediates = more
	cred, err := VerifyX509([][]byte{der, root.der}, opts)
	must(t, err)
	if !more.Equal(func() *x509.CertPool { p := x509.NewCertPool(); p.AddCert(sub.cert); return p }()) {
		t.Error("the pool of the caller has changed")
	}
	for d, ok := range map[time.Duration]bool{0: true, -40 * 24 * time.Hour: false, 40 * 24 * time.Hour: false} {
		if err := cred.ValidAt(testTime.Add(d)); (err == nil) != ok {
			t.Errorf("valid at %v: %v", d, err)
		}
	}
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	if cred.ValidAt(leaf.NotAfter) != nil || cred.ValidAt(leaf.NotAfter.Add(1)) == nil {
		t.Error("the last moment of a certificate is its notAfter")
	}
}

// Keys of RFC 8410 that crypto/x509 does not decode.
func TestX509RFC8410(t *testing.T) {
	ca := newAuthority(t, "root", nil)
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	for _, o := range oids {
		key := testKey(t, o.curve, groups[o.curve] != nil, "certified").Public()
		der := resign(t, ca, ca.issue(t, "device", publicFor(t, testKey(t, Ed25519, false, "x").Public()), 0), o.id, key.x)
		cred, err := VerifyX509([][]byte{der}, x509.VerifyOptions{Roots: roots, CurrentTime: testTime})
		must(t, err)
		if !cred.PublicKey().Equal(key) {
			t.Errorf("%v: key %v %x", o.id, cred.PublicKey().Curve(), cred.PublicKey().x)
		}
		if _, err := ParseX509(resign(t, ca, der, o.id, key.x[1:])); !errors.Is(err, ErrCredential) {
			t.Errorf("%v: short key: %v", o.id, err)
		}
		if _, err := ParseX509(resign(t, ca, der, asn1.ObjectIdentifier{1, 3, 101, 200}, key.x)); !errors.Is(err, ErrCredential) {
			t.Errorf("key of unknown type: %v", err)
		}
	}
}

// resign puts another public key into a certificate.
func resign(t *testing.T, ca *authority, der []byte, oid asn1.ObjectIdentifier, key []byte) []byte {
	t.Helper()
	type spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	type tbs struct {
		Version    int `asn1:"optional,explicit,default:0,tag:0"`
		Serial     *big.Int
		Algorithm  pkix.AlgorithmIdentifier
		Issuer     asn1.RawValue
		Validity   asn1.RawValue
		Subject    asn1.RawValue
		SPKI       spki
		Extensions []pkix.Extension `asn1:"omitempty,optional,explicit,tag:3"`
	}
	type certificate struct {
		TBS       tbs
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	var c certificate
	_, err := asn1.Unmarshal(der, &c)
	must(t, err)
	c.TBS.SPKI = spki{pkix.AlgorithmIdentifier{Algorithm: oid}, asn1.BitString{Bytes: key, BitLength: 8 * len(key)}}
	b, err := asn1.Marshal(c.TBS)
	must(t, err)
	sig, err := ca.key.Sign(rand.Reader, digest(P256, b), crypto.SHA256)
	must(t, err)
	c.Signature = asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}
	out, err := asn1.Marshal(c)
	must(t, err)
	return out
}

// pairs appends a map of integer keys to encoded values.
func mapOf(kv ...any) []byte {
	b := cborseq.AppendMap(nil, len(kv)/2)
	for i := 0; i < len(kv); i += 2 {
		b = cborseq.AppendInt(b, int64(kv[i].(int)))
		switch v := kv[i+1].(type) {
		case int:
			b = cborseq.AppendInt(b, int64(v))
		case []byte:
			b = cborseq.AppendBytes(b, v)
		case string:
			b = cborseq.AppendText(b, v)
		case bool:
			b = cborseq.AppendBool(b, v)
		case cborseq.Raw:
			b = append(b, v...)
		}
	}
	return b
}

func ccsOf(key []byte, claims ...any) []byte {
	return mapOf(append(claims, claimCnf, cborseq.Raw(mapOf(cnfCOSEKey, cborseq.Raw(key))))...)
}

// The example of RFC 9528, Figure 4, and the variants that a CCS may have.
//
//spec:9528-3.5.3.1-1
//spec:9528-3.5.2-4
func TestParseCCS(t *testing.T) {
	fig4 := vector.Bytes(t, "a2027734322d35302d33312d46462d45462d33372d33322d333908a101a4010102410020042158"+
		"20b1a3e89460e88d3a8d54211dc95f0b903ff205eb71912d6db8f4af980d2db83a")
	c, err := ParseCCS(fig4)
	must(t, err)
	if c.Subject() != "42-50-31-FF-EF-37-32-39" || !bytes.Equal(c.KID(), []byte{0}) || c.PublicKey().Curve() != X25519 || !bytes.Equal(c.CRED(), fig4) {
		t.Errorf("subject %q, kid %x, %v, %x", c.Subject(), c.KID(), c.PublicKey().Curve(), c.CRED())
	}

	p := testKey(t, P256, true, "ccs").Public()
	x := testKey(t, X25519, true, "ccs").Public()
	odd := p.y[31]&1 == 1
	for name, k := range map[string]struct {
		key         []byte
		ok          bool
		sign, agree bool
	}{
		"x and y":             {mapOf(1, 2, -1, 1, -2, p.x, -3, p.y), true, true, true},
		"sign of y":           {mapOf(1, 2, -1, 1, -2, p.x, -3, odd), true, true, true},
		"x only":              {mapOf(1, 2, -1, 1, -2, p.x), true, false, true},
		"alg ES256":           {mapOf(1, 2, 3, -7, -1, 1, -2, p.x, -3, p.y), true, true, false},
		"alg ESP256":          {mapOf(1, 2, 3, -9, -1, 1, -2, p.x, -3, p.y), true, true, false},
		"alg ECDH":            {mapOf(1, 2, 3, -27, -1, 1, -2, p.x, -3, p.y), true, false, true},
		"alg of another kind": {mapOf(1, 2, 3, -8, -1, 1, -2, p.x, -3, p.y), true, false, false},
		"ops verify":          {mapOf(1, 2, 4, cborseq.Raw{0x81, 2}, -1, 1, -2, p.x, -3, p.y), true, true, false},
		"ops none":            {mapOf(1, 2, 4, cborseq.Raw{0x80}, -1, 1, -2, p.x, -3, p.y), true, false, true},
		"ops derive":          {mapOf(1, 2, 4, cborseq.Raw{0x82, 7, 8}, -1, 1, -2, p.x, -3, p.y), true, false, true},
		"ops encrypt":         {mapOf(1, 2, 4, cborseq.Raw{0x81, 3}, -1, 1, -2, p.x, -3, p.y), true, false, false},
		"alg against ops":     {mapOf(1, 2, 3, -7, 4, cborseq.Raw{0x80}, -1, 1, -2, p.x, -3, p.y), true, false, false},
		"order of the map":    {mapOf(-2, x.x, -1, 4, 1, 1), true, false, true},
		"more parameters":     {mapOf(1, 1, -1, 4, -2, x.x, -70, "text"), true, false, true},

		"private key":      {mapOf(1, 2, -1, 1, -2, p.x, -3, p.y, -4, p.x), false, false, false},
		"wrong y":          {mapOf(1, 2, -1, 1, -2, p.x, -3, p.x), false, false, false},
		"short x":          {mapOf(1, 2, -1, 1, -2, p.x[1:], -3, p.y), false, false, false},
		"x and y shifted":  {mapOf(1, 2, -1, 1, -2, p.x[:31], -3, append([]byte{p.x[31]}, p.y...)), false, false, false},
		"not on the curve": {mapOf(1, 2, -1, 1, -2, vector.Bytes(t, badPoints[P256]["not on the curve"])), false, false, false},
		"no x":             {mapOf(1, 2, -1, 1), false, false, false},
		"no kty":           {mapOf(-1, 1, -2, p.x, -3, p.y), false, false, false},
		"OKP with P-256":   {mapOf(1, 1, -1, 1, -2, p.x, -3, p.y), false, false, false},
		"EC2 with X25519":  {mapOf(1, 2, -1, 4, -2, x.x), false, false, false},
		"X25519 with y":    {mapOf(1, 1, -1, 4, -2, x.x, -3, x.x), false, false, false},
		"Ed25519 with y":   {mapOf(1, 1, -1, 6, -2, x.x, -3, x.x), false, false, false},
		"Ed448, short":     {mapOf(1, 1, -1, 7, -2, x.x), false, false, false},
		"symmetric":        {mapOf(1, 4, -1, p.x), false, false, false},
		"unknown curve":    {mapOf(1, 2, -1, 3, -2, p.x, -3, p.y), false, false, false},
		"x twice":          {mapOf(1, 1, -1, 4, -2, x.x, -2, x.x), false, false, false},
		"x as text":        {mapOf(1, 1, -1, 4, -2, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"), false, false, false},
		"sign of no point": {mapOf(1, 2, -1, 1, -2, vector.Bytes(t, badPoints[P256]["not on the curve"]), -3, true), false, false, false},
	} {
		c, err := ParseCCS(ccsOf(k.key))
		if (err == nil) != k.ok {
			t.Errorf("%s: %v, want ok %t", name, err, k.ok)
		}
		if err != nil {
			if !errors.Is(err, ErrCredential) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		suite := map[Curve]SuiteID{P256: 2, X25519: 0}[c.PublicKey().Curve()]
		s, err := newSuite(suite, suites[suite])
		must(t, err)
		if sign, agree := c.key.serves(s, false), c.key.serves(s, true); sign != k.sign || agree != k.agree {
			t.Errorf("%s: signs %t, agrees %t; want %t, %t", name, sign, agree, k.sign, k.agree)
		}
	}

	good := mapOf(1, 1, -1, 4, -2, x.x)
	for name, b := range map[string][]byte{
		"empty":             {},
		"no map":            {0x80},
		"no cnf":            mapOf(2, "sub"),
		"cnf without key":   mapOf(8, cborseq.Raw(mapOf(3, []byte("kid")))),
		"cnf no map":        mapOf(8, "x"),
		"something behind":  append(ccsOf(good), 0),
		"sub no text":       ccsOf(good, 2, 7),
		"exp no number":     ccsOf(good, 4, "x"),
		"exp with a tag":    ccsOf(good, 4, cborseq.Raw{0xc1, 0x19, 0x07, 0xd0}),
		"exp true":          ccsOf(good, 4, true),
		"exp infinite":      ccsOf(good, 4, cborseq.Raw{0xf9, 0x7c, 0x00}),
		"a claim twice":     ccsOf(good, 2, "a", 2, "b"),
		"cut off":           ccsOf(good)[:20],
		"indefinite":        append(append([]byte{0xbf}, ccsOf(good)[1:]...), 0xff),
		"COSE_Key no map":   mapOf(8, cborseq.Raw(mapOf(1, "x"))),
		"claim that is cut": {0xa2, 0x02},
	} {
		if _, err := ParseCCS(b); !errors.Is(err, ErrCredential) {
			t.Errorf("%s: %v", name, err)
		}
	}

	// Time limits, other claims, names of claims that are texts.
	b := ccsOf(good, 4, 2000, 5, 1000, 1, "issuer", 38, cborseq.Raw{0xf6})
	c, err = ParseCCS(b)
	must(t, err)
	for at, ok := range map[int64]bool{999: false, 1000: true, 1999: true, 2000: false} {
		if err := c.ValidAt(time.Unix(at, 0)); (err == nil) != ok {
			t.Errorf("valid at %d: %v", at, err)
		}
	}
	c, err = ParseCCS(ccsOf(good, 4, cborseq.Raw{0xfb, 0x40, 0x9f, 0x40, 0x66, 0x66, 0x66, 0x66, 0x66})) // 2000.1
	must(t, err)
	if c.ValidAt(time.Unix(2000, 0)) != nil || c.ValidAt(time.Unix(2001, 0)) == nil {
		t.Error("a time with a fraction")
	}
	text := append([]byte{0xa2, 0x61, 'x', 0x00}, ccsOf(good)[1:]...)
	if _, err := ParseCCS(text); err != nil {
		t.Errorf("claim with a text as key: %v", err)
	}
}

// NewCCS writes what RFC 9528 and RFC 9529 show.
//
//spec:9528-3.5.2-4
func TestNewCCS(t *testing.T) {
	v := vector.Load[traces](t, "testdata/rfc9529/traces.json")
	tr := newTrace(t, v.Trace2)
	for x, subject := range map[string]string{"I": "42-50-31-FF-EF-37-32-39", "R": "example.edu"} {
		key, err := NewPublicKey(P256, tr.get("PK_"+x+"_x_raw"), tr.get("PK_"+x+"_y_raw"))
		must(t, err)
		id := IDCred{}
		s := cborseq.String(tr.get("ID_CRED_" + x + "_cbor"))
		if !id.read(&s) {
			t.Fatal("ID_CRED")
		}
		c, err := NewCCS(key, subject, id.KID)
		must(t, err)
		tr.want(c.CRED(), "CRED_"+x+"_cbor")
	}
	for _, curve := range []Curve{P256, P384, X25519, X448, Ed25519, Ed448} {
		k := testKey(t, curve, groups[curve] != nil, "ccs").Public()
		c, err := NewCCS(k, "", nil)
		must(t, err)
		if !c.PublicKey().Equal(k) || c.KID() != nil || c.Subject() != "" || !bytes.HasPrefix(c.CRED(), []byte{0xa1, 0x08, 0xa1, 0x01}) {
			t.Errorf("%v: %x", curve, c.CRED())
		}
		named, err := NewCCS(k, "n", []byte{})
		must(t, err)
		if want := ccs(k, "n", nil); !bytes.Equal(named.CRED(), want) {
			t.Errorf("%v: %x, want %x", curve, named.CRED(), want)
		}
		if !bytes.Equal(k.X(), k.x) || !bytes.Equal(k.Y(), k.y) {
			t.Errorf("%v: coordinates", curve)
		}
	}
	x, err := NewPublicKey(P256, tr.get("PK_I_x_raw"), nil)
	must(t, err)
	if c, err := NewCCS(x, "", nil); err != nil || c.PublicKey().Y() != nil {
		t.Errorf("key without y: %v", err)
	}
}

// signCWT makes a COSE_Sign1.
func signCWT(t *testing.T, k *PrivateKey, protected, payload []byte) []byte {
	t.Helper()
	sig, err := k.sign(rand.Reader, sigStructure(protected, nil, payload))
	must(t, err)
	b := cborseq.AppendBytes([]byte{0x84}, protected)
	b = append(b, 0xa0)
	b = cborseq.AppendBytes(b, payload)
	return cborseq.AppendBytes(b, sig)
}

//spec:9528-3.5.2-3
//spec:9528-3.5.3.1-1
func TestParseCWT(t *testing.T) {
	subject := testKey(t, P256, true, "cwt")
	claims := ccs(subject.Public(), "device", []byte("k"))
	for _, issuer := range []struct {
		curve Curve
		alg   int
	}{{P256, -7}, {P384, -35}, {Ed25519, -8}, {Ed448, -8}, {P256, -9}, {P384, -51}, {Ed25519, -19}, {Ed448, -53}} {
		k := testKey(t, issuer.curve, false, "issuer")
		cwt := signCWT(t, k, mapOf(1, issuer.alg), claims)
		c, err := ParseCWT(cwt, k.Public())
		must(t, err)
		if c.Subject() != "device" || !c.PublicKey().Equal(subject.Public()) || !bytes.Equal(c.CRED(), cwt) {
			t.Errorf("%v: %q, %x", issuer, c.Subject(), c.CRED())
		}
		for _, tags := range [][]byte{{0xd8, 61, 0xd2}, {0xd2}, {0xd8, 61}} {
			tagged, err := ParseCWT(append(tags, cwt...), k.Public())
			must(t, err)
			if !bytes.Equal(tagged.CRED(), cwt) {
				t.Errorf("with tags %x: CRED %x", tags, tagged.CRED())
			}
		}
		if id := c.ByValue(); !bytes.Equal(id.KCWT, cwt) || !c.Matches(id) || id.ByReference() {
			t.Errorf("by value: %x", id.Header())
		}
		other := testKey(t, issuer.curve, false, "another issuer")
		if _, err := ParseCWT(cwt, other.Public()); !errors.Is(err, ErrCredential) {
			t.Errorf("another issuer: %v", err)
		}
		for _, wrong := range []int{-7, -35, -8, -36, 5, 0} {
			if wrong == issuer.alg {
				continue
			}
			if _, err := ParseCWT(signCWT(t, k, mapOf(1, wrong), claims), k.Public()); err == nil && !(wrong == -7 && issuer.curve == P256 || wrong == -35 && issuer.curve == P384 || wrong == -8 && issuer.curve >= Ed25519) {
				t.Errorf("%v with alg %d", issuer, wrong)
			}
		}
		flipped := bytes.Clone(cwt)
		flipped[20] ^= 1
		for name, bad := range map[string][]byte{
			"flipped bit": flipped, "behind": append(bytes.Clone(cwt), 0), "empty": {}, "three items": {0x83, 0x40, 0xa0, 0x40},
			"critical header": signCWT(t, k, mapOf(1, issuer.alg, 2, cborseq.Raw{0x81, 1}), claims),
			"no alg":          signCWT(t, k, nil, claims),
			"no cnf":          signCWT(t, k, mapOf(1, issuer.alg), mapOf(2, "x")),
			"mac":             append([]byte{0xd1}, cwt...),
		} {
			if _, err := ParseCWT(bad, k.Public()); !errors.Is(err, ErrCredential) {
				t.Errorf("%v, %s: %v", issuer, name, err)
			}
		}
		if _, err := ParseCWT(cwt, nil); !errors.Is(err, ErrCredential) {
			t.Errorf("no issuer: %v", err)
		}
		if _, err := ParseCWT(cwt, testKey(t, X25519, true, "x").Public()); !errors.Is(err, ErrCredential) {
			t.Errorf("issuer without signatures: %v", err)
		}
	}
	// In a handshake, by value.
	k := testKey(t, P256, false, "issuer")
	c, err := ParseCWT(signCWT(t, k, mapOf(1, -7), claims), k.Public())
	must(t, err)
	p := pair(t, StaticDHStaticDH, 2, func(i, r *Config) { i.Identities[0] = Identity{c, c.ByValue(), subject} })
	f := runFlow(t, p, 7)
	p.credI, err = ParseCWT(f.r3.IDCredI.KCWT, k.Public())
	must(t, err)
	for _, s := range steps[7:] {
		must(t, s.do(f))
	}
	agree(t, f.sI, f.sR)
}

// Credentials of other types go through as bytes.
//
//spec:9528-3.5.2-2
func TestNewCredential(t *testing.T) {
	k := testKey(t, P256, false, "opaque")
	inner := []byte{0x03, 0x42, 1, 2}
	c509, err := NewCredential(append([]byte{0x82}, inner...), k.Public(), []byte("c"))
	must(t, err)
	der, err := NewCredential(cborseq.AppendBytes(nil, []byte("der")), k.Public(), nil)
	must(t, err)
	for _, c := range []struct {
		cred *Credential
		id   IDCred
		fits bool
	}{
		{c509, C5T(inner), true},
		{c509, C5C(inner), true},
		{c509, C5C(inner, []byte("ca")), true},
		{c509, KID([]byte("c")), true},
		{c509, C5T([]byte("x")), false},
		{c509, KID([]byte("d")), false},
		{c509, X5U("coap://x"), false},
		{c509, C5U("coap://x"), false},
		{der, X5T([]byte("der")), true},
		{der, X5Chain([]byte("der")), true},
		{der, X5Chain([]byte("red")), false},
		{der, KID(nil), false},
	} {
		if got := c.cred.Matches(c.id); got != c.fits {
			t.Errorf("%x matches %x: %t, want %t", c.id.Header(), c.cred.CRED(), got, c.fits)
		}
	}
	for _, id := range []IDCred{C5T(inner), C5C(inner), C5U("coap://example.org"), KID([]byte("c"))} {
		p := pair(t, SignatureSignature, 2, func(i, r *Config) { r.Identities[0] = Identity{c509, id, k} })
		f := runFlow(t, p, 4)
		if !bytes.Equal(f.r2.IDCredR.Header(), id.Header()) {
			t.Errorf("ID_CRED_R = %x, want %x", f.r2.IDCredR.Header(), id.Header())
		}
		i, r := p.handshake(t, true)
		agree(t, i, r)
	}
	for _, bad := range []struct {
		cred []byte
		key  *PublicKey
	}{{nil, k.Public()}, {[]byte{1}, nil}} {
		if _, err := NewCredential(bad.cred, bad.key, nil); !errors.Is(err, ErrCredential) {
			t.Errorf("NewCredential(%x, %v): %v", bad.cred, bad.key, err)
		}
	}
	if !reflect.DeepEqual(c509.ByValue(), IDCred{}) {
		t.Error("an opaque credential knows how to go by value")
	}
}
