package edhoc

import (
	"bytes"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// message2 is message_2 (RFC 9528, Section 5.3.1):
//
//	message_2 = ( G_Y_CIPHERTEXT_2 : bstr )
type message2 struct {
	gY          []byte
	ciphertext2 []byte
}

// parseMessage2 decodes a message_2 whose G_Y has n bytes.
func parseMessage2(b []byte, n int) (*message2, error) {
	s := cborseq.String(bytes.Clone(b)) // m keeps parts of it
	var both []byte
	if !s.ReadBytes(&both) || !s.Empty() || len(both) <= n {
		return nil, malformed("5.3.1", "message_2")
	}
	return &message2{gY: both[:n:n], ciphertext2: both[n:]}, nil
}

//spec:9528-5.3.1-1
func (m *message2) append(b []byte) []byte {
	return cborseq.AppendBytes(b, append(bytes.Clone(m.gY), m.ciphertext2...))
}

// plaintext2 is PLAINTEXT_2 (RFC 9528, Section 5.3.2):
//
//	PLAINTEXT_2 = ( C_R, ID_CRED_R / bstr / -24..23,
//	                Signature_or_MAC_2 : bstr, ? EAD_2 )
type plaintext2 struct {
	cR      ConnID
	idCredR IDCred
	proof2  []byte // Signature_or_MAC_2
	ead2    []EADItem
}

func parsePlaintext2(b []byte) (*plaintext2, error) {
	var m plaintext2
	s := cborseq.String(bytes.Clone(b)) // m keeps parts of it
	switch {
	case !readConnID(&s, &m.cR):
		return nil, malformed("5.3.2", "C_R")
	case !readIDCred(&s, &m.idCredR):
		return nil, malformed("5.3.2", "ID_CRED_R")
	case !s.ReadBytes(&m.proof2):
		return nil, malformed("5.3.2", "Signature_or_MAC_2")
	case !readEAD(&s, &m.ead2):
		return nil, malformed("5.3.2", "EAD_2")
	}
	return &m, nil
}

func (m *plaintext2) append(b []byte) []byte {
	b = m.cR.AppendCBOR(b)
	b = m.idCredR.append(b)
	b = cborseq.AppendBytes(b, m.proof2)
	return appendEAD(b, m.ead2)
}
