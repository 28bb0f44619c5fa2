package oscoreprofile_test

import (
	"fmt"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/oscoreprofile"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/oscore"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A client posts its token; both sides then have the same security context.
func Example() {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }

	// The RS.
	key := must(ace.NewTokenKey(ace.TokenKeyConfig{Issuer: "coaps://as.example.com", Secret: secret.Bytes("a 16 byte secret")}))
	contexts := new(oscore.Contexts)
	authzInfo := must(oscoreprofile.NewAuthzInfo(oscoreprofile.AuthzInfoConfig{
		Responder: oscoreprofile.Responder{IDs: must(idalloc.New(idalloc.Config{Now: clock}))},
		Tokens:    must(rs.New(rs.Config{Audiences: []string{"rs1"}, Keys: []*ace.TokenKey{key}})),
		Contexts:  contexts,
	}))

	// The AS gives the client a token, and the input material that is in it.
	material := &ace.OSCOREInputMaterial{
		ID: []byte{1}, MasterSecret: secret.Bytes("0123456789abcdef"), Salt: []byte("salt"),
	}
	token := must(ace.EncryptCWT(nil, &ace.Claims{
		Issuer:     "coaps://as.example.com",
		Audience:   "rs1",
		Expiration: ace.Date(now.Add(time.Hour)),
		Scope:      ace.AIFScope(ace.AIF{{Path: "/s/temp", Methods: ace.GET}}),
		Cnf:        &ace.Confirmation{OSCORE: material},
	}, key, nil))

	// The client posts it.
	initiator := oscoreprofile.Initiator{IDs: must(idalloc.New(idalloc.Config{Now: clock}))}
	upload := must(initiator.Upload(token, material, "rs1"))
	response := must(authzInfo.Post(oscoreprofile.Post{
		Payload:       upload.Payload(),
		ContentFormat: ace.ContentFormat,
	}, now))
	established := must(upload.ProcessResponse(response.Payload))

	// And talks to the RS.
	client := must(oscore.NewAssociation(oscore.Config{Params: established.Params}))
	request, _, err := client.ProtectRequest(oscore.Message{Code: 1})
	if err != nil {
		panic(err)
	}
	peer, message, _, err := contexts.VerifyRequest(request)
	fmt.Println(message.Code, peer.Subject(), err)
	// Output: 0.01 ace:coaps://as.example.com:01:1 <nil>
}
