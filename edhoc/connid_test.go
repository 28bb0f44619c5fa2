package edhoc

import (
	"errors"
	"testing"
)

// For OSCORE, an identifier has at most 6 bytes less than the nonces of the application
// AEAD algorithm, also after Retry; EDHOC alone takes any.
//
//spec:9528-3.3.1-1
func TestForOSCORE(t *testing.T) {
	p := pair(t, StaticDHStaticDH, 0, func(i, r *Config) { i.Suites, r.Suites = []SuiteID{4, 0}, []SuiteID{0} })
	retried, err := p.i.ForOSCORE().Retry(&PeerError{Code: CodeWrongCipherSuite, SuitesR: []SuiteID{0}})
	must(t, err)
	for _, c := range []struct {
		i      *Initiator
		longer ConnID
	}{{p.i.ForOSCORE(), "1234567"}, {retried, "12345678"}} {
		if _, _, err := c.i.ComposeMessage1(c.longer[1:]); err != nil {
			t.Errorf("C_I of %d bytes in suite %v: %v", len(c.longer)-1, c.i.Suite(), err)
		}
		if _, _, err := c.i.ComposeMessage1(c.longer); !errors.Is(err, ErrConfig) {
			t.Errorf("C_I of %d bytes in suite %v: %v", len(c.longer), c.i.Suite(), err)
		}
	}
	p = pair(t, StaticDHStaticDH, 0)
	for _, oscore := range []bool{false, true} {
		r := p.r
		if oscore {
			r = r.ForOSCORE()
		}
		msg1, _, err := p.i.ComposeMessage1("123456789")
		must(t, err)
		var refused *Error
		switch _, err := r.ProcessMessage1(msg1); {
		case !oscore && err != nil:
			t.Errorf("C_I of 9 bytes: %v", err)
		case oscore && (!errors.As(err, &refused) || refused.Section != "3.3.1" || refused.CI == nil):
			t.Errorf("C_I of 9 bytes for OSCORE: %v", err)
		}
		msg1, _, err = p.i.ComposeMessage1("\x01")
		must(t, err)
		v1, err := r.ProcessMessage1(msg1)
		must(t, err)
		if _, _, err := v1.ComposeMessage2("12345678"); errors.Is(err, ErrConfig) != oscore {
			t.Errorf("C_R of 8 bytes: %v", err)
		}
	}
}
