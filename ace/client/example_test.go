package client_test

import (
	"context"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/client"
	"github.com/ostiary/ostiary/ace/oscoreprofile"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/oscore"
)

// A few lines make an application a client. The Transport is what a CoAP library
// gives; here it calls an AS and an RS in the same process.
func Example() {
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	if err != nil {
		panic(err)
	}
	network := newNetwork()
	c, err := client.New(client.Config{
		Transport: network,
		IDs:       ids,
		Clock:     time.Now,
		Servers: []client.Server{{
			URI:       "coaps://as.example.com/token",
			Audiences: []string{"rs1"},
			Channel:   network, // or the Association that client and AS have
		}},
	})
	if err != nil {
		panic(err)
	}

	ctx := context.Background()
	session, err := c.Open(ctx, "coap://rs.example.com", client.Request{
		Audience: "rs1",
		Scope:    ace.AIFScope(ace.AIF{{Path: "/s/temp", Methods: ace.GET}}),
	})
	if err != nil {
		panic(err)
	}
	response, err := session.Do(ctx, oscore.Message{
		Code:    1, // GET /s/temp
		Options: []oscore.Option{{Number: 11, Value: []byte("s")}, {Number: 11, Value: []byte("temp")}},
	})
	fmt.Printf("%v %s %v\n", response.Code, response.Payload, err)
	// Output: 2.05 22.5 C <nil>
}

// network is an AS and an RS that serves one resource.
type network struct {
	key      *ace.TokenKey
	tokens   *rs.Tokens
	contexts oscore.Contexts
	authz    *oscoreprofile.AuthzInfo
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newNetwork() *network {
	n := &network{key: must(ace.NewTokenKey(ace.TokenKeyConfig{Issuer: "as", Secret: secret.Bytes("a 16 byte secret")}))}
	n.tokens = must(rs.New(rs.Config{Audiences: []string{"rs1"}, Keys: []*ace.TokenKey{n.key}}))
	n.authz = must(oscoreprofile.NewAuthzInfo(oscoreprofile.AuthzInfoConfig{
		Responder: oscoreprofile.Responder{IDs: must(idalloc.New(idalloc.Config{Now: time.Now}))},
		Tokens:    n.tokens,
		Contexts:  &n.contexts,
	}))
	return n
}

func (n *network) Do(_ context.Context, address string, m oscore.Message) (oscore.Message, error) {
	if address != "coap://rs.example.com" {
		return n.token(m.Payload), nil
	}
	p, err := oscore.ParseProtected(m)
	if err != nil { // in clear: authz-info
		r, _ := n.authz.Post(oscoreprofile.Post{Payload: m.Payload, ContentFormat: ace.ContentFormat}, time.Now())
		return oscore.Message{Code: oscore.Code(r.Code), Payload: r.Payload}, nil
	}
	peer, request, exchange, err := n.contexts.VerifyRequest(p)
	if err != nil {
		return oscore.ErrorMessage(err), nil
	}
	response := oscore.Message{Code: 2<<5 | 5, Payload: []byte("22.5 C")}
	if _, err := n.tokens.Authorize(peer.Subject(), uint8(request.Code), "/s/temp", time.Now()); err != nil {
		response = oscore.Message{Code: oscore.Code(rs.ErrorResponse(err).Code)}
	}
	return must(exchange.ProtectResponse(response)).Message()
}

func (n *network) token(payload []byte) oscore.Message {
	request := must(ace.ParseTokenRequest(payload))
	cnf := &ace.Confirmation{OSCORE: &ace.OSCOREInputMaterial{
		ID: []byte{1}, MasterSecret: secret.Bytes("0123456789abcdef"), Salt: []byte("salt"),
	}}
	token := must(ace.EncryptCWT(nil, &ace.Claims{
		Issuer: "as", Audience: request.Audience, Scope: request.Scope, Cnf: cnf,
		Expiration: ace.Date(time.Now().Add(time.Hour)),
	}, n.key, nil))
	response := &ace.TokenResponse{AccessToken: token, ExpiresIn: 3600, Cnf: cnf}
	return oscore.Message{Code: 2<<5 | 1, Payload: response.Append(nil)}
}
