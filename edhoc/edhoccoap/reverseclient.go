package edhoccoap

import (
	"context"
	"errors"
	"net/netip"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/idalloc"
)

// A ReverseClient runs handshakes as Responder, in the reverse message flow (RFC 9528,
// Appendix A.2.2), with the server that a coap.Doer reaches. Its fields are set before;
// it is safe for concurrent use.
type ReverseClient struct {
	// Doer sends whole requests to the server. Needed.
	Doer coap.Doer
	// Responder makes the handshakes. Needed.
	Responder *edhoc.Responder
	// Find is as in Config, for the Initiator. Needed.
	Find func(ctx context.Context, id edhoc.IDCred, ead []edhoc.EADItem) ([]*edhoc.Credential, error)
	// IDs gives C_R. Needed.
	IDs *idalloc.Allocator

	// AnyID is as in Config.
	AnyID bool
	// Message4 says that the application profile has message_4 sent.
	Message4 bool
	// Propose and Accept are as in Config: for EAD_2, and for EAD_4 after EAD_3 was seen.
	// They may be nil.
	Propose func(ctx context.Context, m *edhoc.VerifiedMessage1) ([]edhoc.EADItem, error)
	Accept  func(ctx context.Context, m *edhoc.VerifiedMessage3, ead3 []edhoc.EADItem) ([]edhoc.EADItem, error)

	// Resource is the path of the EDHOC resource; the default is Path.
	Resource string
	// RemoteAddr is the server's address, for a Doer that reaches many.
	RemoteAddr netip.AddrPort
}

// Establish runs a whole handshake, and another one if message_1 selects a cipher suite
// that is not supported. The identifier is the Recipient ID of the Session, and its owner
// releases it. Without message_4 the server knows that the handshake is complete by the
// first OSCORE request only. Errors are those of Client.Establish.
func (c *ReverseClient) Establish(ctx context.Context) (*edhoc.Session, *idalloc.Live, error) {
	for tries := 1; ; tries++ {
		session, live, err := c.establish(ctx)
		var e *edhoc.Error
		if !errors.As(err, &e) || e.Code != edhoc.CodeWrongCipherSuite || tries == maxTries {
			return session, live, err
		}
	}
}

func (c *ReverseClient) exchange() exchange { return exchange{c.Doer, c.Resource, c.RemoteAddr} }

func (c *ReverseClient) responder() *edhoc.Responder {
	if c.AnyID {
		return c.Responder
	}
	return c.Responder.ForOSCORE()
}

//spec:9528-A.2-5
func (c *ReverseClient) establish(ctx context.Context) (_ *edhoc.Session, _ *idalloc.Live, err error) {
	x := c.exchange()
	msg1, err := x.post(ctx, nil)
	if err != nil {
		return nil, nil, err
	}
	v1, err := c.responder().ProcessMessage1(msg1)
	if err != nil {
		var e *edhoc.Error
		if errors.As(err, &e) && e.CI != nil { // else the server cannot be told
			x.tell(ctx, *e.CI, err)
		}
		return nil, nil, err
	}
	defer v1.Discard() // unless it was used
	pending, err := c.IDs.Allocate(idalloc.Holder{Source: idalloc.SourceEDHOC, Ref: c.RemoteAddr.String()}, idalloc.ID(v1.CI))
	if err != nil {
		x.tell(ctx, v1.CI, err)
		return nil, nil, err
	}
	defer func() { _ = pending.Abort() }() // unless it was confirmed
	msg2, st, err := c.compose(ctx, v1, edhoc.ConnID(pending.ID()))
	if err != nil {
		x.tell(ctx, v1.CI, err)
		return nil, nil, err
	}
	defer st.Discard() // unless it was used
	msg3, err := x.post(ctx, append(v1.CI.AppendCBOR(nil), msg2...))
	if err != nil {
		return nil, nil, err
	}
	msg4, session, err := c.complete(ctx, st, msg3)
	if err != nil {
		x.tell(ctx, v1.CI, err)
		return nil, nil, err
	}
	if c.Message4 {
		if err := x.last(ctx, append(v1.CI.AppendCBOR(nil), msg4...)); err != nil {
			session.Erase()
			return nil, nil, err
		}
	}
	return own(session, pending)
}

//spec:9668-4.1.2-1
func (c *ReverseClient) compose(ctx context.Context, v1 *edhoc.VerifiedMessage1, cR edhoc.ConnID) (msg2 []byte, st *edhoc.AwaitMessage3, err error) {
	var ead2 []edhoc.EADItem
	if c.Propose != nil {
		if ead2, err = c.Propose(ctx, v1); err != nil {
			return nil, nil, err
		}
	}
	return v1.ComposeMessage2(cR, ead2...)
}

// complete processes message_3, and makes message_4 if it is used.
func (c *ReverseClient) complete(ctx context.Context, st *edhoc.AwaitMessage3, msg3 []byte) (msg4 []byte, session *edhoc.Session, err error) {
	r3, err := st.ProcessMessage3(msg3)
	if err != nil {
		return nil, nil, err
	}
	defer r3.Discard() // unless it was used
	candidates, err := c.Find(ctx, r3.IDCredI, r3.EAD3)
	if err != nil {
		return nil, nil, err
	}
	v3, err := r3.Verify(candidates...)
	if err != nil {
		return nil, nil, err
	}
	defer v3.Discard() // unless it was used
	var ead4 []edhoc.EADItem
	if c.Accept != nil {
		if ead4, err = c.Accept(ctx, v3, r3.EAD3); err != nil {
			return nil, nil, err
		}
	}
	if c.Message4 {
		return v3.ComposeMessage4(ead4...)
	}
	session, err = v3.WithoutMessage4()
	return nil, session, err
}
