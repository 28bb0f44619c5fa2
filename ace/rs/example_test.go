package rs_test

import (
	"fmt"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/internal/secret"
)

// association is the security association that a profile makes from a token.
type association struct{}

func (association) Confirm() error    { return nil }
func (association) Remove(rs.Removed) { fmt.Println("association ends") }

func Example() {
	key, err := ace.NewTokenKey(ace.TokenKeyConfig{
		Issuer: "coaps://as.example.com",
		Secret: secret.Bytes("a 16 byte secret"),
	})
	if err != nil {
		panic(err)
	}
	tokens, err := rs.New(rs.Config{Audiences: []string{"rs1"}, Keys: []*ace.TokenKey{key}})
	if err != nil {
		panic(err)
	}

	// The AS does this.
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	posted, err := ace.EncryptCWT(nil, &ace.Claims{
		Issuer:     "coaps://as.example.com",
		Audience:   "rs1",
		Expiration: ace.Date(now.Add(time.Hour)),
		Scope:      ace.AIFScope(ace.AIF{{Path: "/s/temp", Methods: ace.GET}}),
		Cnf: &ace.Confirmation{OSCORE: &ace.OSCOREInputMaterial{
			ID: []byte{1}, MasterSecret: secret.Bytes("0123456789abcdef"),
		}},
	}, key, nil)
	if err != nil {
		panic(err)
	}

	// The profile's authz-info endpoint does this.
	token, err := tokens.Verify(posted, now)
	if err != nil {
		panic(err)
	}
	if err := tokens.Add(rs.Entry{Token: token, Subject: "client 1", Binding: association{}}, now); err != nil {
		panic(err)
	}

	// And every request that has verified over the association goes through this.
	for _, path := range []string{"/s/temp", "/a/led"} {
		grant, err := tokens.Authorize("client 1", 1, path, now)
		fmt.Println(path, grant.Permits(1, path), err)
	}
	_, err = tokens.Authorize("client 1", 1, "/s/temp", now.Add(time.Hour))
	fmt.Println(err)
	// Output:
	// /s/temp true <nil>
	// /a/led false rs: 4.03: scope does not cover the resource (RFC 9200, Section 5.10.2)
	// association ends
	// rs: 4.01: token has expired (RFC 9203, Section 4.3)
}
