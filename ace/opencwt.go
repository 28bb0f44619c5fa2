package ace

import (
	"bytes"
	"fmt"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
)

// OpenCWT verifies a token, decrypts it if it is encrypted, and decodes its
// claims. keys gives those that may have made it, for the kid of the token, which
// is nil if it has none; each is tried. An *Error has the code Unauthorized if the
// protection fails, and BadRequest if the claims are malformed (RFC 9200, Section
// 5.10.1.1). It is the caller who knows whether the issuer may issue for this RS.
//
//spec:8392-7.2-1
func OpenCWT(token []byte, keys func(kid []byte) []*TokenKey) (*Claims, *TokenKey, error) {
	t, err := parseToken(token)
	if err != nil {
		return nil, nil, err
	}
	err = unprotected("RFC 9200, Section 5.10.1.1", "no key for the token")
	for _, k := range keys(t.kid) {
		var message []byte
		if message, err = t.open(k); err == nil {
			defer clear(message)
			claims, err := ParseClaims(message)
			return claims, k, err
		}
	}
	return nil, nil, err
}

// A token is a CWT that is not verified yet.
type token struct {
	kid       []byte // nil if it has none
	tag61     bool
	bare      bool // in its one encoding, and with nothing in the unprotected bucket
	encrypted *cose.Encrypt0
	signed    *sign1
}

func parseToken(b []byte) (*token, error) {
	n, err := cborseq.Normalize(b)
	if err != nil || len(b) > maxMessage {
		return nil, unprotected("RFC 8392, Section 7.2", "token is not CBOR, or too long")
	}
	t := &token{bare: bytes.Equal(n, b)}
	s := cborseq.String(n)
	object := s
	var tag uint64
	if s.ReadTag(&tag) && tag == tagCWT {
		t.tag61, object = true, s
		tag = 0
		s.ReadTag(&tag)
	}
	//spec:8392-6-1
	switch tag {
	case tagEncrypt0:
		err = t.parseEncrypt0(object)
	case tagSign1:
		err = t.parseSign1(object)
	default:
		err = fmt.Errorf("CBOR tag %d", tag)
	}
	if err != nil {
		return nil, &Error{
			Code: Unauthorized, Section: "RFC 8392, Section 7.2",
			Reason: "token is neither COSE_Encrypt0 nor COSE_Sign1", Err: err,
		}
	}
	return t, nil
}

func (t *token) parseEncrypt0(b []byte) (err error) {
	if t.encrypted, err = cose.ParseEncrypt0(b, cose.Tagged); err != nil {
		return err
	}
	u := &t.encrypted.Unprotected
	t.kid = t.encrypted.KeyID()
	t.bare = t.bare && u.Algorithm == 0 && u.KeyID == nil && u.IV == nil && u.PartialIV == nil &&
		u.KIDContext == nil && u.Others == nil
	return nil
}

// open verifies t under k and gives the claims set. That the form is the one of
// the key matters: else an attacker on the path to the RS could give a token
// another form, and so another token hash, and have it outlive its revocation
// (RFC 9770, Section 14.6).
func (t *token) open(k *TokenKey) ([]byte, error) {
	switch {
	case t.tag61 == k.form.NoTag61:
		return nil, unprotected("RFC 9770, Section 3", "token has tag 61, or has it not")
	case !t.bare && !k.form.Unprotected:
		return nil, unprotected("RFC 9770, Section 3", "token has unprotected headers or is not encoded minimally")
	}
	var message []byte
	var err error
	switch {
	case t.encrypted != nil && k.aead != nil:
		message, err = t.encrypted.Open(nil, k.aead, nil)
	case t.signed != nil && k.verifier != nil:
		message, err = k.openSigned(t.signed)
	default:
		err = fmt.Errorf("key is for %v", k.algorithm)
	}
	if err != nil {
		return nil, &Error{Code: Unauthorized, Section: "RFC 8392, Section 7.2", Reason: "token does not verify", Err: err}
	}
	return message, nil
}
