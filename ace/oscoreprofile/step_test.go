package oscoreprofile

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/idalloc"
)

// TestStepsAreTakenOnce: second calls, calls after a failure and zero values.
func TestStepsAreTakenOnce(t *testing.T) {
	s := newServer(t, nil)
	u := newClient(t).upload(s.token(claims("c1")), material("c1"))
	received, err := ParsePost(u.Payload())
	if err != nil {
		t.Fatal(err)
	}
	token, err := s.tokens.Verify(received.AccessToken, start)
	if err != nil {
		t.Fatal(err)
	}
	verified, err := received.Verify(token)
	if err != nil {
		t.Fatal(err)
	}
	responder := Responder{IDs: s.ids}
	pending, err := verified.Respond(responder, "subject", true)
	if err != nil {
		t.Fatal(err)
	}
	if pending.Subject() != "subject" {
		t.Errorf("Subject() = %q", pending.Subject())
	}
	params, id, err := pending.Take()
	if err != nil || string(params.RecipientID) != string(id.ID()) {
		t.Errorf("Take = %+v, %v, %v", params, id, err)
	}
	established, err := u.ProcessResponse(pending.Response())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(established.Params.MasterSalt, params.MasterSalt) {
		t.Error("the sides have different salts")
	}

	steps := map[string]func() error{
		"Verify":          func() error { _, err := received.Verify(token); return err },
		"Respond":         func() error { _, err := verified.Respond(responder, "x", true); return err },
		"Take":            func() error { _, _, err := pending.Take(); return err },
		"Abort":           pending.Abort,
		"Install":         func() error { return s.Install(pending, start) },
		"ProcessResponse": func() error { _, err := u.ProcessResponse(pending.Response()); return err },
		"Upload.Abort":    u.Abort,
		"zero Verify":     func() error { _, err := new(ReceivedPost).Verify(token); return err },
		"zero Respond":    func() error { _, err := new(VerifiedPost).Respond(responder, "x", true); return err },
		"zero Install":    func() error { return s.Install(new(PendingContext), start) },
		"zero Abort":      new(PendingContext).Abort,
		"zero Upload":     func() error { _, err := new(Upload).ProcessResponse(nil); return err },
	}
	for name, step := range steps {
		if err := step(); !errors.Is(err, ErrSpent) {
			t.Errorf("%s again = %v, want ErrSpent", name, err)
		}
	}
	if n := s.ids.Stats().Allocated; n != 1 {
		t.Errorf("%d identifiers were taken, want 1", n)
	}
}

func TestAbort(t *testing.T) {
	s := newServer(t, nil)
	u := newClient(t).upload(s.token(claims("c1")), material("c1"))
	pending, err := s.Prepare(Post{Payload: u.Payload(), ContentFormat: ace.ContentFormat}, start)
	if err != nil {
		t.Fatal(err)
	}
	if err := pending.Abort(); err != nil {
		t.Fatal(err)
	}
	if got, want := s.state(), "{Confirmed:0 Unconfirmed:0}, 0 contexts, 0 pending ids, 0 live ids"; got != want {
		t.Errorf("stored: %s, want %s", got, want)
	}
	if n := s.ids.Stats().Aborted; n != 1 {
		t.Errorf("%d identifiers came back, want 1", n)
	}
}

// TestUploadPayload is RFC 9203, Figure 11.
//
//spec:9200-5.10.1-1
//spec:9203-4.1-3
//spec:9203-4.1-5
//spec:9203-4.1-7
//spec:9203-4.1.1-1
//spec:9203-4.1.2-1
func TestUploadPayload(t *testing.T) {
	v := loadExamples(t).Figure13
	c := newClient(t)
	token := []byte("token")
	u, err := Initiator{IDs: c.ids, Rand: fixed(v.Nonce1...)}.Upload(token, material("c1"), "rs")
	if err != nil {
		t.Fatal(err)
	}
	holdings := c.ids.Holdings()
	if len(holdings) != 1 || holdings[0].State != idalloc.StatePending {
		t.Fatalf("identifiers: %v, want one pending", holdings)
	}
	want := pairs(1, token, 40, []byte(v.Nonce1), 43, []byte(holdings[0].ID))
	if !bytes.Equal(u.Payload(), want) {
		t.Errorf("payload = %x, want %x", u.Payload(), want)
	}
	if first := bytes.Clone(u.Payload()); !bytes.Equal(first, u.Payload()) {
		t.Error("the payload changes while the answer is awaited")
	}
}

//spec:9203-4.1-9
func TestUpdatePayload(t *testing.T) {
	if got, want := UpdatePayload([]byte("token")), pairs(1, []byte("token")); !bytes.Equal(got, want) {
		t.Errorf("UpdatePayload = %x, want %x", got, want)
	}
}

//spec:9203-4.3-1
//spec:9203-4.3-9
//spec:9203-4.3-10
func TestProcessResponseStops(t *testing.T) {
	n2 := make([]byte, 8)
	for name, test := range map[string]struct {
		payload func(id1 []byte) []byte
		want    error
	}{
		"empty":            {func([]byte) []byte { return nil }, ErrProfile},
		"not a map":        {func([]byte) []byte { return []byte{0x80} }, ErrProfile},
		"no nonce2":        {func([]byte) []byte { return pairs(44, []byte("ab")) }, ErrProfile},
		"no recipient id":  {func([]byte) []byte { return pairs(42, n2) }, ErrProfile},
		"nonce2 is text":   {func([]byte) []byte { return pairs(42, "12345678", 44, []byte("ab")) }, ErrProfile},
		"nonce2 too short": {func([]byte) []byte { return pairs(42, n2[:7], 44, []byte("ab")) }, ErrProfile},
		"id2 too long":     {func([]byte) []byte { return pairs(42, n2, 44, make([]byte, 8)) }, ErrProfile},
		"33 equal ids":     {func(id1 []byte) []byte { return pairs(42, n2, 44, id1) }, ErrEqualIDs},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t)
			u := c.upload([]byte("token"), material("c1"))
			request, err := ace.ParseAuthzInfoRequest(u.Payload())
			if err != nil {
				t.Fatal(err)
			}
			e, err := u.ProcessResponse(test.payload(request.ClientRecipientID))
			if e != nil || !errors.Is(err, test.want) {
				t.Errorf("ProcessResponse = %v, %v, want %v", e, err, test.want)
			}
			if n := c.ids.Stats(); n.Aborted != 1 || n.Confirmed != 0 {
				t.Errorf("identifiers: %+v, want one that came back", n)
			}
		})
	}
}

func TestUploadRefuses(t *testing.T) {
	c := newClient(t)
	for name, m := range map[string]*ace.OSCOREInputMaterial{
		"no material": nil,
		"no id":       {MasterSecret: make([]byte, 16)},
		"no ms":       {ID: []byte{1}},
	} {
		if _, err := (Initiator{IDs: c.ids}).Upload([]byte("token"), m, ""); !errors.Is(err, ErrMaterial) {
			t.Errorf("%s: %v, want ErrMaterial", name, err)
		}
	}
	if _, err := (Initiator{IDs: c.ids, Rand: fixed()}).Upload([]byte("token"), material("c1"), ""); err == nil {
		t.Error("an upload without randomness")
	}
	if n := c.ids.Stats().Allocated; n != 0 {
		t.Errorf("%d identifiers were taken", n)
	}
}

func TestVerifyOtherProfile(t *testing.T) {
	s := newServer(t, func(c *serverConfig) { c.rs.Profiles = []ace.Profile{ace.ProfileCoAPDTLS, ace.ProfileCoAPOSCORE} })
	token := s.token(claims("c1", func(c *ace.Claims) { c.Profile = ace.ProfileCoAPDTLS }))
	_, err := s.post(pairs(1, token, 40, make([]byte, 8), 43, []byte{1}))
	wantCode(t, err, rs.BadRequest)
}
