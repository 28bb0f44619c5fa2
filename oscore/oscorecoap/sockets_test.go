package oscorecoap_test

import (
	"bytes"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// TestManyReaders: an endpoint with several sockets, and a reader for each, takes
// every request for what it is: the same datagram from many ports at the same time is
// executed once, and has one answer.
func TestManyReaders(t *testing.T) {
	const clients, ports, requests = 3, 6, 60
	oracle := once(t)
	pool := coap.NewPool(coap.PoolConfig{Workers: 8, Queue: 1 << 10, PerPeer: 1 << 10})
	var executed sync.Map
	answer := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		if _, before := executed.LoadOrStore(string(r.Payload), true); before {
			t.Errorf("%s was executed twice", r.Payload)
		}
		_ = w.Respond(&coap.Response{Code: coap.Content, Payload: r.Payload})
	})
	var mux coap.Mux
	mux.Handle("/now", answer)
	mux.Handle("/later", pool.Handler(answer))
	var contexts oscore.Contexts
	e, err := coap.Listen("udp4", "127.0.0.1:0", coap.Config{
		Handler: oscorecoap.Handler(&contexts, &mux, nil, oscorecoap.Config{}), Sockets: 4, Understands: []coap.OptionID{coap.OSCORE},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	defer func() { _ = e.Close() }()
	var work sync.WaitGroup
	for i := range clients {
		params := oscore.Params{MasterSecret: []byte{byte(i), 15: 1}, SenderID: []byte{byte(i)}, RecipientID: []byte{0xff}}
		swapped := params
		swapped.SenderID, swapped.RecipientID = params.RecipientID, params.SenderID
		if err := contexts.Add(associate(t, oscore.Config{Params: swapped, DangerNewAEAD: oracle})); err != nil {
			t.Fatal(err)
		}
		p := &pair{client: associate(t, oscore.Config{Params: params, DangerNewAEAD: oracle})}
		var sockets []*net.UDPConn
		for range ports {
			sockets = append(sockets, openUDP(t, e.LocalAddr()))
		}
		work.Go(func() {
			for j := range requests {
				askFromEverywhere(t, p, sockets, []string{"/now", "/later"}[j%2], fmt.Sprintf("client %d, request %d", i, j), uint16(j))
			}
		})
	}
	work.Wait()
}

// askFromEverywhere sends a request from several sockets at once.
func askFromEverywhere(t *testing.T, p *pair, sockets []*net.UDPConn, path, what string, mid uint16) {
	in := coap.NewRequest(coap.POST, path)
	in.Payload = []byte(what)
	r, x := p.protect(t, in)
	option, _ := r.Options.Get(coap.OSCORE)
	datagram := append([]byte{0x54, byte(coap.POST), byte(mid >> 8), byte(mid), 't', 'o', 'k', 'n', 0x90 | byte(len(option))}, option...)
	datagram = append(append(datagram, 0xff), r.Payload...)
	var all sync.WaitGroup
	for _, s := range sockets {
		all.Go(func() {
			if _, err := s.Write(datagram); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	var first []byte
	for _, s := range sockets {
		got := readUDP(t, s)[4:] // without the Message ID
		if first == nil {
			first = got
		}
		if !bytes.Equal(got, first) {
			t.Errorf("%s: got %x, want %x", what, got, first)
		}
	}
	// The token; an empty OSCORE option, and the payload.
	if len(first) < 6 || string(first[:4]) != "tokn" || first[4] != 0x90 || first[5] != 0xff {
		t.Errorf("%s: got %x", what, first)
		return
	}
	m := unprotect(t, x, &coap.Response{Code: coap.Changed, Options: coap.Options{{ID: coap.OSCORE}}, Payload: first[6:]})
	if string(m.Payload) != what {
		t.Errorf("got %q, want %q", m.Payload, what)
	}
}
