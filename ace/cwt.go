package ace

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"fmt"
	"io"
	"slices"

	gocose "github.com/veraison/go-cose"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/secret"
)

// The CBOR tags of a CWT (RFC 8392, Section 6; RFC 9052, Table 1).
const (
	tagEncrypt0 = 16
	tagSign1    = 18
	tagCWT      = 61
)

// A TokenKey protects the tokens for one RS, or verifies them there. The
// algorithm belongs to the key: what a token says of it must agree and decides
// nothing. It does not change and is safe for concurrent use.
type TokenKey struct {
	issuer    string
	id        []byte
	algorithm cose.Algorithm
	form      TokenForm
	aead      *cose.EncryptionKey
	signer    gocose.Signer
	verifier  gocose.Verifier
	public    interface{ Equal(crypto.PublicKey) bool }
}

// A TokenForm says how the tokens under a key differ from what RFC 9770, Section
// 3 prescribes. The zero value is that form: tag 61 around the COSE tag, and an
// empty unprotected bucket.
type TokenForm struct {
	NoTag61     bool // the COSE tag only
	Unprotected bool // kid and IV are in the unprotected bucket (RFC 8392, Appendix A.5)
}

// A TokenKeyConfig describes a TokenKey.
type TokenKeyConfig struct {
	Issuer    string           // the AS that makes tokens under this key; may be empty
	ID        []byte           // kid in the tokens; nil for none
	Algorithm cose.Algorithm   // AEAD, or ES256, ES384, ES512, EdDSA; 0: AES-CCM-16-64-128
	Secret    secret.Bytes     // of an AEAD algorithm, as long as it wants
	Signer    crypto.Signer    // of a signature algorithm, at the AS
	Public    crypto.PublicKey // of a signature algorithm, at the RS
	Form      TokenForm
}

// NewTokenKey checks c and makes the key. It keeps no reference to the byte
// strings of c. It fails with ErrKey.
func NewTokenKey(c TokenKeyConfig) (*TokenKey, error) {
	if c.Algorithm == 0 {
		c.Algorithm = cose.AES_CCM_16_64_128
	}
	k := &TokenKey{issuer: c.Issuer, id: bytes.Clone(c.ID), algorithm: c.Algorithm, form: c.Form}
	var err error
	switch {
	case c.Algorithm.IsAEAD():
		k.aead, err = cose.NewEncryptionKey(c.Algorithm, c.Secret)
	case !slices.Contains([]cose.Algorithm{cose.ES256, cose.ES384, cose.ES512, cose.EdDSA}, c.Algorithm):
		err = fmt.Errorf("algorithm %v", c.Algorithm)
	default:
		err = k.setSignature(c)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return k, nil
}

// Issuer is the AS that makes tokens under the key; "" if the config said none.
func (k *TokenKey) Issuer() string { return k.issuer }

// ID is the kid of the tokens, which the caller does not change; nil for none.
func (k *TokenKey) ID() []byte { return k.id }

// Algorithm is the one algorithm of the key.
func (k *TokenKey) Algorithm() cose.Algorithm { return k.algorithm }

// Encrypts reports whether tokens under the key are encrypted, so that they can
// carry a symmetric key.
func (k *TokenKey) Encrypts() bool { return k.aead != nil }

// Signs reports whether tokens under both keys are signed, and by the same AS key
// in the same form, so that one token serves the holders of both.
func (k *TokenKey) Signs(other *TokenKey) bool {
	return k.public != nil && other.public != nil && k.public.Equal(other.public) &&
		k.algorithm == other.algorithm && k.form == other.form && bytes.Equal(k.id, other.id)
}

// EncryptCWT appends claims to dst as a CWT with a COSE_Encrypt0 under k, whose
// nonce it takes from random; nil is crypto/rand. It fails with ErrKey if k is
// not to encrypt with, and with the error of random.
//
//spec:8392-7.1-1
//spec:8392-7.1-4
func EncryptCWT(dst []byte, claims *Claims, k *TokenKey, random io.Reader) ([]byte, error) {
	if k.aead == nil {
		return nil, ErrKey
	}
	if random == nil {
		random = rand.Reader
	}
	nonce := make([]byte, k.algorithm.NonceSize())
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, fmt.Errorf("ace: draw nonce: %w", err)
	}
	h := cose.Headers{Protected: cose.Header{Algorithm: k.algorithm}}
	bucket := &h.Protected
	//spec:9770-3-1
	//spec:9770-3-2
	if k.form.Unprotected {
		bucket = &h.Unprotected
	}
	bucket.KeyID, bucket.IV = k.id, nonce
	plaintext := claims.Append(make([]byte, 0, 256))
	defer clear(plaintext)
	return k.aead.AppendEncrypt0(k.appendTag61(dst), h, plaintext, nil, true)
}

// appendTag61 puts the CWT tag before the COSE tag (RFC 8392, Section 6).
//
//spec:8392-6-1
//spec:9770-3-3
//spec:9770-3-4
//spec:9770-3-5
//spec:9770-3-6
func (k *TokenKey) appendTag61(dst []byte) []byte {
	if k.form.NoTag61 {
		return dst
	}
	return cborseq.AppendTag(dst, tagCWT)
}
