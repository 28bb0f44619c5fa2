package c509

import (
	"bytes"
	"crypto/x509/pkix"
	encodingasn1 "encoding/asn1"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// A Name is a distinguished name: its relative distinguished names in order, of one
// attribute each, for more are not supported (Section 3.1.4).
type Name []Attribute

// An Attribute is one RDNAttribute (Section 3.1.4). It has a Type and a Text, or an OID
// and a Value.
type Attribute struct {
	Type int64 // of the C509 RDN Attributes registry, 1 for the common name
	// Text is UTF-8. A country has two letters, a serial number the characters of a
	// PrintableString, an e-mail address and a domain component those of ASCII.
	Text      string
	Printable bool   // is a PrintableString in X.509, else a UTF8String; never in a native certificate
	OID       []byte // the contents octets of a type that is not registered
	Value     []byte // with OID: the attribute value, DER
}

// CommonName is the Name of one common name. A device that is named by its EUI-64,
// written as "01-23-45-FF-FE-67-89-AB", takes the least space.
func CommonName(text string) Name { return Name{{Type: attrCommonName, Text: text}} }

// String writes all of the name as RFC 2253 does, in its order.
func (n Name) String() string {
	var b cryptobyte.Builder
	n.addDER(&b)
	der, err := b.Bytes()
	if err != nil {
		return ""
	}
	var rdns pkix.RDNSequence
	if rest, err := encodingasn1.Unmarshal(der, &rdns); err != nil || len(rest) > 0 {
		return ""
	}
	return rdns.String() // not by pkix.Name: of several attributes of one type it keeps the last
}

// equal says whether both names have the same attributes. The string type does not
// matter (RFC 5280, Section 7.1): native certificates have but one.
func (n Name) equal(other Name) bool {
	return slices.EqualFunc(n, other, func(a, b Attribute) bool {
		return a.Type == b.Type && a.Text == b.Text && bytes.Equal(a.OID, b.OID) && bytes.Equal(a.Value, b.Value)
	})
}

// alwaysIA5 says whether the values of an attribute are IA5Strings.
func (a *Attribute) alwaysIA5() bool { return a.Type == attrEmail || a.Type == attrDomain }

// valid checks the rules of Section 3.1.4 for a text.
func (a *Attribute) valid() bool {
	if a.OID != nil {
		_, registered := attributeTypes.ints[string(a.OID)]
		return validOID(a.OID) && !registered && oneElement(a.Value) && a.Type == 0 && a.Text == "" && !a.Printable
	}
	if _, ok := attributeTypes.oids[a.Type]; !ok || !utf8.ValidString(a.Text) || a.Printable && a.alwaysIA5() {
		return false
	}
	switch {
	case a.Type == attrCountry && len(a.Text) != 2, a.Type == attrSerialNumber && !printable(a.Text, ""):
		return false
	case a.Printable:
		return printable(a.Text, "*@&_")
	case a.alwaysIA5():
		return ascii(a.Text)
	}
	return true
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

// printable says whether s has the characters of a PrintableString, or of more, which
// stand in real certificates against the letter.
func printable(s, more string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		alnum := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !alnum && !strings.ContainsRune(" '()+,-./:=?"+more, r)
	})
}

// oneElement says whether b is one element of DER, no more.
func oneElement(b []byte) bool {
	s := cryptobyte.String(b)
	var tag asn1.Tag
	var v cryptobyte.String
	return s.ReadAnyASN1(&v, &tag) && s.Empty()
}
