package as_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/ace/as/astest"
)

func TestNewRefuses(t *testing.T) {
	good := as.Config{
		Issuer: issuer, Clients: astest.Clients{}, ResourceServers: astest.ResourceServers{},
		Policy: policies(t, ""), Ledger: new(astest.Ledger), Clock: time.Now,
	}
	if _, err := as.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*as.Config){
		"Issuer":             func(c *as.Config) { c.Issuer = "" },
		"Clients":            func(c *as.Config) { c.Clients = nil },
		"ResourceServers":    func(c *as.Config) { c.ResourceServers = nil },
		"Policy":             func(c *as.Config) { c.Policy = nil },
		"Ledger":             func(c *as.Config) { c.Ledger = nil },
		"Clock":              func(c *as.Config) { c.Clock = nil },
		"negative Lifetime":  func(c *as.Config) { c.Lifetime = -time.Second },
		"Lifetime in ms":     func(c *as.Config) { c.Lifetime = 1500 * time.Millisecond },
		"endless Lifetime":   func(c *as.Config) { c.Lifetime = 1<<63 - 1 },
		"negative HoldBack":  func(c *as.Config) { c.HoldBack = -1 },
		"HoldBack too large": func(c *as.Config) { c.HoldBack = 1<<63 - 1 },
	} {
		c := good
		change(&c)
		if s, err := as.New(c); err == nil || s != nil {
			t.Errorf("New with a bad %s succeeds", name)
		}
	}
}

// TestErrorResponse turns every error into the code and payload of RFC 9200,
// Section 5.8.3.
//
//spec:9200-5.8.3-1
//spec:9200-5.8.3-2
//spec:9200-5.8.3-3
//spec:9200-5.8.3-4
func TestErrorResponse(t *testing.T) {
	for oauth := ace.InvalidRequest; oauth <= ace.IncompatibleACEProfiles; oauth++ {
		want := ace.BadRequest
		if oauth == ace.InvalidClient {
			want = ace.Unauthorized
		}
		code, payload := as.ErrorResponse(&as.Error{Code: want, OAuth: oauth, Reason: "reason", Err: io.EOF})
		r, err := ace.ParseErrorResponse(payload)
		if err != nil || code != want || r.Code != oauth || r.Description != "" || r.URI != "" {
			t.Errorf("%v: %x, %+v, %v, want %x", oauth, code, r, err, want)
		}
	}
	for _, err := range []error{io.EOF, &as.Error{Code: ace.InternalServerError, Reason: "reason"}, nil} {
		if code, payload := as.ErrorResponse(err); code != ace.InternalServerError || payload != nil {
			t.Errorf("%v: %x, %x, want 5.00 without a payload", err, code, payload)
		}
	}
	e := &as.Error{OAuth: ace.InvalidScope, Section: "RFC 6749, Section 5.2", Reason: "scope is unknown", Err: io.EOF}
	if got, want := e.Error(), "as: scope is unknown (RFC 6749, Section 5.2): EOF"; got != want || !errors.Is(e, io.EOF) {
		t.Errorf("Error = %q, want %q", got, want)
	}
}

// FuzzToken: whatever a client sends, it is its own fault, or gets what it may.
func FuzzToken(f *testing.F) {
	w := newWorld(f)
	w.policy = policies(f, `permit (principal == Client::"alice", action, resource == Scope::"read");`)
	w.servers["rs2"][0].ExpiresIn = true
	w.servers["group"] = append(w.servers["rs1"], w.servers["rs2"]...)
	w.restart()
	answer, _ := w.granted("alice", read())
	f.Add(read().Append(nil))
	f.Add(update("read", answer.Cnf.OSCORE.ID).Append(nil))
	f.Add((&ace.TokenRequest{Audience: "group", Scope: ace.TextScope("read"), ReqCnf: &ace.Confirmation{Key: w.aliceEC}}).Append(nil))
	f.Add((&ace.TokenRequest{Audience: "rs2", Scope: ace.AIFScope(ace.AIF{{Path: "/", Methods: ace.GET}}), WantProfile: true, CNonce: []byte{1}}).Append(nil))
	f.Fuzz(func(t *testing.T, payload []byte) {
		w.t = t
		payload, err := w.server.Token(t.Context(), "alice", payload)
		if err != nil {
			if e, ok := errors.AsType[*as.Error](err); !ok || e.OAuth == 0 || e.Code == ace.InternalServerError {
				t.Errorf("Token fails with %v", err)
			}
			return
		}
		answer, err := ace.ParseTokenResponse(payload)
		if err != nil {
			t.Fatal(err)
		}
		issued := w.ledger.Tokens()
		claims := w.open(issued[len(issued)-1].Audience, answer.AccessToken)
		if claims.Scope != ace.TextScope("read") {
			t.Errorf("token with scope %v", claims.Scope)
		}
	})
}
