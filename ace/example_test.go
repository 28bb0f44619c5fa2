package ace_test

import (
	"fmt"
	"time"

	"github.com/ostiary/ostiary/ace"
)

// A client asks an AS for access to a thermometer, and to set it.
func ExampleTokenRequest() {
	scope := ace.AIFScope(ace.AIF{{Path: "/s/temp", Methods: ace.GET | ace.PUT}})
	request := &ace.TokenRequest{Audience: "rs1", Scope: scope, WantProfile: true}
	payload := request.Append(nil)
	fmt.Printf("%x\n", payload)

	got, err := ace.ParseTokenRequest(payload)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(got.Audience, got.Scope)
	// Output:
	// a30563727331094b8182672f732f74656d70051826f6
	// rs1 [["/s/temp",5]]
}

// An AS makes a token for an RS, which opens it. Both hold the key.
func ExampleEncryptCWT() {
	key, err := ace.NewTokenKey(ace.TokenKeyConfig{
		Issuer: "coap://as.example.com",
		ID:     []byte("rs1"),
		Secret: []byte("0123456789abcdef"), // draw yours at random
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := ace.EncryptCWT(nil, &ace.Claims{
		Issuer:     "coap://as.example.com",
		Audience:   "rs1",
		Expiration: ace.Date(time.Unix(1_800_000_000, 0)),
		Scope:      ace.TextScope("read"),
		Cnf:        &ace.Confirmation{KID: []byte{1}},
	}, key, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	claims, by, err := ace.OpenCWT(token, func(kid []byte) []*ace.TokenKey { return []*ace.TokenKey{key} })
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(claims.IsFor("rs1"), claims.Issuer == by.Issuer(), claims.Expiration.Time().Year(), claims.Scope)
	// Output: true true 2027 read
}

// An RS tells a client where to get a token.
func ExampleCreationHints() {
	hints := &ace.CreationHints{AS: "coaps://as.example.com/token", Audience: "coaps://rs.example.com", Scope: ace.TextScope("rTempC")}
	got, err := ace.ParseCreationHints(hints.Append(nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(got.AS, got.Audience, got.Scope)
	// Output: coaps://as.example.com/token coaps://rs.example.com rTempC
}
