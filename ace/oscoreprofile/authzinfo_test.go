package oscoreprofile

import (
	"testing"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/oscore"
)

// The numbers in the names are those of the project's list of behaviours, AC-n those
// of its list of threats.

// TestExchange is the whole of RFC 9203, Figure 1, without the AS.
//
//spec:9200-5.10.1-5
//spec:9200-5.10.1-9
//spec:9203-4.2-1
//spec:9203-4.2-2
//spec:9203-4.2-4
//spec:9203-4.2-5
//spec:9203-4.2.1-1
//spec:9203-4.2.2-1
//spec:9203-4.3-17
func TestExchange(t *testing.T) {
	s := newServer(t, nil)
	c := newClient(t)
	u := c.upload(s.token(claims("c1")), material("c1"))
	r, err := s.post(u.Payload())
	if err != nil {
		t.Fatal(err)
	}
	if r.Code != rs.Created || r.ContentFormat != ace.ContentFormat || r.Unprotected {
		t.Errorf("response = %+v", r)
	}
	answer, err := ace.ParseAuthzInfoResponse(r.Payload)
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Nonce2) != 8 || len(answer.ServerRecipientID) != 1 {
		t.Errorf("N2 = %x, ID2 = %x", answer.Nonce2, answer.ServerRecipientID)
	}
	if got, want := s.state(), "{Confirmed:0 Unconfirmed:1}, 1 contexts, 1 pending ids, 0 live ids"; got != want {
		t.Errorf("after the post: %s, want %s", got, want)
	}
	e, err := u.ProcessResponse(r.Payload)
	if err != nil {
		t.Fatal(err)
	}
	a, err := oscore.NewAssociation(oscore.Config{Params: e.Params})
	if err != nil {
		t.Fatal(err)
	}
	if code, _, payload := c.do(s, a, message(get, "/s/temp", nil)); code != 69 || string(payload) != "22.5 C" {
		t.Errorf("GET = %v %q", code, payload)
	}
	if got, want := s.state(), "{Confirmed:1 Unconfirmed:0}, 1 contexts, 0 pending ids, 1 live ids"; got != want {
		t.Errorf("after the first request: %s, want %s", got, want)
	}
	for _, test := range []struct {
		method oscore.Code
		path   string
		want   oscore.Code
	}{
		{put, "/s/temp", oscore.Code(rs.MethodNotAllowed)},
		{get, "/other", oscore.Code(rs.Forbidden)},
	} {
		if code, clear, _ := c.do(s, a, message(test.method, test.path, nil)); code != test.want || clear != 0 {
			t.Errorf("31 %v %s = %v, in clear %v; want %v, protected", test.method, test.path, code, clear, test.want)
		}
	}
}

// pairs writes a map of integer keys and values.
func pairs(members ...any) []byte {
	b := cborseq.AppendMap(nil, len(members)/2)
	for _, v := range members {
		switch v := v.(type) {
		case int:
			b = cborseq.AppendInt(b, int64(v))
		case string:
			b = cborseq.AppendText(b, v)
		case []byte:
			b = cborseq.AppendBytes(b, v)
		}
	}
	return b
}

//spec:9200-5.10.1-8
func TestPostRefuses(t *testing.T) {
	s := newServer(t, nil)
	token := s.token(claims("c1"))
	n1, id1 := make([]byte, 8), []byte{7}
	full := func(token []byte) []byte { return pairs(1, token, 40, n1, 43, id1) }
	with := func(f func(*ace.Claims)) []byte { return full(s.token(claims("c1", f))) }
	osc := func(f func(*ace.OSCOREInputMaterial)) []byte {
		return with(func(c *ace.Claims) { f(c.Cnf.OSCORE) })
	}
	tests := []struct {
		name    string
		payload []byte
		want    uint8
	}{
		{"23 empty", nil, rs.BadRequest},
		{"23 not CBOR", []byte("\xff\xff"), rs.BadRequest},
		{"23 a token without map", token, rs.BadRequest},
		{"23 an array", []byte{0x80}, rs.BadRequest},
		{"23 an empty map", []byte{0xa0}, rs.BadRequest},
		{"23 bytes behind the map", append(full(token), 0), rs.BadRequest},
		{"23 key twice", pairs(1, token, 40, n1, 40, n1, 43, id1), rs.BadRequest},
		{"23 no access_token", pairs(40, n1, 43, id1), rs.BadRequest},
		{"23 access_token is text", pairs(1, "token", 40, n1, 43, id1), rs.BadRequest},
		{"23 access_token is empty", pairs(1, []byte{}, 40, n1, 43, id1), rs.BadRequest},
		{"23 no nonce1", pairs(1, token, 43, id1), rs.BadRequest},
		{"23 nonce1 is a number", pairs(1, token, 40, 1, 43, id1), rs.BadRequest},
		{"23 nonce1 is text", pairs(1, token, 40, "12345678", 43, id1), rs.BadRequest},
		{"23 nonce1 is empty", pairs(1, token, 40, []byte{}, 43, id1), rs.BadRequest},
		{"23 nonce1 of 7 bytes", pairs(1, token, 40, n1[:7], 43, id1), rs.BadRequest},
		{"23 nonce1 of 65 bytes", pairs(1, token, 40, make([]byte, 65), 43, id1), rs.BadRequest},
		{"23 no ace_client_recipientid", pairs(1, token, 40, n1), rs.BadRequest},
		{"23 ace_client_recipientid is a number", pairs(1, token, 40, n1, 43, 1), rs.BadRequest},
		{"23 ace_client_recipientid is text", pairs(1, token, 40, n1, 43, "a"), rs.BadRequest},
		{"23 ace_client_recipientid of 8 bytes", pairs(1, token, 40, n1, 43, make([]byte, 8)), rs.BadRequest},
		{"23 token is garbage", full([]byte("garbage")), rs.Unauthorized},
		{"23 token under a wrong key", full(tokenUnder(t, tokenKey(t, "k1", 9))), rs.Unauthorized},
		{"23 wrong audience", with(func(c *ace.Claims) { c.Audience = "rs2" }), rs.Forbidden},
		{"23 scope not understood", with(func(c *ace.Claims) { c.Scope = ace.TextScope("x") }), rs.BadRequest},
		{"23 no ms", osc(func(m *ace.OSCOREInputMaterial) { m.MasterSecret = nil }), rs.BadRequest},
		{"23 ms of 15 bytes", osc(func(m *ace.OSCOREInputMaterial) { m.MasterSecret = m.MasterSecret[:15] }), rs.BadRequest},
		{"23 no id", osc(func(m *ace.OSCOREInputMaterial) { m.ID = nil }), rs.BadRequest},
		{"24 no cnf", with(func(c *ace.Claims) { c.Cnf = nil }), rs.BadRequest},
		{"24 no scope", with(func(c *ace.Claims) { c.Scope = ace.Scope{} }), rs.BadRequest},
		{"24 no issuer", with(func(c *ace.Claims) { c.Issuer = "" }), rs.Unauthorized},
		{"24 no audience", with(func(c *ace.Claims) { c.Audience = "" }), rs.Forbidden},
		{"24 unknown kid", full(tokenUnder(t, tokenKey(t, "k9", 1))), rs.Unauthorized},
		{"24 unwrapped claims", full(claims("c1").Append(nil)), rs.Unauthorized},
		{"25 update in clear", with(update("c1")), rs.BadRequest},
		{"28 token of the DTLS profile", with(func(c *ace.Claims) { c.Profile = ace.ProfileCoAPDTLS }), rs.BadRequest},
		{"31 expired", with(func(c *ace.Claims) { c.Expiration = ace.Date(start) }), rs.Unauthorized},
	}
	before := s.state()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := s.post(test.payload)
			wantCode(t, err, test.want)
			if r.Code != test.want || r.Payload != nil || r.Unprotected {
				t.Errorf("response = %+v, want %d.%02d and no more", r, test.want>>5, test.want&31)
			}
			if after := s.state(); after != before {
				t.Errorf("stored: %s, want %s", after, before)
			}
		})
	}
	t.Run("23 wrong Content-Format", func(t *testing.T) {
		for _, format := range []uint16{0, 60, ace.ContentFormatCWT, 65535} {
			_, err := s.Post(Post{Payload: full(token), ContentFormat: format}, start)
			wantCode(t, err, rs.BadRequest)
		}
	})
	if n := s.ids.Stats(); n.Allocated != 0 {
		t.Errorf("%d identifiers were given out", n.Allocated)
	}
}

func tokenUnder(t testing.TB, k *ace.TokenKey) []byte {
	t.Helper()
	b, err := ace.EncryptCWT(nil, claims("c1"), k, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestAlgorithmWithoutRoom: with a nonce of 7 bytes an ID has 1 byte at most.
func TestAlgorithmWithoutRoom(t *testing.T) {
	s := newServer(t, nil)
	token := s.token(claims("c1", func(c *ace.Claims) { c.Cnf.OSCORE.AEAD = 12 })) // AES-CCM-64-64-128
	_, err := s.post(pairs(1, token, 40, make([]byte, 8), 43, []byte{1, 2}))
	wantCode(t, err, rs.BadRequest)
	if got, want := s.state(), "{Confirmed:0 Unconfirmed:0}, 0 contexts, 0 pending ids, 0 live ids"; got != want {
		t.Errorf("stored: %s, want %s", got, want)
	}
	if n := s.ids.Stats(); n.Aborted != 1 {
		t.Errorf("%d identifiers came back, want 1", n.Aborted)
	}
}

func TestNoRandomness(t *testing.T) {
	s := newServer(t, func(c *serverConfig) { c.authz.Rand = fixed() })
	r, err := s.post(newClient(t).upload(s.token(claims("c1")), material("c1")).Payload())
	if err == nil || r.Code != rs.InternalError || r.Payload != nil {
		t.Errorf("post = %+v, %v, want 5.00", r, err)
	}
	if got, want := s.state(), "{Confirmed:0 Unconfirmed:0}, 0 contexts, 0 pending ids, 0 live ids"; got != want {
		t.Errorf("stored: %s, want %s", got, want)
	}
}

func TestNewAuthzInfoRefuses(t *testing.T) {
	s := newServer(t, nil)
	for name, change := range map[string]func(*AuthzInfoConfig){
		"no tokens":   func(c *AuthzInfoConfig) { c.Tokens = nil },
		"no contexts": func(c *AuthzInfoConfig) { c.Contexts = nil },
		"no ids":      func(c *AuthzInfoConfig) { c.IDs = nil },
		"a secret":    func(c *AuthzInfoConfig) { c.Association.MasterSecret = []byte{1} },
		"a subject":   func(c *AuthzInfoConfig) { c.Association.Subject = "x" },
		"a window":    func(c *AuthzInfoConfig) { c.Association.RecoverWindow = true },
	} {
		cfg := s.cfg
		change(&cfg)
		if _, err := NewAuthzInfo(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
