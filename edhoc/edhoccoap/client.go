package edhoccoap

import (
	"context"
	"errors"
	"net/netip"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/idalloc"
)

// A Client runs handshakes as Initiator with the server that a coap.Doer reaches. Its
// fields are set before; it is safe for concurrent use.
type Client struct {
	// Doer sends whole requests to the server. Needed.
	Doer coap.Doer
	// Initiator makes the handshakes. Needed.
	Initiator *edhoc.Initiator
	// Find is as in Config, for the Responder. Needed.
	Find func(ctx context.Context, id edhoc.IDCred, ead []edhoc.EADItem) ([]*edhoc.Credential, error)
	// IDs gives C_I. Needed.
	IDs *idalloc.Allocator

	// AnyID is as in Config.
	AnyID bool
	// Message4 and Message4Optional are as in Config: with either, message_4 is due in
	// answer to message_3, and with the latter there are combined requests without it.
	Message4, Message4Optional bool
	// EAD1 goes into message_1, in clear.
	EAD1 []edhoc.EADItem
	// Accept is asked after message_2 was verified, with its EAD_2: whether the peer is
	// wanted, and for EAD_3. It may be nil.
	Accept func(ctx context.Context, m *edhoc.VerifiedMessage2, ead2 []edhoc.EADItem) ([]edhoc.EADItem, error)
	// Accept4 is given EAD_4. It may be nil.
	Accept4 func(ctx context.Context, ead4 []edhoc.EADItem) error

	// Resource is the path of the EDHOC resource; the default is Path.
	Resource string
	// RemoteAddr is the server's address, for a Doer that reaches many.
	RemoteAddr netip.AddrPort
}

// A Handshake is one in which the server has been authenticated, and message_3 is ready
// but not sent. One of Finish, Combine and Discard ends it.
type Handshake struct {
	client  *Client
	sent    *edhoc.SentMessage3
	pending *idalloc.Pending
	cR      edhoc.ConnID
	msg3    []byte
}

// Establish runs a whole handshake, in the sequential flow. The identifier is the
// Recipient ID of the Session, and its owner releases it. A Session that is not Confirmed
// is not to be stored yet. Errors: *edhoc.Error, *edhoc.PeerError, *AnswerError, and
// those of the Doer and of the functions of the Client.
func (c *Client) Establish(ctx context.Context) (*edhoc.Session, *idalloc.Live, error) {
	h, err := c.Begin(ctx)
	if err != nil {
		return nil, nil, err
	}
	return h.Finish(ctx)
}

// Begin sends message_1, and again if the server asks for another cipher suite, and
// verifies message_2.
func (c *Client) Begin(ctx context.Context) (*Handshake, error) {
	initiator := c.Initiator
	if !c.AnyID {
		initiator = initiator.ForOSCORE()
	}
	for tries := 1; ; tries++ {
		h, err := c.begin(ctx, initiator)
		var peer *edhoc.PeerError
		if !errors.As(err, &peer) || peer.Code != edhoc.CodeWrongCipherSuite {
			return h, err
		}
		next, no := initiator.Retry(peer)
		if no != nil || tries == maxTries {
			return nil, err
		}
		initiator = next
	}
}

// maxTries is how many cipher suites are tried with a server: an honest one needs two.
const maxTries = 3

//spec:9668-4.1-1
//spec:9668-4.1.1-1
func (c *Client) begin(ctx context.Context, initiator *edhoc.Initiator) (h *Handshake, err error) {
	pending, err := c.IDs.Allocate(idalloc.Holder{Source: idalloc.SourceEDHOC, Ref: c.RemoteAddr.String()})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = pending.Abort()
		}
	}()
	msg1, state, err := initiator.ComposeMessage1(edhoc.ConnID(pending.ID()), c.EAD1...)
	if err != nil {
		return nil, err
	}
	defer state.Discard() // unless it was used
	msg2, err := c.post(ctx, append([]byte{newSession}, msg1...))
	if err != nil {
		return nil, err
	}
	v2, ead2, err := c.verify(ctx, state, msg2)
	if err != nil {
		return nil, err
	}
	defer v2.Discard() // unless it was used
	var ead3 []edhoc.EADItem
	if c.Accept != nil {
		if ead3, err = c.Accept(ctx, v2, ead2); err != nil {
			c.tell(ctx, v2.CR, err)
			return nil, err
		}
	}
	msg3, sent, err := v2.ComposeMessage3(ead3...)
	if err != nil {
		return nil, err
	}
	return &Handshake{client: c, sent: sent, pending: pending, cR: v2.CR, msg3: msg3}, nil
}

// verify processes message_2, and tells the server if it fails.
func (c *Client) verify(ctx context.Context, state *edhoc.AwaitMessage2, msg2 []byte) (*edhoc.VerifiedMessage2, []edhoc.EADItem, error) {
	r2, err := state.ProcessMessage2(msg2)
	if err != nil {
		var e *edhoc.Error
		if errors.As(err, &e) && e.CR != nil { // else the server cannot be told
			c.tell(ctx, *e.CR, err)
		}
		return nil, nil, err
	}
	defer r2.Discard() // unless it was used
	candidates, err := c.Find(ctx, r2.IDCredR, r2.EAD2)
	if err != nil {
		c.tell(ctx, r2.CR, err)
		return nil, nil, err
	}
	v2, err := r2.Verify(candidates...)
	if err != nil {
		c.tell(ctx, r2.CR, err)
	}
	return v2, r2.EAD2, err
}

// tell sends the error message for err, if there is one, and does not wait for more than
// its answer.
func (c *Client) tell(ctx context.Context, cR edhoc.ConnID, err error) {
	c.exchange().tell(ctx, cR, err)
}

func (c *Client) post(ctx context.Context, payload []byte) ([]byte, error) {
	return c.exchange().post(ctx, payload)
}

func (c *Client) exchange() exchange { return exchange{c.Doer, c.Resource, c.RemoteAddr} }

// Discard ends the handshake. The server finds out by itself.
func (h *Handshake) Discard() {
	h.sent.Discard()
	_ = h.pending.Abort()
}

// Finish sends message_3, and processes message_4 if it is used.
func (h *Handshake) Finish(ctx context.Context) (*edhoc.Session, *idalloc.Live, error) {
	defer h.Discard() // unless all was used
	x, msg3 := h.client.exchange(), append(h.cR.AppendCBOR(nil), h.msg3...)
	if !h.client.Message4 && !h.client.Message4Optional {
		if err := x.last(ctx, msg3); err != nil {
			return nil, nil, err
		}
		return h.session()
	}
	msg4, err := x.post(ctx, msg3)
	if err != nil {
		return nil, nil, err
	}
	session, ead4, err := h.sent.ProcessMessage4(msg4)
	if err == nil && h.client.Accept4 != nil {
		err = h.client.Accept4(ctx, ead4)
	}
	if err != nil {
		h.client.tell(ctx, h.cR, err)
		if session != nil {
			session.Erase()
		}
		return nil, nil, err
	}
	return own(session, h.pending)
}

func (h *Handshake) session() (*edhoc.Session, *idalloc.Live, error) {
	session, err := h.sent.WithoutMessage4()
	if err != nil {
		return nil, nil, err
	}
	return own(session, h.pending)
}

// own gives a Session with its identifier.
func own(session *edhoc.Session, pending *idalloc.Pending) (*edhoc.Session, *idalloc.Live, error) {
	live, err := pending.Confirm()
	if err != nil {
		session.Erase()
		return nil, nil, err
	}
	return session, live, nil
}
