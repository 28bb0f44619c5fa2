package oscoreprofile

import (
	"slices"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/oscore"
)

// TestUpdate is behaviour 25.
//
//spec:9203-4.2-6
//spec:9203-4.2-7
//spec:9203-4.2-8
//spec:9203-4.2-9
//spec:9203-4.2-10
func TestUpdate(t *testing.T) {
	s := newServer(t, nil)
	c := newClient(t)
	a := c.establish(s, s.token(claims("c1")), material("c1"))
	other := c.establish(s, s.token(claims("c2")), material("c2"))
	if !c.works(s, a) || !c.works(s, other) {
		t.Fatal("contexts do not work")
	}
	state := s.state()
	good := s.token(claims("c1", update("c1")))

	t.Run("refused", func(t *testing.T) {
		garbled := slices.Clone(good)
		garbled[len(garbled)-1] ^= 1
		for name, test := range map[string]struct {
			payload []byte
			want    uint8
		}{
			"25 kid of another client":   {pairs(1, s.token(claims("c1", update("c2")))), rs.Unauthorized},
			"25 first token again":       {pairs(1, s.token(claims("c1"))), rs.Unauthorized},
			"25 token is garbage":        {pairs(1, garbled), rs.Unauthorized},
			"25 wrong audience":          {pairs(1, s.token(claims("c1", update("c1"), func(c *ace.Claims) { c.Audience = "x" }))), rs.Unauthorized},
			"25 unknown scope":           {pairs(1, s.token(claims("c1", update("c1"), func(c *ace.Claims) { c.Scope = ace.TextScope("x") }))), rs.Unauthorized},
			"25 expired":                 {pairs(1, s.token(claims("c1", update("c1"), func(c *ace.Claims) { c.Expiration = ace.Date(start) }))), rs.Unauthorized},
			"23 not CBOR":                {[]byte{0xff}, rs.BadRequest},
			"23 an array":                {[]byte{0x80}, rs.BadRequest},
			"23 no access_token":         {pairs(40, make([]byte, 8)), rs.BadRequest},
			"23 access_token is text":    {pairs(1, "token"), rs.BadRequest},
			"23 access_token is empty":   {pairs(1, []byte{}), rs.BadRequest},
			"23 bytes behind the map":    {append(pairs(1, good), 0), rs.BadRequest},
			"23 access_token twice":      {pairs(1, good, 1, good), rs.BadRequest},
			"23 map shorter than stated": {pairs(1, good, 2), rs.BadRequest},
		} {
			code, clear, payload := c.do(s, a, message(post, "/authz-info", test.payload))
			if code != oscore.Code(test.want) || clear != 0 || len(payload) != 0 {
				t.Errorf("%s: %v %x, in clear %v; want %d.%02d, protected", name, code, payload, clear, test.want>>5, test.want&31)
			}
			if !c.works(s, a) || s.state() != state {
				t.Errorf("%s: the refusal has changed %s", name, s.state())
			}
		}
		_, err := s.Post(Post{Payload: pairs(1, good), ContentFormat: 0, Association: serverSide(t, s, a)}, start)
		wantCode(t, err, rs.BadRequest)
	})

	for name, payload := range map[string][]byte{
		"25 token only":                    pairs(1, good),
		"25 with nonce and id":             pairs(1, good, 40, make([]byte, 8), 43, []byte{1}),
		"25 with a nonce of another type":  pairs(1, good, 40, "text", 43, 5),
		"25 with what nobody knows":        pairs(1, good, 999, 1, "x", "y"),
		"25 with a longer map of its kind": pairs("access_token", 1, 1, good),
	} {
		code, clear, answer := c.do(s, a, message(post, "/authz-info", payload))
		if code != oscore.Code(rs.Created) || clear != 0 || len(answer) != 0 {
			t.Errorf("%s: %v %x, in clear %v; want 2.01 without payload, protected", name, code, answer, clear)
		}
		if code, _, _ := c.do(s, a, message(put, "/s/temp", nil)); code != 69 {
			t.Errorf("%s: PUT = %v, want what the new token allows", name, code)
		}
		if code, _, _ := c.do(s, a, message(get, "/s/temp", nil)); code != oscore.Code(rs.MethodNotAllowed) {
			t.Errorf("%s: GET = %v, want 4.05", name, code)
		}
	}
	if s.state() != state || s.removed != nil {
		t.Errorf("25 stored: %s, removed %v; want %s", s.state(), s.removed, state)
	}
	if !c.works(s, other) {
		t.Error("25 the update of one client reaches another")
	}
}

// serverSide finds the RS's side of a.
func serverSide(t testing.TB, s *server, a *oscore.Association) *oscore.Association {
	t.Helper()
	p, _, err := a.ProtectRequest(message(get, "/s/temp", nil))
	if err != nil {
		t.Fatal(err)
	}
	found, _, _, err := s.contexts.VerifyRequest(p)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestUpdateWithoutToken: an association that no token made has no rights to update.
func TestUpdateWithoutToken(t *testing.T) {
	s := newServer(t, nil)
	a, err := oscore.NewAssociation(oscore.Config{Subject: "provisioned", Params: oscore.Params{
		MasterSecret: []byte("provisioned one."), SenderID: []byte("a"), RecipientID: []byte("b"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Post(Post{Payload: pairs(1, s.token(claims("c1", update("c1")))), ContentFormat: ace.ContentFormat, Association: a}, start)
	wantCode(t, err, rs.Unauthorized)
	if r.Unprotected {
		t.Error("the answer is not protected")
	}
}

// TestUpdateOverExpiredToken: neither is a context without valid token of use for
// authz-info.
func TestUpdateOverExpiredToken(t *testing.T) {
	s := newServer(t, nil)
	c := newClient(t)
	a := c.establish(s, s.token(claims("c1")), material("c1"))
	s.clock.add(time.Hour)
	later := s.token(claims("c1", update("c1"), func(c *ace.Claims) { c.Expiration = ace.Date(start.Add(2 * time.Hour)) }))
	if code, clear, _ := c.do(s, a, message(post, "/authz-info", pairs(1, later))); clear != oscore.Code(rs.Unauthorized) {
		t.Errorf("update = %v protected, %v in clear; want 4.01 in clear", code, clear)
	}
}
