package loadcoap

import (
	"net/netip"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// protector is both ends of an OSCORE association, made anew for each turn.
type protector struct {
	payload int
	client  *oscore.Association
}

func newProtector(payload int) *protector { return &protector{payload: payload} }

func (p *protector) start() (netip.AddrPort, func(), error) {
	params := oscore.Params{MasterSecret: secret.Bytes("0123456789abcdef"), MasterSalt: []byte("saltsalt"), SenderID: []byte{1}, RecipientID: []byte{2}}
	server, err := oscore.NewAssociation(oscore.Config{Params: params, Subject: "load"})
	if err != nil {
		return netip.AddrPort{}, nil, err
	}
	params.SenderID, params.RecipientID = params.RecipientID, params.SenderID
	if p.client, err = oscore.NewAssociation(oscore.Config{Params: params}); err != nil {
		return netip.AddrPort{}, nil, err
	}
	contexts := new(oscore.Contexts)
	if err := contexts.Add(server); err != nil {
		return netip.AddrPort{}, nil, err
	}
	m := new(coap.Mux)
	m.Handle("/echo", echo)
	h := oscorecoap.Handler(contexts, m, m, oscorecoap.Config{
		Authorize: func(*oscore.Association, *coap.Request) (any, error) { return nil, nil },
	})
	e, err := coap.Listen("udp4", "127.0.0.1:0", coap.Config{Handler: h, Understands: []coap.OptionID{coap.OSCORE}})
	if err != nil {
		return netip.AddrPort{}, nil, err
	}
	return e.LocalAddr(), func() { _ = e.Close() }, nil
}

// requests protects n requests for /echo.
func (p *protector) requests(n int) ([][]byte, error) {
	requests := make([][]byte, n)
	m := oscore.Message{Code: 2, Options: []oscore.Option{{Number: 11, Value: []byte("echo")}}, Payload: make([]byte, p.payload)}
	for i := range requests {
		out, _, err := p.client.ProtectRequest(m)
		if err != nil {
			return nil, err
		}
		outer, err := out.Message()
		if err != nil {
			return nil, err
		}
		v := outer.Options[0].Value // the OSCORE option, of at most 12 bytes
		requests[i] = encode(uint32(i), byte(outer.Code), [][2][]byte{{{0x90 | byte(len(v))}, v}}, outer.Payload)
	}
	return requests, nil
}
