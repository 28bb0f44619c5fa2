package edhoccoap

import (
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/oscorekeys"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
)

// Install returns a function for Config.Establish that puts an OSCORE association for
// the Session into the table of contexts. Its Subject is that of the peer's credential;
// configure, which may be nil, changes that and everything else but the Params. The
// identifier is released when the association is discarded. The Session is erased:
// its keys live on in the association.
func Install(contexts *oscore.Contexts, l oscorekeys.Lengths, configure func(s *edhoc.Session, c *oscore.Config)) func(*edhoc.Session, *idalloc.Live) error {
	return func(s *edhoc.Session, id *idalloc.Live) error {
		sec, err := associate(s, id, l, configure)
		if err != nil {
			return err
		}
		if err := contexts.Add(sec); err != nil {
			sec.Discard()
			return err
		}
		return nil
	}
}

func associate(s *edhoc.Session, id *idalloc.Live, l oscorekeys.Lengths, configure func(s *edhoc.Session, c *oscore.Config)) (*oscore.Association, error) {
	params, err := oscorekeys.Params(s, l)
	if err != nil {
		return nil, err
	}
	defer params.MasterSecret.Erase()
	c := oscore.Config{Subject: s.Peer.Subject()}
	if configure != nil {
		configure(s, &c)
	}
	c.Params = params
	told := c.OnReplaced
	c.OnReplaced = func(before, after *oscore.Context) {
		if told != nil {
			told(before, after)
		}
		if after == nil {
			_ = id.Release()
		}
	}
	sec, err := oscore.NewAssociation(c)
	if err != nil {
		return nil, err
	}
	s.Erase()
	return sec, nil
}
