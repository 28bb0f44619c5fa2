package c509

import (
	"math/bits"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// extensionCodecs has one codec for each extension of the registry (Section 3.3).
var extensionCodecs = map[int64]codec{
	extSubjectKeyID:      {keyIDToDER, keyIDFromDER},
	extKeyUsage:          {bitsToDER, bitsFromDER},
	extSubjectAltName:    {altNamesToDER, altNamesFromDER},
	extBasicConstraints:  {basicConstraintsToDER, basicConstraintsFromDER},
	5:                    {crlPointsToDER, crlPointsFromDER},
	extPolicies:          {policiesToDER, policiesFromDER},
	extAuthorityKeyID:    {authorityKeyIDToDER, authorityKeyIDFromDER},
	extExtKeyUsage:       {purposesToDER, purposesFromDER},
	9:                    {accessToDER, accessFromDER},
	24:                   {directoryAttributesToDER, directoryAttributesFromDER},
	25:                   {altNamesToDER, altNamesFromDER},
	extNameConstraints:   {nameConstraintsToDER, nameConstraintsFromDER},
	27:                   {policyMappingsToDER, policyMappingsFromDER},
	extPolicyConstraints: {policyConstraintsToDER, policyConstraintsFromDER},
	29:                   {crlPointsToDER, crlPointsFromDER},
	30:                   {integerToDER, integerFromDER},
	31:                   {accessToDER, accessFromDER},
	32:                   {ipBlocksToDER, ipBlocksFromDER},
	33:                   {asNumbersToDER, asNumbersFromDER},
	34:                   {ipBlocksToDER, ipBlocksFromDER},
	35:                   {asNumbersToDER, asNumbersFromDER},
	36:                   {nullToDER, nullFromDER},
	37:                   {nullToDER, nullFromDER},
	38:                   {featuresToDER, featuresFromDER},
}

// KeyIdentifier = bytes.
func keyIDToDER(b *cryptobyte.Builder, s *cborseq.String) {
	var id []byte
	if need(b, s.ReadBytes(&id)) {
		b.AddASN1OctetString(id)
	}
}

func keyIDFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var id cryptobyte.String
	ok := s.ReadASN1(&id, asn1.OCTET_STRING)
	return cborseq.AppendBytes(dst, id), ok
}

// KeyUsage = uint, whose lowest bit is the first of the BIT STRING. At least one is set.
func bitsToDER(b *cryptobyte.Builder, s *cborseq.String) {
	var v uint64
	if need(b, s.ReadUint(&v)) {
		addBits(b, asn1.BIT_STRING, v)
	}
}

func addBits(b *cryptobyte.Builder, tag asn1.Tag, v uint64) {
	if !need(b, v > 0 && v <= 0xffff) {
		return
	}
	b.AddASN1(tag, func(b *cryptobyte.Builder) {
		n := bits.Len64(v)
		b.AddUint8(uint8(-n & 7))
		for ; v > 0; v >>= 8 {
			b.AddUint8(bits.Reverse8(uint8(v)))
		}
	})
}

func bitsFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	return bitsTaggedFromDER(dst, s, asn1.BIT_STRING)
}

func bitsTaggedFromDER(dst []byte, s *cryptobyte.String, tag asn1.Tag) ([]byte, bool) {
	var b cryptobyte.String
	if !s.ReadASN1(&b, tag) || len(b) < 2 || len(b) > 3 {
		return nil, false
	}
	var v uint64
	for i, octet := range b[1:] {
		v |= uint64(bits.Reverse8(octet)) << (8 * i)
	}
	return cborseq.AppendUint(dst, v), true
}

// BasicConstraints = int: the path length, -1 without one, -2 if not a CA.
func basicConstraintsToDER(b *cryptobyte.Builder, s *cborseq.String) {
	var v int64
	if !need(b, s.ReadInt(&v) && v >= -2) {
		return
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if v > -2 {
			b.AddASN1Boolean(true)
		}
		if v >= 0 {
			b.AddASN1Uint64(uint64(v))
		}
	})
}

func basicConstraintsFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var seq cryptobyte.String
	var ca bool
	v := int64(-2)
	if !s.ReadASN1(&seq, asn1.SEQUENCE) {
		return nil, false
	}
	if !seq.Empty() {
		v = -1
		if !seq.ReadASN1Boolean(&ca) || !ca || !seq.Empty() && (!seq.ReadASN1Integer(&v) || v < 0) || !seq.Empty() {
			return nil, false
		}
	}
	return cborseq.AppendInt(dst, v), true
}

// InhibitAnyPolicy = uint.
func integerToDER(b *cryptobyte.Builder, s *cborseq.String) {
	var v uint64
	need(b, s.ReadUint(&v))
	b.AddASN1Uint64(v)
}

func integerFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var v uint64
	ok := s.ReadASN1Integer(&v)
	return cborseq.AppendUint(dst, v), ok
}

// The values that are NULL: OCSP No Check and the precertificate's poison.
func nullToDER(b *cryptobyte.Builder, s *cborseq.String) {
	if need(b, s.ReadNull()) {
		b.AddASN1NULL()
	}
}

func nullFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var v cryptobyte.String
	ok := s.ReadASN1(&v, asn1.NULL) && v.Empty()
	return cborseq.AppendNull(dst), ok
}

// ExtKeyUsageSyntax = [ 2* KeyPurposeId ] / KeyPurposeId.
func purposesToDER(b *cryptobyte.Builder, s *cborseq.String) {
	n := 1
	if m, ok := s.PeekMajor(); ok && m == cborseq.Array && !need(b, s.ReadArray(&n) && n >= 2) {
		return
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for range n {
			oidToDER(b, s, keyPurposes)
		}
	})
}

func purposesFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var seq cryptobyte.String
	if !s.ReadASN1(&seq, asn1.SEQUENCE) {
		return nil, false
	}
	var items []byte
	n := 0
	for ; !seq.Empty(); n++ {
		var oid []byte
		if !readDEROID(&seq, &oid) {
			return nil, false
		}
		items = appendOID(items, keyPurposes, oid)
	}
	if n != 1 {
		dst = cborseq.AppendArray(dst, n)
	}
	return append(dst, items...), n > 0
}

// AuthorityKeyIdentifier = [ KeyIdentifier, GeneralNames, CertificateSerialNumber ] /
// KeyIdentifier.
func authorityKeyIDToDER(b *cryptobyte.Builder, s *cborseq.String) {
	n := 1
	if m, ok := s.PeekMajor(); ok && m == cborseq.Array && !need(b, s.ReadArray(&n) && n == 3) {
		return
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		var id, serial []byte
		if !need(b, s.ReadBytes(&id)) {
			return
		}
		b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) { b.AddBytes(id) })
		if n == 1 {
			return
		}
		b.AddASN1(contextConstructedTag(1), func(b *cryptobyte.Builder) { generalNamesToDER(b, s) })
		if need(b, readBiguint(s, &serial)) {
			addTaggedUint(b, contextTag(2), serial)
		}
	})
}

func authorityKeyIDFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var seq, id, names cryptobyte.String
	var serial []byte
	if !s.ReadASN1(&seq, asn1.SEQUENCE) || !seq.ReadASN1(&id, contextTag(0)) {
		return nil, false
	}
	if seq.Empty() {
		return cborseq.AppendBytes(dst, id), true
	}
	dst = cborseq.AppendBytes(cborseq.AppendArray(dst, 3), id)
	if !seq.ReadASN1(&names, contextConstructedTag(1)) || !readTaggedUint(&seq, contextTag(2), &serial) || !seq.Empty() {
		return nil, false
	}
	dst, ok := generalNamesFromDER(dst, &names)
	return cborseq.AppendBytes(dst, serial), ok
}

// TLSFeatures = [ * uint ].
func featuresToDER(b *cryptobyte.Builder, s *cborseq.String) {
	var n int
	if !need(b, s.ReadArray(&n)) {
		return
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for range n {
			integerToDER(b, s)
		}
	})
}

func featuresFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var seq cryptobyte.String
	if !s.ReadASN1(&seq, asn1.SEQUENCE) {
		return nil, false
	}
	var items []byte
	n := 0
	for ; !seq.Empty(); n++ {
		var ok bool
		if items, ok = integerFromDER(items, &seq); !ok {
			return nil, false
		}
	}
	return append(cborseq.AppendArray(dst, n), items...), true
}
