package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/oscoreprofile"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/oscore"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	asURI     = "coaps://as.example.com/token"
	asAddress = "coap://as.example.com"
	rsAddress = "coap://rs.example.com"
	audience  = "rs1"

	optionOSCORE = 9
)

var (
	readScope  = ace.AIFScope(ace.AIF{{Path: "/s/temp", Methods: ace.GET}})
	writeScope = ace.AIFScope(ace.AIF{{Path: "/s/temp", Methods: ace.PUT}})
	getTemp    = request(codeGET, "/s/temp", nil, 0)
	putTemp    = request(3, "/s/temp", []byte("23 C"), 0)
)

// A world has an AS, an RS and the Transport between them and the client.
type world struct {
	t     testing.TB
	mu    sync.Mutex // guards now
	now   time.Time
	b2    oscore.B2Mode
	limit uint64

	key      *ace.TokenKey
	asSide   *oscore.Contexts
	tokens   *rs.Tokens
	contexts *oscore.Contexts
	authz    *oscoreprofile.AuthzInfo
	ids      *idalloc.Allocator // of the client
	cfg      Config

	// answerToken changes what the AS answers; nil: nothing.
	answerToken func(*ace.TokenRequest, *ace.TokenResponse)
	// tamper stands between the client and the world; nil: nobody.
	tamper func(address string, m oscore.Message, next func() (oscore.Message, error)) (oscore.Message, error)

	requests []*ace.TokenRequest // that the AS got
	posts    []oscore.Message    // to authz-info, in clear
	sent     []oscore.Message    // all, as on the wire
	serial   int
}

func newWorld(t testing.TB, change func(*world)) *world {
	t.Helper()
	w := &world{t: t, now: start, asSide: new(oscore.Contexts)}
	if change != nil {
		change(w)
	}
	w.reboot()
	ids, err1 := idalloc.New(idalloc.Config{Now: w.clock})
	toAS := oscore.Params{MasterSecret: secret.Bytes("between C and AS"), SenderID: []byte("c"), RecipientID: []byte("as")}
	a, err2 := oscore.NewAssociation(oscore.Config{Params: toAS, B2: w.b2})
	toAS.SenderID, toAS.RecipientID = toAS.RecipientID, toAS.SenderID
	b, err3 := oscore.NewAssociation(oscore.Config{Params: toAS, B2: w.b2, Subject: "client"})
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	if err := w.asSide.Add(b); err != nil {
		t.Fatal(err)
	}
	w.ids = ids
	w.cfg = Config{
		Transport: w,
		IDs:       ids,
		Clock:     w.clock,
		Servers:   []Server{{URI: asURI, Address: asAddress, Audiences: []string{audience}, Association: a}},
		Association: oscore.Config{
			B2: w.b2, Limits: oscore.Limits{Protected: w.limit},
		},
	}
	return w
}

// reboot makes the RS anew.
func (w *world) reboot() {
	w.t.Helper()
	var err1, err2, err3, err4 error
	w.key, err1 = ace.NewTokenKey(ace.TokenKeyConfig{Issuer: asURI, Secret: bytes.Repeat([]byte{7}, 16)})
	w.tokens, err2 = rs.New(rs.Config{
		Audiences: []string{audience},
		Keys:      []*ace.TokenKey{w.key},
		Hints:     ace.CreationHints{AS: asURI, Audience: audience},
	})
	ids, err3 := idalloc.New(idalloc.Config{Now: w.clock})
	w.contexts = new(oscore.Contexts)
	w.authz, err4 = oscoreprofile.NewAuthzInfo(oscoreprofile.AuthzInfoConfig{
		Responder:   oscoreprofile.Responder{IDs: ids},
		Tokens:      w.tokens,
		Contexts:    w.contexts,
		Association: oscore.Config{B2: w.b2},
	})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) add(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) client() *Client {
	w.t.Helper()
	c, err := New(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// open makes a session with the rights to read.
func (w *world) open() *Session {
	w.t.Helper()
	s, err := w.client().Open(w.t.Context(), rsAddress, Request{Audience: audience, Scope: readScope})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// idsInUse counts what the client has taken from its allocator and not given back.
func (w *world) idsInUse() uint64 {
	n := w.ids.Stats()
	return n.Allocated - n.Aborted - n.Released
}

// Do implements Transport.
func (w *world) Do(ctx context.Context, address string, m oscore.Message) (oscore.Message, error) {
	w.sent = append(w.sent, m.Clone())
	next := func() (oscore.Message, error) {
		switch address {
		case asAddress:
			return w.serveAS(m), nil
		case rsAddress:
			return w.serveRS(m), nil
		}
		return oscore.Message{}, fmt.Errorf("no route to %s", address)
	}
	if w.tamper != nil {
		return w.tamper(address, m, next)
	}
	return next()
}

// serve runs a handler behind OSCORE.
func (w *world) serve(contexts *oscore.Contexts, in oscore.Message, handle func(*oscore.Association, oscore.Message) (oscore.Message, bool)) oscore.Message {
	p, err := oscore.ParseProtected(in)
	if err != nil {
		return oscore.ErrorMessage(err)
	}
	a, m, x, err := contexts.VerifyRequest(p)
	if err != nil {
		return oscore.ErrorMessage(err)
	}
	answer, unprotected := handle(a, m)
	if unprotected {
		return answer
	}
	q, err := x.ProtectResponse(answer)
	if err != nil {
		w.t.Errorf("protect a response: %v", err)
		return oscore.ErrorMessage(err)
	}
	out, err := q.Message()
	if err != nil {
		w.t.Error(err)
	}
	return out
}

func (w *world) serveAS(in oscore.Message) oscore.Message {
	return w.serve(w.asSide, in, func(_ *oscore.Association, m oscore.Message) (oscore.Message, bool) {
		if m.Code != codePOST || pathOf(m) != "/token" || formatOf(m) != int(ace.ContentFormat) {
			w.t.Errorf("the AS got %v %s of format %d", m.Code, pathOf(m), formatOf(m))
		}
		r, err := ace.ParseTokenRequest(m.Payload)
		if err != nil {
			w.t.Errorf("the AS got %x: %v", m.Payload, err)
			return oscore.Message{Code: 128}, false
		}
		w.requests = append(w.requests, r)
		return w.issue(r), false
	})
}

// issue makes the answer of the AS.
func (w *world) issue(r *ace.TokenRequest) oscore.Message {
	if r.Scope == ace.TextScope("forbidden") {
		e := &ace.ErrorResponse{Code: ace.InvalidScope, Description: "no"}
		return oscore.Message{Code: 128, Payload: e.Append(nil)}
	}
	w.serial++
	response := &ace.TokenResponse{ExpiresIn: 3600, Profile: ace.ProfileCoAPOSCORE}
	claims := &ace.Claims{
		Issuer: asURI, Audience: r.Audience, Scope: r.Scope,
		Expiration: ace.Date(w.clock().Add(time.Hour)),
		CNonce:     r.CNonce,
	}
	if r.ReqCnf != nil {
		claims.Cnf = &ace.Confirmation{KID: r.ReqCnf.KID}
	} else {
		claims.Cnf = &ace.Confirmation{OSCORE: &ace.OSCOREInputMaterial{
			ID: []byte{byte(w.serial)}, MasterSecret: secret.Bytes(fmt.Sprintf("master secret %02d", w.serial)), Salt: []byte("salt"),
		}}
		response.Cnf = claims.Cnf
	}
	var err error
	if response.AccessToken, err = ace.EncryptCWT(nil, claims, w.key, nil); err != nil {
		w.t.Fatal(err)
	}
	if w.answerToken != nil {
		w.answerToken(r, response)
	}
	return oscore.Message{Code: codeCreated, Payload: response.Append(nil)}
}

func (w *world) serveRS(in oscore.Message) oscore.Message {
	if !hasOSCORE(in) {
		if pathOf(in) != "/authz-info" {
			hints, err := w.tokens.Hints(uint8(in.Code), pathOf(in), w.clock())
			if err != nil {
				w.t.Error(err)
			}
			return oscore.Message{Code: codeUnauthorized, Payload: hints}
		}
		w.posts = append(w.posts, in.Clone())
		return w.postAuthzInfo(in, nil)
	}
	return w.serve(w.contexts, in, func(a *oscore.Association, m oscore.Message) (oscore.Message, bool) {
		if pathOf(m) == "/authz-info" {
			return w.postAuthzInfo(m, a), false
		}
		if _, err := w.tokens.Authorize(a.Subject(), uint8(m.Code), pathOf(m), w.clock()); err != nil {
			r := rs.ErrorResponse(err)
			return oscore.Message{Code: oscore.Code(r.Code), Payload: r.Payload}, r.Unprotected
		}
		return oscore.Message{Code: 69, Payload: []byte("22.5 C")}, false
	})
}

func (w *world) postAuthzInfo(m oscore.Message, a *oscore.Association) oscore.Message {
	if m.Code != codePOST {
		w.t.Errorf("authz-info got %v", m.Code)
	}
	p := oscoreprofile.Post{Payload: m.Payload, ContentFormat: uint16(formatOf(m)), Association: a}
	r, _ := w.authz.Post(p, w.clock())
	return oscore.Message{Code: oscore.Code(r.Code), Payload: r.Payload}
}

func hasOSCORE(m oscore.Message) bool {
	for _, o := range m.Options {
		if o.Number == optionOSCORE {
			return true
		}
	}
	return false
}

func pathOf(m oscore.Message) string {
	var b strings.Builder
	for _, o := range m.Options {
		if o.Number == optionUriPath {
			b.WriteString("/" + string(o.Value))
		}
	}
	return b.String()
}

func formatOf(m oscore.Message) int {
	for _, o := range m.Options {
		if o.Number == optionContentFormat {
			n := 0
			for _, b := range o.Value {
				n = n<<8 | int(b)
			}
			return n
		}
	}
	return 65535
}
