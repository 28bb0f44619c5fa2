package c509_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/ostiary/ostiary/edhoc/c509"
	"github.com/ostiary/ostiary/internal/vector"
)

// elements splits the content of a SEQUENCE.
func elements(t testing.TB, der []byte) [][]byte {
	t.Helper()
	s := cryptobyte.String(der)
	var seq cryptobyte.String
	if !s.ReadASN1(&seq, asn1.SEQUENCE) || !s.Empty() {
		t.Fatalf("%x is no SEQUENCE", der)
	}
	var all [][]byte
	for !seq.Empty() {
		var one cryptobyte.String
		var tag asn1.Tag
		if !seq.ReadAnyASN1Element(&one, &tag) {
			t.Fatalf("%x is not DER", der)
		}
		all = append(all, one)
	}
	return all
}

func sequence(t testing.TB, all ...[]byte) []byte { return tlv(t, asn1.SEQUENCE, all...) }

func tlv(t testing.TB, tag asn1.Tag, all ...[]byte) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(slices.Concat(all...)) })
	der, err := b.Bytes()
	must(t, err)
	return der
}

// The fields of a TBSCertificate (RFC 5280, Section 4.1).
const (
	xVersion = iota
	xSerial
	xAlgorithm
	xIssuer
	xValidity
	xSubject
	xKey
	xExtensions
)

// What an X.509 certificate may be that C509 does not give back, or that is not DER.
func TestFromX509Refuses(t *testing.T) {
	der := []byte(load(t).Reencoded[0].DER)
	cert := elements(t, der)
	fields := elements(t, cert[0])
	times := func(from, to string) []byte { return sequence(t, vector.Bytes(t, from), vector.Bytes(t, to)) }
	from := elements(t, fields[xValidity])[0]
	spki := elements(t, fields[xKey])
	badPoint := bytes.Clone(spki[1])
	badPoint[len(badPoint)-1] ^= 1
	infinite := vector.Bytes(t, "0302 0000")
	hybrid := bytes.Clone(spki[1])
	hybrid[3] = 6
	unused := bytes.Clone(spki[1])
	unused[2] = 1
	extensions := func(hex string) []byte {
		return tlv(t, asn1.Tag(3).ContextSpecific().Constructed(), sequence(t, vector.Bytes(t, hex)))
	}
	for _, c := range []struct {
		name  string
		field int
		value []byte
		want  string
	}{
		{"version 1", xVersion, nil, "version"},
		{"version 2", xVersion, vector.Bytes(t, "a003 020101"), "version"},
		{"negative serial", xSerial, vector.Bytes(t, "020180"), "serial"},
		{"serial of 21", xSerial, vector.Bytes(t, "0215 00 80"+strings.Repeat("00", 19)), "serial"},
		{"serial not shortest", xSerial, vector.Bytes(t, "0202 0001"), "serial"},
		{"another algorithm inside", xAlgorithm, vector.Bytes(t, "300a06082a8648ce3d040303"), "not the DER"},
		{"two in a relative name", xIssuer, vector.Bytes(t, "301a 3118 300a 0603550403 0c03616161 300a 0603550403 0c03616161"), "issuer"},
		{"universal string", xSubject, vector.Bytes(t, "300f 310d 300b 0603550403 1c0400000061"), "subject"},
		{"printable with #", xSubject, vector.Bytes(t, "300c 310a 3008 0603550403 130123"), "subject"},
		{"country of three", xSubject, vector.Bytes(t, "300e 310c 300a 0603550406 1303444555"), "subject"},
		{"e-mail in UTF8String", xSubject, vector.Bytes(t, "3012 3110 300e 06092a864886f70d010901 0c0161"), "subject"},
		{"before 1970", xValidity, times("170d 3639303130313030303030305a", "170d 3236303130313030303030305a"), "validity"},
		{"GeneralizedTime in 2023", xValidity, times("180f 32303233303130313030303030305a", "170d 3236303130313030303030305a"), "not the DER"},
		{"UTCTime without seconds", xValidity, times("170b 323330313031303030305a", "170d 3236303130313030303030305a"), "DER"},
		{"leap second", xValidity, times("170d 3136313233313233353936305a", "170d 3236303130313030303030305a"), "validity"},
		{"third time", xValidity, sequence(t, from, from, from), "not the DER"},
		{"point not of the curve", xKey, sequence(t, spki[0], badPoint), "public key"},
		{"point at infinity", xKey, sequence(t, spki[0], infinite), "public key"},
		{"hybrid point", xKey, sequence(t, spki[0], hybrid), "public key"},
		{"key with unused bits", xKey, sequence(t, spki[0], unused), "subjectPublicKeyInfo"},
		{"no key", xKey, sequence(t, vector.Bytes(t, "300506032b6570"), vector.Bytes(t, "030100")), "public key"},
		{"RSA key of one number", xKey, sequence(t, vector.Bytes(t, "300d06092a864886f70d0101010500"), vector.Bytes(t, "0306 00 3003 020103")), "public key"},
		{"empty extensions", xExtensions, extensions(""), "not the DER"},
		{"critical FALSE", xExtensions, extensions("300c 06022a03 010100 0403 0c0161"), "not the DER"},
		{"extension twice", xExtensions, extensions("3009 06022a03 0403 0c0161 3009 06022a03 0403 0c0161"), "extensions"},
		{"unique identifier", xExtensions, vector.Bytes(t, "8102 0001"), "unique"},
	} {
		t.Run(c.name, func(t *testing.T) {
			changed := slices.Clone(fields)
			changed[c.field] = c.value
			bad := sequence(t, sequence(t, changed...), cert[1], cert[2])
			if got, err := c509.FromX509(bad); !errors.Is(err, c509.ErrInexpressible) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("FromX509 = %v, %v, want %q", got, err, c.want)
			}
		})
	}
	for name, bad := range map[string][]byte{
		"nothing":                nil,
		"behind the end":         append(bytes.Clone(der), 0),
		"cut":                    der[:len(der)-1],
		"long length":            append([]byte{0x30, 0x83, 0}, der[2:]...),
		"negative r":             sequence(t, cert[0], cert[1], vector.Bytes(t, "0309 00 3006 020180 020101")),
		"r not shortest":         sequence(t, cert[0], cert[1], vector.Bytes(t, "030a 00 3007 02020001 020101")),
		"three numbers":          sequence(t, cert[0], cert[1], vector.Bytes(t, "030c 00 3009 020101 020101 020101")),
		"signature of 67":        sequence(t, cert[0], cert[1], tlv(t, asn1.BIT_STRING, []byte{0}, sequence(t, tlv(t, asn1.INTEGER, bytes.Repeat([]byte{1}, 67)), []byte{2, 1, 1}))),
		"no signature":           sequence(t, cert[0], cert[1]),
		"something behind it":    sequence(t, cert[0], cert[1], cert[2], []byte{5, 0}),
		"another algorithm":      sequence(t, cert[0], vector.Bytes(t, "300a06082a8648ce3d040303"), cert[2]),
		"signature, unused bits": sequence(t, cert[0], cert[1], vector.Bytes(t, "0309 01 3006 020101 020100")),
	} {
		if got, err := c509.FromX509(bad); !errors.Is(err, c509.ErrInexpressible) && !errors.Is(err, c509.ErrMalformed) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	good, err := c509.FromX509(sequence(t, sequence(t, fields...), cert[1], cert[2]))
	must(t, err)
	if back, err := good.ToX509(); err != nil || !bytes.Equal(back, der) {
		t.Errorf("untouched: %x, %v", back, err)
	}
}

// A signature of P-521 whose r and s fit in 64 bytes: 132 bytes if the issuer is the
// subject, and either length otherwise.
func TestShortSignature(t *testing.T) {
	v := vector.Load[opensslCertificates](t, "testdata/openssl.json")
	n := slices.IndexFunc(v.Expressible, func(e struct {
		Name string
		DER  vector.Hex
	},
	) bool {
		return e.Name == "p521"
	})
	cert := elements(t, v.Expressible[n].DER)
	number := tlv(t, asn1.INTEGER, bytes.Repeat([]byte{1}, 64))
	cert[2] = tlv(t, asn1.BIT_STRING, []byte{0}, sequence(t, number, number))
	for _, self := range []bool{true, false} {
		fields := elements(t, cert[0])
		want := 2 * 66
		if !self {
			fields[xIssuer] = vector.Bytes(t, "300c 310a 3008 0603550403 0c0161")
			want = 2 * 64
		}
		der := sequence(t, sequence(t, fields...), cert[1], cert[2])
		c := roundTrip(t, der)
		parts := split(t, c.Sequence())
		if got := len(parts[signature]) - 2; got != want {
			t.Errorf("self-issued %t: signature of %d bytes, want %d", self, got, want)
		}
		parts[signature] = vector.Bytes(t, "5884 0000"+strings.Repeat("01", 64)+"0000"+strings.Repeat("01", 64))
		wide, err := c509.Parse(slices.Concat(parts...))
		must(t, err)
		if back, err := wide.ToX509(); err != nil || !bytes.Equal(back, der) {
			t.Errorf("self-issued %t: padded to 66: %x, %v", self, back, err)
		}
	}
}

func x509Key(der []byte) (crypto.PublicKey, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return cert.PublicKey, nil
}

// Nobody vouches for what is unsigned or signed with SHA-1.
func TestCheckSignatureRefuses(t *testing.T) {
	e := load(t)
	fields := split(t, e.Native.C509)
	fields[sigAlg], fields[signature] = []byte{5}, []byte{0x40}
	c, err := c509.Parse(slices.Concat(fields...))
	must(t, err)
	root := newAuthority(t, "P-256", "RFC test CA", nil)
	for _, key := range []any{root.key.Public(), newSigner(t, "Ed25519", "x").Public(), newSigner(t, "Ed448", "x").Public(), nil, "key"} {
		if err := c.CheckSignature(key); !errors.Is(err, c509.ErrInvalid) {
			t.Errorf("unsigned, with a key of type %T: %v", key, err)
		}
	}
	if _, err := c509.Verify([][]byte{c.Sequence()}, c509.VerifyOptions{Roots: []*c509.Certificate{root.cert}, CurrentTime: now}); !errors.Is(err, c509.ErrInvalid) {
		t.Errorf("Verify of an unsigned certificate: %v", err)
	}
	v := vector.Load[opensslCertificates](t, "testdata/openssl.json")
	for _, x := range v.Expressible {
		if x.Name != "sha1" && x.Name != "rsa" {
			continue
		}
		c, err := c509.FromX509(x.DER)
		must(t, err)
		key, err := x509Key(x.DER)
		must(t, err)
		if err := c.CheckSignature(key); (err == nil) != (x.Name == "rsa") {
			t.Errorf("%s: %v", x.Name, err)
		}
	}
}
