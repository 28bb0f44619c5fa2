package ace

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/secret"
)

// The labels of a COSE_Key (RFC 9052, Section 7.1; RFC 9053, Section 7).
const (
	labelKty = 1
	labelKID = 2
	labelAlg = 3
	labelCrv = -1 // OKP, EC2
	labelK   = -1 // Symmetric
	labelX   = -2
	labelY   = -3
	labelD   = -4
)

// A KeyType is a kty (RFC 9053, Table 17).
type KeyType int64

// The key types that this module knows.
const (
	KeyTypeOKP       KeyType = 1
	KeyTypeEC2       KeyType = 2
	KeyTypeSymmetric KeyType = 4
)

// A Curve is a crv (RFC 9053, Table 18).
type Curve int64

// The curves that this module knows. The first three are of EC2 keys, the others
// of OKP keys.
const (
	CurveP256    Curve = 1
	CurveP384    Curve = 2
	CurveP521    Curve = 3
	CurveX25519  Curve = 4
	CurveX448    Curve = 5
	CurveEd25519 Curve = 6
	CurveEd448   Curve = 7
)

// A Key is a COSE_Key, as a confirmation method carries it (RFC 8747, Section
// 3.2). It does not change once made. fmt shows only what kind of key it is.
type Key struct {
	kty     KeyType
	crv     Curve
	kid     []byte
	alg     cose.Algorithm
	x, y    cborseq.String // as encoded
	private bool
	encoded secret.Bytes
}

// ParseKey decodes one COSE_Key, which is all of b. It refuses with an *Error a
// key without the members that its type needs (RFC 8747, Section 3.2) and a
// public key that is no point of its curve. It accepts key types and curves that
// it does not know: for them Known reports false.
func ParseKey(b []byte) (*Key, error) {
	n, err := cborseq.Normalize(b)
	if err != nil {
		return nil, malformed("RFC 9052, Section 7", "COSE_Key")
	}
	f := fields{s: slices.Clone(n)}
	var k *Key
	if !f.readKey(&k) || !f.s.Empty() {
		return nil, malformed("RFC 9052, Section 7", "COSE_Key")
	}
	return k, nil
}

// NewSymmetricKey makes a COSE_Key of k (RFC 9053, Section 6.2); kid may be nil.
func NewSymmetricKey(k secret.Bytes, kid []byte) *Key {
	w := writeFields(nil, nil)
	w.int(labelKty, int64(KeyTypeSymmetric))
	w.bytes(labelKID, kid)
	w.bytes(labelK, k)
	return &Key{kty: KeyTypeSymmetric, kid: slices.Clone(kid), private: true, encoded: w.end()}
}

// NewPublicKey makes a COSE_Key of an *ecdsa.PublicKey or an ed25519.PublicKey;
// kid may be nil.
func NewPublicKey(public crypto.PublicKey, kid []byte) (*Key, error) {
	w := writeFields(nil, nil)
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		point, err := p.ECDH()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKey, err)
		}
		xy := point.Bytes()[1:]
		crv := map[int]Curve{64: CurveP256, 96: CurveP384, 132: CurveP521}[len(xy)]
		w.int(labelKty, int64(KeyTypeEC2))
		w.bytes(labelKID, kid)
		w.int(labelCrv, int64(crv))
		w.bytes(labelX, xy[:len(xy)/2])
		w.bytes(labelY, xy[len(xy)/2:])
	case ed25519.PublicKey:
		w.int(labelKty, int64(KeyTypeOKP))
		w.bytes(labelKID, kid)
		w.int(labelCrv, int64(CurveEd25519))
		w.bytes(labelX, p)
	default:
		return nil, fmt.Errorf("%w: public key of type %T", ErrKey, public)
	}
	return ParseKey(w.end())
}

// readKey takes a COSE_Key.
//
//spec:8747-3.2-1
func (f *fields) readKey(out **Key) bool {
	k := new(Key)
	if !f.s.ReadRaw((*[]byte)(&k.encoded)) {
		return false
	}
	n := nestedFields(k.encoded)
	for n.next() {
		switch {
		case n.key == labelKty:
			n.ok = n.readCodeOrText((*int64)(&k.kty))
		case n.key == labelKID:
			n.ok = n.s.ReadBytes(&k.kid)
		case n.key == labelAlg:
			n.ok = n.readCodeOrText((*int64)(&k.alg))
		case n.key == labelK && k.kty == KeyTypeSymmetric:
			k.private = true
			n.ok = n.s.Skip()
		case n.key == labelCrv && k.asymmetric():
			n.ok = n.readCodeOrText((*int64)(&k.crv))
		case n.key == labelX && k.asymmetric():
			n.ok = n.s.ReadRaw((*[]byte)(&k.x))
		case n.key == labelY && k.asymmetric():
			n.ok = n.s.ReadRaw((*[]byte)(&k.y))
		case n.key == labelD && k.asymmetric():
			k.private = true
			n.ok = n.s.Skip()
		default:
			n.ok = n.s.Skip()
		}
	}
	*out = k
	if !n.end() || n.seen == 0 {
		return false
	}
	if k.Known() {
		_, err := cose.ParseKey(k.encoded)
		return err == nil
	}
	return true
}

// readCodeOrText takes an integer that is not 0, or a text, of which nothing is
// known here.
func (f *fields) readCodeOrText(out *int64) bool {
	var name string
	return f.s.ReadInt(out) && *out != 0 || f.s.ReadText(&name)
}

func (k *Key) asymmetric() bool { return k.kty == KeyTypeOKP || k.kty == KeyTypeEC2 }

// Known reports whether the key is of a type and curve listed above.
func (k *Key) Known() bool {
	switch k.kty {
	case KeyTypeSymmetric:
		return true
	case KeyTypeEC2:
		return k.crv >= CurveP256 && k.crv <= CurveP521
	case KeyTypeOKP:
		return k.crv >= CurveX25519 && k.crv <= CurveEd448
	}
	return false
}

// Type is the kty; 0 if it is a text.
func (k *Key) Type() KeyType { return k.kty }

// Curve is the crv of an OKP or EC2 key; 0 if it is a text.
func (k *Key) Curve() Curve { return k.crv }

// KID is the kid, which the caller does not change; nil if there is none.
func (k *Key) KID() []byte { return k.kid }

// Algorithm is the alg; 0 if there is none or it is a text.
func (k *Key) Algorithm() cose.Algorithm { return k.alg }

// IsSecret reports whether the key is symmetric or holds a private key.
func (k *Key) IsSecret() bool { return k.private }

// Symmetric gives a copy of the value of a symmetric key; nil of any other.
func (k *Key) Symmetric() secret.Bytes {
	n := nestedFields(k.encoded)
	for k.kty == KeyTypeSymmetric && n.next() {
		var v []byte
		if n.key == labelK && n.s.ReadBytes(&v) {
			return bytes.Clone(v)
		}
		n.ok = n.s.Skip()
	}
	return nil
}

// Public gives the public key: an *ecdsa.PublicKey or an ed25519.PublicKey. It
// fails with ErrKey for other keys.
func (k *Key) Public() (crypto.PublicKey, error) {
	if !k.Known() || !k.asymmetric() {
		return nil, ErrKey
	}
	parsed, err := cose.ParseKey(k.encoded)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	public, err := parsed.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return public, nil
}

// Thumbprint is the SHA-256 COSE Key Thumbprint of a public key, 32 bytes (RFC
// 9679, Section 3): the same for every COSE_Key of that key. It is nil for a
// symmetric key, whose thumbprint is as secret as the key.
func (k *Key) Thumbprint() []byte {
	if !k.asymmetric() || !k.Known() {
		return nil
	}
	w := writeFields(nil, nil)
	w.int(labelKty, int64(k.kty))
	w.int(labelCrv, int64(k.crv))
	w.raw(labelX, k.x)
	if k.kty == KeyTypeEC2 {
		w.raw(labelY, k.y)
	}
	sum := sha256.Sum256(w.end())
	return sum[:]
}

// Equal reports whether both are the same public key.
func (k *Key) Equal(other *Key) bool {
	a, b := k.Thumbprint(), other.Thumbprint()
	return a != nil && bytes.Equal(a, b)
}

// Append appends the COSE_Key to dst, with the secrets that it holds.
func (k *Key) Append(dst []byte) []byte { return append(dst, k.encoded...) }

// Format implements fmt.Formatter.
func (k *Key) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, fmt.Sprintf("COSE_Key{kty %d, crv %d}", k.kty, k.crv)) // f keeps the text in memory
}
