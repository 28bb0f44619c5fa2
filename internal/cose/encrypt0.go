package cose

import (
	"crypto/cipher"
	"sync"

	"github.com/ostiary/ostiary/internal/cborseq"
)

const tagEncrypt0 = 16 // RFC 9052, Table 1

// EncryptionKey is a key for one AEAD algorithm. It is safe for concurrent use as
// long as nobody changes BaseIV.
type EncryptionKey struct {
	// BaseIV is the Context IV that a Partial IV is added to (RFC 9052, Section
	// 3.1), of the algorithm's nonce size. Without it a message with a Partial IV
	// is refused.
	BaseIV []byte

	algorithm Algorithm
	aead      cipher.AEAD
}

// NewEncryptionKey binds key, of alg.KeySize() bytes, to the AEAD algorithm alg. It
// keeps no reference to key.
func NewEncryptionKey(alg Algorithm, key []byte) (*EncryptionKey, error) {
	aead, err := alg.NewAEAD(key)
	if err != nil {
		return nil, err
	}
	return &EncryptionKey{algorithm: alg, aead: aead}, nil
}

// Algorithm is the algorithm of the key.
func (k *EncryptionKey) Algorithm() Algorithm { return k.algorithm }

// AppendEncrypt0 encrypts plaintext and appends a COSE_Encrypt0 (RFC 9052, Section
// 5.2) to dst, with tag 16 if tagged. h gives the nonce, as an IV or a Partial IV
// in either bucket; using one twice under a key gives the key away. alg may be left
// out of h, and is put into the protected bucket then.
//
// dst must not overlap the inputs. An error is about h or the size of plaintext.
func (k *EncryptionKey) AppendEncrypt0(dst []byte, h Headers, plaintext, externalAAD []byte, tagged bool) ([]byte, error) {
	if err := h.checkSender(k.algorithm); err != nil {
		return nil, err
	}
	if len(plaintext) > k.algorithm.MaxPlaintext() {
		return nil, fault(ErrMalformed, "Section 5.3", "plaintext too long for "+k.algorithm.String())
	}
	w := workspaces.Get().(*workspace)
	defer workspaces.Put(w)
	nonce, err := k.nonce(w, &h)
	if err != nil {
		return nil, err
	}
	dst, protected := h.appendHead(dst, tagEncrypt0, tagged, 1)
	w.aad = AppendEncStructure(w.aad[:0], "Encrypt0", protected, externalAAD)
	dst = cborseq.AppendBytesHead(dst, len(plaintext)+k.aead.Overhead())
	return k.aead.Seal(dst, nonce, plaintext, w.aad), nil
}

// Encrypt0 is a COSE_Encrypt0 as it was received. The headers are not
// authenticated before Open has succeeded, the unprotected ones not even then. It
// is safe for concurrent use as long as nobody changes the headers.
type Encrypt0 struct {
	Headers

	protected  []byte
	ciphertext []byte
}

// ParseEncrypt0 decodes one COSE_Encrypt0, which is all of b. It refuses detached
// ciphertext, a label in both buckets, and a crit that lists anything but the
// fields of Header and the labels in understood, which the caller promises to
// process. The message may share memory with b.
func ParseEncrypt0(b []byte, tagging Tagging, understood ...Label) (*Encrypt0, error) {
	e, err := parseEnvelope(b, tagEncrypt0, tagging, 1, understood)
	if err != nil {
		return nil, err
	}
	return &Encrypt0{Headers: e.Headers, protected: e.protected, ciphertext: e.rest[0]}, nil
}

// Open verifies and decrypts the message under k and appends the plaintext to dst,
// which must not overlap the message. It refuses a message whose alg is not k's;
// one without alg is taken to be meant for k's. On failure it returns nil and
// leaves no plaintext behind.
func (m *Encrypt0) Open(dst []byte, k *EncryptionKey, externalAAD []byte) ([]byte, error) {
	if err := m.checkAlgorithm(k.algorithm); err != nil {
		return nil, err
	}
	w := workspaces.Get().(*workspace)
	defer workspaces.Put(w)
	nonce, err := k.nonce(w, &m.Headers)
	if err != nil {
		return nil, err
	}
	w.aad = AppendEncStructure(w.aad[:0], "Encrypt0", m.protected, externalAAD)
	dst, err = k.aead.Open(dst, nonce, m.ciphertext, w.aad)
	if err != nil {
		return nil, fault(ErrVerify, "Section 5.3", k.algorithm.String())
	}
	return dst, nil
}

// nonce gives the nonce of a message: its IV, or its Partial IV added to the Base
// IV (RFC 9052, Section 3.1).
func (k *EncryptionKey) nonce(w *workspace, h *Headers) ([]byte, error) {
	nonce := w.nonce[:k.aead.NonceSize()]
	if iv := h.iv(); iv != nil {
		if len(iv) != len(nonce) {
			return nil, fault(ErrNonce, "Section 3.1", "IV of the wrong size")
		}
		copy(nonce, iv)
		return nonce, nil
	}
	partial := h.partialIV()
	switch {
	case partial == nil:
		return nil, fault(ErrNonce, "Section 3.1", "neither IV nor Partial IV")
	case len(partial) > len(nonce):
		return nil, fault(ErrNonce, "Section 3.1", "Partial IV too long")
	case len(k.BaseIV) != len(nonce):
		return nil, fault(ErrNonce, "Section 3.1", "Partial IV, but the key has no Base IV of the nonce size")
	}
	copy(nonce, k.BaseIV)
	tail := nonce[len(nonce)-len(partial):]
	for i, c := range partial {
		tail[i] ^= c
	}
	return nonce, nil
}

// workspace is what an AEAD, being an interface, would move to the heap.
type workspace struct {
	nonce [16]byte
	aad   []byte
}

var workspaces = sync.Pool{New: func() any { return new(workspace) }}
