package oscore

// Protected is an OSCORE message: a CoAP message with the OSCORE option (Section
// 2). Only this package makes one that is not zero, and a zero Protected does not
// become a message: nothing that should be protected goes out in clear.
//
// A Protected is a value to be used soon: it refers to the memory of the Message it
// was parsed from, or of the Scratch it was made with.
type Protected struct {
	code    Code
	options []Option // the outer ones, OSCORE among them
	payload []byte   // the ciphertext
	header  header
	scratch *Scratch
	gate    Gate // nil admits everything
}

// ParseProtected decodes the OSCORE option of a received message (Section 6.1). It
// returns ErrUnprotected if there is none, and else an [*Error] with code 4.02 if
// the option or the message is malformed. Outer block-wise transfer comes before
// (Section 4.1.3.4.2). The Protected refers to m; what is verified of it does not.
//
// An unprotected answer to a protected request may come from anybody: a client takes it
// for no more than a hint, whatever it says (Appendix D.5.3), and goes on waiting.
//
//spec:8613-4.1.3.6-4
//spec:8613-D.5.3-1
func ParseProtected(m Message) (p Protected, err error) {
	if err := p.parse(&m); err != nil {
		return Protected{}, err
	}
	return p, nil
}

// parse decodes m into p, which is zero.
func (p *Protected) parse(m *Message) error {
	found := false
	var last uint16
	for i := range m.Options {
		o := &m.Options[i]
		if o.Number < last {
			return errDecode
		}
		last = o.Number
		if o.Number != optionOSCORE {
			continue
		}
		if found || !p.header.parse(o.Value) {
			return errDecode
		}
		found = true
	}
	if !found {
		return ErrUnprotected
	}
	//spec:8613-2-2
	if len(m.Payload) == 0 {
		return errDecode
	}
	p.code, p.options, p.payload = m.Code, m.Options, m.Payload
	return nil
}

// Message returns the CoAP message to send. It returns ErrUnprotected for a zero
// Protected.
func (p Protected) Message() (Message, error) {
	if len(p.payload) == 0 {
		return Message{}, ErrUnprotected
	}
	return Message{Code: p.code, Options: p.options, Payload: p.payload}, nil
}

// KID returns the 'kid' parameter, and whether there is one (Section 5).
func (p Protected) KID() ([]byte, bool) { return p.header.kid, p.header.hasKID }

// KIDContext returns the 'kid context' parameter, and whether there is one (Section
// 5.1).
func (p Protected) KIDContext() ([]byte, bool) {
	return p.header.kidContext, p.header.hasKIDContext
}

// PartialIV returns the 'Partial IV' parameter, and whether there is one (Section
// 5).
func (p Protected) PartialIV() (uint64, bool) { return p.header.piv.number(), p.header.piv.n != 0 }

// request reports whether p can be a request: then it has a kid and a Partial IV.
//
//spec:8613-5-3
//spec:8613-5-4
func (p *Protected) request() error {
	switch {
	case len(p.payload) == 0:
		return ErrUnprotected
	case !p.header.hasKID, p.header.piv.n == 0:
		return errDecode
	}
	return nil
}
