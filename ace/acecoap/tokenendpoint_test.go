package acecoap_test

import (
	"testing"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/oscore"
)

type named string

func (n named) Subject() string { return string(n) }

func get(path string) oscore.Message {
	return oscore.Message{Code: 1, Options: []oscore.Option{{Number: 11, Value: []byte(path[1:])}}}
}

func errOf(_ oscore.Message, err error) error { return err }

func TestTokenEndpoint(t *testing.T) {
	good := (&ace.TokenRequest{Audience: "sensor", Scope: ace.AIFScope(ace.AIF{{Path: "/value", Methods: ace.GET}})}).Append(nil)
	for _, c := range []struct {
		name    string
		who     coap.Identity
		method  coap.Code
		format  int
		payload []byte
		want    coap.Code
		oauth   ace.ErrorCode
	}{
		{"issued", named("alice"), coap.POST, 19, good, coap.Created, 0},
		{"without Content-Format", named("alice"), coap.POST, -1, good, coap.Created, 0},
		{"nobody", nil, coap.POST, 19, good, coap.Unauthorized, ace.InvalidClient},
		{"a stranger", named("mallory"), coap.POST, 19, good, coap.Unauthorized, ace.InvalidClient},
		{"GET", named("alice"), coap.GET, -1, nil, coap.MethodNotAllowed, 0},
		{"JSON", named("alice"), coap.POST, 50, []byte("{}"), coap.UnsupportedContentFormat, 0},
		{"not CBOR", named("alice"), coap.POST, 19, []byte{0xff}, coap.BadRequest, ace.InvalidRequest},
		{"nothing", named("alice"), coap.POST, 19, nil, coap.BadRequest, ace.InvalidRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			r := coap.NewRequest(c.method, "/token")
			if c.format >= 0 {
				r.Options.SetUint(coap.ContentFormat, uint32(c.format))
			}
			r.Payload = c.payload
			response := do(t, &coaptest.Direct{Handler: w.as, Identity: c.who}, r)
			if response.Code != c.want {
				t.Fatalf("got %v, want %v", response.Code, c.want)
			}
			if want := c.want == coap.Created; want != (len(w.ledger.Tokens()) == 1) {
				t.Errorf("%d tokens in the ledger", len(w.ledger.Tokens()))
			}
			if format, _ := response.Options.Uint(coap.ContentFormat); len(response.Payload) > 0 && format != 19 {
				t.Errorf("Content-Format %d, want 19", format)
			}
			if c.oauth != 0 {
				e, err := ace.ParseErrorResponse(response.Payload)
				if err != nil || e.Code != c.oauth {
					t.Errorf("error: got %+v, %v; want %v", e, err, c.oauth)
				}
			}
		})
	}
}
