package acecoap

import (
	"context"

	"github.com/ostiary/ostiary/ace/client"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
)

// Doer returns s as a coap.Doer, which transfers long bodies in blocks inside
// OSCORE (RFC 8613, Section 4.1.3.4.1). A request's RemoteAddr is not used: it
// goes to the resource server of the session. The errors are those of
// client.Session.Do.
func Doer(s *client.Session, cfg coap.BlockwiseConfig) coap.Doer {
	return coap.BlockwiseClient(sessionDoer{s}, cfg)
}

type sessionDoer struct{ session *client.Session }

func (d sessionDoer) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	m, err := d.session.Do(ctx, messageOf(r.Code, r.Options, r.Payload))
	if err != nil {
		return nil, err
	}
	return responseOf(m), nil
}

// messageOf, requestOf and responseOf share memory with what they convert.
func messageOf(code coap.Code, options coap.Options, payload []byte) oscore.Message {
	m := oscore.Message{Code: oscore.Code(code), Payload: payload}
	for _, o := range options {
		m.Options = append(m.Options, oscore.Option{Number: uint16(o.ID), Value: o.Value})
	}
	return m
}

func requestOf(m oscore.Message) *coap.Request {
	return &coap.Request{Code: coap.Code(m.Code), Options: optionsOf(m), Payload: m.Payload}
}

func responseOf(m oscore.Message) *coap.Response {
	return &coap.Response{Code: coap.Code(m.Code), Options: optionsOf(m), Payload: m.Payload}
}

func optionsOf(m oscore.Message) coap.Options {
	options := make(coap.Options, len(m.Options))
	for i, o := range m.Options {
		options[i] = coap.Option{ID: coap.OptionID(o.Number), Value: o.Value}
	}
	return options
}
