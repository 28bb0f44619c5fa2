package loadcoap

import (
	"net/netip"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// protector is both ends of an OSCORE association for each peer, made anew for
// each turn.
type protector struct {
	payload, peers int
	clients        []*oscore.Association
}

func newProtector(payload, peers int) *protector { return &protector{payload: payload, peers: peers} }

// associate makes both ends of the association with a peer.
func associate(peer int) (client, server *oscore.Association, err error) {
	params := oscore.Params{
		MasterSecret: append(secret.Bytes("0123456789abcde"), byte(peer)), MasterSalt: []byte("saltsalt"),
		SenderID: []byte{0xff}, RecipientID: []byte{byte(peer)},
	}
	if server, err = oscore.NewAssociation(oscore.Config{Params: params, Subject: "load"}); err != nil {
		return nil, nil, err
	}
	params.SenderID, params.RecipientID = params.RecipientID, params.SenderID
	client, err = oscore.NewAssociation(oscore.Config{Params: params})
	return client, server, err
}

func (p *protector) start() (netip.AddrPort, func(), error) {
	contexts := new(oscore.Contexts)
	p.clients = nil
	for i := range p.peers {
		client, server, err := associate(i)
		if err == nil {
			err = contexts.Add(server)
		}
		if err != nil {
			return netip.AddrPort{}, nil, err
		}
		p.clients = append(p.clients, client)
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

// requests protects n requests for /echo, for one peer after the other.
func (p *protector) requests(n int) ([][]byte, error) {
	requests := make([][]byte, n)
	m := oscore.Message{Code: 2, Options: []oscore.Option{{Number: 11, Value: []byte("echo")}}, Payload: make([]byte, p.payload)}
	for i := range requests {
		out, _, err := p.clients[min(i/(n/p.peers), p.peers-1)].ProtectRequest(m)
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
