package oscorecoap_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
	"github.com/ostiary/ostiary/oscore/oscorecoap/gocoap"
)

// A server with one protected resource, and a client, over UDP.
func Example() {
	params := oscore.Params{MasterSecret: []byte("never use this in earnest"), SenderID: []byte{1}, RecipientID: []byte{2}}
	swapped := params
	swapped.SenderID, swapped.RecipientID = params.RecipientID, params.SenderID

	// The server: a table of peers, a handler for what they ask, a socket.
	peer, err := oscore.NewAssociation(oscore.Config{Params: swapped, Subject: "the client"})
	if err != nil {
		log.Fatal(err)
	}
	var contexts oscore.Contexts
	if err := contexts.Add(peer); err != nil {
		log.Fatal(err)
	}
	mux := new(coap.Mux)
	mux.HandleFunc("GET /temperature", func(w coap.ResponseWriter, r *coap.Request) {
		_ = w.Respond(&coap.Response{Code: coap.Content, Payload: []byte("22.3 C for " + r.Identity.Subject())})
	})
	server := gocoap.NewServer(gocoap.Config{
		Handler:     oscorecoap.Handler(&contexts, mux, nil, oscorecoap.Config{}),
		Understands: []coap.OptionID{coap.OSCORE},
	})
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, conn) }()

	// The client: an association, and a way to the server.
	sec, err := oscore.NewAssociation(oscore.Config{Params: params})
	if err != nil {
		log.Fatal(err)
	}
	transport, err := gocoap.Dial(ctx, conn.LocalAddr().String(), gocoap.Config{})
	if err != nil {
		log.Fatal(err)
	}
	client := oscorecoap.NewClient(transport, sec, oscorecoap.ClientConfig{})
	resp, err := client.Do(ctx, coap.NewRequest(coap.GET, "/temperature"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Code, string(resp.Payload))

	// Without OSCORE nothing is to be had.
	resp, err = transport.Do(ctx, coap.NewRequest(coap.GET, "/temperature"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Code)

	_ = transport.Close()
	stop()
	if err := <-done; err != nil {
		log.Fatal(err)
	}
	// Output:
	// 2.05 Content 22.3 C for the client
	// 4.01 Unauthorized
}

// Access control: the right to each request is looked up, and the handler
// sees what was granted.
func ExampleConfig_authorize() {
	rights := map[string]string{"alice": "/lock", "bob": "/lamp"} // who may use what
	cfg := oscorecoap.Config{
		Authorize: func(sec *oscore.Association, r *coap.Request) (any, error) {
			if path, ok := rights[sec.Subject()]; !ok || path != r.Path() {
				return nil, &oscorecoap.Refusal{Code: coap.Forbidden}
			}
			return "as agreed with " + sec.Subject(), nil
		},
	}
	lock := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		grant := oscorecoap.Grant(r.Context())
		_ = w.Respond(&coap.Response{Code: coap.Changed, Payload: []byte(grant.(string))})
	})
	var contexts oscore.Contexts
	_ = oscorecoap.Handler(&contexts, lock, nil, cfg) // give it to a server
}
