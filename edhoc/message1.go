package edhoc

import (
	"bytes"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// message1 is message_1 (RFC 9528, Section 5.2.1):
//
//	message_1 = ( METHOD : int, SUITES_I : suites, G_X : bstr,
//	              C_I : bstr / -24..23, ? EAD_1 )
type message1 struct {
	method    Method
	preferred []SuiteID // SUITES_I before its last, by falling preference
	selected  SuiteID   // the last of SUITES_I
	gX        []byte
	cI        ConnID
	ead1      []EADItem
}

// parseMessage1 decodes a message_1. It accepts one encoding of each message,
// so that a message it accepts re-encodes to the same bytes.
func parseMessage1(b []byte) (*message1, error) {
	var m message1
	s := cborseq.String(bytes.Clone(b)) // m keeps parts of it
	switch {
	case !readMethod(&s, &m.method):
		return nil, malformed("5.2.1", "METHOD")
	case !readSuitesI(&s, &m.preferred, &m.selected):
		return nil, malformed("5.2.1", "SUITES_I")
	case !s.ReadBytes(&m.gX):
		return nil, malformed("5.2.1", "G_X")
	case !readConnID(&s, &m.cI):
		return nil, malformed("5.2.1", "C_I")
	case !readEAD(&s, &m.ead1):
		return nil, malformed("5.2.1", "EAD_1")
	}
	return &m, nil
}

//spec:9528-5.2.1-1
func (m *message1) append(b []byte) []byte {
	b = cborseq.AppendInt(b, int64(m.method))
	b = appendSuites(b, append(m.preferred[:len(m.preferred):len(m.preferred)], m.selected))
	b = cborseq.AppendBytes(b, m.gX)
	b = m.cI.AppendCBOR(b)
	return appendEAD(b, m.ead1)
}

func readMethod(s *cborseq.String, out *Method) bool {
	var v int64
	if !s.ReadInt(&v) {
		return false
	}
	*out = Method(v)
	return true
}

func readSuitesI(s *cborseq.String, preferred *[]SuiteID, selected *SuiteID) bool {
	var ids []SuiteID
	if !readSuites(s, &ids) {
		return false
	}
	last := len(ids) - 1
	*preferred, *selected = ids[:last], ids[last]
	return true
}
