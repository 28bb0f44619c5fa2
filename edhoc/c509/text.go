package c509

import (
	"encoding/hex"
	"strings"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// tagMAC is the tag of a MAC address (RFC 9542, Section 2.4).
const tagMAC = 48

// appendText appends the SpecialText of a text string: text, or bytes for hexadecimal
// digits, or a MAC address for an EUI-64 (Section 3.1.4). The same holds for natively
// signed certificates, so that two that look alike are alike.
func appendText(dst []byte, text string) []byte {
	if mac := eui(text); mac != nil {
		return cborseq.AppendBytes(cborseq.AppendTag(dst, tagMAC), mac)
	}
	if len(text) > 0 && strings.Trim(text, "0123456789abcdef") == "" {
		if b, err := hex.DecodeString(text); err == nil {
			return cborseq.AppendBytes(dst, b)
		}
	}
	return cborseq.AppendText(dst, text)
}

// readText reads a SpecialText and gives the text string. Only what appendText writes
// is accepted.
func readText(s *cborseq.String, out *string) bool {
	start := *s
	var b []byte
	var tag uint64
	m, _ := s.PeekMajor()
	switch m {
	case cborseq.Text:
		if !s.ReadText(out) {
			return false
		}
	case cborseq.Bytes:
		if !s.ReadBytes(&b) {
			return false
		}
		*out = hex.EncodeToString(b)
	case cborseq.Tag:
		if !s.ReadTag(&tag) || tag != tagMAC || !s.ReadBytes(&b) {
			return false
		}
		*out = euiText(b)
	default:
		return false
	}
	return string(appendText(nil, *out)) == string(start[:len(start)-len(*s)])
}

// eui gives the MAC address in HH-HH-HH-HH-HH-HH-HH-HH: of 48 bits if its middle is
// FF-FE, else of 64; nil if text is something else.
func eui(text string) []byte {
	if len(text) != 23 || strings.Trim(text, "-0123456789ABCDEF") != "" {
		return nil
	}
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(b) != 8 || euiText(b) != text {
		return nil
	}
	if b[3] == 0xff && b[4] == 0xfe {
		return append(b[:3:3], b[5:]...)
	}
	return b
}

func euiText(mac []byte) string {
	if len(mac) == 6 {
		mac = append(append(mac[:3:3], 0xff, 0xfe), mac[3:]...)
	}
	var b strings.Builder
	for i, octet := range mac {
		if i > 0 {
			b.WriteByte('-')
		}
		b.WriteString(strings.ToUpper(hex.EncodeToString([]byte{octet})))
	}
	return b.String()
}
