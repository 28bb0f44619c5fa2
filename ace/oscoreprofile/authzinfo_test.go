package oscoreprofile

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/idalloc"
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

// TestAllOneByteID1 is AC-12: of two free identifiers the client asks for each in
// turn, and for all others.
//
//spec:9203-4.2-3
func TestAllOneByteID1(t *testing.T) {
	for id1 := range 256 {
		low := byte(id1) &^ 1 // free are low and low+1
		s := newServer(t, func(c *serverConfig) {
			c.ids.Lengths = []int{1}
			if low > 0 {
				c.ids.Reserved = append(c.ids.Reserved, idalloc.Range{First: "\x00", Last: idalloc.ID([]byte{low - 1})})
			}
			if low < 254 {
				c.ids.Reserved = append(c.ids.Reserved, idalloc.Range{First: idalloc.ID([]byte{low + 2}), Last: "\xff"})
			}
		})
		payload := pairs(1, s.token(claims("c1")), 40, make([]byte, 8), 43, []byte{byte(id1)})
		r, err := s.post(payload)
		if err != nil {
			t.Fatalf("26 ID1 = %02x: %v", id1, err)
		}
		answer, err := ace.ParseAuthzInfoResponse(r.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if want := []byte{byte(id1) ^ 1}; !bytes.Equal(answer.ServerRecipientID, want) {
			t.Errorf("26 ID1 = %02x, ID2 = %x, want %x", id1, answer.ServerRecipientID, want)
		}
		_, err = s.post(payload)
		wantCode(t, err, rs.ServiceUnavailable)
		if !errors.Is(err, idalloc.ErrExhausted) {
			t.Errorf("26 error = %v, want ErrExhausted", err)
		}
	}
}

// TestCollisionAtInstall is behaviour 26: a context that somebody else installed in
// the meantime stays, and the token is dropped.
func TestCollisionAtInstall(t *testing.T) {
	s := newServer(t, nil)
	c := newClient(t)
	u := c.upload(s.token(claims("c1")), material("c1"))
	pending, err := s.Prepare(Post{Payload: u.Payload(), ContentFormat: ace.ContentFormat}, start)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := ace.ParseAuthzInfoResponse(pending.Response())
	if err != nil {
		t.Fatal(err)
	}
	params := oscore.Params{
		MasterSecret: []byte("provisioned one."), SenderID: []byte("peer"), RecipientID: answer.ServerRecipientID,
	}
	provisioned, err := oscore.NewAssociation(oscore.Config{Params: params, Subject: "provisioned"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.contexts.Add(provisioned); err != nil {
		t.Fatal(err)
	}
	err = s.Install(pending, start)
	wantCode(t, err, rs.ServiceUnavailable)
	if !errors.Is(err, oscore.ErrRecipientIDInUse) {
		t.Errorf("26 error = %v, want ErrRecipientIDInUse", err)
	}
	if got, want := s.state(), "{Confirmed:0 Unconfirmed:0}, 1 contexts, 0 pending ids, 0 live ids"; got != want {
		t.Errorf("stored: %s, want %s", got, want)
	}
	params.SenderID, params.RecipientID = params.RecipientID, params.SenderID
	peer, err := oscore.NewAssociation(oscore.Config{Params: params})
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := peer.ProtectRequest(message(get, "/x", nil))
	if err != nil {
		t.Fatal(err)
	}
	if a, _, _, err := s.contexts.VerifyRequest(p); a != provisioned || err != nil {
		t.Errorf("26 the other context gives %v, %v", a, err)
	}
	if err := s.Install(pending, start); !errors.Is(err, ErrSpent) {
		t.Errorf("Install again = %v, want ErrSpent", err)
	}
}

// TestTableFullAtInstall: context and identifier go when the token has no room.
func TestTableFullAtInstall(t *testing.T) {
	s := newServer(t, func(c *serverConfig) { c.rs.MaxTokens = 1 })
	c := newClient(t)
	a := c.establish(s, s.token(claims("c1")), material("c1"))
	if !c.works(s, a) {
		t.Fatal("the first client is not served")
	}
	before := s.state()
	u := c.upload(s.token(claims("c2")), material("c2"))
	_, err := s.post(u.Payload())
	wantCode(t, err, rs.ServiceUnavailable)
	if after := s.state(); after != before {
		t.Errorf("stored: %s, want %s", after, before)
	}
	if !c.works(s, a) {
		t.Error("the first client is no longer served")
	}
}

// TestReplayedPost is behaviour 27 and AC-11: the attacker repeats a client's post and
// gets other nonces, other keys, and nothing else.
func TestReplayedPost(t *testing.T) {
	s := newServer(t, func(c *serverConfig) { c.ids.MaxUnvalidated = 0 }) // the default
	c := newClient(t)
	u := c.upload(s.token(claims("c1")), material("c1"))
	r, err := s.post(u.Payload())
	if err != nil {
		t.Fatal(err)
	}
	first, err := u.ProcessResponse(r.Payload)
	if err != nil {
		t.Fatal(err)
	}
	a, err := oscore.NewAssociation(oscore.Config{Params: first.Params})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{string(r.Payload): true}
	refused := 0
	for i := range 100 {
		r, err := s.post(u.Payload())
		if errors.Is(err, idalloc.ErrUnvalidated) {
			refused++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		answer, err := ace.ParseAuthzInfoResponse(r.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if seen[string(answer.Nonce2)] {
			t.Fatalf("33 N2 = %x comes twice", answer.Nonce2)
		}
		seen[string(answer.Nonce2)] = true
		if i < 3 && !c.works(s, a) { // the first request, after some replays
			t.Fatalf("27 the client is not served after %d replays", i+1)
		}
	}
	if !c.works(s, a) {
		t.Error("27 the client is no longer served")
	}
	if refused != 100-32 {
		t.Errorf("%d replays got identifiers, want 32", 100-refused)
	}
	if n := s.tokens.Stats(); n.Confirmed != 1 || n.Unconfirmed > 4 || s.contexts.Len() > 5 {
		t.Errorf("%s, want the client's context and a few more", s.state())
	}
	list := slices.Clone(s.keys.list)
	slices.Sort(list)
	if n := len(slices.Compact(list)); n != len(s.keys.list) {
		t.Errorf("27 %d keys of %d are different", n, len(s.keys.list))
	}

	// The client itself gets through by proving its address.
	again := c.upload(s.token(claims("c1")), material("c1"))
	post := Post{Payload: again.Payload(), ContentFormat: ace.ContentFormat}
	if _, err := s.Post(post, start); !errors.Is(err, idalloc.ErrUnvalidated) {
		t.Errorf("post = %v, want ErrUnvalidated", err)
	}
	post.AddressProved = true
	if r, err = s.Post(post, start); err != nil {
		t.Fatal(err)
	}
	e, err := again.ProcessResponse(r.Payload)
	if err != nil {
		t.Fatal(err)
	}
	b, err := oscore.NewAssociation(oscore.Config{Params: e.Params})
	if err != nil {
		t.Fatal(err)
	}
	if !c.works(s, b) {
		t.Error("the client's new context does not work")
	}
}

// TestRepost is behaviour 25: a post of the same token makes a new context, which
// replaces the old one when it is used.
//
//spec:9203-6-7
func TestRepost(t *testing.T) {
	s := newServer(t, nil)
	c := newClient(t)
	token := s.token(claims("c1"))
	old := c.establish(s, token, material("c1"))
	if !c.works(s, old) {
		t.Fatal("the first context does not work")
	}
	renewed := c.establish(s, token, material("c1"))
	if !c.works(s, old) {
		t.Error("25 the old context ended before the new one was used")
	}
	if !c.works(s, renewed) {
		t.Fatal("25 the new context does not work")
	}
	if _, clear, _ := c.do(s, old, message(get, "/s/temp", nil)); clear != oscore.Code(rs.Unauthorized) {
		t.Errorf("25 the old context gets %v, want 4.01 in clear", clear)
	}
	if got, want := s.state(), "{Confirmed:1 Unconfirmed:0}, 1 contexts, 0 pending ids, 1 live ids"; got != want {
		t.Errorf("stored: %s, want %s", got, want)
	}
	if !slices.Equal(s.removed, []string{"replaced"}) {
		t.Errorf("removed: %v", s.removed)
	}

	rebooted := newServer(t, nil)
	if _, clear, _ := c.do(rebooted, renewed, message(get, "/s/temp", nil)); clear != oscore.Code(rs.Unauthorized) {
		t.Errorf("25 after a reboot: %v, want 4.01 in clear", clear)
	}
	if a := c.establish(rebooted, token, material("c1")); !c.works(rebooted, a) {
		t.Error("25 the same token does not work after a reboot")
	}
}

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

// TestTokenExpires: the context ends with the token (RFC 9203, Section 6).
//
//spec:9203-4.3-18
//spec:9203-4.3-19
//spec:9203-6-6
func TestTokenExpires(t *testing.T) {
	for _, sweep := range []bool{false, true} {
		s := newServer(t, nil)
		c := newClient(t)
		a := c.establish(s, s.token(claims("c1")), material("c1"))
		if !c.works(s, a) {
			t.Fatal("the context does not work")
		}
		s.clock.add(time.Hour)
		if sweep {
			if n, err := s.tokens.Expire(s.clock.get()); n != 1 || err != nil {
				t.Errorf("Expire = %d, %v", n, err)
			}
		}
		for range 2 {
			if code, clear, _ := c.do(s, a, message(get, "/s/temp", nil)); clear != oscore.Code(rs.Unauthorized) {
				t.Errorf("31 sweep %v: %v protected, %v in clear; want 4.01 in clear", sweep, code, clear)
			}
		}
		if got, want := s.state(), "{Confirmed:0 Unconfirmed:0}, 0 contexts, 0 pending ids, 0 live ids"; got != want {
			t.Errorf("stored: %s, want %s", got, want)
		}
		if !slices.Equal(s.removed, []string{"expired"}) {
			t.Errorf("removed: %v", s.removed)
		}
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

// TestRevoked is behaviour 30.
func TestRevoked(t *testing.T) {
	revoked := map[string]bool{}
	s := newServer(t, func(c *serverConfig) {
		c.rs.Revoked = func(hash []byte) bool { return revoked[string(hash)] }
	})
	c := newClient(t)
	token := s.token(claims("c1"))
	a := c.establish(s, token, material("c1"))
	if !c.works(s, a) {
		t.Fatal("the context does not work")
	}
	revoked[string(ace.TokenHash(token))] = true
	s.tokens.Revoke(ace.TokenHash(token))
	if _, clear, _ := c.do(s, a, message(get, "/s/temp", nil)); clear != oscore.Code(rs.Unauthorized) {
		t.Errorf("30 the context of a revoked token gets %v, want 4.01 in clear", clear)
	}
	_, err := s.post(c.upload(token, material("c1")).Payload())
	wantCode(t, err, rs.Unauthorized)
	if got, want := s.state(), "{Confirmed:0 Unconfirmed:0}, 0 contexts, 0 pending ids, 0 live ids"; got != want {
		t.Errorf("stored: %s, want %s", got, want)
	}
}

// TestMasterSecretIsErased: an application that prints claims cannot show it.
func TestMasterSecretIsErased(t *testing.T) {
	s := newServer(t, nil)
	c := newClient(t)
	a := c.establish(s, s.token(claims("c1")), material("c1"))
	g, err := s.tokens.Authorize(serverSide(t, s, a).Subject(), get, "/s/temp", start)
	if err != nil {
		t.Fatal(err)
	}
	if ms := g.Claims().Cnf.OSCORE.MasterSecret; !bytes.Equal(ms, make([]byte, 16)) {
		t.Error("the Master Secret is still in the claims")
	}
}

// TestDiscard: when sequence numbers end, the server removes the token.
//
//spec:9203-6-5
func TestDiscard(t *testing.T) {
	working := false
	s := newServer(t, func(c *serverConfig) {
		c.authz.OnDiscard = func(a *oscore.Association, why rs.Reason) { working = a.Current() != nil && why == rs.Discarded }
	})
	c := newClient(t)
	a := c.establish(s, s.token(claims("c1")), material("c1"))
	own := serverSide(t, s, a)
	if !s.tokens.Remove(own.Subject()) {
		t.Fatalf("no token of %s", own.Subject())
	}
	if own.Current() != nil || s.contexts.Len() != 0 {
		t.Error("the context is still there")
	}
	if !working {
		t.Error("OnDiscard was not called while the context worked")
	}
	if !strings.HasPrefix(own.Subject(), "ace:"+issuer+":6331:") {
		t.Errorf("subject = %q", own.Subject())
	}
}

// TestLateConfirm: an identifier that waited too long takes the context along.
func TestLateConfirm(t *testing.T) {
	s := newServer(t, func(c *serverConfig) { c.ids.PendingTTL = time.Minute })
	c := newClient(t)
	a := c.establish(s, s.token(claims("c1")), material("c1"))
	s.clock.add(2 * time.Minute)
	if code, clear, _ := c.do(s, a, message(get, "/s/temp", nil)); clear != oscore.Code(rs.Unauthorized) {
		t.Errorf("%v protected, %v in clear; want 4.01 in clear", code, clear)
	}
	if got, want := s.state(), "{Confirmed:0 Unconfirmed:0}, 0 contexts, 0 pending ids, 0 live ids"; got != want {
		t.Errorf("stored: %s, want %s", got, want)
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
