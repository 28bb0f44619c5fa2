package edhoccoap

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/idalloc"
)

// maxLifetime is EXCHANGE_LIFETIME (RFC 7252, Section 4.8.2): how long a handshake and
// its messages are kept at most (RFC 9528, Section 7).
const maxLifetime = 247 * time.Second

// ErrConfig says that a field that is needed is missing.
var ErrConfig = errors.New("edhoccoap: incomplete configuration")

// Config configures a Server. It is copied. An error of its functions ends the
// handshake: the peer did it if it is an *edhoc.Error, we did if it is another.
type Config struct {
	// Responder makes the handshakes. Needed.
	Responder *edhoc.Responder
	// Find gives the credentials that a claimed identity may mean and that are trusted;
	// none refuses it. It may look into ead, which is not authenticated, for one that
	// vouches. It may wait. Needed.
	Find func(ctx context.Context, id edhoc.IDCred, ead []edhoc.EADItem) ([]*edhoc.Credential, error)
	// IDs gives C_R. Needed.
	IDs *idalloc.Allocator
	// Establish is given the completed Session, with the identifier that it owns from then
	// on, before the peer is answered; see Install. After an error the identifier rests.
	// Needed.
	Establish func(s *edhoc.Session, id *idalloc.Live) error

	// AnyID says that the Sessions are not for OSCORE. Without it, an identifier of the
	// peer that is too long for a Sender ID ends the handshake, and first of all.
	AnyID bool
	// Message4 says that the application profile has message_4 sent. Combined requests
	// fail then.
	Message4 bool
	// Message4Optional says that the application profile supports message_4 (RFC 9668,
	// Section 5): a message_3 that comes alone is answered with it, a combined request
	// does without. Message4 is stronger.
	Message4Optional bool
	// Propose is asked for EAD_2 after message_1, of which nothing is authenticated. It
	// may be nil.
	Propose func(ctx context.Context, m *edhoc.VerifiedMessage1) ([]edhoc.EADItem, error)
	// Accept is asked after message_3 was verified, with its EAD_3: whether the peer is
	// wanted, and for EAD_4, which goes nowhere without message_4. It may be nil.
	Accept func(ctx context.Context, m *edhoc.VerifiedMessage3, ead3 []edhoc.EADItem) ([]edhoc.EADItem, error)

	// MaxPending bounds the handshakes that wait for message_3, MaxPeer those of one IP
	// address; all addresses of one IPv6 prefix of 64 bits may have a quarter of
	// MaxPending. The defaults are 1024 and 64.
	MaxPending, MaxPeer int
	// EchoAbove is the number of waiting handshakes beyond which a peer has to show its
	// address before anything is computed for it (RFC 9528, Section 9.7). The default is a
	// quarter of MaxPending; negative is never.
	EchoAbove int
	// Lifetime is how long a handshake is kept; the default and the most is 247 s.
	Lifetime time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Rand makes the key of the Echo values; nil is crypto/rand.Reader.
	Rand io.Reader
	// Observer is told what happens.
	Observer Observer
}

// An Observer is told of events, for metrics and logs. Its functions may be nil; they
// are called from many goroutines and must not block.
type Observer struct {
	// Completed reports a Session.
	Completed func(remote netip.AddrPort, s *edhoc.Session)
	// Failed reports a handshake that ended: err is an *edhoc.Error, an *edhoc.PeerError
	// or an error of our side.
	Failed func(remote netip.AddrPort, err error)
	// Challenged reports a peer that has to show its address.
	Challenged func(remote netip.AddrPort)
}

// limits are what bounds the handshakes of a resource.
type limits struct {
	maxPending, maxPeer, echoAbove int
	lifetime                       time.Duration
	now                            func() time.Time
}

func (l limits) withDefaults() limits {
	if l.maxPending <= 0 {
		l.maxPending = 1024
	}
	if l.maxPeer <= 0 {
		l.maxPeer = 64
	}
	if l.echoAbove == 0 {
		l.echoAbove = max(1, l.maxPending/4)
	}
	if l.echoAbove < 0 {
		l.echoAbove = l.maxPending
	}
	//spec:9528-7-4
	if l.lifetime <= 0 || l.lifetime > maxLifetime {
		l.lifetime = maxLifetime
	}
	if l.now == nil {
		l.now = time.Now
	}
	return l
}

func (o Observer) completed(remote netip.AddrPort, s *edhoc.Session) {
	if o.Completed != nil {
		o.Completed(remote, s)
	}
}

func (o Observer) failed(remote netip.AddrPort, err error) {
	if o.Failed != nil {
		o.Failed(remote, err)
	}
}

func (o Observer) challenged(remote netip.AddrPort) {
	if o.Challenged != nil {
		o.Challenged(remote)
	}
}
