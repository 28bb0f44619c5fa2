package edhoccoap

import (
	"context"
	"net/netip"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
)

// exchange is how a CoAP client reaches an EDHOC resource.
type exchange struct {
	doer     coap.Doer
	resource string
	remote   netip.AddrPort
}

// do sends a payload: nothing, to start a session in the reverse message flow, or a
// message behind the identifier of the server.
func (x exchange) do(ctx context.Context, payload []byte) (*coap.Response, error) {
	path := x.resource
	if path == "" {
		path = Path
	}
	r := coap.NewRequest(coap.POST, path)
	r.RemoteAddr = x.remote
	if len(payload) > 0 {
		r.Options.AddUint(coap.ContentFormat, formatCIDEDHOC)
		r.Payload = payload
	}
	return x.doer.Do(ctx, r)
}

// post sends a message and gives the EDHOC message that answers it.
//
//spec:9528-A.2-1
//spec:9528-A.2-3
func (x exchange) post(ctx context.Context, payload []byte) ([]byte, error) {
	resp, err := x.do(ctx, payload)
	if err != nil {
		return nil, err
	}
	return messageIn(resp)
}

// last sends the last message of a handshake, which nothing answers.
func (x exchange) last(ctx context.Context, payload []byte) error {
	msg, err := x.post(ctx, payload)
	if err != nil {
		return err
	}
	if peer, no := edhoc.ParseError(msg); no == nil {
		return peer
	}
	return nil
}

// tell sends the error message for err, if there is one, and does not wait for more than
// its answer.
func (x exchange) tell(ctx context.Context, id edhoc.ConnID, err error) {
	if msg := edhoc.ErrorMessage(err); msg != nil {
		_, _ = x.do(ctx, append(id.AppendCBOR(nil), msg...))
	}
}

// messageIn gives the EDHOC message in a response, or the error in it. What is protected
// with OSCORE answers something else.
func messageIn(resp *coap.Response) ([]byte, error) {
	if resp.Options.Has(coap.OSCORE) {
		return nil, &AnswerError{Code: resp.Code}
	}
	if resp.Code == coap.Changed {
		return resp.Payload, nil
	}
	if f, ok := resp.Options.Uint(coap.ContentFormat); ok && f == formatEDHOC {
		if peer, err := edhoc.ParseError(resp.Payload); err == nil {
			return nil, peer
		}
	}
	return nil, &AnswerError{Code: resp.Code}
}
