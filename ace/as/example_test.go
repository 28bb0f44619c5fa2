package as_test

import (
	"context"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/ace/as/astest"
	"github.com/ostiary/ostiary/policy"
)

// An AS with one client, one RS and one policy. The registries and the ledger in
// memory are for tests; package store has durable ones.
func ExampleServer_Token() {
	rules, err := policy.Parse("policies.cedar", []byte(`
permit (principal == Client::"thermostat", action == Action::"GET", resource in Audience::"boiler");`))
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := ace.NewTokenKey(ace.TokenKeyConfig{Secret: []byte("0123456789abcdef")}) // shared with the boiler
	if err != nil {
		fmt.Println(err)
		return
	}
	oscore := []ace.Profile{ace.ProfileCoAPOSCORE}
	server, err := as.New(as.Config{
		Issuer:          "coap://as.example.com",
		Clients:         astest.Clients{"thermostat": {Name: "thermostat", Profiles: oscore}},
		ResourceServers: astest.ResourceServers{"boiler": {{Name: "boiler", Profiles: oscore, TokenKey: key, Scopes: as.AIFScope}}},
		Policy:          rules,
		Ledger:          new(astest.Ledger),
		Clock:           time.Now,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	request := &ace.TokenRequest{
		Audience: "boiler",
		Scope:    ace.AIFScope(ace.AIF{{Path: "/s/temp", Methods: ace.GET | ace.PUT}}),
	}

	// The name comes from the channel over which the payload came.
	payload, err := server.Token(context.Background(), "thermostat", request.Append(nil))
	if err != nil {
		fmt.Println(as.ErrorResponse(err))
		return
	}
	answer, err := ace.ParseTokenResponse(payload)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer.ExpiresIn, answer.Scope, len(answer.Cnf.OSCORE.MasterSecret))

	_, err = server.Token(context.Background(), "stranger", request.Append(nil))
	code, payload := as.ErrorResponse(err)
	fmt.Printf("%d.%02d %x\n", code>>5, code&31, payload)
	// Output:
	// 3600 [["/s/temp",1]] 16
	// 4.01 a1181e02
}
