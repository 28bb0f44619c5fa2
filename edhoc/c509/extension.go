package c509

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// An Extension is one Extension (Section 3.1.10). It has an ID, or an OID if there is
// none or the value has no CBOR form.
type Extension struct {
	ID       int64  // of the C509 Extensions registry, from 1
	OID      []byte // contents octets
	Critical bool
	Value    []byte // the CBOR item of Section 3.3; with OID, the DER that extnValue holds
}

// oid gives the OID in both cases.
func (e *Extension) oid() []byte {
	if e.OID != nil {
		return e.OID
	}
	return []byte(extensionTypes.oids[e.ID])
}

// A codec converts the values of an extension between CBOR and DER. Each refuses what
// it cannot express.
type codec struct {
	toDER   func(b *cryptobyte.Builder, s *cborseq.String)
	fromDER func(dst []byte, s *cryptobyte.String) ([]byte, bool)
}

func (c *codec) der(value []byte) ([]byte, error) {
	var b cryptobyte.Builder
	s := cborseq.String(value)
	c.toDER(&b, &s)
	need(&b, s.Empty())
	return b.Bytes()
}

// cbor converts only what converts back.
func (c *codec) cbor(der []byte) ([]byte, bool) {
	s := cryptobyte.String(der)
	value, ok := c.fromDER(nil, &s)
	if !ok || !s.Empty() {
		return nil, false
	}
	again, err := c.der(value)
	return value, err == nil && bytes.Equal(again, der)
}

// readExtensions reads Extensions of the CDDL.
func readExtensions(s *cborseq.String, out *[]Extension) bool {
	var usage int64
	if s.ReadInt(&usage) {
		e := Extension{ID: extKeyUsage, Critical: usage < 0}
		if usage < 0 {
			usage = -usage
		}
		e.Value = cborseq.AppendInt(nil, usage)
		*out = []Extension{e}
		return true
	}
	var n int
	if !s.ReadArray(&n) || n%2 != 0 {
		return false
	}
	*out = make([]Extension, n/2)
	seen := make(map[string]bool, n/2)
	for i := range *out {
		e := &(*out)[i]
		if !e.read(s) || seen[string(e.oid())] {
			return false
		}
		seen[string(e.oid())] = true
	}
	return true
}

func (e *Extension) read(s *cborseq.String) bool {
	if s.ReadInt(&e.ID) {
		if e.ID < 0 {
			e.ID, e.Critical = -e.ID, true
		}
		_, known := extensionTypes.oids[e.ID]
		return known && s.ReadRaw(&e.Value)
	}
	if !s.ReadBytes(&e.OID) || !validOID(e.OID) {
		return false
	}
	var n int
	if e.Critical = s.ReadArray(&n); e.Critical && n != 1 {
		return false
	}
	return s.ReadBytes(&e.Value)
}

func appendExtensions(dst []byte, all []Extension) []byte {
	if len(all) == 1 && all[0].ID == extKeyUsage {
		s := cborseq.String(all[0].Value)
		var usage int64
		if s.ReadInt(&usage) {
			if all[0].Critical {
				usage = -usage
			}
			return cborseq.AppendInt(dst, usage)
		}
	}
	dst = cborseq.AppendArray(dst, 2*len(all))
	for i := range all {
		dst = all[i].append(dst)
	}
	return dst
}

func (e *Extension) append(dst []byte) []byte {
	if e.OID == nil {
		id := e.ID
		if e.Critical {
			id = -id
		}
		return append(cborseq.AppendInt(dst, id), e.Value...)
	}
	dst = cborseq.AppendBytes(dst, e.OID)
	if e.Critical {
		dst = cborseq.AppendArray(dst, 1)
	}
	return cborseq.AppendBytes(dst, e.Value)
}

// addExtensionsDER adds the extensions of X.509 (RFC 5280, Section 4.1), if any.
func addExtensionsDER(b *cryptobyte.Builder, all []Extension) {
	if len(all) == 0 {
		return
	}
	b.AddASN1(contextConstructedTag(3), func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for i := range all {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { all[i].addDER(b) })
			}
		})
	})
}

func (e *Extension) addDER(b *cryptobyte.Builder) {
	addOID(b, e.oid())
	if e.Critical {
		b.AddASN1Boolean(true)
	}
	value := e.Value
	if e.OID == nil {
		var err error
		c := extensionCodecs[e.ID]
		if value, err = c.der(e.Value); err != nil {
			b.SetError(malformed("extension %d", e.ID))
			return
		}
	}
	b.AddASN1OctetString(value)
}

// readDERExtensions reads the extensions of X.509, the rest of a TBSCertificate. Those
// in generic keep their OID though their value has a CBOR form.
func readDERExtensions(s *cryptobyte.String, generic map[string]bool, out *[]Extension) bool {
	*out = []Extension{}
	if s.Empty() {
		return true
	}
	var tagged, seq cryptobyte.String
	if !s.ReadASN1(&tagged, contextConstructedTag(3)) || !tagged.ReadASN1(&seq, asn1.SEQUENCE) || !tagged.Empty() {
		return false
	}
	seen := map[string]bool{}
	for !seq.Empty() {
		var one cryptobyte.String
		var e Extension
		if !seq.ReadASN1(&one, asn1.SEQUENCE) || !e.readDER(&one, generic) || seen[string(e.oid())] {
			return false
		}
		seen[string(e.oid())] = true
		*out = append(*out, e)
	}
	return true
}

func (e *Extension) readDER(s *cryptobyte.String, generic map[string]bool) bool {
	var oid []byte
	var der cryptobyte.String
	if !readDEROID(s, &oid) || s.PeekASN1Tag(asn1.BOOLEAN) && !s.ReadASN1Boolean(&e.Critical) ||
		!s.ReadASN1(&der, asn1.OCTET_STRING) || !s.Empty() {
		return false
	}
	if id, registered := extensionTypes.ints[string(oid)]; registered && !generic[string(oid)] {
		c := extensionCodecs[id]
		if value, ok := c.cbor(der); ok {
			e.ID, e.Value = id, value
			return true
		}
	}
	e.OID, e.Value = oid, der
	return true
}
