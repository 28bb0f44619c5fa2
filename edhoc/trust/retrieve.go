package trust

import (
	"context"

	"github.com/ostiary/ostiary/edhoc"
)

// A newcomer is a credential that is not stored.
type newcomer struct {
	cred     *edhoc.Credential
	unsigned bool // nobody vouches for what it says
	level    Level
}

// retrieve gets and validates the credential that id brings along or that a URI in
// it names.
func (s *Store) retrieve(ctx context.Context, id edhoc.IDCred) (newcomer, error) {
	switch {
	case id.KCCS != nil:
		c, err := edhoc.ParseCCS(id.KCCS)
		return newcomer{cred: c, unsigned: true}, blame(err)
	case id.KCWT != nil && s.cfg.CWT != nil:
		c, err := s.cfg.CWT(id.KCWT)
		return newcomer{cred: c}, blame(err)
	case id.X5Chain != nil && s.cfg.X509 != nil:
		return s.x509(id.X5Chain)
	case id.C5C != nil && s.cfg.C509 != nil:
		return s.c509(id.C5C)
	case id.X5U != "" && s.cfg.Fetch != nil && s.cfg.X509 != nil:
		chain, err := s.cfg.Fetch(ctx, id.X5U)
		if err != nil {
			return newcomer{}, err
		}
		return s.x509(chain)
	case id.C5U != "" && s.cfg.Fetch != nil && s.cfg.C509 != nil:
		chain, err := s.cfg.Fetch(ctx, id.C5U)
		if err != nil {
			return newcomer{}, err
		}
		return s.c509(chain)
	}
	return newcomer{}, refuse("credential is not stored and cannot be retrieved")
}

func (s *Store) x509(chain [][]byte) (newcomer, error) {
	opts := *s.cfg.X509
	opts.CurrentTime = s.cfg.Now()
	c, err := edhoc.VerifyX509(chain, opts)
	return newcomer{cred: c}, blame(err)
}

func (s *Store) c509(chain [][]byte) (newcomer, error) {
	c, err := s.cfg.C509(chain, s.cfg.Now())
	return newcomer{cred: c}, blame(err)
}

// blame makes an error the peer's: its credential is no good.
func blame(err error) error {
	if err == nil {
		return nil
	}
	return &edhoc.Error{Code: edhoc.CodeUnspecified, Section: "3.5", Reason: "credential does not validate", Err: err}
}
