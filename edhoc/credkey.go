package edhoc

import (
	"slices"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
)

// The parameters of a COSE_Key (RFC 9052, Section 7.1; RFC 9053, Section 7).
const (
	keyKty    = 1
	keyKID    = 2
	keyAlg    = 3
	keyKeyOps = 4
	keyCrv    = -1
	keyX      = -2
	keyY      = -3
	keyD      = -4

	ktyOKP = 1
	ktyEC2 = 2

	opVerify     = 2
	opDeriveKey  = 7
	opDeriveBits = 8
)

// coseKey is a public COSE_Key as read.
type coseKey struct {
	kty, crv int64
	kid      []byte
	alg      int64 // 0 if there is none
	ops      []int64
	x, y     []byte
	sign     *bool // y as the sign of a compressed point
	private  bool
}

// readCOSEKey reads a public COSE_Key, with its key identifier. A private one is
// refused: a credential is for everybody to see.
func readCOSEKey(s *cborseq.String) (key *PublicKey, kid []byte, ok bool) {
	var k coseKey
	err := readMap(s, func(label int64) bool { return k.readParam(label, s) })
	if err != nil || k.private {
		return nil, nil, false
	}
	switch curve := Curve(k.crv); {
	case k.kty == ktyOKP && (curve == P256 || curve == P384), k.kty == ktyEC2 && curve != P256 && curve != P384:
		return nil, nil, false
	case k.kty != ktyOKP && k.kty != ktyEC2:
		return nil, nil, false
	case k.sign != nil && k.kty == ktyEC2:
		y, err := groups[curve].(xyGroup).yOf(k.x, *k.sign)
		if err != nil {
			return nil, nil, false
		}
		k.y = y
	}
	pub, err := NewPublicKey(Curve(k.crv), k.x, k.y)
	if err != nil {
		return nil, nil, false
	}
	return pub.restrict(k.use()), k.kid, true
}

func (k *coseKey) readParam(label int64, s *cborseq.String) bool {
	switch label {
	case keyKty:
		return s.ReadInt(&k.kty)
	case keyKID:
		return s.ReadBytes(&k.kid)
	case keyAlg:
		return s.ReadInt(&k.alg)
	case keyKeyOps:
		return readInts(s, &k.ops)
	case keyCrv:
		return s.ReadInt(&k.crv)
	case keyX:
		return s.ReadBytes(&k.x)
	case keyY:
		if m, ok := s.PeekMajor(); ok && m == cborseq.Simple {
			k.sign = new(bool)
			return s.ReadBool(k.sign)
		}
		return s.ReadBytes(&k.y)
	case keyD:
		k.private = true
	}
	return s.Skip()
}

func readInts(s *cborseq.String, out *[]int64) bool {
	var n int
	if !s.ReadArray(&n) {
		return false
	}
	*out = make([]int64, n)
	for i := range *out {
		if !s.ReadInt(&(*out)[i]) {
			return false
		}
	}
	return true
}

// use is what 'alg' and 'key_ops' leave of the uses of the key (RFC 9053, Sections
// 2.1, 2.2 and 6.3.1: a public key of ECDH has no operations).
func (k *coseKey) use() keyUse {
	u := anyUse
	switch {
	case k.alg == 0:
	case k.signs():
		u = signOnly
	case k.alg <= -25 && k.alg >= -34: // ECDH-ES and ECDH-SS
		u = agreeOnly
	default:
		u = noUse
	}
	switch {
	case k.ops == nil:
	case slices.Contains(k.ops, opVerify):
		u &= signOnly
	case len(k.ops) == 0, slices.Contains(k.ops, opDeriveKey), slices.Contains(k.ops, opDeriveBits):
		u &= agreeOnly
	default:
		u = noUse
	}
	return u
}

// signs says whether 'alg' is the signature algorithm of the curve.
func (k *coseKey) signs() bool {
	switch Curve(k.crv) {
	case P256:
		return k.alg == int64(cose.ES256) || k.alg == int64(cose.ESP256)
	case P384:
		return k.alg == int64(cose.ES384) || k.alg == int64(cose.ESP384)
	case Ed25519:
		return k.alg == int64(cose.EdDSA) || k.alg == int64(cose.Ed25519)
	case Ed448:
		return k.alg == int64(cose.EdDSA) || k.alg == int64(cose.Ed448)
	}
	return false
}
