package edhocservice

import (
	"fmt"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
)

// serve makes the EDHOC resource, of one message flow or of both.
func (s *Service) serve(own edhoc.Config) error {
	responder, err := edhoc.NewResponder(own)
	if err != nil {
		return err
	}
	observer := edhoccoap.Observer{Completed: s.completed, Failed: s.failed}
	s.server, err = edhoccoap.NewServer(edhoccoap.Config{
		Responder: responder, Find: s.sessions.find, IDs: s.cfg.IDs, Establish: s.establish,
		Message4Optional: true, // there are clients that wait for it after a message_3 alone
		Observer:         observer,
	})
	if err != nil {
		return err
	}
	s.resource = s.server
	if !s.cfg.Profile.Reverse {
		return nil
	}
	initiator, err := newInitiator(own)
	if err != nil {
		return err
	}
	// With message_4 a client has shown that it has the keys before anything is kept for it.
	s.reverse, err = edhoccoap.NewReverseServer(edhoccoap.ReverseConfig{
		Initiator: initiator, Find: s.sessions.find, IDs: s.cfg.IDs, Establish: s.establish,
		Message4: true, Observer: observer,
	})
	if err != nil {
		return err
	}
	s.resource, err = edhoccoap.Both(s.server, s.reverse)
	return err
}

// newInitiator makes an Initiator of the first method that the keys allow, with the
// suites that they fit.
func newInitiator(own edhoc.Config) (*edhoc.Initiator, error) {
	var last error
	for _, method := range own.Methods {
		c := own
		c.Methods, c.Suites = []edhoc.Method{method}, nil
		for _, suite := range own.Suites {
			one := c
			one.Suites = []edhoc.SuiteID{suite}
			if _, last = edhoc.NewInitiator(one); last == nil {
				c.Suites = append(c.Suites, suite)
			}
		}
		if len(c.Suites) > 0 {
			return edhoc.NewInitiator(c)
		}
	}
	return nil, fmt.Errorf("reverse message flow: %w", last)
}
