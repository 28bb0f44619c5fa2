package edhoc

import "github.com/ostiary/ostiary/internal/cborseq"

// NewCCS writes the CWT Claims Set of a raw public key, in deterministic CBOR (RFC
// 9528, Section 3.5.2): with a 'sub' claim if subject is not empty, and the key
// identifier kid in the COSE_Key if it is not nil.
func NewCCS(key *PublicKey, subject string, kid []byte) (*Credential, error) {
	n := 1
	if subject != "" {
		n = 2
	}
	b := cborseq.AppendMap(nil, n)
	if subject != "" {
		b = cborseq.AppendText(cborseq.AppendInt(b, claimSub), subject)
	}
	b = cborseq.AppendMap(cborseq.AppendInt(b, claimCnf), 1)
	return ParseCCS(key.appendCOSEKey(cborseq.AppendInt(b, cnfCOSEKey), kid))
}

// appendCOSEKey appends the public COSE_Key (RFC 9053, Section 7).
func (k *PublicKey) appendCOSEKey(b, kid []byte) []byte {
	n, kty := 3, int64(ktyOKP)
	if k.curve == P256 || k.curve == P384 {
		kty = ktyEC2
	}
	if k.y != nil {
		n++
	}
	if kid != nil {
		n++
	}
	b = cborseq.AppendMap(b, n)
	b = cborseq.AppendInt(cborseq.AppendInt(b, keyKty), kty)
	if kid != nil {
		b = cborseq.AppendBytes(cborseq.AppendInt(b, keyKID), kid)
	}
	b = cborseq.AppendInt(cborseq.AppendInt(b, keyCrv), int64(k.curve))
	b = cborseq.AppendBytes(cborseq.AppendInt(b, keyX), k.x)
	if k.y != nil {
		b = cborseq.AppendBytes(cborseq.AppendInt(b, keyY), k.y)
	}
	return b
}
