package c509_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/cloudflare/circl/sign/ed448"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/c509"
	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/vector"
)

// The subject is all that the certificate says, in its order, as that of the X.509
// certificate: else the owner of one for two names would pass for one of them.
func TestSubjectIsWhole(t *testing.T) {
	root := newAuthority(t, "P-256", "root", nil)
	key := device(t, edhoc.P256, false, "device").Public()
	const cn, o = 1, 8
	for want, name := range map[string]c509.Name{
		"CN=pump,O=Example":    {{Type: o, Text: "Example"}, {Type: cn, Text: "pump"}},
		"O=Example,CN=pump":    {{Type: cn, Text: "pump"}, {Type: o, Text: "Example"}},
		"CN=pump,CN=mallory":   {{Type: cn, Text: "mallory"}, {Type: cn, Text: "pump"}},
		"CN=pump\\,CN=mallory": {{Type: cn, Text: "pump,CN=mallory"}},
	} {
		c := root.issue(t, "", key, 0, func(m *c509.Template) { m.Subject = name })
		cred, err := c509.Verify([][]byte{c.Sequence()}, c509.VerifyOptions{Roots: []*c509.Certificate{root.cert}, CurrentTime: now})
		must(t, err)
		if cred.Subject() != want {
			t.Errorf("got %q, want %q", cred.Subject(), want)
		}
	}
}

// SHA-1 is refused by whatever object identifier and parameters it is written.
func TestCheckSignatureSHA1(t *testing.T) {
	key := signers()["RSA"].(*rsa.PrivateKey)
	ec := newSigner(t, "P-256", "root").(*ecdsa.PrivateKey)
	for name, c := range map[string]struct {
		algorithm string
		key       crypto.Signer
	}{
		"by number":                   {"38ff", key},
		"RSA without NULL":            {"49 2a864886f70d010105", key},
		"RSA with something for NULL": {"82 49 2a864886f70d010105 43 0c0161", key},
		"RSA of ISO":                  {"45 2b0e03021d", key},
		"ECDSA with NULL":             {"82 47 2a8648ce3d0401 42 0500", ec},
	} {
		fields := split(t, load(t).Native.C509)
		fields[sigAlg] = vector.Bytes(t, c.algorithm)
		digest := sha1.Sum(slices.Concat(fields[:signature]...))
		sig, err := c.key.Sign(rand.Reader, digest[:], crypto.SHA1)
		must(t, err)
		fields[signature] = cborseq.AppendBytes(nil, sig)
		cert, err := c509.Parse(slices.Concat(fields...))
		must(t, err)
		if err := cert.CheckSignature(c.key.Public()); !errors.Is(err, c509.ErrInvalid) || !strings.Contains(err.Error(), "SHA-1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A key verifies signatures of its own algorithm, whatever the certificate says it is.
func TestCheckSignatureOfAnotherAlgorithm(t *testing.T) {
	key := newSigner(t, "Ed448", "root")
	for alg, want := range map[byte]bool{12: false, 13: true} {
		fields := split(t, load(t).Native.C509)
		fields[sigAlg] = []byte{alg}
		sig, err := key.Sign(rand.Reader, slices.Concat(fields[:signature]...), ed448.SignerOptions{Scheme: ed448.ED448})
		must(t, err)
		fields[signature] = cborseq.AppendBytes(nil, sig)
		cert, err := c509.Parse(slices.Concat(fields...))
		must(t, err)
		if err := cert.CheckSignature(key.Public()); (err == nil) != want {
			t.Errorf("algorithm %d: %v", alg, err)
		}
	}
}

// Extended key usages are those of all of a path: of its root, and of a pinned certificate.
func TestVerifyPurposes(t *testing.T) {
	server := extension(false, 8, 1)
	key := device(t, edhoc.P256, false, "device").Public()
	root := newAuthority(t, "P-256", "root", nil, server)
	below := root.issue(t, "device", key, 0)
	pinned := newAuthority(t, "P-256", "pinned", nil).issue(t, "device", key, 0, server)
	for name, v := range map[string]struct{ root, device *c509.Certificate }{"root": {root.cert, below}, "pinned": {pinned, pinned}} {
		for usage, want := range map[x509.ExtKeyUsage]bool{x509.ExtKeyUsageServerAuth: true, x509.ExtKeyUsageClientAuth: false} {
			_, err := c509.Verify([][]byte{v.device.Sequence()}, c509.VerifyOptions{
				Roots: []*c509.Certificate{v.root}, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage},
			})
			if (err == nil) != want {
				t.Errorf("%s, usage %d: %v", name, usage, err)
			}
		}
	}
}

// The names of a path are the same attributes with the same values, though the key would
// do for each.
func TestVerifyNamesDiffer(t *testing.T) {
	named := func(n ...c509.Attribute) *authority {
		return newAuthority(t, "P-256", "root", nil, func(m *c509.Template) { m.Subject = n })
	}
	own := func(oid, value byte) c509.Attribute {
		return c509.Attribute{OID: []byte{0x2a, oid}, Value: []byte{0x0c, 1, value}}
	}
	for name, v := range map[string]struct {
		issuer, root *authority
		want         bool
	}{
		"same":                {named(c509.Attribute{Type: 1, Text: "root"}), named(c509.Attribute{Type: 1, Text: "root"}), true},
		"another type":        {named(c509.Attribute{Type: 1, Text: "root"}), named(c509.Attribute{Type: 8, Text: "root"}), false},
		"another text":        {named(c509.Attribute{Type: 1, Text: "root"}), named(c509.Attribute{Type: 1, Text: "Root"}), false},
		"same value":          {named(own(3, 'a')), named(own(3, 'a')), true},
		"another value":       {named(own(3, 'a')), named(own(3, 'b')), false},
		"another OID":         {named(own(3, 'a')), named(own(4, 'a')), false},
		"one attribute fewer": {named(own(3, 'a'), own(4, 'a')), named(own(3, 'a')), false},
	} {
		dev := v.issuer.issue(t, "device", device(t, edhoc.P256, false, "device").Public(), 0)
		_, err := c509.Verify([][]byte{dev.Sequence()}, c509.VerifyOptions{Roots: []*c509.Certificate{v.root.cert}, CurrentTime: now})
		if (err == nil) != v.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A chain of X.509 certificates has roots that are such.
func TestVerifyReencodedBelowNative(t *testing.T) {
	tmpl := x509CA()
	tmpl.Subject = pkix.Name{CommonName: "root*"} // a UTF8String in both
	_, leaf := issueX509(t, x509CA(), tmpl, "leaf", "root*")
	native := newAuthority(t, "P-256", "root*", nil)
	must(t, leaf.CheckSignature(native.key.Public()))
	_, err := c509.Verify([][]byte{leaf.Sequence()}, c509.VerifyOptions{Roots: []*c509.Certificate{native.cert}, CurrentTime: now})
	if !errors.Is(err, c509.ErrInvalid) || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("below a native root: %v", err)
	}
}

// What is wrong with the chain that was sent says more than a root that is another's.
func TestVerifyTellsOfTheChain(t *testing.T) {
	root := newAuthority(t, "P-256", "root", nil)
	sub := newAuthority(t, "P-384", "sub", root, func(m *c509.Template) { m.NotAfter = now.Add(-1) })
	other := newAuthority(t, "P-384", "other", nil, called("sub"))
	dev := sub.issue(t, "device", device(t, edhoc.P256, false, "device").Public(), 0)
	_, err := c509.Verify([][]byte{dev.Sequence(), sub.cert.Sequence()}, c509.VerifyOptions{
		Roots: []*c509.Certificate{root.cert, other.cert}, CurrentTime: now,
	})
	if !errors.Is(err, c509.ErrInvalid) || !strings.Contains(err.Error(), `"CN=sub" expired`) {
		t.Errorf("got %v", err)
	}
}

// A key of RSA that somebody put into a chain must not cost us minutes.
func TestVerifyHugeKey(t *testing.T) {
	for bits, want := range map[int]bool{8192: false, 8193: true} {
		testHugeKey(t, bits, want)
	}
}

func testHugeKey(t *testing.T, bits int, want bool) {
	t.Helper()
	huge := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), bits-1, 1), E: 3}
	tmpl := x509CA()
	tmpl.Subject, tmpl.SerialNumber = pkix.Name{CommonName: "sub"}, big.NewInt(1)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, huge, newSigner(t, "P-256", "nobody"))
	must(t, err)
	sub, err := c509.FromX509(der)
	must(t, err)
	root := newAuthority(t, "P-256", "root", nil)
	native := newAuthority(t, "P-256", "sub", root).issue(t, "device", device(t, edhoc.P256, false, "device").Public(), 0)
	_, reencoded := issueX509(t, x509CA(), tmpl, "leaf", "sub")
	for name, chain := range map[string][][]byte{
		"of a native certificate":     {native.Sequence(), sub.Sequence()},
		"of a re-encoded certificate": {reencoded.Sequence(), sub.Sequence()},
	} {
		_, err := c509.Verify(chain, c509.VerifyOptions{Roots: []*c509.Certificate{root.cert}, CurrentTime: now})
		if !errors.Is(err, c509.ErrInvalid) || strings.Contains(err.Error(), "RSA key") != want {
			t.Errorf("%d bits, authority %s: %v", bits, name, err)
		}
	}
}

// Who appends a native certificate to a chain does not get rid of the policies that
// crypto/x509 would demand.
func TestVerifyPolicyConstraints(t *testing.T) {
	explicit := pkix.Extension{Id: []int{2, 5, 29, 36}, Value: vector.Bytes(t, "3003 800100")}
	rootX, root := issueX509(t, x509CA(), nil, "xroot", "xroot")
	tmpl := x509CA()
	tmpl.ExtraExtensions = []pkix.Extension{explicit}
	subX, sub := issueX509(t, tmpl, rootX, "xsub", "xroot")
	_, leaf := issueX509(t, &x509.Certificate{NotBefore: now, NotAfter: now.AddDate(0, 1, 0)}, subX, "xleaf", "xsub")
	_, own := issueX509(t, &x509.Certificate{NotBefore: now, NotAfter: now.AddDate(0, 1, 0), ExtraExtensions: []pkix.Extension{explicit}}, rootX, "xown", "xroot")
	native := newAuthority(t, "P-256", "junk", nil).cert.Sequence()
	opts := c509.VerifyOptions{Roots: []*c509.Certificate{root}, CurrentTime: now}
	for name, chain := range map[string][][]byte{
		"X.509":                   {leaf.Sequence(), sub.Sequence()},
		"and a native one":        {leaf.Sequence(), sub.Sequence(), native},
		"in the end entity":       {own.Sequence()},
		"in it, and a native one": {own.Sequence(), native},
	} {
		if _, err := c509.Verify(chain, opts); !errors.Is(err, c509.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
