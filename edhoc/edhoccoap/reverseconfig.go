package edhoccoap

import (
	"context"
	"io"
	"net/netip"
	"time"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/idalloc"
)

// ReverseConfig configures a ReverseServer. It is copied. An error of its functions ends
// the handshake: the peer did it if it is an *edhoc.Error, we did if it is another.
type ReverseConfig struct {
	// Initiator makes the handshakes. Where the endpoint answers handshakes, too, its
	// Responder has the same Identities, so that each knows its own credential when that
	// comes back (RFC 9528, Section 9.2). Needed.
	Initiator *edhoc.Initiator
	// Find is as in Config, for the Responder. Needed.
	Find func(ctx context.Context, id edhoc.IDCred, ead []edhoc.EADItem) ([]*edhoc.Credential, error)
	// IDs gives C_I. Needed.
	IDs *idalloc.Allocator
	// Establish is given the completed Session, with the identifier that it owns from then
	// on, before the peer is answered; see Install. Without message_4 the Session is not
	// Confirmed: the peer is authenticated, but may never get message_3; nothing of the
	// Session is to be stored before a message has been verified with it. After an error
	// the identifier rests. Needed.
	Establish func(s *edhoc.Session, id *idalloc.Live) error

	// AnyID is as in Config.
	AnyID bool
	// Message4 says that the application profile has message_4 sent, by the client.
	Message4 bool
	// Propose is asked for EAD_1, which goes in clear to a peer that has said nothing, but
	// has shown its address. It may be nil.
	Propose func(ctx context.Context, remote netip.AddrPort) ([]edhoc.EADItem, error)
	// Accept is asked after message_2 was verified, with its EAD_2: whether the peer is
	// wanted, and for EAD_3. It may be nil.
	Accept func(ctx context.Context, m *edhoc.VerifiedMessage2, ead2 []edhoc.EADItem) ([]edhoc.EADItem, error)
	// Accept4 is given EAD_4. It may be nil.
	Accept4 func(ctx context.Context, ead4 []edhoc.EADItem) error

	// These are as in Config; a handshake waits for message_2 or message_4.
	MaxPending, MaxPeer, EchoAbove int
	Lifetime                       time.Duration
	Now                            func() time.Time
	Rand                           io.Reader
	Observer                       Observer
}
