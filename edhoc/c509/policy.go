package c509

import (
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// CertificatePolicies = [ + ( PolicyIdentifier, [ * PolicyQualifierInfo ] ) ].
func policiesToDER(b *cryptobyte.Builder, s *cborseq.String) {
	sequencesToDER(b, s, 2, func(b *cryptobyte.Builder, s *cborseq.String) {
		oidToDER(b, s, policyTypes)
		qualifiersToDER(b, s)
	})
}

func qualifiersToDER(b *cryptobyte.Builder, s *cborseq.String) {
	var n int
	if !need(b, s.ReadArray(&n) && n%2 == 0) || n == 0 {
		return
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for range n / 2 {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { qualifierToDER(b, s) })
		}
	})
}

// qualifierToDER adds a PolicyQualifierInfo: the two that RFC 5280 defines.
func qualifierToDER(b *cryptobyte.Builder, s *cborseq.String) {
	var kind int64
	var text string
	if !need(b, s.ReadInt(&kind) && (kind == qualifierCPS || kind == qualifierNotice)) {
		return
	}
	addOID(b, []byte(qualifierTypes.oids[kind]))
	if kind == qualifierCPS {
		ia5ToDER(b, s, asn1.IA5String)
		return
	}
	if need(b, s.ReadText(&text)) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(text)) })
		})
	}
}

func policiesFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	return sequencesFromDER(dst, s, 2, func(dst []byte, s *cryptobyte.String) ([]byte, bool) {
		var oid []byte
		if !readDEROID(s, &oid) {
			return nil, false
		}
		return qualifiersFromDER(appendOID(dst, policyTypes, oid), s)
	})
}

func qualifiersFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	if s.Empty() {
		return cborseq.AppendArray(dst, 0), true
	}
	return sequencesFromDER(dst, s, 2, qualifierFromDER)
}

func qualifierFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var oid []byte
	if !readDEROID(s, &oid) {
		return nil, false
	}
	kind := qualifierTypes.ints[string(oid)]
	dst = cborseq.AppendInt(dst, kind)
	switch kind {
	case qualifierCPS:
		return ia5FromDER(dst, s, asn1.IA5String)
	case qualifierNotice:
		var notice, text cryptobyte.String
		ok := s.ReadASN1(&notice, asn1.SEQUENCE) && notice.ReadASN1(&text, asn1.UTF8String) && notice.Empty()
		return cborseq.AppendText(dst, string(text)), ok
	}
	return nil, false
}

// PolicyMappings = [ + ( int / ~oid, int / ~oid ) ].
func policyMappingsToDER(b *cryptobyte.Builder, s *cborseq.String) {
	sequencesToDER(b, s, 2, func(b *cryptobyte.Builder, s *cborseq.String) {
		oidToDER(b, s, policyTypes)
		oidToDER(b, s, policyTypes)
	})
}

func policyMappingsFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	return sequencesFromDER(dst, s, 2, func(dst []byte, s *cryptobyte.String) ([]byte, bool) {
		var from, to []byte
		ok := readDEROID(s, &from) && readDEROID(s, &to)
		return appendOID(appendOID(dst, policyTypes, from), policyTypes, to), ok
	})
}

// PolicyConstraints = [ requireExplicitPolicy: uint / null, inhibitPolicyMapping: uint / null ].
func policyConstraintsToDER(b *cryptobyte.Builder, s *cborseq.String) {
	var n int
	if !need(b, s.ReadArray(&n) && n == 2) {
		return
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for i := range uint8(2) {
			if s.ReadNull() {
				continue
			}
			var v uint64
			need(b, s.ReadUint(&v))
			b.AddASN1Int64WithTag(int64(v&(1<<62-1)), contextTag(i))
			need(b, v < 1<<62)
		}
	})
}

func policyConstraintsFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var seq cryptobyte.String
	if !s.ReadASN1(&seq, asn1.SEQUENCE) {
		return nil, false
	}
	dst = cborseq.AppendArray(dst, 2)
	for i := range uint8(2) {
		var v int64
		if !seq.PeekASN1Tag(contextTag(i)) {
			dst = cborseq.AppendNull(dst)
			continue
		}
		if !seq.ReadASN1Int64WithTag(&v, contextTag(i)) || v < 0 {
			return nil, false
		}
		dst = cborseq.AppendInt(dst, v)
	}
	return dst, seq.Empty()
}
