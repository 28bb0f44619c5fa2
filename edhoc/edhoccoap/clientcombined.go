package edhoccoap

import (
	"context"
	"errors"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/idalloc"
)

// ErrTooLarge says that message_3 does not fit into one message together with the OSCORE
// request. Nothing was sent: the sequential flow is left (RFC 9668, Section 3.2.2).
var ErrTooLarge = errors.New("edhoccoap: combined request is too large")

// maxUnfragmented is MAX_UNFRAGMENTED_SIZE (RFC 8613, Section 4.1.3.4.2).
const maxUnfragmented = 1024

// Combine gives the Session at once, and a Doer that sends message_3 along with the first
// OSCORE request that it is given (RFC 9668, Section 3.2). The Doer goes under an
// oscorecoap.Client whose association is made from the Session; next is what reaches the
// server. A failure of the handshake shows as an oscorecoap.UnprotectedError there; see
// Refused. Where message_4 is used there is no combined request.
func (h *Handshake) Combine(next coap.Doer) (*edhoc.Session, *idalloc.Live, *CombinedDoer, error) {
	if h.client.Message4 {
		h.Discard()
		return nil, nil, nil, ErrConfig
	}
	session, live, err := h.session()
	if err != nil {
		h.Discard()
		return nil, nil, nil, err
	}
	return session, live, &CombinedDoer{next: next, handshake: h, first: make(chan struct{}, 1)}, nil
}

// A CombinedDoer sends message_3 along with the first request, and again with the next if
// no answer came or the server was too busy. It is safe for concurrent use; requests wait
// for the first one to be sent and answered.
type CombinedDoer struct {
	next      coap.Doer
	handshake *Handshake

	first chan struct{} // holds one while somebody sends the first request or looks at done
	done  bool
}

// lock waits for the first request to be sent and answered.
func (d *CombinedDoer) lock(ctx context.Context) error {
	select {
	case d.first <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *CombinedDoer) unlock() { <-d.first }

// Do implements coap.Doer.
//
//spec:9668-3.2.2-1
func (d *CombinedDoer) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	if err := d.lock(ctx); err != nil {
		return nil, err
	}
	if d.done {
		d.unlock()
		return d.next.Do(ctx, r)
	}
	defer d.unlock()
	if !r.Options.Has(coap.OSCORE) {
		return nil, ErrConfig
	}
	//spec:9668-3.2.2-2
	//spec:9668-3.2.2-3
	if len(d.handshake.msg3)+len(r.Payload) > maxUnfragmented {
		return nil, ErrTooLarge
	}
	both := r.Clone().WithContext(ctx)
	both.Payload = append(append([]byte(nil), d.handshake.msg3...), r.Payload...)
	//spec:9668-3.1-1
	//spec:9668-3.1-2
	both.Options.Set(coap.EDHOC, nil)
	resp, err := d.next.Do(ctx, both)
	if err == nil && resp.Code != coap.ServiceUnavailable {
		d.done = true // a server that is too busy has not seen message_3
	}
	return resp, err
}

// Observe implements coap.Observer, where next does, after the first request.
func (d *CombinedDoer) Observe(ctx context.Context, r *coap.Request, notify func(*coap.Response)) error {
	if err := d.lock(ctx); err != nil {
		return err
	}
	done := d.done
	d.unlock()
	o, ok := d.next.(coap.Observer)
	if !done || !ok {
		return ErrConfig
	}
	return o.Observe(ctx, r, notify)
}

// Sequential sends message_3 alone, after ErrTooLarge. The requests after it go as they
// are.
func (d *CombinedDoer) Sequential(ctx context.Context) error {
	if err := d.lock(ctx); err != nil {
		return err
	}
	defer d.unlock()
	if d.done {
		return nil
	}
	h := d.handshake
	if err := h.client.exchange().last(ctx, append(h.cR.AppendCBOR(nil), h.msg3...)); err != nil {
		return err
	}
	d.done = true
	return nil
}

// Refused gives the EDHOC error message in an unprotected response to a combined
// request, or nil. Like everything unprotected it may come from anybody.
func Refused(resp *coap.Response) error {
	_, err := messageIn(resp)
	var peer *edhoc.PeerError
	if errors.As(err, &peer) {
		return peer
	}
	return nil
}
