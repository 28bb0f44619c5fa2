package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/ace/client"
	"github.com/ostiary/ostiary/cmd/internal/diag"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
)

// demoScope is what both clients ask for: more than they get.
var demoScope = ace.AIFScope(ace.AIF{
	{Path: "/value", Methods: ace.GET | ace.PUT | ace.DELETE},
	{Path: "/config", Methods: ace.PUT},
})

// hints: RFC 9200, Sections 5.2 and 5.3.
func (d *demo) hints(ctx context.Context) (string, error) {
	var err error
	if d.alice, err = d.enter(ctx, "alice"); err != nil {
		return "", err
	}
	h, err := d.alice.party.client.Ask(ctx, d.rsURI(), "/value")
	if err != nil {
		return "", err
	}
	if h.AS != d.people["alice"].AS || h.Audience == "" {
		return "", fmt.Errorf("hints name AS %q and audience %q", h.AS, h.Audience)
	}
	return "4.01 with hints: AS " + h.AS, nil
}

// token: RFC 9200, Section 5.8; RFC 9203, Section 3.
func (d *demo) token(ctx context.Context) (string, error) {
	var err error
	d.alice.access, err = d.alice.party.client.Token(ctx, client.Request{Audience: demoAudience, Scope: demoScope})
	if err != nil {
		return "", err
	}
	granted, err := d.alice.access.Scope.AIF()
	if err != nil {
		return "", err
	}
	if granted.Of("/value") != ace.GET|ace.PUT || granted.Of("/config") != 0 {
		return "", fmt.Errorf("granted %v", granted)
	}
	return fmt.Sprintf("a token of %d bytes; asked for %v, granted %v", len(d.alice.access.Token), demoScope, granted), nil
}

// upload: RFC 9203, Section 4.
func (d *demo) upload(ctx context.Context) (string, error) {
	var err error
	if d.alice.session, err = d.alice.party.client.Upload(ctx, d.rsURI(), d.alice.access); err != nil {
		return "", err
	}
	return "Master Salt = salt | N1 | N2; alice's Sender ID is ID2, her Recipient ID is ID1", nil
}

// send sends a request in the session of a client and shows it.
func (d *demo) send(ctx context.Context, who string, a *actorOfDemo, method coap.Code, path, payload string) (*coap.Response, error) {
	r := coap.NewRequest(method, path)
	if payload != "" {
		r.Payload = []byte(payload)
	}
	d.t.line(who, "rs", method.String()+" "+path+" (in OSCORE)", showText(r.Payload))
	response, err := acecoap.Doer(a.session, coap.BlockwiseConfig{}).Do(ctx, r)
	if err != nil {
		return nil, err
	}
	d.t.line("rs", who, response.Code.String()+" (in OSCORE)", showText(response.Payload))
	return response, nil
}

// want sends a request and compares the response.
func (d *demo) want(ctx context.Context, a *actorOfDemo, method coap.Code, path, payload string, code coap.Code, content string) error {
	response, err := d.send(ctx, a.wire.from, a, method, path, payload)
	switch {
	case err != nil:
		return err
	case response.Code != code:
		return fmt.Errorf("%v %s: got %v, want %v", method, path, response.Code, code)
	case string(response.Payload) != content:
		return fmt.Errorf("%v %s: got %q, want %q", method, path, response.Payload, content)
	}
	return nil
}

func (d *demo) getAndPut(ctx context.Context) (string, error) {
	d.value.set("21 C")
	if err := d.want(ctx, d.alice, coap.GET, "/value", "", coap.Content, "21 C"); err != nil {
		return "", err
	}
	if err := d.want(ctx, d.alice, coap.PUT, "/value", "23 C", coap.Changed, ""); err != nil {
		return "", err
	}
	if got := d.value.get(); got != "23 C" {
		return "", fmt.Errorf("the resource holds %q", got)
	}
	return "read 21 C, wrote 23 C", nil
}

// outside: RFC 9200, Section 5.10.2.
func (d *demo) outside(ctx context.Context) (string, error) {
	before := d.value.count()
	if err := d.want(ctx, d.alice, coap.PUT, "/config", "1", coap.Forbidden, ""); err != nil {
		return "", err
	}
	if err := d.want(ctx, d.alice, coap.DELETE, "/value", "", coap.MethodNotAllowed, ""); err != nil {
		return "", err
	}
	if d.value.count() != before {
		return "", errors.New("the application saw a request that is not allowed")
	}
	return "4.03 for a resource that the token does not cover, 4.05 for a method; neither reached the application", nil
}

// replay: RFC 8613, Section 7.4.
func (d *demo) replay(ctx context.Context) (string, error) {
	if err := d.want(ctx, d.alice, coap.PUT, "/value", "24 C", coap.Changed, ""); err != nil {
		return "", err
	}
	before := d.value.count()
	if err := d.refused(ctx, "mallory", d.alice.wire.lastRequest(), coap.Unauthorized); err != nil {
		return "", err
	}
	if d.value.count() != before {
		return "", errors.New("the replayed request was executed")
	}
	return "4.01; the request was not executed a second time", nil
}

// refused sends an OSCORE message that must be answered with an unprotected
// error (RFC 8613, Section 8.2).
func (d *demo) refused(ctx context.Context, who string, m oscore.Message, want coap.Code) error {
	w := &wire{Transport: d.alice.wire.Transport, t: d.t, from: who, to: d.serverName}
	response, err := w.Do(ctx, d.rsURI(), m)
	if err != nil {
		return err
	}
	show := showText
	for _, o := range response.Options {
		if coap.OptionID(o.Number) == coap.ContentFormat { // hints, not a diagnostic
			show = diag.Hints
		}
	}
	d.t.line("rs", who, coap.Code(response.Code).String(), show(response.Payload))
	if got := coap.Code(response.Code); got != want {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	if _, err := oscore.ParseProtected(response); !errors.Is(err, oscore.ErrUnprotected) {
		return errors.New("the answer is protected")
	}
	return nil
}

// renew: RFC 8613, Appendix B.2.
func (d *demo) renew(ctx context.Context) (string, error) {
	first := d.alice.wire.lastRequest()
	old, err := d.alice.session.Association()
	if err != nil {
		return "", err
	}
	unsent, _, err := old.ProtectRequest(oscore.Message{Code: oscore.Code(coap.PUT), Options: uriPath("value"), Payload: []byte("late")})
	if err != nil {
		return "", err
	}
	late, err := unsent.Message()
	if err != nil {
		return "", err
	}
	late = late.Clone()
	before := old.Current()
	if err := d.alice.session.Renew(); err != nil {
		return "", err
	}
	if err := d.want(ctx, d.alice, coap.GET, "/value", "", coap.Content, "24 C"); err != nil {
		return "", err
	}
	after := old.Current()
	switch {
	case before == after:
		return "", errors.New("the security context is the old one")
	case bytes.Equal(first.Payload, d.alice.wire.lastRequest().Payload):
		return "", errors.New("the ciphertext is the old one")
	}
	if err := d.keysDiffer(before, after); err != nil {
		return "", err
	}
	if _, _, err := before.ProtectRequest(oscore.Message{Code: oscore.Code(coap.GET)}); !errors.Is(err, oscore.ErrDiscarded) {
		return "", errors.Join(errors.New("the old security context still protects"), err)
	}
	d.t.line("", "", "", "a request that alice protected before, and sends only now:")
	if err := d.refused(ctx, "alice", late, coap.BadRequest); err != nil {
		return "", fmt.Errorf("the old security context lives: %w", err)
	}
	return "R1, R2, R3 made a new security context; what was protected with the old one is refused", nil
}

// update: RFC 9203, Section 4.1.
func (d *demo) update(ctx context.Context) (string, error) {
	less := ace.AIFScope(ace.AIF{{Path: "/value", Methods: ace.GET}})
	if err := d.alice.session.Update(ctx, less); err != nil {
		return "", err
	}
	if err := d.want(ctx, d.alice, coap.GET, "/value", "", coap.Content, "24 C"); err != nil {
		return "", err
	}
	if err := d.want(ctx, d.alice, coap.PUT, "/value", "25 C", coap.MethodNotAllowed, ""); err != nil {
		return "", err
	}
	return "a token without cnf, uploaded inside OSCORE: PUT is no longer allowed", nil
}

// second: one allocator (RFC 8613, Section 3.3).
func (d *demo) second(ctx context.Context) (string, error) {
	var err error
	if d.bob, err = d.enter(ctx, "bob"); err != nil {
		return "", err
	}
	d.bob.session, err = d.bob.party.client.Open(ctx, d.rsURI(), client.Request{Audience: demoAudience, Scope: demoScope})
	if err != nil {
		return "", err
	}
	if err := d.want(ctx, d.bob, coap.GET, "/value", "", coap.Content, "24 C"); err != nil {
		return "", err
	}
	live, seen := 0, map[idalloc.ID]bool{}
	for _, h := range d.rsIDs.Holdings() {
		if seen[h.ID] {
			return "", fmt.Errorf("identifier %v is held twice", h.ID)
		}
		seen[h.ID] = true
		if h.State == idalloc.StateLive {
			live++
			d.t.line("", "", "", fmt.Sprintf("rs: Recipient ID h'%v' is %v, of %s", h.ID, h.State, h.Holder))
		}
	}
	if live != 2 {
		return "", fmt.Errorf("%d identifiers are live, want 2", live)
	}
	return "two clients, two live identifiers", nil
}

// expiry: RFC 9200, Section 5.10.3; RFC 9203, Section 4.3.
func (d *demo) expiry(ctx context.Context) (string, error) {
	var err error
	d.bob.session, err = d.bob.party.client.Open(ctx, d.rsURI(), client.Request{Audience: demoBrief, Scope: demoScope})
	if err != nil {
		return "", err
	}
	if err := d.want(ctx, d.bob, coap.GET, "/value", "", coap.Content, "24 C"); err != nil {
		return "", err
	}
	association, err := d.bob.session.Association()
	if err != nil {
		return "", err
	}
	p, _, err := association.ProtectRequest(oscore.Message{Code: oscore.Code(coap.GET), Options: uriPath("value")})
	if err != nil {
		return "", err
	}
	m, err := p.Message()
	if err != nil {
		return "", err
	}
	m = m.Clone()
	// exp has whole seconds, and the clocks are the same one.
	expires := d.bob.session.Expires().Add(time.Second)
	d.t.line("", "", "", fmt.Sprintf("waiting for the end of a token of %v", demoLifetime))
	select {
	case <-time.After(time.Until(expires)):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	before := d.value.count()
	if err := d.refused(ctx, "bob", m, coap.Unauthorized); err != nil {
		return "", err
	}
	if d.value.count() != before {
		return "", errors.New("the request was executed")
	}
	if _, err := d.bob.session.Do(ctx, oscore.Message{Code: oscore.Code(coap.GET), Options: uriPath("value")}); !errors.Is(err, client.ErrExpired) {
		return "", errors.Join(errors.New("bob's session does not say that the token has expired"), err)
	}
	return "4.01, unprotected; bob's own library refuses to use the token as well", nil
}
