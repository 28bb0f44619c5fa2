package oscore_test

import (
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/oscore"
)

// The codes and options of the examples (RFC 7252).
const (
	codeGET     = 0x01
	codeContent = 0x45
	uriPath     = 11
)

// params are those of the client; those of the server have the two IDs swapped.
func params(senderID, recipientID string) oscore.Params {
	return oscore.Params{
		MasterSecret: []byte("sixteen bytes or"), MasterSalt: []byte("salt"),
		SenderID: []byte(senderID), RecipientID: []byte(recipientID),
	}
}

// One exchange, from the request of the client to the response that it verifies.
func Example() {
	client, err := oscore.NewAssociation(oscore.Config{Params: params("c", "s"), Subject: "thermometer"})
	if err != nil {
		panic(err)
	}
	server, err := oscore.NewAssociation(oscore.Config{Params: params("s", "c"), Subject: "display"})
	if err != nil {
		panic(err)
	}
	var contexts oscore.Contexts // of the server
	if err := contexts.Add(server); err != nil {
		panic(err)
	}

	// Client.
	request := oscore.Message{Code: codeGET, Options: []oscore.Option{{Number: uriPath, Value: []byte("temperature")}}}
	protected, exchange, err := client.ProtectRequest(request)
	if err != nil {
		panic(err)
	}
	datagram, err := protected.Message()
	if err != nil {
		panic(err)
	}
	fmt.Println("on the wire:", datagram.Code, "with", len(datagram.Payload), "bytes")

	// Server.
	answer := func(m oscore.Message) oscore.Message {
		in, err := oscore.ParseProtected(m)
		if err != nil {
			return oscore.ErrorMessage(err)
		}
		peer, request, exchange, err := contexts.VerifyRequest(in)
		if err != nil {
			return oscore.ErrorMessage(err)
		}
		fmt.Printf("%s asks for %s\n", peer.Subject(), request.Options[0].Value)
		out, err := exchange.ProtectResponse(oscore.Message{Code: codeContent, Payload: []byte("21.5 C")})
		if err != nil {
			return oscore.ErrorMessage(err)
		}
		m, err = out.Message()
		if err != nil {
			return oscore.ErrorMessage(err)
		}
		return m
	}(datagram)

	// Client.
	in, err := oscore.ParseProtected(answer)
	if err != nil {
		panic(err)
	}
	response, err := exchange.VerifyResponse(in)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%v %s\n", response.Code, response.Payload)
	// Output:
	// on the wire: 0.02 with 21 bytes
	// display asks for temperature
	// 2.05 21.5 C
}

// A client repeats its request when it is told to: here the server has lost its context
// and derives a new one with the client (RFC 8613, Appendix B.2).
func ExampleRetry() {
	client, err := oscore.NewAssociation(oscore.Config{Params: params("c", "s"), B2: oscore.B2Allowed})
	if err != nil {
		panic(err)
	}
	server, err := oscore.NewAssociation(oscore.Config{Params: params("s", "c"), B2: oscore.B2Required})
	if err != nil {
		panic(err)
	}
	for {
		protected, exchange, err := client.ProtectRequest(oscore.Message{Code: codeGET})
		if err != nil {
			panic(err)
		}
		answer, err := serve(server, protected)
		if err != nil {
			panic(err)
		}
		response, err := exchange.VerifyResponse(answer)
		var retry *oscore.Retry
		if errors.As(err, &retry) {
			fmt.Println("again, by Appendix", retry.Section)
			continue
		}
		if err != nil {
			panic(err)
		}
		fmt.Println(response.Code)
		return
	}
	// Output:
	// again, by Appendix B.2
	// 2.05
}

// serve is the server's side of an exchange that goes well, or is challenged.
func serve(server *oscore.Association, request oscore.Protected) (oscore.Protected, error) {
	_, exchange, err := server.VerifyRequest(request)
	var challenge *oscore.Challenge
	if errors.As(err, &challenge) {
		return challenge.Protected, nil
	}
	if err != nil {
		return oscore.Protected{}, err
	}
	return exchange.ProtectResponse(oscore.Message{Code: codeContent})
}

// A worker that handles one request at a time allocates nothing with a Scratch.
func ExampleScratch() {
	client, err := oscore.NewContext(oscore.Config{Params: params("c", "s")})
	if err != nil {
		panic(err)
	}
	server, err := oscore.NewContext(oscore.Config{Params: params("s", "c")})
	if err != nil {
		panic(err)
	}
	var scratch oscore.Scratch
	for range 3 {
		protected, _, err := client.ProtectRequest(oscore.Message{Code: codeGET})
		if err != nil {
			panic(err)
		}
		datagram, err := protected.Message()
		if err != nil {
			panic(err)
		}
		in, err := scratch.Parse(datagram) // ends the exchange before
		if err != nil {
			panic(err)
		}
		_, exchange, err := server.VerifyRequest(in)
		if err != nil {
			panic(err)
		}
		out, err := exchange.ProtectResponse(oscore.Message{Code: codeContent})
		if err != nil {
			panic(err)
		}
		piv, _ := in.PartialIV()
		_, own := out.PartialIV()
		fmt.Println(piv, own)
	}
	// Output:
	// 0 false
	// 1 false
	// 2 false
}
