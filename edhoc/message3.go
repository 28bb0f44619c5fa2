package edhoc

import (
	"bytes"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// message3 is message_3 (RFC 9528, Section 5.4.1):
//
//	message_3 = ( CIPHERTEXT_3 : bstr )
type message3 struct{ ciphertext3 []byte }

func parseMessage3(b []byte) (*message3, error) {
	s := cborseq.String(bytes.Clone(b)) // m keeps parts of it
	var m message3
	if !s.ReadBytes(&m.ciphertext3) || !s.Empty() {
		return nil, malformed("5.4.1", "message_3")
	}
	return &m, nil
}

//spec:9528-5.4.1-1
func (m *message3) append(b []byte) []byte { return cborseq.AppendBytes(b, m.ciphertext3) }

// plaintext3 is PLAINTEXT_3 (RFC 9528, Section 5.4.2):
//
//	PLAINTEXT_3 = ( ID_CRED_I / bstr / -24..23, Signature_or_MAC_3 : bstr,
//	                ? EAD_3 )
type plaintext3 struct {
	idCredI IDCred
	proof3  []byte // Signature_or_MAC_3
	ead3    []EADItem
}

func parsePlaintext3(b []byte) (*plaintext3, error) {
	var m plaintext3
	s := cborseq.String(bytes.Clone(b)) // m keeps parts of it
	switch {
	case !readIDCred(&s, &m.idCredI):
		return nil, malformed("5.4.2", "ID_CRED_I")
	case !s.ReadBytes(&m.proof3):
		return nil, malformed("5.4.2", "Signature_or_MAC_3")
	case !readEAD(&s, &m.ead3):
		return nil, malformed("5.4.2", "EAD_3")
	}
	return &m, nil
}

func (m *plaintext3) append(b []byte) []byte {
	b = m.idCredI.append(b)
	b = cborseq.AppendBytes(b, m.proof3)
	return appendEAD(b, m.ead3)
}
