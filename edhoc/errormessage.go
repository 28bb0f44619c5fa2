package edhoc

import (
	"bytes"
	"errors"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// errorMessage is error (RFC 9528, Section 6):
//
//	error = ( ERR_CODE : int, ERR_INFO : any )
type errorMessage struct {
	code ErrCode
	info []byte // one item
}

// ErrorMessage gives the error message to send to the peer because of err, which
// a step returned. It is nil if nothing must be sent: after an error message of the
// peer, and for a state that was spent before, because error messages answer
// other messages only (RFC 9528, Section 6).
//
// The text says no more than that the message failed, unless it is message_1, of
// which everything is public.
func ErrorMessage(err error) []byte {
	var peer *PeerError
	//spec:9528-5.2.3-2
	//spec:9528-5.3.3-2
	//spec:9528-5.4.3-2
	//spec:9528-5.5.3-2
	//spec:9528-6.1-3
	if err == nil || errors.As(err, &peer) || errors.Is(err, ErrSpent) {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Code: CodeUnspecified} // our own fault
	}
	var m errorMessage
	switch m.code = e.Code; m.code {
	case CodeWrongCipherSuite:
		m.info = appendSuites(nil, e.SuitesR)
	case CodeUnknownCredential:
		//spec:9528-6.4-1
		m.info = cborseq.AppendBool(nil, true)
	default:
		//spec:9528-8-3
		//spec:9528-6.1-1
		//spec:9528-6.2-1
		m.code = CodeUnspecified
		text := "processing failed"
		if e.early {
			text = e.Reason
		}
		m.info = cborseq.AppendText(nil, text)
	}
	return m.append(nil)
}

// ParseError decodes an error message. A message that is none gives an [*Error],
// which is not to be answered.
func ParseError(msg []byte) (*PeerError, error) {
	m, err := parseErrorMessage(msg)
	if err != nil {
		return nil, err
	}
	e := &PeerError{Code: m.code, Info: m.info}
	s := cborseq.String(m.info)
	ok := true
	switch m.code {
	case CodeUnspecified:
		ok = s.ReadText(&e.Message)
	case CodeWrongCipherSuite:
		ok = readSuites(&s, &e.SuitesR)
	case CodeUnknownCredential:
		//spec:9528-6.4-1
		var yes bool
		ok = s.ReadBool(&yes) && yes
	default: // of another specification, or 0: ERR_INFO is not ours to judge
		s = nil
	}
	if !ok || !s.Empty() {
		return nil, malformed("6", "ERR_INFO")
	}
	return e, nil
}

// parseErrorMessage decodes an error message as far as every code has it.
func parseErrorMessage(b []byte) (*errorMessage, error) {
	var m errorMessage
	s := cborseq.String(bytes.Clone(b)) // m keeps parts of it
	var code int64
	switch {
	case !s.ReadInt(&code):
		return nil, malformed("6", "ERR_CODE")
	case !s.ReadRaw(&m.info) || !s.Empty():
		return nil, malformed("6", "ERR_INFO")
	}
	m.code = ErrCode(code)
	return &m, nil
}

//spec:9528-6-2
func (m *errorMessage) append(b []byte) []byte {
	b = cborseq.AppendInt(b, int64(m.code))
	return append(b, m.info...)
}

// isErrorMessage says whether parseErrorMessage takes b, without memory: good messages
// come this way, too.
func isErrorMessage(b []byte) bool {
	s := cborseq.String(b)
	var code int64
	return s.ReadInt(&code) && s.Skip() && s.Empty()
}

// peerError gives the error message that stands where another message was due,
// as *PeerError, or nil.
//
//spec:9528-6.1-2
func peerError(msg []byte) error {
	if !isErrorMessage(msg) {
		return nil
	}
	m, err := parseErrorMessage(msg)
	if err != nil {
		return nil
	}
	if e, err := ParseError(msg); err == nil {
		return e
	}
	return &PeerError{Code: m.code, Info: m.info}
}
