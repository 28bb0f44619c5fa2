package c509

import (
	"bytes"

	"filippo.io/nistec"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// The first octet of a point (SEC 1, Section 2.3.3), and what takes the place of even
// and odd if the X.509 certificate has the point uncompressed (Section 3.2.1).
const (
	pointEven         = 0x02
	pointOdd          = 0x03
	pointUncompressed = 0x04
	wasEven           = 0xfe
	wasOdd            = 0xfd
)

// fieldSize is the length of a coordinate, by public key algorithm.
var fieldSize = map[int64]int{
	keyP256: 32, keyP384: 48, keyP521: 66, keySM2: 32, keyBP256: 32, keyBP384: 48, keyBP512: 64, keyFRP256: 32,
}

// keyToDER adds the content of the BIT STRING subjectPublicKey. An EC point becomes
// uncompressed, unless the X.509 certificate has it compressed.
func keyToDER(b *cryptobyte.Builder, a *algorithm, item []byte, typ Type) {
	s := cborseq.String(item)
	size, weierstrass := fieldSize[a.id]
	switch {
	case a.is(keyRSA):
		rsaToDER(b, &s)
	case a.oid == nil && weierstrass:
		var point []byte
		if need(b, s.ReadBytes(&point)) {
			der, ok := decodePoint(a.id, size, point, typ)
			need(b, ok)
			b.AddBytes(der)
		}
	default:
		var key []byte
		need(b, s.ReadBytes(&key) && len(key) > 0)
		b.AddBytes(key)
	}
	need(b, s.Empty())
}

// keyFromDER makes the CBOR item of subjectPublicKey. Points are compressed where the
// curve is one that this package can calculate on, unless uncompressed is set.
func keyFromDER(a *algorithm, key []byte, typ Type, uncompressed bool) ([]byte, bool) {
	size, weierstrass := fieldSize[a.id]
	switch {
	case a.is(keyRSA):
		return rsaFromDER(key)
	case a.oid == nil && weierstrass:
		point, ok := encodePoint(a.id, size, key, typ, uncompressed)
		return cborseq.AppendBytes(nil, point), ok
	}
	return cborseq.AppendBytes(nil, key), len(key) > 0
}

func decodePoint(curve int64, size int, point []byte, typ Type) ([]byte, bool) {
	if len(point) == 0 {
		return nil, false
	}
	compressed := bytes.Clone(point)
	switch {
	case point[0] == pointUncompressed:
		return point, len(point) == 1+2*size && onCurve(curve, point)
	case point[0] == pointEven || point[0] == pointOdd:
		if typ == FromX509DER {
			return point, len(point) == 1+size && onCurve(curve, point)
		}
	case typ == FromX509DER && (point[0] == wasEven || point[0] == wasOdd):
		compressed[0] = pointEven
		if point[0] == wasOdd {
			compressed[0] = pointOdd
		}
	default:
		return nil, false
	}
	full, _, ok := calculate(curve, compressed)
	return full, ok
}

func encodePoint(curve int64, size int, point []byte, typ Type, uncompressed bool) ([]byte, bool) {
	if len(point) == 1+size && (point[0] == pointEven || point[0] == pointOdd) {
		return point, onCurve(curve, point)
	}
	if len(point) != 1+2*size || point[0] != pointUncompressed || !onCurve(curve, point) {
		return nil, false
	}
	_, short, ok := calculate(curve, point)
	if !ok || uncompressed {
		return point, true
	}
	switch {
	case typ == Native:
	case short[0] == pointEven:
		short[0] = wasEven
	default:
		short[0] = wasOdd
	}
	return short, true
}

// onCurve checks a point, if the curve is one that this package can calculate on.
func onCurve(curve int64, point []byte) bool {
	if curve != keyP256 && curve != keyP384 && curve != keyP521 {
		return true
	}
	_, _, ok := calculate(curve, point)
	return ok
}

// calculate gives both forms of a point, on the curves of NIST.
func calculate(curve int64, point []byte) (full, short []byte, ok bool) {
	switch curve {
	case keyP256:
		if p, err := nistec.NewP256Point().SetBytes(point); err == nil {
			return p.Bytes(), p.BytesCompressed(), true
		}
	case keyP384:
		if p, err := nistec.NewP384Point().SetBytes(point); err == nil {
			return p.Bytes(), p.BytesCompressed(), true
		}
	case keyP521:
		if p, err := nistec.NewP521Point().SetBytes(point); err == nil {
			return p.Bytes(), p.BytesCompressed(), true
		}
	}
	return nil, nil, false
}

// exponent65537 is left out.
var exponent65537 = []byte{1, 0, 1}

func rsaToDER(b *cryptobyte.Builder, s *cborseq.String) {
	var modulus []byte
	exponent := exponent65537
	if m, ok := s.PeekMajor(); ok && m == cborseq.Array {
		var n int
		if !need(b, s.ReadArray(&n) && n == 2 && readBiguint(s, &modulus) && readBiguint(s, &exponent)) {
			return
		}
	} else if !need(b, readBiguint(s, &modulus)) {
		return
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addUint(b, modulus)
		addUint(b, exponent)
	})
}

func rsaFromDER(key []byte) ([]byte, bool) {
	s := cryptobyte.String(key)
	var seq cryptobyte.String
	var modulus, exponent []byte
	if !s.ReadASN1(&seq, asn1.SEQUENCE) || !s.Empty() || !readUint(&seq, &modulus) || !readUint(&seq, &exponent) || !seq.Empty() {
		return nil, false
	}
	if bytes.Equal(exponent, exponent65537) {
		return cborseq.AppendBytes(nil, modulus), true
	}
	b := cborseq.AppendArray(nil, 2)
	return cborseq.AppendBytes(cborseq.AppendBytes(b, modulus), exponent), true
}
