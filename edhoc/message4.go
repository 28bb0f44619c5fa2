package edhoc

import (
	"bytes"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// message4 is message_4 (RFC 9528, Section 5.5.1):
//
//	message_4 = ( CIPHERTEXT_4 : bstr )
type message4 struct{ ciphertext4 []byte }

func parseMessage4(b []byte) (*message4, error) {
	s := cborseq.String(bytes.Clone(b)) // m keeps parts of it
	var m message4
	if !s.ReadBytes(&m.ciphertext4) || !s.Empty() {
		return nil, malformed("5.5.1", "message_4")
	}
	return &m, nil
}

//spec:9528-5.5.1-1
func (m *message4) append(b []byte) []byte { return cborseq.AppendBytes(b, m.ciphertext4) }

// parsePlaintext4 decodes PLAINTEXT_4 = ( ? EAD_4 ) (RFC 9528, Section 5.5.2).
func parsePlaintext4(b []byte) ([]EADItem, error) {
	s := cborseq.String(bytes.Clone(b)) // the items keep parts of it
	var ead4 []EADItem
	if !readEAD(&s, &ead4) {
		return nil, malformed("5.5.2", "EAD_4")
	}
	return ead4, nil
}
