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

func (k *TokenKey) setSignature(c TokenKeyConfig) (err error) {
	if c.Signer != nil {
		if k.signer, err = gocose.NewSigner(gocose.Algorithm(c.Algorithm), c.Signer); err != nil {
			return err
		}
		c.Public = c.Signer.Public()
	}
	k.verifier, err = gocose.NewVerifier(gocose.Algorithm(c.Algorithm), c.Public)
	return err
}

// Issuer, ID and Algorithm are what the TokenKeyConfig said.
func (k *TokenKey) Issuer() string            { return k.issuer }
func (k *TokenKey) ID() []byte                { return k.id }
func (k *TokenKey) Algorithm() cose.Algorithm { return k.algorithm }

// Encrypts reports whether tokens under the key are encrypted, so that they can
// carry a symmetric key.
func (k *TokenKey) Encrypts() bool { return k.aead != nil }

// EncryptCWT appends claims to dst as a CWT with a COSE_Encrypt0 under k, whose
// nonce it takes from random; nil is crypto/rand.
func EncryptCWT(dst []byte, claims *Claims, k *TokenKey, random io.Reader) ([]byte, error) {
	return nil, ErrKey
}

// SignCWT appends claims to dst as a CWT with a COSE_Sign1 under k. It refuses
// claims that hold a secret with ErrSecretInClear.
func SignCWT(dst []byte, claims *Claims, k *TokenKey, random io.Reader) ([]byte, error) {
	return nil, ErrKey
}

// OpenCWT verifies a token, decrypts it if it is encrypted, and decodes its
// claims. keys gives those that may have made it, for the kid of the token, which
// is nil if it has none; each is tried. An *Error has the code Unauthorized if the
// protection fails, and BadRequest if the claims are malformed (RFC 9200, Section
// 5.10.1.1). It is the caller who knows whether the issuer may issue for this RS.
func OpenCWT(token []byte, keys func(kid []byte) []*TokenKey) (*Claims, *TokenKey, error) {
	return nil, nil, ErrKey
}

var _ = rand.Reader
var _ = cborseq.Tag
