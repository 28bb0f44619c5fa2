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

// A key of RSA that somebody put into a chain must not cost us minutes.
func TestVerifyHugeKey(t *testing.T) {
	huge := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 8192, 1), E: 1<<31 - 1}
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
		if !errors.Is(err, c509.ErrInvalid) || !strings.Contains(err.Error(), "RSA") {
			t.Errorf("authority %s: %v", name, err)
		}
	}
}
