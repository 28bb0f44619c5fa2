package c509

import (
	"bytes"
	"encoding/hex"
	"testing"

	"golang.org/x/crypto/cryptobyte"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/vector"
)

// values are extension values in CBOR by the draft's CDDL, and their DER by RFC 5280,
// RFC 3779 and RFC 7633, written by hand or taken from the examples.
var values = []struct {
	id        int64
	cbor, der string
}{
	{1, "42 0102", "0402 0102"},
	{2, "01", "0302 0780"},
	{2, "17", "0302 03e8"},
	{2, "190101", "0303 078080"},
	{3, "6161", "3003 820161"},
	{3, "84 01 6161 06 6162", "3006 810161 860162"},
	{3, "82 04 6161", "3010 a40e 300c 310a 3008 0603550403 0c0161"},
	{3, "82 08 42 2a03", "3004 8802 2a03"},
	{3, "82 07 44 c0000201", "3006 8704 c0000201"},
	{3, "82 20 82 42 2a03 41 07", "3017 a015 06082b06010505070804 a009 3007 06022a03 040107"},
	{3, "82 21 62c3b6", "3012 a010 06082b06010505070809 a004 0c02c3b6"},
	{4, "21", "3000"},
	{4, "20", "3003 0101ff"},
	{4, "03", "3006 0101ff 020103"},
	{5, "6161", "3009 3007 a005 a003 860161"},
	{5, "81 83 82 6161 6162 06 f6", "3010 300e a008 a006 860161 860162 8102 0560"},
	{6, "82 00 80", "3008 3006 0604551d2000"},
	{6, "82 42 2a03 82 01 6161", "3017 3015 06022a03 300f 300d 06082b06010505070201 160161"},
	{7, "42 0102", "3004 8002 0102"},
	{7, "83 41 01 82 02 6161 41 80", "300c 800101 a103 820161 82020080"},
	{8, "02", "300a 06082b06010505070302"},
	{8, "82 00 42 2a03", "300a 0604551d2500 06022a03"},
	{9, "82 01 6161", "300f 300d 06082b06010505073001 860161"},
	{24, "82 06 81 6161", "300c 300a 0603550408 3103 0c0161"},
	{26, "82 82 07 45 c000020018 f6", "300e a00c 300a 8708 c0000200 ffffff00"},
	{26, "82 f6 82 02 6161", "3007 a105 3003 820161"},
	{27, "82 42 2a03 00", "300c 300a 06022a03 0604551d2000"},
	{28, "82 00 f6", "3003 800100"},
	{28, "82 f6 01", "3003 810101"},
	{30, "05", "0201 05"},
	{33, "82 03 82 04 02", "300f a00d 300b 020103 3006 020107 020109"},
	{33, "f6", "3004 a002 0500"},
	{36, "f6", "0500"},
	{38, "82 05 11", "3006 020105 020111"},
}

func TestExtensionValues(t *testing.T) {
	for _, v := range values {
		want, value := vector.Bytes(t, v.der), vector.Bytes(t, v.cbor)
		c := extensionCodecs[v.id]
		der, err := c.der(value)
		if err != nil || !bytes.Equal(der, want) {
			t.Errorf("extension %d, %s: DER %x, %v, want %x", v.id, cborseq.Diagnose(value), der, err, want)
			continue
		}
		if back, ok := c.cbor(want); !ok || !bytes.Equal(back, value) {
			t.Errorf("extension %d, %x: CBOR %x, %t, want %x", v.id, want, back, ok, value)
		}
	}
}

// Values of X.509 that have no form in CBOR stay as they are.
func TestExtensionValuesInexpressible(t *testing.T) {
	for _, v := range []struct {
		id  int64
		der string
	}{
		{2, "030100"},
		{2, "03020680"},
		{2, "030207c0"},
		{2, "0304 00 010101"},
		{2, "0303 00 8000"},
		{3, "3000"},
		{3, "3004 8302 3000"},
		{3, "3003 8201ff"},
		{3, "3006 8501 00"},
		{3, "30818403 820161"},
		{4, "3003 010100"},
		{4, "3003 020100"},
		{4, "3006 0101ff 0201ff"},
		{4, "3006 010101 020101"},
		{5, "3000"},
		{5, "3002 3000"},
		{5, "3006 3004 81020560"},
		{6, "3000"},
		{7, "3000"},
		{7, "3003 820101"},
		{8, "3000"},
		{9, "3000"},
		{24, "3000"},
		{26, "3000"},
		{26, "300e a00c 300a 8708 c0000200 ff00ff00"},
		{26, "300a a008 3006 820161 800101"},
		{27, "3000"},
		{30, "0201ff"},
		{30, "02020001"},
		{33, "3000"},
		{33, "3006 a104 3002 0500"},
		{33, "300a a008 3006 020107 020103"},
		{36, "0401 00"},
		{38, "0500"},
	} {
		c := extensionCodecs[v.id]
		if got, ok := c.cbor(vector.Bytes(t, v.der)); ok {
			t.Errorf("extension %d, %s: CBOR %x", v.id, v.der, got)
		}
	}
}

// Every registered extension has a codec, and no codec panics or is ambiguous.
func FuzzExtension(f *testing.F) {
	for id := range extensionTypes.oids {
		if extensionCodecs[id].toDER == nil || extensionCodecs[id].fromDER == nil {
			f.Errorf("no codec of extension %d", id)
		}
	}
	for _, v := range values {
		f.Add(byte(v.id), vector.Bytes(f, v.cbor))
		f.Add(byte(v.id), vector.Bytes(f, v.der))
	}
	type certificates struct{ Expressible []struct{ DER vector.Hex } }
	for _, e := range vector.Load[certificates](f, "testdata/openssl.json").Expressible {
		c, err := FromX509(e.DER)
		if err != nil {
			f.Fatal(err)
		}
		for _, x := range c.extensions {
			f.Add(byte(x.ID), x.Value)
		}
	}
	f.Fuzz(func(t *testing.T, id byte, in []byte) {
		c, ok := extensionCodecs[int64(id)]
		if !ok {
			return
		}
		if value, ok := c.cbor(in); ok {
			if s := cborseq.String(value); !s.Skip() || !s.Empty() {
				t.Errorf("extension %d, %x: CBOR %x", id, in, value)
			}
		}
		der, err := c.der(in)
		if err != nil {
			return
		}
		if s := cryptobyte.String(der); !oneElement(s) {
			t.Errorf("extension %d, %x: DER %x", id, in, der)
		}
		if value, ok := c.cbor(der); ok {
			if again, err := c.der(value); err != nil || !bytes.Equal(again, der) {
				t.Errorf("extension %d, %x: DER %x, then %x, %v", id, in, der, again, err)
			}
		}
	})
}

// The registries of the draft print their OIDs in DER, too.
func TestRegistries(t *testing.T) {
	for _, r := range []struct {
		registry *registry
		n        int
		id       int64
		der      string
	}{
		{attributeTypes, 29, 22, "0992268993f22c640119"},
		{attributeTypes, 29, 19, "2b0601040182373c020101"},
		{extensionTypes, 24, 37, "2b06010401d679020403"},
		{policyTypes, 22, 26, "678112010201 0000000000"},
		{qualifierTypes, 2, 2, "2b06010505070202"},
		{accessMethods, 7, 13, "2b0601050507300d"},
		{keyPurposes, 18, 20, "2b0601040182e42501"},
		{otherNames, 3, -3, "2b0601050507080c"},
	} {
		if got := hex.EncodeToString([]byte(r.registry.oids[r.id])); got != hex.EncodeToString(vector.Bytes(t, r.der)) {
			t.Errorf("OID of %d: %s, want %s", r.id, got, r.der)
		}
		if len(r.registry.oids) != r.n || len(r.registry.ints) != r.n {
			t.Errorf("registry of %d and %d values, want %d", len(r.registry.oids), len(r.registry.ints), r.n)
		}
		for id, oid := range r.registry.oids {
			if !validOID([]byte(oid)) || r.registry.ints[oid] != id {
				t.Errorf("value %d: OID %x, back to %d", id, oid, r.registry.ints[oid])
			}
		}
	}
	for name, known := range map[string]algorithms{"signature": signatureAlgorithms, "key": keyAlgorithms} {
		for id, der := range known {
			s := cryptobyte.String(der)
			var a algorithm
			if !a.readDER(&s, known) || !s.Empty() || a.oid != nil || a.id != id {
				t.Errorf("%s algorithm %d reads as %+v", name, id, a)
			}
		}
	}
	if len(signatureAlgorithms) != 22 || len(keyAlgorithms) != 13 {
		t.Errorf("%d signature algorithms and %d key algorithms", len(signatureAlgorithms), len(keyAlgorithms))
	}
	for _, bad := range []string{"", "80", "2a80", "2a8001", "2aff"} {
		if validOID(vector.Bytes(t, bad)) {
			t.Errorf("OID %q is valid", bad)
		}
	}
}

// SpecialText: one encoding of each text (Section 3.1.4).
func TestSpecialText(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "60",
		"a":                       "6161",
		"ab":                      "41ab",
		"AB":                      "624142",
		"0123456789abcdef":        "480123456789abcdef",
		"abc":                     "63616263",
		"01-23-45-FF-FE-67-89-AB": "d830460123456789ab",
		"01-23-45-67-89-AB-CD-EF": "d830480123456789abcdef",
		"01-23-45-67-89-AB-CD-Ef": "77 30312d32332d34352d36372d38392d41422d43442d4566",
		"01-23-45-67-89-AB-CDEF-": "77 30312d32332d34352d36372d38392d41422d434445462d",
		"01-23-45-67-89-AB-CD":    "74 30312d32332d34352d36372d38392d41422d4344",
		"é":                       "62c3a9",
	} {
		got := appendText(nil, text)
		if !bytes.Equal(got, vector.Bytes(t, want)) {
			t.Errorf("%q: %x, want %s", text, got, want)
		}
		s := cborseq.String(got)
		var back string
		if !readText(&s, &back) || back != text || !s.Empty() {
			t.Errorf("%x reads as %q, want %q", got, back, text)
		}
	}
}
