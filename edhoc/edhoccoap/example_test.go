package edhoccoap_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/edhoc/oscorekeys"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// check keeps the example short.
func check[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// rpk makes a raw public key. A real one comes from provisioning.
func rpk(name string) edhoc.Identity {
	key := check(edhoc.NewStaticDHKey(edhoc.X25519, bytes.Repeat([]byte(name[:1]), 32)))
	cred := check(edhoc.NewCCS(key.Public(), name, []byte(name[:1])))
	return edhoc.Identity{Credential: cred, ID: edhoc.KID(cred.KID()), Key: key}
}

// trust finds those of the credentials that are meant.
func trust(known ...*edhoc.Credential) func(context.Context, edhoc.IDCred, []edhoc.EADItem) ([]*edhoc.Credential, error) {
	return func(_ context.Context, id edhoc.IDCred, _ []edhoc.EADItem) (found []*edhoc.Credential, _ error) {
		for _, c := range known {
			if c.Matches(id) {
				found = append(found, c)
			}
		}
		return found, nil
	}
}

// A device makes its first protected request in two round trips: message_3 travels
// with it.
func Example() {
	ctx := context.Background()
	device, server := rpk("device"), rpk("server")
	config := func(id edhoc.Identity) edhoc.Config {
		return edhoc.Config{Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{0}, Identities: []edhoc.Identity{id}}
	}

	// The server: the EDHOC resource in clear, everything else inside OSCORE.
	contexts := new(oscore.Contexts)
	resource := check(edhoccoap.NewServer(edhoccoap.Config{
		Responder: check(edhoc.NewResponder(config(server))),
		Find:      trust(device.Credential),
		IDs:       check(idalloc.New(idalloc.Config{Now: time.Now})),
		Establish: edhoccoap.Install(contexts, oscorekeys.Lengths{}, nil),
	}))
	clear := new(coap.Mux)
	clear.Handle(edhoccoap.Path, resource)
	protected := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		_ = w.Respond(&coap.Response{Code: coap.Content, Payload: []byte("hello " + r.Identity.Subject())})
	})
	handler := resource.Combined(oscorecoap.Handler(contexts, protected, clear, oscorecoap.Config{}), coap.BlockwiseConfig{})
	// coap.Server{Handler: handler, Config: coap.Config{Understands: []coap.OptionID{coap.OSCORE, coap.EDHOC}}}

	// The device. On a network the Doer is a coap.Client.
	network := &coaptest.Direct{Handler: handler}
	client := &edhoccoap.Client{
		Doer:      network,
		Initiator: check(edhoc.NewInitiator(config(device))),
		Find:      trust(server.Credential),
		IDs:       check(idalloc.New(idalloc.Config{Now: time.Now})),
	}
	handshake := check(client.Begin(ctx))
	session, _, first, err := handshake.Combine(network)
	if err != nil {
		log.Fatal(err)
	}
	params := check(oscorekeys.Params(session, oscorekeys.Lengths{}))
	sec := check(oscore.NewAssociation(oscore.Config{Params: params, Subject: session.Peer.Subject()}))
	response := check(oscorecoap.NewClient(first, sec, oscorecoap.ClientConfig{}).Do(ctx, coap.NewRequest(coap.GET, "/temp")))

	fmt.Printf("%s: %v %s\n", sec.Subject(), response.Code, response.Payload)
	fmt.Println(len(network.Requests()), "requests")
	// Output:
	// server: 2.05 Content hello device
	// 2 requests
}

// A server that must not tell strangers who it is is the Initiator: its clients ask it for
// message_1. The same resource serves devices that begin themselves.
func ExampleReverseClient() {
	ctx := context.Background()
	device, server := rpk("device"), rpk("server")
	config := func(id edhoc.Identity) edhoc.Config {
		return edhoc.Config{Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{0}, Identities: []edhoc.Identity{id}}
	}

	contexts := new(oscore.Contexts)
	ids := check(idalloc.New(idalloc.Config{Now: time.Now}))
	establish := edhoccoap.Install(contexts, oscorekeys.Lengths{}, nil)
	forward := check(edhoccoap.NewServer(edhoccoap.Config{
		Responder: check(edhoc.NewResponder(config(server))), Find: trust(device.Credential), IDs: ids, Establish: establish,
	}))
	reverse := check(edhoccoap.NewReverseServer(edhoccoap.ReverseConfig{
		Initiator: check(edhoc.NewInitiator(config(server))), Find: trust(device.Credential), IDs: ids, Establish: establish,
	}))
	resource := check(edhoccoap.Both(forward, reverse))

	client := &edhoccoap.ReverseClient{
		Doer:      &coaptest.Direct{Handler: resource},
		Responder: check(edhoc.NewResponder(config(device))),
		Find:      trust(server.Credential),
		IDs:       check(idalloc.New(idalloc.Config{Now: time.Now})),
	}
	session, _, err := client.Establish(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("initiator: %t, peer: %s, contexts of the server: %d\n", session.Initiator, session.Peer.Subject(), contexts.Len())
	// Output:
	// initiator: false, peer: server, contexts of the server: 1
}
