package c509_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/c509"
	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/vector"
)

// examples are those of Appendix A of the draft.
type examples struct {
	Reencoded []struct {
		Name string
		DER  vector.Hex
		C509 vector.Hex
	}
	Native struct {
		C509     vector.Hex
		Item     vector.Hex
		CertData vector.Hex `json:"cert_data"`
	}
	Keys struct {
		IssuerPublic   vector.Hex `json:"issuer_public_key"`
		IssuerPrivate  vector.Hex `json:"issuer_private_key"`
		SubjectPrivate vector.Hex `json:"subject_private_key"`
	}
}

func load(t testing.TB) examples {
	t.Helper()
	return vector.Load[examples](t, "testdata/appendix-a.json")
}

func must(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAppendixA(t *testing.T) {
	for _, e := range load(t).Reencoded {
		t.Run(e.Name, func(t *testing.T) {
			c, err := c509.Parse(e.C509)
			must(t, err)
			der, err := c.ToX509()
			must(t, err)
			if !bytes.Equal(der, e.DER) {
				t.Errorf("ToX509 = %x, want %x", der, e.DER)
			}
			back, err := c509.FromX509(e.DER)
			must(t, err)
			if !bytes.Equal(back.Sequence(), e.C509) {
				t.Errorf("FromX509 = %x, want %x", back.Sequence(), e.C509)
			}
		})
	}
}

func TestAppendixANative(t *testing.T) {
	e := load(t)
	c, err := c509.Parse(e.Native.C509)
	must(t, err)
	if c.Type() != c509.Native || !bytes.Equal(c.Sequence(), e.Native.C509) || !bytes.Equal(c.Item(), e.Native.Item) {
		t.Errorf("type %d, sequence %x, item %x", c.Type(), c.Sequence(), c.Item())
	}
	if got := c509.COSE(c); !bytes.Equal(got, e.Native.CertData) {
		t.Errorf("COSE = %x, want %x", got, e.Native.CertData)
	}
	got, err := c509.ParseCOSE(e.Native.CertData)
	must(t, err)
	if len(got) != 1 || !bytes.Equal(got[0], e.Native.C509) {
		t.Errorf("ParseCOSE = %x", got)
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), e.Keys.IssuerPrivate)
	must(t, err)
	issuer := &private.PublicKey
	point, err := issuer.Bytes()
	must(t, err)
	if got := append([]byte{2 + point[64]&1}, point[1:33]...); !bytes.Equal(got, e.Keys.IssuerPublic) {
		t.Errorf("public key of the issuer %x, want %x", got, e.Keys.IssuerPublic)
	}
	must(t, c.CheckSignature(issuer))
	if _, err := c.ToX509(); !errors.Is(err, c509.ErrInexpressible) {
		t.Errorf("ToX509 of a native certificate: %v", err)
	}
	if got := c.Subject().String() + " by " + c.Issuer().String(); got != "CN=01-23-45-FF-FE-67-89-AB by CN=RFC test CA" {
		t.Error(got)
	}

	subject, err := edhoc.NewSignatureKey(edhoc.P256, e.Keys.SubjectPrivate)
	must(t, err)
	key, err := c.PublicKey()
	must(t, err)
	if !key.Equal(subject.Public()) {
		t.Error("key of the certificate is not that of the private key")
	}

	// Its X.509 likeness is signed by the same issuer.
	x, err := c509.Parse(e.Reencoded[0].C509)
	must(t, err)
	must(t, x.CheckSignature(issuer))
	flipped := bytes.Clone(e.Native.C509)
	flipped[len(flipped)-1] ^= 1
	bad, err := c509.Parse(flipped)
	must(t, err)
	if err := bad.CheckSignature(issuer); !errors.Is(err, c509.ErrInvalid) {
		t.Errorf("flipped bit in the signature: %v", err)
	}
}

// The extensions of Section 3.3.1.
func TestExampleExtensions(t *testing.T) {
	e := load(t)
	want := vector.Bytes(t, "88 23 20 02 17 08 82 03 09 03 6b 6578616d706c652e636f6d")
	tail := []byte{0x01, 0x58, 0x40}
	n := bytes.LastIndex(e.Native.C509, tail)
	c, err := c509.Parse(slices.Concat(e.Native.C509[:n], want, e.Native.C509[n+1:]))
	must(t, err)
	type ext struct {
		id       int64
		critical bool
		value    string
	}
	var got []ext
	for _, x := range c.Extensions() {
		got = append(got, ext{x.ID, x.Critical, cborseq.Diagnose(x.Value)})
	}
	if want := []ext{{4, true, "-1"}, {2, false, "23"}, {8, false, "[3, 9]"}, {3, false, `"example.com"`}}; !slices.Equal(got, want) {
		t.Errorf("extensions %v, want %v", got, want)
	}
}
