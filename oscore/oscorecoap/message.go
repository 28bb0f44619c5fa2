package oscorecoap

import (
	"context"
	"sync"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
)

// messageOf is what OSCORE sees of a request or response; its options are
// appended to buf. It shares memory.
func messageOf(buf []oscore.Option, code coap.Code, options coap.Options, payload []byte) oscore.Message {
	for _, o := range options {
		buf = append(buf, oscore.Option{Number: uint16(o.ID), Value: o.Value})
	}
	return oscore.Message{Code: oscore.Code(code), Options: buf, Payload: payload}
}

func optionsOf(buf coap.Options, m oscore.Message) coap.Options {
	for _, o := range m.Options {
		buf = append(buf, coap.Option{ID: coap.OptionID(o.Number), Value: o.Value})
	}
	return buf
}

// responseOf is a message as a response to send or to hand over.
func responseOf(m oscore.Message) *coap.Response {
	return &coap.Response{Code: coap.Code(m.Code), Options: optionsOf(nil, m), Payload: m.Payload}
}

// memory is what a request needs while its handler runs, and what is used
// again for another one afterwards.
type memory struct {
	scratch   oscore.Scratch
	gate      gate
	in, out   []oscore.Option
	request   coap.Request // the inner one
	response  coap.Response
	responder *responder // nil if the last one is still in use
	contexts  []requestContext
}

var memories = sync.Pool{New: func() any { return new(memory) }}

// context returns a context that was not used before: a handler may keep that of
// its request, and with it the grant. They are made several at a time.
func (m *memory) context(parent context.Context) *requestContext {
	if len(m.contexts) == 0 {
		m.contexts = make([]requestContext, contextsAtOnce)
	}
	c := &m.contexts[0]
	m.contexts = m.contexts[1:]
	c.Context = parent
	return c
}

// contextsAtOnce is how many contexts one that is kept keeps from being collected.
const contextsAtOnce = 16

// grantKey is the key of a grant in a request's context.
type grantKey struct{}

// requestContext is the context of a request, with its grant once there is
// one.
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
