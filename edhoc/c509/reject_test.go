package c509_test

import (
	"bytes"
	"crypto/elliptic"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/edhoc/c509"
	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/vector"
)

// split gives the elements of ~C509Certificate.
func split(t testing.TB, sequence []byte) [][]byte {
	t.Helper()
	var all [][]byte
	for s := cborseq.String(sequence); !s.Empty(); {
		var item []byte
		if !s.ReadRaw(&item) {
			t.Fatalf("%x is not CBOR", sequence)
		}
		all = append(all, item)
	}
	return all
}

// The elements of a certificate (Section 3.1).
const (
	certType = iota
	serial
	sigAlg
	issuer
	notBefore
	notAfter
	subject
	keyAlg
	key
	exts
	signature
)

// What a field of the native or the re-encoded example must not be.
func TestParseRefuses(t *testing.T) {
	e := load(t)
	native, reencoded := split(t, e.Native.C509), split(t, e.Reencoded[0].C509)
	point := func(first byte) []byte {
		return slices.Concat([]byte{0x58, 0x21, first}, native[key][3:])
	}
	noPoint := bytes.Clone(native[key])
	for off := false; !off; { // of about half of all x there is no point
		noPoint[len(noPoint)-1]++
		x, _ := elliptic.UnmarshalCompressed(elliptic.P256(), append([]byte{2}, noPoint[3:]...))
		off = x == nil
	}
	deep := func(head string) string { return strings.Repeat(head, 40) + "00" }
	const both, nativeOnly, reencodedOnly = 3, 1, 2
	for _, c := range []struct {
		name  string
		field int
		in    int
		value string // hexadecimal, with %x of extra
		extra []byte
		want  string
	}{
		{"type 0", certType, both, "00", nil, "unknown c509CertificateType 0"},
		{"type 1", certType, both, "01", nil, "unknown c509CertificateType 1"},
		{"type 4", certType, both, "04", nil, "unknown c509CertificateType 4"},
		{"type as text", certType, both, "6132", nil, "c509CertificateType"},
		{"type not shortest", certType, both, "1802", nil, "c509CertificateType"},
		{"serial not shortest", serial, both, "580301f50d", nil, "SerialNumber"},
		{"serial indefinite", serial, both, "5f4301f50dff", nil, "SerialNumber"},
		{"serial with zero", serial, both, "4400 01f50d", nil, "SerialNumber"},
		{"serial as integer", serial, both, "1a0001f50d", nil, "SerialNumber"},
		{"serial negative", serial, both, "20", nil, "SerialNumber"},
		{"serial negative bignum", serial, both, "c349010000000000000000", nil, "SerialNumber"},
		{"serial zero", serial, nativeOnly, "40", nil, "SerialNumber"},
		{"serial of 21", serial, both, "5501%x", make([]byte, 20), "SerialNumber"},
		{"serial of 20 and a sign", serial, both, "5480%x", make([]byte, 19), "SerialNumber"},
		{"serial huge", serial, both, "590400 01%x", make([]byte, 0x3ff), "SerialNumber"},
		{"signature algorithm unknown", sigAlg, both, "07", nil, "SignatureAlgorithm"},
		{"signature algorithm by OID", sigAlg, both, "482a8648ce3d040302", nil, "SignatureAlgorithm"},
		{"signature algorithm with nothing", sigAlg, both, "8142 2a03", nil, "SignatureAlgorithm"},
		{"signature algorithm no OID", sigAlg, both, "422a83", nil, "SignatureAlgorithm"},
		{"signature parameters not DER", sigAlg, both, "82422a03420501", nil, "SignatureAlgorithm"},
		{"issuer is the subject", issuer, both, "%x", native[subject], "issuer"},
		{"issuer of one common name", issuer, both, "82 01 61 78", nil, "issuer"},
		{"issuer odd", issuer, both, "81 01", nil, "issuer"},
		{"issuer unknown attribute", issuer, both, "82 17 61 78", nil, "issuer"},
		{"issuer integer", issuer, both, "01", nil, "issuer"},
		{"issuer hexadecimal text", issuer, both, "64 30316162", nil, "issuer"},
		{"issuer EUI-64 in text", issuer, both, "77 %x", []byte("01-23-45-FF-FE-67-89-AB"), "issuer"},
		{"issuer EUI-48 as 64", issuer, both, "d830 48 012345fffe6789ab", nil, "issuer"},
		{"issuer EUI of 5", issuer, both, "d830 45 0123456789", nil, "issuer"},
		{"issuer of another tag", issuer, both, "d831 46 012345678901", nil, "issuer"},
		{"issuer of no bytes", issuer, both, "40", nil, "issuer"},
		{"issuer tag in tag", issuer, both, deep("d830"), nil, "issuer"},
		{"issuer nested", issuer, both, deep("81"), nil, "issuer"},
		{"issuer long array", issuer, both, "9bffffffffffffffff", nil, "issuer"},
		{"country of three", issuer, both, "82 04 63 444555", nil, "issuer"},
		{"serialNumber with @", issuer, both, "82 03 61 40", nil, "issuer"},
		{"printable e-mail", issuer, both, "82 35 61 61", nil, "issuer"},
		{"printable with #", issuer, reencodedOnly, "82 20 61 23", nil, "issuer"},
		{"printable in native", issuer, nativeOnly, "82 20 61 78", nil, " encoding"},
		{"registered attribute by OID", issuer, both, "82 43 550403 43 0c0178", nil, "issuer"},
		{"attribute of no DER", issuer, both, "82 42 2a03 42 0c01", nil, "issuer"},
		{"subject null", subject, both, "f6", nil, "subject"},
		{"notBefore null", notBefore, both, "f6", nil, "NotBefore"},
		{"notBefore negative", notBefore, both, "20", nil, "NotBefore"},
		{"notBefore float", notBefore, both, "f93c00", nil, "NotBefore"},
		{"notBefore tagged", notBefore, both, "c11a63b0cd00", nil, "NotBefore"},
		{"notBefore after 9999", notBefore, both, "1b0000003afff44180", nil, "NotBefore"},
		{"notBefore not shortest", notBefore, both, "1b0000000063b0cd00", nil, "NotBefore"},
		{"no expiration as number", notAfter, both, "1b0000003afff4417f", nil, "NotAfter"},
		{"key algorithm unknown", keyAlg, both, "05", nil, "PublicKeyAlgorithm"},
		{"key of another curve", keyAlg, both, "02", nil, "subjectPublicKey"},
		{"point undefined", key, both, "f7", nil, "subjectPublicKey"},
		{"point as text", key, both, "6178", nil, "subjectPublicKey"},
		{"point of no bytes", key, both, "40", nil, "subjectPublicKey"},
		{"point not of the curve", key, both, "%x", noPoint, "subjectPublicKey"},
		{"point uncompressed, not of the curve", key, both, "5841 04%x", bytes.Repeat([]byte{1}, 64), "subjectPublicKey"},
		{"point compressed in DER, not of the curve", key, reencodedOnly, "5821 02%x", noPoint[3:], "subjectPublicKey"},
		{"point at infinity", key, both, "4100", nil, "subjectPublicKey"},
		{"point too short", key, both, "5820%x", native[key][2:34], "subjectPublicKey"},
		{"point hybrid", key, both, "%x", point(0x06), "subjectPublicKey"},
		{"point of a re-encoding", key, nativeOnly, "%x", point(0xfe), "subjectPublicKey"},
		{"extensions as text", exts, both, "6178", nil, "extensions"},
		{"extensions odd", exts, both, "81 02", nil, "extensions"},
		{"extensions null", exts, both, "f6", nil, "extensions"},
		{"key usage alone in an array", exts, both, "82 02 01", nil, " encoding"},
		{"key usage of nothing", exts, both, "00", nil, "extension 2"},
		{"key usage too long", exts, both, "1a00010000", nil, "extension 2"},
		{"key usage negative", exts, both, "84 02 20 04 20", nil, "extension 2"},
		{"extension 0", exts, both, "82 00 00", nil, "extensions"},
		{"extension unknown", exts, both, "82 17 00", nil, "extensions"},
		{"extension twice", exts, both, "84 02 01 02 01", nil, ": extensions"},
		{"extension twice, once critical", exts, both, "84 02 01 21 01", nil, ": extensions"},
		{"extension twice, once by OID", exts, both, "84 02 01 43 551d0f 44 03020780", nil, ": extensions"},
		{"extension by OID in native", exts, nativeOnly, "82 43 551d0f 44 03020780", nil, " encoding"},
		{"extension by OID without form in native", exts, nativeOnly, "82 43 551d0f 43 030100", nil, "no form in CBOR"},
		{"extension critical twice", exts, both, "82 42 2a03 82 41 05 41 05", nil, "extensions"},
		{"extension value undefined", exts, both, "84 02 01 01 f7", nil, "extension 1"},
		{"extension nested", exts, both, "82 03" + deep("81"), nil, "extensions"},
		{"constraints of -3", exts, both, "82 04 22", nil, "extension 4"},
		{"purpose alone in an array", exts, both, "82 08 81 02", nil, "extension 8"},
		{"purpose by OID", exts, both, "82 08 48 2b06010505070302", nil, "extension 8"},
		{"purpose unknown", exts, both, "82 08 1863", nil, "extension 8"},
		{"name alone in an array", exts, both, "82 03 82 02 61 78", nil, " encoding"},
		{"no names", exts, both, "82 03 80", nil, "extension 3"},
		{"name not ASCII", exts, both, "82 03 62 c3b6", nil, "extension 3"},
		{"name of an unknown kind", exts, both, "82 03 82 03 61 78", nil, "extension 3"},
		{"other name with a form", exts, both, "82 03 82 00 82 48 2b06010505070804 42 0500", nil, " encoding"},
		{"MAC of 7", exts, both, "82 03 82 22 47 00000000000000", nil, "extension 3"},
		{"authority of two", exts, both, "82 07 82 41 01 80", nil, "extension 7"},
		{"authority by an empty name", exts, both, "82 07 83 41 01 80 41 01", nil, "extension 7"},
		{"policy without qualifiers", exts, both, "82 06 81 01", nil, "extension 6"},
		{"qualifier unknown", exts, both, "82 06 82 01 82 03 61 78", nil, "extension 6"},
		{"prefix of 33", exts, both, "82 181a 82 82 07 45 0000000021 f6", nil, "extension 26"},
		{"address with a mask", exts, both, "82 181a 82 82 07 48 00000000ffffffff f6", nil, "extension 26"},
		{"constraints of nothing", exts, both, "82 181a 82 f6 f6", nil, " encoding"},
		{"address of 2^63", exts, both, "82 1820 83 01 f6 82 1b7fffffffffffffff 1b7fffffffffffffff", nil, "extension 32"},
		{"address too long as integer", exts, both, "82 1820 83 01 f6 81 1b1000000000000000", nil, "extension 32"},
		{"address short as bytes", exts, both, "82 1820 83 01 f6 81 43 000a00", nil, " encoding"},
		{"AS of 33 bits", exts, both, "82 1821 81 1b0000000100000000", nil, "extension 33"},
		{"CRL point as text in an array", exts, both, "82 05 81 83 61 78 f6 f6", nil, " encoding"},
		{"no check of 0", exts, both, "82 1824 00", nil, "extension 36"},
		{"signature as text", signature, both, "6178", nil, "issuerSignatureValue"},
		{"signature odd", signature, both, "41 01", nil, "issuerSignatureValue"},
		{"signature odd by a zero", signature, both, "5841%x", slices.Concat(native[signature][2:34], []byte{0}, native[signature][34:]), "issuerSignatureValue"},
		{"signature short", signature, both, "583e%x", native[signature][4:], "issuerSignatureValue"},
		{"signature padded to another curve", signature, both, "5860%x", slices.Concat(make([]byte, 16), native[signature][2:34], make([]byte, 16), native[signature][34:]), "issuerSignatureValue"},
		{"trailing", signature, both, "%x00", native[signature], "1 bytes behind"},
		{"trailing garbage", signature, both, "%xff", native[signature], "1 bytes behind"},
	} {
		for bit, base := range [][][]byte{native, reencoded} {
			if c.in&(1<<bit) == 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s in type %d", c.name, bit+2), func(t *testing.T) {
				value := c.value
				if c.extra != nil {
					value = fmt.Sprintf(c.value, c.extra)
				}
				fields := slices.Clone(base)
				fields[c.field] = vector.Bytes(t, value)
				got, err := c509.Parse(slices.Concat(fields...))
				if !errors.Is(err, c509.ErrMalformed) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("Parse = %v, %v, want %q", got, err, c.want)
				}
			})
		}
	}
	for _, b := range [][]byte{e.Native.C509, e.Reencoded[1].C509} {
		for n := range b {
			if _, err := c509.Parse(b[:n]); !errors.Is(err, c509.ErrMalformed) {
				t.Errorf("cut to %d bytes: %v", n, err)
			}
		}
	}
}

// The choices that the draft leaves: each is taken, and re-encoded as it was.
func TestParseChoices(t *testing.T) {
	e := load(t)
	native, reencoded := split(t, e.Native.C509), split(t, e.Reencoded[0].C509)
	der := []byte(e.Reencoded[0].DER)
	full := slices.Concat([]byte{0x58, 0x41}, der[bytes.Index(der, []byte{0x04, 0xb1, 0x21}):][:65])
	for _, c := range []struct {
		name  string
		base  [][]byte
		field int
		value string
	}{
		{"uncompressed", native, key, fmt.Sprintf("%x", full)},
		{"uncompressed", reencoded, key, fmt.Sprintf("%x", full)},
		{"compressed in DER too", reencoded, key, "58 21 02" + fmt.Sprintf("%x", full[3:35])},
		{"extension by OID", reencoded, exts, "82 43 551d0f 44 03020780"},
		{"extension without a form", reencoded, exts, "82 43 551d0f 43 030100"},
		{"no extensions", native, exts, "80"},
		{"no extensions", reencoded, exts, "80"},
		{"critical key usage", native, exts, "20"},
		{"two purposes", native, exts, "82 08 82 01 42 2a03"},
		{"no expiration", native, notAfter, "f6"},
		{"after 2049", reencoded, notAfter, "1b0000000100000000"},
		{"self-issued", native, issuer, "f6"},
		{"no subject", native, subject, "80"},
		{"serial zero", reencoded, serial, "40"},
		{"bytes as a name", native, issuer, "43 0123ab"},
		{"EUI-64", native, issuer, "d830 48 0123456789abcdef"},
		{"printable", reencoded, issuer, "82 20 61 78"},
		{"unknown attribute", native, issuer, "82 42 2a03 43 0c0178"},
		{"unknown algorithm", native, sigAlg, "42 2a03"},
		{"unknown algorithm with parameters", native, sigAlg, "82 42 2a03 42 0500"},
	} {
		fields := slices.Clone(c.base)
		fields[c.field] = vector.Bytes(t, c.value)
		raw := slices.Concat(fields...)
		got, err := c509.Parse(raw)
		if err != nil {
			t.Errorf("%s in type %x: %v", c.name, c.base[certType], err)
			continue
		}
		if got.Type() == c509.Native {
			continue
		}
		der, err := got.ToX509()
		must(t, err)
		canonical, err := c509.FromX509(der)
		must(t, err)
		back, err := canonical.ToX509()
		must(t, err)
		if !bytes.Equal(back, der) {
			t.Errorf("%s: DER %x, then %x", c.name, der, back)
		}
	}
}

func TestParseItemRefuses(t *testing.T) {
	e := load(t)
	for name, b := range map[string][]byte{
		"sequence":       e.Native.C509,
		"cert data":      e.Native.CertData,
		"array of 10":    append([]byte{0x8a}, e.Native.C509...),
		"indefinite":     append(append([]byte{0x9f}, e.Native.C509...), 0xff),
		"not shortest":   append([]byte{0x98, 11}, e.Native.C509...),
		"behind the end": append(bytes.Clone(e.Native.Item), 0),
		"nothing":        nil,
	} {
		if _, err := c509.ParseItem(b); !errors.Is(err, c509.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCOSE(t *testing.T) {
	e := load(t)
	a, err := c509.Parse(e.Native.C509)
	must(t, err)
	b, err := c509.Parse(e.Reencoded[0].C509)
	must(t, err)
	chain, err := c509.ParseCOSE(c509.COSE(a, b))
	must(t, err)
	if len(chain) != 2 || !bytes.Equal(chain[0], e.Native.C509) || !bytes.Equal(chain[1], e.Reencoded[0].C509) {
		t.Errorf("chain %x", chain)
	}
	for _, bad := range []string{"", "80", "81 40", "f6", "40 40", "82 40", "82 40 00", "9f 40 40 ff", "5f 40 ff", "60"} {
		if got, err := c509.ParseCOSE(vector.Bytes(t, bad)); !errors.Is(err, c509.ErrMalformed) {
			t.Errorf("ParseCOSE(%s) = %x, %v", bad, got, err)
		}
	}
}
