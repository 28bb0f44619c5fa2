package acecoap_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/ace/client"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

func do(t *testing.T, d coap.Doer, r *coap.Request) *coap.Response {
	t.Helper()
	response, err := d.Do(t.Context(), r)
	check(t, err)
	return response
}

func TestProtectedRequests(t *testing.T) {
	w := newWorld(t)
	session, _ := w.open("alice")
	d := acecoap.Doer(session, coap.BlockwiseConfig{})
	for _, c := range []struct {
		method coap.Code
		path   string
		want   coap.Code
		runs   int
	}{
		{coap.GET, "/value", coap.Content, 1},
		{coap.PUT, "/value", coap.Changed, 1},
		{coap.DELETE, "/value", coap.MethodNotAllowed, 0},
		{coap.GET, "/other", coap.Forbidden, 0},
		{coap.GET, "/value?x=1", coap.Forbidden, 0}, // RFC 9237, Section 2.1: the query is part of it
		{coap.GET, "/value/", coap.Forbidden, 0},
		{coap.GET, "/", coap.Forbidden, 0},
		{coap.GET, "/VALUE", coap.Forbidden, 0},
	} {
		before := w.requests()
		if got := do(t, d, coap.NewRequest(c.method, c.path)); got.Code != c.want {
			t.Errorf("%v %s: got %v, want %v", c.method, c.path, got.Code, c.want)
		}
		if got := w.requests() - before; got != c.runs {
			t.Errorf("%v %s: reached the application %d times, want %d", c.method, c.path, got, c.runs)
		}
	}
}

func TestPlainRequests(t *testing.T) {
	w := newWorld(t)
	token := []byte("not a token at all")
	upload := (&ace.AuthzInfoRequest{AccessToken: token, Nonce1: make([]byte, 8), ClientRecipientID: []byte{1}}).Append(nil)
	for _, c := range []struct {
		name    string
		method  coap.Code
		path    string
		format  int
		payload []byte
		want    coap.Code
		hints   bool
	}{
		{"resource without a token", coap.GET, "/value", -1, nil, coap.Unauthorized, true},
		{"unknown resource", coap.GET, "/nowhere", -1, nil, coap.Unauthorized, true},
		{"authz-info, GET", coap.GET, "/authz-info", -1, nil, coap.MethodNotAllowed, false},
		{"authz-info, no Content-Format", coap.POST, "/authz-info", -1, upload, coap.BadRequest, false},
		{"authz-info, other Content-Format", coap.POST, "/authz-info", 60, upload, coap.BadRequest, false},
		{"authz-info, Content-Format of 32 bits", coap.POST, "/authz-info", 19 + 1<<16, upload, coap.BadRequest, false},
		{"authz-info, not CBOR", coap.POST, "/authz-info", 19, []byte{0xff}, coap.BadRequest, false},
		{"authz-info, garbage for a token", coap.POST, "/authz-info", 19, upload, coap.Unauthorized, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := coap.NewRequest(c.method, c.path)
			if c.format >= 0 {
				r.Options.SetUint(coap.ContentFormat, uint32(c.format))
			}
			r.Payload = c.payload
			response := do(t, w.plain(), r)
			if response.Code != c.want {
				t.Errorf("got %v, want %v", response.Code, c.want)
			}
			h, err := ace.ParseCreationHints(response.Payload)
			if c.hints && (err != nil || h.AS != issuer+"/token" || h.Audience != "sensor") {
				t.Errorf("hints: got %+v, %v", h, err)
			}
			if !c.hints && bytes.Contains(response.Payload, token) {
				t.Errorf("the answer repeats the token: %x", response.Payload)
			}
		})
	}
	if w.requests() != 0 || len(w.ids.Holdings()) != 0 || w.rs.Contexts().Len() != 0 || w.rs.Tokens().Stats() != (rs.Stats{}) {
		t.Errorf("something is stored: %d requests, %v, %d contexts, %+v",
			w.requests(), w.ids.Holdings(), w.rs.Contexts().Len(), w.rs.Tokens().Stats())
	}
	if got := do(t, w.plain(), coap.NewRequest(coap.GET, "/open")); got.Code != coap.Content {
		t.Errorf("public resource: got %v, want 2.05", got.Code)
	}
}

// A dropper is a coap.ResponseWriter that counts.
type dropper struct{ responses, drops int }

func (d *dropper) Respond(*coap.Response) error { d.responses++; return nil }
func (d *dropper) Drop()                        { d.drops++ }

// TestPlainRequestToGroup: no error to a group (RFC 7252, Section 8.1), and no
// transport that waits for one, so that anybody could fill it.
func TestPlainRequestToGroup(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/value", "/authz-info"} {
		r := coap.NewRequest(coap.GET, path)
		r.Multicast = true
		d := new(dropper)
		w.rs.ServeCOAP(d, r)
		if d.responses+d.drops != 1 {
			t.Errorf("%s: %d responses, %d drops", path, d.responses, d.drops)
		}
	}
}

// TestLongTokenInBlocks: what is in clear and long goes in outer blocks.
func TestLongTokenInBlocks(t *testing.T) {
	w := newWorld(t)
	payload := (&ace.AuthzInfoRequest{AccessToken: make([]byte, 3000), Nonce1: make([]byte, 8), ClientRecipientID: []byte{1}}).Append(nil)
	r := coap.NewRequest(coap.POST, "/authz-info")
	r.Options.SetUint(coap.ContentFormat, 19)
	r.Payload = payload
	response := do(t, coap.BlockwiseClient(w.plain(), coap.BlockwiseConfig{}), r)
	if response.Code != coap.Unauthorized { // it arrived whole, and is no token
		t.Errorf("got %v, want 4.01", response.Code)
	}
}

// TestExpiredToken: RFC 9203, Section 4.3: an unprotected 4.01, with hints.
func TestExpiredToken(t *testing.T) {
	for _, swept := range []bool{false, true} {
		w := newWorld(t)
		session, n := w.open("alice")
		check(t, errOf(session.Do(t.Context(), get("/value"))))
		association, err := session.Association()
		check(t, err)
		w.advance(2 * time.Minute)
		if swept {
			check(t, w.rs.Expire())
		}
		before := w.requests()
		_, err = oscorecoap.NewClient(n.rs, association, oscorecoap.ClientConfig{}).Do(t.Context(), coap.NewRequest(coap.GET, "/value"))
		var clear *oscorecoap.UnprotectedError
		if !errors.As(err, &clear) || clear.Response.Code != coap.Unauthorized {
			t.Errorf("swept %v: got %v, want an unprotected 4.01", swept, err)
		} else if _, err := ace.ParseCreationHints(clear.Response.Payload); !swept && err != nil {
			t.Errorf("no hints: %v", err)
		}
		if w.requests() != before {
			t.Errorf("swept %v: the application saw the request", swept)
		}
		if w.rs.Contexts().Len() != 0 || w.rs.Tokens().Stats() != (rs.Stats{}) || !slices.Equal(w.removed, []rs.Reason{rs.Expired}) {
			t.Errorf("swept %v: left %d contexts, %+v, removed %v", swept, w.rs.Contexts().Len(), w.rs.Tokens().Stats(), w.removed)
		}
		if _, err := session.Do(t.Context(), get("/value")); !errors.Is(err, client.ErrExpired) {
			t.Errorf("the client's session: got %v, want ErrExpired", err)
		}
	}
}

// TestObservationEndsWithItsToken: RFC 9200, Section 5.10.3: a 4.01, protected,
// before the context goes.
func TestObservationEndsWithItsToken(t *testing.T) {
	w := newWorld(t)
	session, n := w.open("alice")
	association, err := session.Association()
	check(t, err)
	c := oscorecoap.NewClient(n.rs, association, oscorecoap.ClientConfig{})
	var codes []coap.Code
	registered := make(chan bool, 8)
	done := make(chan error, 1)
	go func() {
		done <- c.Observe(t.Context(), coap.NewRequest(coap.GET, "/value"), func(r *coap.Response) {
			codes = append(codes, r.Code)
			registered <- true
		})
	}()
	<-registered
	w.advance(2 * time.Minute)
	check(t, w.rs.Expire())
	if err := <-done; err != nil {
		t.Fatalf("Observe: %v", err)
	}
	if want := []coap.Code{coap.Content, coap.Unauthorized}; !slices.Equal(codes, want) {
		t.Errorf("the client saw %v, want %v", codes, want)
	}
	late := &coap.Response{Code: coap.Content, Payload: []byte("22 C")}
	late.Options.SetUint(coap.Observe, 0)
	if err := w.notify[0](late); err == nil {
		t.Error("a notification went out after the token had expired")
	}
}

// TestNotificationFindsTokenExpired: nobody has called Expire; the check of the
// notification ends the token, and with it the observation that it belongs to.
func TestNotificationFindsTokenExpired(t *testing.T) {
	w := newWorld(t)
	session, n := w.open("alice")
	association, err := session.Association()
	check(t, err)
	c := oscorecoap.NewClient(n.rs, association, oscorecoap.ClientConfig{})
	codes := make(chan coap.Code, 8)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		_ = c.Observe(ctx, coap.NewRequest(coap.GET, "/value"), func(r *coap.Response) { codes <- r.Code })
	}()
	<-codes
	w.advance(2 * time.Minute)
	late := &coap.Response{Code: coap.Content, Payload: []byte("22 C")}
	late.Options.SetUint(coap.Observe, 0)
	notified := make(chan error, 1)
	go func() { notified <- w.notify[0](late) }()
	select {
	case err := <-notified:
		if err == nil {
			t.Error("a notification went out after the token had expired")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the notification waits for itself")
	}
	if got := <-codes; got != coap.Unauthorized {
		t.Errorf("the client saw %v, want 4.01", got)
	}
	if w.rs.Contexts().Len() != 0 {
		t.Errorf("%d contexts are left", w.rs.Contexts().Len())
	}
}

// TestReplayedUploadEvictsNobody: behaviours of the token table, over CoAP: the
// post is in clear and anybody can send it again.
func TestReplayedUploadEvictsNobody(t *testing.T) {
	w := newWorld(t)
	session, n := w.open("alice")
	check(t, errOf(session.Do(t.Context(), get("/value"))))
	upload := uploadOf(t, n)
	for range 50 {
		if got := do(t, w.plain(), upload.Clone()); got.Code != coap.Created && !got.Options.Has(coap.Echo) {
			t.Fatalf("replayed upload: got %v", got.Code)
		}
	}
	check(t, errOf(session.Do(t.Context(), get("/value"))))
	seen := map[idalloc.ID]bool{}
	for _, h := range w.ids.Holdings() {
		if seen[h.ID] {
			t.Errorf("identifier %v is held twice", h.ID)
		}
		seen[h.ID] = true
	}
}

// TestUpdateOfAccessRights: RFC 9203, Section 4.1, over CoAP.
func TestUpdateOfAccessRights(t *testing.T) {
	w := newWorld(t)
	session, _ := w.open("alice")
	d := acecoap.Doer(session, coap.BlockwiseConfig{})
	if got := do(t, d, coap.NewRequest(coap.PUT, "/value")); got.Code != coap.Changed {
		t.Fatalf("PUT before: got %v", got.Code)
	}
	contexts := w.rs.Contexts().Len()
	check(t, session.Update(t.Context(), ace.AIFScope(ace.AIF{{Path: "/value", Methods: ace.GET}})))
	if got := do(t, d, coap.NewRequest(coap.PUT, "/value")); got.Code != coap.MethodNotAllowed {
		t.Errorf("PUT after: got %v, want 4.05", got.Code)
	}
	if got := do(t, d, coap.NewRequest(coap.GET, "/value")); got.Code != coap.Content {
		t.Errorf("GET after: got %v, want 2.05", got.Code)
	}
	if w.rs.Contexts().Len() != contexts {
		t.Errorf("%d contexts, want %d", w.rs.Contexts().Len(), contexts)
	}
}

// TestRenewKeepsRights: Appendix B.2 changes the keys, not the rights.
func TestRenewKeepsRights(t *testing.T) {
	w := newWorld(t)
	session, _ := w.open("alice")
	d := acecoap.Doer(session, coap.BlockwiseConfig{})
	for range 3 {
		check(t, session.Renew())
		if got := do(t, d, coap.NewRequest(coap.GET, "/value")); got.Code != coap.Content {
			t.Errorf("GET: got %v, want 2.05", got.Code)
		}
		if got := do(t, d, coap.NewRequest(coap.DELETE, "/value")); got.Code != coap.MethodNotAllowed {
			t.Errorf("DELETE: got %v, want 4.05", got.Code)
		}
	}
	if w.rs.Contexts().Len() != 1 {
		t.Errorf("%d associations, want 1", w.rs.Contexts().Len())
	}
}

func TestGrantReachesTheApplication(t *testing.T) {
	if g := acecoap.Grant(context.Background()); g.Permits(uint8(coap.GET), "/value") {
		t.Error("the Grant of a bare context permits something")
	}
	w := newWorld(t)
	session, _ := w.open("alice")
	check(t, errOf(session.Do(t.Context(), get("/value"))))
	if !w.grant.Permits(uint8(coap.GET), "/value") || w.grant.Permits(uint8(coap.PUT), "/value") {
		t.Error("the Grant is not that of the request")
	}
	if got := w.grant.Claims().Audience; got != "sensor" {
		t.Errorf("aud %q, want sensor", got)
	}
}

// TestExpiredTokenIsNotUpdated: the update of access rights comes over a
// context whose token must be valid.
func TestExpiredTokenIsNotUpdated(t *testing.T) {
	w := newWorld(t)
	session, n := w.open("alice")
	check(t, errOf(session.Do(t.Context(), get("/value"))))
	association, err := session.Association()
	check(t, err)
	w.advance(2 * time.Minute)
	r := coap.NewRequest(coap.POST, acecoap.AuthzInfoPath)
	r.Options.SetUint(coap.ContentFormat, 19)
	r.Payload = []byte{0xa1, 1, 0x41, 0}
	_, err = oscorecoap.NewClient(n.rs, association, oscorecoap.ClientConfig{}).Do(t.Context(), r)
	var clear *oscorecoap.UnprotectedError
	if !errors.As(err, &clear) || clear.Response.Code != coap.Unauthorized {
		t.Errorf("got %v, want an unprotected 4.01", err)
	}
	if w.rs.Contexts().Len() != 0 {
		t.Errorf("%d contexts are left", w.rs.Contexts().Len())
	}
}

// TestUsedUpKeysEndTheToken: RFC 9203, Section 6.
func TestUsedUpKeysEndTheToken(t *testing.T) {
	w := newWorldWith(t, oscore.Config{Limits: oscore.Limits{Protected: 3}})
	session, _ := w.open("alice")
	for i := range 3 {
		if err := errOf(session.Do(t.Context(), get("/value"))); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	if err := errOf(session.Do(t.Context(), get("/value"))); err == nil {
		t.Error("a response was protected beyond the limit")
	}
	check(t, w.rs.Expire())
	if w.rs.Contexts().Len() != 0 || w.rs.Tokens().Stats() != (rs.Stats{}) {
		t.Errorf("left %d contexts and %+v", w.rs.Contexts().Len(), w.rs.Tokens().Stats())
	}
}
