package cose

import (
	"crypto/hmac"
	"crypto/subtle"
	"fmt"
	"hash"
	"sync"

	"github.com/ostiary/ostiary/internal/cborseq"
)

const tagMac0 = 17 // RFC 9052, Table 1

// MACKey is a key for one HMAC algorithm. It is safe for concurrent use.
type MACKey struct {
	algorithm Algorithm
	hmacs     sync.Pool // of *hmacState, under the key
}

type hmacState struct {
	hash   hash.Hash
	tbm    []byte // ToBeMaced
	digest []byte
}

// NewMACKey binds a copy of key to the HMAC algorithm alg. A key of fewer than
// alg.KeySize() bytes, the size of the hash, is refused.
func NewMACKey(alg Algorithm, key []byte) (*MACKey, error) {
	//spec:9053-3.1-6
	if !alg.IsHMAC() {
		return nil, fmt.Errorf("cose: not an HMAC algorithm: %v", alg)
	}
	if len(key) < alg.KeySize() {
		return nil, fmt.Errorf("cose: key of %d bytes for %v", len(key), alg)
	}
	key = append([]byte(nil), key...)
	k := &MACKey{algorithm: alg}
	k.hmacs.New = func() any { return &hmacState{hash: hmac.New(alg.Hash().New, key)} }
	return k, nil
}

// Algorithm is the algorithm of the key.
func (k *MACKey) Algorithm() Algorithm { return k.algorithm }

// AppendMac0 appends a COSE_Mac0 (RFC 9052, Section 6.2) that holds payload to
// dst, with tag 17 if tagged. alg may be left out of h, and is put into the
// protected bucket then. dst must not overlap the inputs. An error is about h.
func (k *MACKey) AppendMac0(dst []byte, h Headers, payload, externalAAD []byte, tagged bool) ([]byte, error) {
	if err := h.checkSender(k.algorithm); err != nil {
		return nil, err
	}
	dst, protected := h.appendHead(dst, tagMac0, tagged, 2)
	s := k.hmacs.Get().(*hmacState)
	tag := k.mac(s, protected, externalAAD, payload)
	dst = cborseq.AppendBytes(dst, payload)
	dst = cborseq.AppendBytes(dst, tag)
	k.hmacs.Put(s)
	return dst, nil
}

// Mac0 is a COSE_Mac0 as it was received. The headers are not authenticated before
// Verify has succeeded, the unprotected ones not even then. It is safe for
// concurrent use as long as nobody changes the headers.
type Mac0 struct {
	Headers

	protected []byte
	payload   []byte
	tag       []byte
}

// ParseMac0 decodes one COSE_Mac0, which is all of b, under the same rules as
// ParseEncrypt0. The message may share memory with b.
func ParseMac0(b []byte, tagging Tagging, understood ...Label) (*Mac0, error) {
	e, err := parseEnvelope(b, tagMac0, tagging, 2, understood)
	if err != nil {
		return nil, err
	}
	return &Mac0{Headers: e.Headers, protected: e.protected, payload: e.rest[0], tag: e.rest[1]}, nil
}

// Verify checks the MAC under k and returns the payload, which shares memory with
// the message. It refuses a message whose alg is not k's; one without alg is taken
// to be meant for k's.
func (m *Mac0) Verify(k *MACKey, externalAAD []byte) ([]byte, error) {
	if err := m.checkAlgorithm(k.algorithm); err != nil {
		return nil, err
	}
	s := k.hmacs.Get().(*hmacState)
	defer k.hmacs.Put(s)
	if subtle.ConstantTimeCompare(k.mac(s, m.protected, externalAAD, m.payload), m.tag) != 1 {
		return nil, fault(ErrVerify, "Section 6.3", k.algorithm.String())
	}
	return m.payload, nil
}

// mac computes a MAC (RFC 9052, Section 6.3), which lies in s. HMAC 256/64 is the
// left part of the hash (RFC 9053, Section 3.1).
func (k *MACKey) mac(s *hmacState, protected, externalAAD, payload []byte) []byte {
	s.tbm = AppendMACStructure(s.tbm[:0], "MAC0", protected, externalAAD, payload)
	s.hash.Reset()
	s.hash.Write(s.tbm)
	clear(s.tbm)
	s.digest = s.hash.Sum(s.digest[:0])
	return s.digest[:k.algorithm.TagSize()]
}
