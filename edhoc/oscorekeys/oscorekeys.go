// Package oscorekeys makes the input parameters of an OSCORE security context out
// of an EDHOC session (RFC 9528, Appendix A.1).
package oscorekeys

import (
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/oscore"
)

// ErrUnsuitable says that a Session or a length cannot give an OSCORE context: its
// identifiers are too long for the nonces of the application AEAD algorithm, or its
// application hash has no HKDF algorithm in COSE, as SHAKE256 of cipher suite 25.
var ErrUnsuitable = errors.New("oscorekeys: no OSCORE context for this session")

// The EDHOC exporter labels (RFC 9528, Section 10.1).
const (
	labelMasterSecret = 0
	labelMasterSalt   = 1
)

const (
	defaultSalt = 8 // bytes
	// NoSalt as the Salt of Lengths gives the empty Master Salt.
	NoSalt = -1
)

// Lengths are what both sides may have agreed on otherwise, in bytes. The zero value
// is the default.
type Lengths struct {
	Secret int // of the Master Secret: the key length of the application AEAD, or more
	Salt   int // of the Master Salt: 0 stands for 8
}

// Params derives the input parameters for our side of a Session. Each Session has
// one context at a time: after a KeyUpdate it gives another.
//
// The RecipientID is the identifier that we chose, which must not be in use by another
// context: it comes from the one allocator. A Session of an Initiator that is not
// Confirmed gives a context that is not to be stored before a message has been
// verified with it (RFC 9528, Section 5.4.2). The caller erases the Master Secret.
//
//spec:9528-A.1-5
func Params(s *edhoc.Session, l Lengths) (oscore.Params, error) {
	suite := s.Algorithms()
	//spec:9528-A.1-2
	//spec:9528-A.1-3
	p := oscore.Params{AEAD: suite.AppAEAD, HKDF: hkdf(suite.AppHash)}
	//spec:9528-A.1-4
	p.SenderID, p.RecipientID = []byte(s.CR), []byte(s.CI)
	if !s.Initiator {
		p.SenderID, p.RecipientID = p.RecipientID, p.SenderID
	}
	if l.Secret == 0 {
		l.Secret = p.AEAD.KeySize()
	}
	switch l.Salt {
	case 0:
		l.Salt = defaultSalt
	case NoSalt:
		l.Salt = 0
	}
	switch longest := p.AEAD.NonceSize() - 6; {
	case p.HKDF == 0:
		return oscore.Params{}, fmt.Errorf("%w: HKDF over %v", ErrUnsuitable, suite.AppHash)
	case len(s.CI) > longest || len(s.CR) > longest:
		return oscore.Params{}, fmt.Errorf("%w: identifier longer than %d bytes", ErrUnsuitable, longest)
	case l.Secret < p.AEAD.KeySize() || l.Salt < 0:
		return oscore.Params{}, fmt.Errorf("%w: lengths %d and %d", ErrUnsuitable, l.Secret, l.Salt)
	}
	var err error
	//spec:9528-A.1-1
	if p.MasterSecret, err = s.Export(labelMasterSecret, nil, l.Secret); err != nil {
		return oscore.Params{}, err
	}
	if p.MasterSalt, err = s.Export(labelMasterSalt, nil, l.Salt); err != nil {
		p.MasterSecret.Erase()
		return oscore.Params{}, err
	}
	return p, nil
}

// hkdf is the HKDF algorithm over a hash, by the number of its HMAC; 0 if COSE has none.
func hkdf(hash cose.Algorithm) cose.Algorithm {
	switch hash {
	case cose.SHA256:
		return cose.HMAC256_256
	case cose.SHA384:
		return cose.HMAC384_384
	case cose.SHA512:
		return cose.HMAC512_512
	}
	return 0
}
