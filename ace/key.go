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

// The labels of a COSE_Key that are read before it is decoded (RFC 9052, Section
// 7.1; RFC 9053, Section 7).
const (
	labelKty = 1
	labelKID = 2
	labelCrv = -1
	labelX   = -2
	labelY   = -3
)

// A KeyType is a kty (RFC 9053, Table 17).
type KeyType = cose.KeyType

// The key types that this module knows.
const (
	KeyTypeOKP       = cose.OKP
	KeyTypeEC2       = cose.EC2
	KeyTypeSymmetric = cose.Symmetric
)

// A Curve is a crv (RFC 9053, Table 18).
type Curve = cose.Curve

// The curves that this module knows. The first three are of EC2 keys, the others
// of OKP keys.
const (
	CurveP256    = cose.P256
	CurveP384    = cose.P384
	CurveP521    = cose.P521
	CurveX25519  = cose.X25519
	CurveX448    = cose.X448
	CurveEd25519 = cose.CurveEd25519
	CurveEd448   = cose.CurveEd448
)

// A Key is a COSE_Key, as a confirmation method carries it (RFC 8747, Section
// 3.2). It does not change once made. fmt shows only what kind of key it is.
type Key struct {
	encoded secret.Bytes
	kty     KeyType
	crv     Curve
	kid     []byte
	key     *cose.Key // nil if the type or curve is not known
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

// NewSymmetricKey makes a COSE_Key of k, which is not empty (RFC 9053, Section
// 6.2); kid may be nil.
func NewSymmetricKey(k secret.Bytes, kid []byte) (*Key, error) {
	return fromCOSE(cose.Key{Type: cose.Symmetric, ID: kid, K: k})
}

// NewPublicKey makes a COSE_Key of an *ecdsa.PublicKey or an ed25519.PublicKey;
// kid may be nil.
func NewPublicKey(public crypto.PublicKey, kid []byte) (*Key, error) {
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		point, err := p.Bytes()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKey, err)
		}
		size := len(point) / 2
		curve := map[int]Curve{32: CurveP256, 48: CurveP384, 66: CurveP521}[size]
		return fromCOSE(cose.Key{Type: cose.EC2, ID: kid, Curve: curve, X: point[1 : 1+size], Y: point[1+size:]})
	case ed25519.PublicKey:
		return fromCOSE(cose.Key{Type: cose.OKP, ID: kid, Curve: CurveEd25519, X: p})
	}
	return nil, fmt.Errorf("%w: public key of type %T", ErrKey, public)
}

func fromCOSE(k cose.Key) (*Key, error) {
	if err := k.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return ParseKey(k.Append(nil))
}

// readKey takes a COSE_Key.
//
//spec:8747-3.2-1
func (f *fields) readKey(out **Key) bool {
	k := new(Key)
	if !f.s.ReadRaw((*[]byte)(&k.encoded)) {
		return false
	}
	typed := false
	n := nestedFields(k.encoded)
	for n.next() {
		switch {
		case n.key == labelKty:
			typed = true
			n.ok = n.readCodeOrText((*int64)(&k.kty))
		case n.key == labelKID:
			n.ok = n.s.ReadBytes(&k.kid)
		case n.key == labelCrv && k.asymmetric():
			n.ok = n.readCodeOrText((*int64)(&k.crv))
		default:
			n.ok = n.s.Skip()
		}
	}
	*out = k
	if !n.end() || !typed || !k.Known() {
		return n.end() && typed
	}
	var err error
	k.key, err = cose.ParseKey(k.encoded)
	return err == nil
}

// readCodeOrText takes an integer that is not 0, or a text, of which nothing is
// known here.
func (f *fields) readCodeOrText(out *int64) bool {
	if f.s.ReadInt(out) {
		return *out != 0
	}
	var name string
	return f.s.ReadText(&name)
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

// IsSecret reports whether the key is symmetric, holds a private key, or might.
func (k *Key) IsSecret() bool {
	return k.key == nil || k.kty == KeyTypeSymmetric || k.key.D != nil
}

// Symmetric gives a copy of the value of a symmetric key; nil of any other.
func (k *Key) Symmetric() secret.Bytes {
	if k.kty != KeyTypeSymmetric {
		return nil
	}
	return k.key.K.Clone()
}

// Public gives the public key for signatures: an *ecdsa.PublicKey, an
// ed25519.PublicKey, or circl's ed448.PublicKey. It fails with ErrKey for other
// keys.
func (k *Key) Public() (crypto.PublicKey, error) {
	if k.key == nil {
		return nil, ErrKey
	}
	public, err := k.key.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return public, nil
}

// Thumbprint is the SHA-256 COSE Key Thumbprint of a public key, 32 bytes (RFC
// 9679, Section 3): the same for every COSE_Key of that key. It is nil for a
// symmetric key, of which it would tell too much, and for one that is not Known.
func (k *Key) Thumbprint() []byte {
	if k.key == nil || !k.asymmetric() {
		return nil
	}
	w := writeFields(nil, nil)
	w.int(labelKty, int64(k.kty))
	w.int(labelCrv, int64(k.crv))
	w.bytes(labelX, k.key.X)
	w.bytes(labelY, k.key.Y)
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
func (k Key) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, fmt.Sprintf("COSE_Key{kty %d, crv %d}", k.kty, k.crv)) // f keeps the text in memory
}
