package edhoc

import (
	"fmt"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
)

// SuiteID is the number of a cipher suite (RFC 9528, Section 10.2). A Suite for
// private use has one of -24..-21.
type SuiteID int64

// A Suite is what a cipher suite consists of (RFC 9528, Section 3.6). The
// algorithms are those of the COSE registry.
type Suite struct {
	AEAD      cose.Algorithm // EDHOC AEAD algorithm
	Hash      cose.Algorithm // EDHOC hash algorithm
	MACLength int            // EDHOC MAC length of static DH, bytes
	Curve     Curve          // EDHOC key exchange algorithm
	Signature cose.Algorithm // EDHOC signature algorithm
	AppAEAD   cose.Algorithm // application AEAD algorithm
	AppHash   cose.Algorithm // application hash algorithm
}

// suites are the cipher suites of RFC 9528, Table 6.
//
//spec:9528-8-5
var suites = map[SuiteID]Suite{
	0:  {cose.AES_CCM_16_64_128, cose.SHA256, 8, X25519, cose.EdDSA, cose.AES_CCM_16_64_128, cose.SHA256},
	1:  {cose.AES_CCM_16_128_128, cose.SHA256, 16, X25519, cose.EdDSA, cose.AES_CCM_16_64_128, cose.SHA256},
	2:  {cose.AES_CCM_16_64_128, cose.SHA256, 8, P256, cose.ES256, cose.AES_CCM_16_64_128, cose.SHA256},
	3:  {cose.AES_CCM_16_128_128, cose.SHA256, 16, P256, cose.ES256, cose.AES_CCM_16_64_128, cose.SHA256},
	4:  {cose.ChaCha20Poly1305, cose.SHA256, 16, X25519, cose.EdDSA, cose.ChaCha20Poly1305, cose.SHA256},
	5:  {cose.ChaCha20Poly1305, cose.SHA256, 16, P256, cose.ES256, cose.ChaCha20Poly1305, cose.SHA256},
	6:  {cose.A128GCM, cose.SHA256, 16, X25519, cose.ES256, cose.A128GCM, cose.SHA256},
	24: {cose.A256GCM, cose.SHA384, 16, P384, cose.ES384, cose.A256GCM, cose.SHA384},
	25: {cose.ChaCha20Poly1305, cose.SHAKE256, 16, X448, cose.EdDSA, cose.ChaCha20Poly1305, cose.SHAKE256},
}

// cipherSuite is a Suite that has been checked, with its algorithms at hand.
type cipherSuite struct {
	Suite
	id    SuiteID
	hash  hashAlg
	group group
	sign  []Curve // of the signature keys that fit, by falling preference
}

func newSuite(id SuiteID, s Suite) (*cipherSuite, error) {
	c := &cipherSuite{Suite: s, id: id, hash: hashes[s.Hash], group: groups[s.Curve], sign: signatureCurves[s.Signature]}
	switch {
	//spec:9528-9.3-1
	//spec:9528-9.3-2
	case c.hash == nil: // every hash of the table has at least 256 bits
		return nil, misuse("suite %d: hash algorithm %d", id, s.Hash)
	//spec:9528-3.6-1
	//spec:9528-9.3-3
	case s.MACLength < 8 || s.MACLength > c.hash.size():
		return nil, misuse("suite %d: MAC length %d", id, s.MACLength)
	//spec:9528-9.3-4
	case !s.AEAD.IsAEAD() || s.AEAD.TagSize() < 8:
		return nil, misuse("suite %d: AEAD algorithm %d", id, s.AEAD)
	case c.group == nil:
		return nil, misuse("suite %d: curve %d", id, s.Curve)
	case c.sign == nil:
		return nil, misuse("suite %d: signature algorithm %d", id, s.Signature)
	}
	return c, nil
}

// fits says whether a key on curve serves for authentication in the suite.
func (c *cipherSuite) fits(curve Curve, static bool) bool {
	if static {
		return curve == c.Curve
	}
	for _, k := range c.sign {
		if k == curve {
			return true
		}
	}
	return false
}

// macLength is the length of MAC_2 or MAC_3 (RFC 9528, Sections 5.3.2, 5.4.2).
func (c *cipherSuite) macLength(static bool) int {
	if static {
		return c.MACLength
	}
	return c.hash.size()
}

// proofLength says whether n can be the length of a Signature_or_MAC field.
//
//spec:9528-9.8-7
func (c *cipherSuite) proofLength(n int, static bool) bool {
	if static {
		return n == c.MACLength
	}
	for _, k := range c.sign {
		if n == signatureSize[k] {
			return true
		}
	}
	return false
}

// appendSuites appends suites = [ 2* int ] / int (RFC 9528, Section 5.2.1).
func appendSuites(dst []byte, ids []SuiteID) []byte {
	if len(ids) != 1 {
		dst = cborseq.AppendArray(dst, len(ids))
	}
	for _, id := range ids {
		dst = cborseq.AppendInt(dst, int64(id))
	}
	return dst
}

func readSuites(s *cborseq.String, out *[]SuiteID) bool {
	n := 1
	if m, ok := s.PeekMajor(); ok && m == cborseq.Array {
		if !s.ReadArray(&n) || n < 2 {
			return false
		}
	}
	ids := make([]SuiteID, 0, min(n, 16))
	for range n {
		var id int64
		if !s.ReadInt(&id) {
			return false
		}
		ids = append(ids, SuiteID(id))
	}
	*out = ids
	return true
}

// String gives the number.
func (id SuiteID) String() string { return fmt.Sprintf("%d", int64(id)) }
