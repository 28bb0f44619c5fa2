package edhoc

import (
	"io"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/secret"
)

// statement is what Signature_or_MAC_2 or Signature_or_MAC_3 speaks about.
type statement struct {
	label  int64 // of the MAC
	suite  *cipherSuite
	static bool
	cR     []byte // as in the message; in message_2 only
	idCred IDCred
	th     []byte // TH_2 or TH_3
	cred   *Credential
	ead    []byte // the whole field as sent
}

// mac is MAC_2 or MAC_3.
func (s *statement) mac(key prk) secret.Bytes {
	return key.kdf(s.label, s.context(), s.suite.macLength(s.static))
}

// context is context_2 = << C_R, ID_CRED_R, TH_2, CRED_R, ? EAD_2 >> (RFC 9528,
// Section 5.3.2), or context_3, the same without C_R (Section 5.4.2).
func (s *statement) context() []byte {
	b := make([]byte, 0, len(s.cR)+len(s.idCred.header)+len(s.th)+len(s.cred.cred)+len(s.ead)+8)
	b = append(b, s.cR...)
	b = append(b, s.idCred.header...)
	return append(b, s.externalAAD()...)
}

// externalAAD is << TH_2, CRED_R, ? EAD_2 >> or its like for message_3.
func (s *statement) externalAAD() []byte {
	b := make([]byte, 0, len(s.th)+len(s.cred.cred)+len(s.ead)+8)
	b = cborseq.AppendBytes(b, s.th)
	b = append(b, s.cred.cred...)
	return append(b, s.ead...)
}

// prove gives Signature_or_MAC.
//
//spec:9528-5.3.2-1
//spec:9528-5.4.2-1
func (s *statement) prove(key prk, private *PrivateKey, rand io.Reader) ([]byte, error) {
	mac := s.mac(key)
	if s.static {
		return mac, nil
	}
	return private.sign(rand, sigStructure(s.idCred.header, s.externalAAD(), mac))
}

// check verifies Signature_or_MAC.
func (s *statement) check(key prk, proof []byte) bool {
	mac := s.mac(key)
	if s.static {
		return mac.Equal(proof)
	}
	return s.cred.key.check(sigStructure(s.idCred.header, s.externalAAD(), mac), proof)
}

// transcript is H( TH, PLAINTEXT, CRED ): TH_3 and TH_4 (RFC 9528, Sections 5.4.2).
func transcript(h hashAlg, th, plaintext, cred []byte) []byte {
	b := make([]byte, 0, len(th)+len(plaintext)+len(cred)+3)
	b = cborseq.AppendBytes(b, th)
	b = append(b, plaintext...)
	return h.sum(append(b, cred...))
}

// transcript2 is TH_2 = H( G_Y, H(message_1) ) (RFC 9528, Section 5.3.2).
func transcript2(h hashAlg, gY, hash1 []byte) []byte {
	b := cborseq.AppendBytes(make([]byte, 0, len(gY)+len(hash1)+6), gY)
	return h.sum(cborseq.AppendBytes(b, hash1))
}
