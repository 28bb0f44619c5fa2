package oscorecoap_test

import (
	"testing"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// discard is a transport that has no use for a response.
type discard struct{ n int }

func (d *discard) Respond(resp *coap.Response) error { d.n += len(resp.Payload); return nil }

// BenchmarkPipeline is a protected request of 30 bytes from the transport to
// its handler and back: verify, authorize, dispatch, protect, and the answer
// kept for retransmissions.
func BenchmarkPipeline(b *testing.B) {
	client := oscore.Config{Params: oscore.Params{
		MasterSecret: []byte("0123456789abcdef"), SenderID: []byte{1}, RecipientID: []byte{2},
	}, Limits: oscore.Limits{Protected: 1 << 40}}
	server := client
	server.SenderID, server.RecipientID = client.RecipientID, client.SenderID
	sender, err := oscore.NewAssociation(client)
	if err != nil {
		b.Fatal(err)
	}
	receiver, err := oscore.NewAssociation(server)
	if err != nil {
		b.Fatal(err)
	}
	var contexts oscore.Contexts
	if err := contexts.Add(receiver); err != nil {
		b.Fatal(err)
	}
	payload := make([]byte, 30)
	h := oscorecoap.Handler(&contexts, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		resp := r.NewResponse(coap.Content)
		resp.Payload = payload
		_ = w.Respond(resp)
	}), nil, oscorecoap.Config{})

	in := coap.NewRequest(coap.PUT, "/x")
	in.Payload = payload
	m := message(in.Code, in.Options, in.Payload)
	const batch = 1024
	requests := make([]*coap.Request, batch)
	w := new(discard)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%batch == 0 {
			b.StopTimer()
			for j := range requests {
				p, _, err := sender.ProtectRequest(m)
				if err != nil {
					b.Fatal(err)
				}
				outer, err := p.Message()
				if err != nil {
					b.Fatal(err)
				}
				r := &coap.Request{Code: coap.Code(outer.Code), Payload: outer.Payload, RemoteAddr: addrA}
				for _, o := range outer.Options {
					r.Options.Add(coap.OptionID(o.Number), o.Value)
				}
				requests[j] = r
			}
			b.StartTimer()
		}
		h.ServeCOAP(w, requests[i%batch])
	}
	if w.n == 0 {
		b.Fatal("nothing was answered")
	}
}
