package oscorecoap

import (
	"context"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
)

// messageOf is what OSCORE sees of a request or response. It shares memory.
func messageOf(code coap.Code, options coap.Options, payload []byte) oscore.Message {
	m := oscore.Message{Code: oscore.Code(code), Payload: payload}
	if len(options) > 0 {
		m.Options = make([]oscore.Option, len(options))
		for i, o := range options {
			m.Options[i] = oscore.Option{Number: uint16(o.ID), Value: o.Value}
		}
	}
	return m
}

func optionsOf(m oscore.Message) coap.Options {
	options := make(coap.Options, len(m.Options), len(m.Options)+1)
	for i, o := range m.Options {
		options[i] = coap.Option{ID: coap.OptionID(o.Number), Value: o.Value}
	}
	return options
}

// responseOf is a message as a response to send or to hand over.
func responseOf(m oscore.Message) *coap.Response {
	return &coap.Response{Code: coap.Code(m.Code), Options: optionsOf(m), Payload: m.Payload}
}

// decrypted is the request that came inside of r.
func decrypted(m oscore.Message, sec *oscore.Association, r *coap.Request) *coap.Request {
	return &coap.Request{
		Code: coap.Code(m.Code), Options: optionsOf(m), Payload: m.Payload,
		RemoteAddr: r.RemoteAddr, LocalAddr: r.LocalAddr,
		Identity:       sec,
		NonConfirmable: r.NonConfirmable, Multicast: r.Multicast,
	}
}

// grantKey is the key of a grant in a request's context.
type grantKey struct{}

// requestContext is a context with the grant of its request.
type requestContext struct {
	context.Context //nolint:containedctx // it is a context
	grant           any
}

// Value returns the grant, or what the context around has.
func (c *requestContext) Value(key any) any {
	if key == (grantKey{}) {
		return c.grant
	}
	return c.Context.Value(key)
}

// Grant returns what Config.Authorize has granted to the request whose context
// is ctx, and nil if that is no request from inside OSCORE.
func Grant(ctx context.Context) any { return ctx.Value(grantKey{}) }
