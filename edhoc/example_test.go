package edhoc_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"log"

	"github.com/ostiary/ostiary/edhoc"
)

// party makes an identity with a raw public key for static Diffie-Hellman. A real one
// comes from provisioning.
func party(name string, kid byte) edhoc.Identity {
	private := make([]byte, 32)
	if _, err := rand.Read(private); err != nil {
		log.Fatal(err)
	}
	key, err := edhoc.NewStaticDHKey(edhoc.X25519, private)
	if err != nil {
		log.Fatal(err)
	}
	cred, err := edhoc.NewCCS(key.Public(), name, []byte{kid})
	if err != nil {
		log.Fatal(err)
	}
	return edhoc.Identity{Credential: cred, ID: edhoc.KID(cred.KID()), Key: key}
}

// A whole handshake with method 3 and cipher suite 0, between a device and a server
// that know each other's raw public keys. The messages would travel by CoAP.
func Example() {
	device, server := party("device", 1), party("server", 2)
	known := []*edhoc.Credential{device.Credential, server.Credential} // to both
	find := func(id edhoc.IDCred) (found []*edhoc.Credential) {
		for _, c := range known {
			if c.Matches(id) {
				found = append(found, c)
			}
		}
		return found
	}

	initiator, err := edhoc.NewInitiator(edhoc.Config{
		Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{0}, Identities: []edhoc.Identity{device},
	})
	if err != nil {
		log.Fatal(err)
	}
	responder, err := edhoc.NewResponder(edhoc.Config{
		Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{0}, Identities: []edhoc.Identity{server},
	})
	if err != nil {
		log.Fatal(err)
	}

	msg1, wait2, err := initiator.ComposeMessage1("\x05")
	if err != nil {
		log.Fatal(err)
	}

	verified1, err := responder.ProcessMessage1(msg1)
	if err != nil {
		log.Fatalf("%v; answer %x", err, edhoc.ErrorMessage(err))
	}
	msg2, wait3, err := verified1.ComposeMessage2("\x06")
	if err != nil {
		log.Fatal(err)
	}

	received2, err := wait2.ProcessMessage2(msg2)
	if err != nil {
		log.Fatal(err)
	}
	verified2, err := received2.Verify(find(received2.IDCredR)...)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the device talks to", verified2.Credential.Subject())
	msg3, sent, err := verified2.ComposeMessage3()
	if err != nil {
		log.Fatal(err)
	}

	received3, err := wait3.ProcessMessage3(msg3)
	if err != nil {
		log.Fatal(err)
	}
	verified3, err := received3.Verify(find(received3.IDCredI)...)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the server talks to", verified3.Credential.Subject())
	msg4, atServer, err := verified3.ComposeMessage4()
	if err != nil {
		log.Fatal(err)
	}

	atDevice, _, err := sent.ProcessMessage4(msg4)
	if err != nil {
		log.Fatal(err)
	}
	a, err := atDevice.Export(32768, []byte("my use"), 16)
	if err != nil {
		log.Fatal(err)
	}
	b, err := atServer.Export(32768, []byte("my use"), 16)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("same key:", bytes.Equal(a, b), "printed as", a)
	fmt.Println("bytes sent:", len(msg1), len(msg2), len(msg3), len(msg4))

	// Output:
	// the device talks to server
	// the server talks to device
	// same key: true printed as [secret]
	// bytes sent: 37 45 19 9
}

// A Responder that supports another suite says so, and the Initiator starts again.
func ExampleInitiator_Retry() {
	p := func(suites ...edhoc.SuiteID) edhoc.Config {
		return edhoc.Config{
			Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: suites, Identities: []edhoc.Identity{party("x", 1)},
		}
	}
	initiator, err := edhoc.NewInitiator(p(0, 1, 4))
	if err != nil {
		log.Fatal(err)
	}
	responder, err := edhoc.NewResponder(p(4))
	if err != nil {
		log.Fatal(err)
	}
	for {
		msg1, wait, err := initiator.ComposeMessage1("\x05")
		if err != nil {
			log.Fatal(err)
		}
		if _, err = responder.ProcessMessage1(msg1); err == nil {
			fmt.Println("accepted with suite", initiator.Suite())
			break
		}
		_, err = wait.ProcessMessage2(edhoc.ErrorMessage(err))
		fmt.Println(err)
		peer, ok := err.(*edhoc.PeerError)
		if !ok {
			log.Fatal(err)
		}
		if initiator, err = initiator.Retry(peer); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// edhoc: peer supports cipher suites [4]
	// accepted with suite 4
}
