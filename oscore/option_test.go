package oscore

import (
	"bytes"
	"testing"

	"github.com/ostiary/ostiary/internal/vector"
)

// RFC 8613, Section 6.3, and the options of Appendix C; then what RFC 8613 does not print.
var optionCases = []struct {
	name   string
	value  string
	header header
}{
	{"6.3 example 1", "090525", header{piv: newPartialIV(5), kid: []byte{0x25}, hasKID: true}},
	{"6.3 example 2", "0900", header{piv: newPartialIV(0), kid: []byte{}, hasKID: true}},
	{"6.3 example 3", "19050544616c656b", header{piv: newPartialIV(5), kid: []byte{}, hasKID: true, kidContext: []byte("Dalek"), hasKIDContext: true}},
	{"6.3 example 4", "", header{}},
	{"6.3 example 5", "0107", header{piv: newPartialIV(7)}},
	{"kid context, empty, and kid", "19140001", header{piv: newPartialIV(20), kid: []byte{1}, hasKID: true, kidContext: []byte{}, hasKIDContext: true}},
	{"kid context alone", "1002abcd", header{kidContext: []byte{0xab, 0xcd}, hasKIDContext: true}},
	{"kid alone", "08abcd", header{kid: []byte{0xab, 0xcd}, hasKID: true}},
	{"kid alone, empty", "08", header{kid: []byte{}, hasKID: true}},
	{"longest Partial IV", "05ffffffffff", header{piv: newPartialIV(maxSequence)}},
}

//spec:8613-6.1-1
//spec:8613-6.1-3
//spec:8613-2-1
func TestHeader(t *testing.T) {
	for _, v := range optionCases {
		t.Run(v.name, func(t *testing.T) {
			value := vector.Bytes(t, v.value)
			if got := v.header.append(nil); !bytes.Equal(got, value) {
				t.Errorf("append = %x, want %x", got, value)
			}
			if got := v.header.size(); got != len(value) {
				t.Errorf("size = %d, want %d", got, len(value))
			}
			got, ok := parseHeader(value)
			if !ok {
				t.Fatal("parseHeader = false, want true")
			}
			if got.piv != v.header.piv || got.hasKID != v.header.hasKID || got.hasKIDContext != v.header.hasKIDContext ||
				!bytes.Equal(got.kid, v.header.kid) || !bytes.Equal(got.kidContext, v.header.kidContext) {
				t.Errorf("parseHeader = %+v, want %+v", got, v.header)
			}
		})
	}
}

//spec:8613-6.1-2
//spec:8613-2-1
//spec:8613-5-2
func TestParseHeaderRefuses(t *testing.T) {
	for name, value := range map[string]string{
		"zero flags that should not be there":  "00",
		"zero flags with more behind":          "0001",
		"Partial IV of 6 bytes":                "06010203040506",
		"Partial IV of 7 bytes":                "0701020304050607",
		"Partial IV cut off":                   "0201",
		"Partial IV with a leading zero":       "020014",
		"Partial IV of two zeros":              "020000",
		"reserved bit 2":                       "2914",
		"reserved bit 1":                       "4914",
		"reserved bit 0":                       "8914",
		"kid context without length":           "1114",
		"kid context cut off":                  "111402ab",
		"kid context longer than all":          "1014ab",
		"bytes behind Partial IV, no kid":      "011400",
		"bytes behind kid context, no kid":     "111401ab01",
		"longer than an OSCORE option can be":  "08" + string(bytes.Repeat([]byte("00"), 255)),
		"group flag of another specification":  "3914",
		"extension flag of yet another":        "8000",
		"all bits of the first byte":           "ff",
		"Partial IV missing behind the flags":  "05",
		"kid context flag with no bytes after": "10",
	} {
		if h, ok := parseHeader(vector.Bytes(t, value)); ok {
			t.Errorf("%s: parseHeader(%.20s) = %+v, want refusal", name, value, h)
		}
	}
}

//spec:8613-5-2
func TestPartialIV(t *testing.T) {
	for number, want := range map[uint64]string{
		0: "00", 1: "01", 0x14: "14", 0xff: "ff", 0x100: "0100", 0xffff: "ffff", 0x10000: "010000",
		0x1000000: "01000000", 1 << 32: "0100000000", maxSequence: "ffffffffff",
	} {
		p := newPartialIV(number)
		if got := vector.Hex(p.bytes()).String(); got != want || p.number() != number {
			t.Errorf("newPartialIV(%d) = %s (%d), want %s", number, got, p.number(), want)
		}
	}
}

//spec:8613-2-2
//spec:8613-4.1.3.6-4
//spec:8613-D.5.3-1
func TestParseProtected(t *testing.T) {
	oscore := Option{Number: optionOSCORE, Value: []byte{0x09, 0x14}}
	for name, v := range map[string]struct {
		m    Message
		want error
	}{
		"request":                    {Message{Code: 2, Options: []Option{oscore}, Payload: []byte{1}}, nil},
		"any outer code":             {Message{Code: 0x1f, Options: []Option{oscore}, Payload: []byte{1}}, nil},
		"no option":                  {Message{Code: 2, Payload: []byte{1}}, ErrUnprotected},
		"gateway timeout":            {Message{Code: 0xa4}, ErrUnprotected},
		"unprotected error":          {Message{Code: 0x81, Payload: []byte("Security context not found")}, ErrUnprotected},
		"no payload":                 {Message{Code: 2, Options: []Option{oscore}}, errDecode},
		"two OSCORE options":         {Message{Code: 2, Options: []Option{oscore, oscore}, Payload: []byte{1}}, errDecode},
		"malformed option":           {Message{Code: 2, Options: []Option{{optionOSCORE, []byte{0xff}}}, Payload: []byte{1}}, errDecode},
		"options out of order":       {Message{Code: 2, Options: []Option{{60, nil}, oscore}, Payload: []byte{1}}, errDecode},
		"options out of order after": {Message{Code: 2, Options: []Option{oscore, {60, nil}, {11, nil}}, Payload: []byte{1}}, errDecode},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := ParseProtected(v.m)
			if !sameError(err, v.want) {
				t.Fatalf("error = %v, want %v", err, v.want)
			}
			m, err := p.Message()
			if v.want != nil {
				if err != ErrUnprotected {
					t.Errorf("Message of a zero Protected: error = %v, want %v", err, ErrUnprotected)
				}
			} else if m.Code != v.m.Code || !bytes.Equal(m.Payload, v.m.Payload) {
				t.Errorf("Message = %v, want %v", m, v.m)
			}
			var s Scratch
			if _, err := s.Parse(v.m); !sameError(err, v.want) {
				t.Errorf("Scratch.Parse: error = %v, want %v", err, v.want)
			}
		})
	}
}

// sameError compares errors of this package, which are values.
func sameError(got, want error) bool { return got == want }

func TestProtectedParameters(t *testing.T) {
	value := vector.Bytes(t, "190502ab cd17")
	p, err := ParseProtected(Message{Code: 2, Options: []Option{{optionOSCORE, value}}, Payload: []byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	kid, hasKID := p.KID()
	kidContext, hasKIDContext := p.KIDContext()
	piv, hasPIV := p.PartialIV()
	if !hasKID || !hasKIDContext || !hasPIV || piv != 5 || !bytes.Equal(kid, []byte{0x17}) || !bytes.Equal(kidContext, []byte{0xab, 0xcd}) {
		t.Errorf("kid %x (%t), kid context %x (%t), Partial IV %d (%t)", kid, hasKID, kidContext, hasKIDContext, piv, hasPIV)
	}
	var zero Protected
	_, hasKID = zero.KID()
	_, hasKIDContext = zero.KIDContext()
	_, hasPIV = zero.PartialIV()
	if hasKID || hasKIDContext || hasPIV {
		t.Error("a zero Protected has parameters")
	}
}
