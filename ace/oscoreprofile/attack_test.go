package oscoreprofile

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/oscore"
)

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

// TestIdentifiersOfOthers is behaviour 26: what another protocol or an installer has is
// not given to a client.
func TestIdentifiersOfOthers(t *testing.T) {
	s := newServer(t, func(c *serverConfig) {
		c.ids.Lengths = []int{1}
		c.ids.Reserved = []idalloc.Range{{First: "\x04", Last: "\xff"}}
	})
	_, err1 := s.ids.Claim("\x00", idalloc.Holder{Source: idalloc.SourceOCF})
	_, err2 := s.ids.Claim("\x01", idalloc.Holder{Source: idalloc.SourceB2})
	edhoc, err3 := s.ids.Allocate(idalloc.Holder{Source: idalloc.SourceEDHOC}, "\x03")
	if err := errors.Join(err1, err2, err3); err != nil || edhoc.ID() != "\x02" {
		t.Fatalf("identifier of EDHOC = %x, %v", edhoc.ID(), err)
	}
	payload := pairs(1, s.token(claims("c1")), 40, make([]byte, 8), 43, []byte{9})
	r, err := s.post(payload)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := ace.ParseAuthzInfoResponse(r.Payload); err != nil || string(answer.ServerRecipientID) != "\x03" {
		t.Errorf("26 ID2 = %x, %v, want the one that nobody has", answer.ServerRecipientID, err)
	}
	_, err = s.post(payload)
	wantCode(t, err, rs.ServiceUnavailable)
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

// dtls is the binding of a token that belongs to a DTLS session.
type dtls struct{}

// TestDTLSStays is behaviour 28: the client's token of the DTLS profile is not
// replaced by one that anybody may have posted in clear.
func TestDTLSStays(t *testing.T) {
	s := newServer(t, nil)
	bob := func(c *ace.Claims) { c.Subject = "bob" }
	v, err := s.tokens.Verify(s.token(claims("c1", bob)), start)
	if err != nil {
		t.Fatal(err)
	}
	entry := rs.Entry{Token: v, Subject: "dtls", Profile: ace.ProfileCoAPDTLS, Binding: dtls{}}
	if err := errors.Join(s.tokens.Add(entry, start), s.tokens.Confirm("dtls", start)); err != nil {
		t.Fatal(err)
	}
	_, err = s.post(newClient(t).upload(s.token(claims("c2", bob)), material("c2")).Payload())
	wantCode(t, err, rs.BadRequest)
	if got, want := s.state(), "{Confirmed:1 Unconfirmed:0}, 0 contexts, 0 pending ids, 0 live ids"; got != want {
		t.Errorf("stored: %s, want %s", got, want)
	}
}

func (dtls) Confirm() error    { return nil }
func (dtls) Remove(rs.Removed) {}

// TestIntrospectionThatIsKept: an Introspector bounds its rate by keeping answers.
// Install erases the Master Secret, and must not do so in what others keep: the next
// post of the token, which anybody can send, would make a context of zeros.
func TestIntrospectionThatIsKept(t *testing.T) {
	kept := &ace.IntrospectionResponse{Active: true, Claims: *claims("c1")}
	s := newServer(t, func(c *serverConfig) {
		c.rs.Introspect = rs.Introspector{Issuer: issuer, Ask: func([]byte) (*ace.IntrospectionResponse, error) { return kept, nil }}
	})
	reference := []byte("an opaque reference")
	if c := newClient(t); !c.works(s, c.establish(s, reference, material("c1"))) {
		t.Error("the client is not served")
	}
	zeros := material("c1")
	zeros.MasterSecret = make(secret.Bytes, len(zeros.MasterSecret))
	if c := newClient(t); c.works(s, c.establish(s, reference, zeros)) {
		t.Error("who knows no Master Secret is served")
	}
	if c := newClient(t); !c.works(s, c.establish(s, reference, material("c1"))) {
		t.Error("the client is not served a second time")
	}
}
