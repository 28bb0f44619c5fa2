package trust_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/trust"
)

func identity(name string, kid byte, byValue bool) edhoc.Identity {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	private, _ := edhoc.NewSigner(key)
	c, _ := edhoc.NewCCS(private.Public(), name, []byte{kid})
	id := edhoc.KID(c.KID())
	if byValue {
		id = c.ByValue()
	}
	return edhoc.Identity{Credential: c, ID: id, Key: private}
}

// A server learns the raw public key of a client on first use: in the first handshake
// the client sends it along, and later ones may refer to it.
func Example() {
	ctx := context.Background()
	server, client := identity("server", 1, false), identity("client", 2, true)
	method := []edhoc.Method{edhoc.SignatureSignature}

	servers, _ := trust.New(trust.Config{Now: time.Now}) // of the client: stored ones only
	servers.Add(server.Credential)
	clients, _ := trust.New(trust.Config{Policy: trust.Learning, Now: time.Now})

	initiator, _ := edhoc.NewInitiator(edhoc.Config{Methods: method, Identities: []edhoc.Identity{client}})
	responder, _ := edhoc.NewResponder(edhoc.Config{Methods: method, Identities: []edhoc.Identity{server}})

	m1, i1, _ := initiator.ComposeMessage1("\x0a")
	r1, _ := responder.ProcessMessage1(m1)
	m2, r2, _ := r1.ComposeMessage2("\x0b")

	i2, _ := i1.ProcessMessage2(m2)
	found, _ := servers.Find(ctx, i2.IDCredR, i2.EAD2)
	i3, _ := i2.Verify(found...)
	m3, _, _ := i3.ComposeMessage3()

	r3, _ := r2.ProcessMessage3(m3)
	found, _ = clients.Find(ctx, r3.IDCredI, r3.EAD3)
	v3, _ := r3.Verify(found...)
	if err := clients.Verified(v3.Credential); err != nil {
		fmt.Println(err)
	}
	for c, level := range clients.All() {
		fmt.Println(c.Subject(), level == trust.Trusted)
	}
	// Output: client true
}
