package edhoc

import (
	"bytes"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
)

// The tags of a CWT and of a COSE_Sign1, and the header parameters that matter.
const (
	tagCWT   = 61
	tagSign1 = 18

	headerAlg  = 1
	headerCrit = 2
)

// ParseCWT decodes a CBOR Web Token with a COSE_Key in its 'cnf' claim and checks
// the signature of issuer, a COSE_Sign1 (RFC 8392). Tags in front of it fall away:
// CRED_x is the untagged CWT (RFC 9528, Section 3.5.2). The caller checks ValidAt
// and who the issuer may vouch for.
func ParseCWT(cwt []byte, issuer *PublicKey) (*Credential, error) {
	//spec:9528-3.5.2-3
	c := &Credential{cred: bytes.Clone(untagged(cwt))}
	s := cborseq.String(c.cred)
	var n int
	var protected, unprotected, payload, sig []byte
	if !s.ReadArray(&n) || n != 4 || !s.ReadBytes(&protected) || !s.ReadRaw(&unprotected) ||
		!s.ReadBytes(&payload) || !s.ReadBytes(&sig) || !s.Empty() {
		return nil, unusable("CWT is not a COSE_Sign1")
	}
	if issuer == nil || issuer.check == nil || !signedWith(protected, issuer.curve) {
		return nil, unusable("CWT is not signed with the algorithm of its issuer's key")
	}
	if !issuer.check(sigStructure(protected, nil, payload), sig) {
		return nil, unusable("signature of the CWT does not verify")
	}
	if err := c.claims(payload); err != nil {
		return nil, err
	}
	c.value = mustIDCred(paramKCWT, c.cred)
	return c, nil
}

// untagged drops the tags 61 and 18.
func untagged(b []byte) []byte {
	for _, want := range []uint64{tagCWT, tagSign1} {
		s := cborseq.String(b)
		var tag uint64
		if s.ReadTag(&tag) && tag == want {
			b = s
		}
	}
	return b
}

// signedWith says whether the protected header names the signature algorithm of
// the curve, and no critical parameter.
func signedWith(protected []byte, curve Curve) bool {
	s := cborseq.String(protected)
	k := coseKey{crv: int64(curve)}
	err := readMap(&s, func(label int64) bool {
		switch label {
		case headerAlg:
			return s.ReadInt(&k.alg)
		case headerCrit:
			return false
		}
		return s.Skip()
	})
	return err == nil && s.Empty() && k.signs()
}

// sigStructure is Sig_structure of COSE_Sign1 (RFC 9052, Section 4.4).
func sigStructure(protected, externalAAD, payload []byte) []byte {
	b := make([]byte, 0, 32+len(protected)+len(externalAAD)+len(payload))
	b = cborseq.AppendArray(b, 4)
	b = cborseq.AppendText(b, "Signature1")
	b = cborseq.AppendBytes(b, protected)
	b = cborseq.AppendBytes(b, externalAAD)
	return cborseq.AppendBytes(b, payload)
}

// aad is the Enc_structure of messages 3 and 4 (RFC 9528, Appendix C.3).
func aad(th []byte) []byte { return cose.AppendEncStructure(nil, "Encrypt0", nil, th) }
