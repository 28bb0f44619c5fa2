package interop

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/ostiary/ostiary/oscore"
)

// Replay takes the part of both endpoints of a recorded run with package oscore:
//
//	               request                       response
//	the client     protects what is inside,      verifies it
//	               which gives the same bytes
//	the server     verifies it                   protects what is inside, which
//	                                             gives the same bytes if it is ours
//
// The random strings of Appendix B.2 are those of the recording. What is inside
// has to be what is recorded with the datagrams. It returns the first difference.
func (t *Transcript) Replay() error { return t.replay(false) }

// Read replays t and records what is inside its datagrams.
func (t *Transcript) Read() error { return t.replay(true) }

func (t *Transcript) replay(record bool) error {
	r, err := newReplay(t)
	if err != nil {
		return err
	}
	protected := 0
	for i := range t.Datagrams {
		d := &t.Datagrams[i]
		inner, err := r.datagram(d)
		if err != nil {
			return fmt.Errorf("datagram %d (%s, from the %s): %w", i, d.Case, d.From, err)
		}
		if inner == nil {
			continue
		}
		protected++
		if got := newMessage(*inner); record {
			d.Inner = got
		} else if d.Inner == nil || got.String() != d.Inner.String() {
			return fmt.Errorf("datagram %d (%s, from the %s): inside is %v, want %v", i, d.Case, d.From, got, d.Inner)
		}
	}
	if protected == 0 {
		return errors.New("nothing is protected")
	}
	return nil
}

type replay struct {
	t         *Transcript
	client    *oscore.Association
	random    *bytes.Reader       // that of the client
	server    *oscore.Association // nil if its randomness is not known
	base      oscore.Params       // as the server has them
	contexts  map[string]*oscore.Context
	idContext []byte // of the context in use
	echo      []byte // that the client was asked for; its association adds it
	exchanges map[string]*exchange
}

// exchange is a request that waits for responses.
type exchange struct {
	client    *oscore.ClientExchange
	server    *oscore.ServerExchange // nil if the response is
	challenge *oscore.Protected      // this; or not known, if that is nil, too
}

func newReplay(t *Transcript) (*replay, error) {
	p := t.Context.Params()
	r := &replay{
		t: t, random: bytes.NewReader(clientRandom(t)), base: p, idContext: p.IDContext,
		contexts: map[string]*oscore.Context{}, exchanges: map[string]*exchange{},
	}
	r.base.SenderID, r.base.RecipientID = p.RecipientID, p.SenderID
	err := r.newClient(p.IDContext)
	if err == nil && len(t.ServerRandom) > 0 {
		r.server, err = oscore.NewAssociation(oscore.Config{Params: r.base, B2: oscore.B2Allowed, Rand: bytes.NewReader(t.ServerRandom)})
	}
	return r, err
}

// newClient begins the client anew, with an ID Context.
func (r *replay) newClient(idContext []byte) (err error) {
	p := r.t.Context.Params()
	p.IDContext = idContext
	r.client, err = oscore.NewAssociation(oscore.Config{
		Params: p, B2: oscore.B2Allowed, OmitKIDContext: r.t.Context.OmitKIDContext,
		Rand: io.MultiReader(bytes.NewReader(make([]byte, 8)), r.random), // 8 bytes to see that there are some
	})
	return err
}

// datagram returns the message inside d, nil if d is not protected.
func (r *replay) datagram(d *Datagram) (*oscore.Message, error) {
	w, err := parseWire(d.Bytes)
	if err != nil {
		return nil, err
	}
	w.message = withoutEDHOC(w.message)
	p, err := oscore.ParseProtected(w.message)
	if errors.Is(err, oscore.ErrUnprotected) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	key := fmt.Sprint(d.Client, w.token)
	if d.From == FromClient {
		if d.Rederive && r.server != nil {
			if err := r.server.Rederive(); err != nil {
				return nil, err
			}
		}
		m, x, err := r.request(w.message, p)
		r.exchanges[key] = x
		return m, err
	}
	x := r.exchanges[key]
	if x == nil {
		return nil, errors.New("a response to no request")
	}
	return r.response(x, w.message, p)
}

func (r *replay) request(wire oscore.Message, p oscore.Protected) (*oscore.Message, *exchange, error) {
	s, err := r.step(p)
	if err != nil {
		return nil, nil, err
	}
	c, err := r.context(s.idContext)
	if err != nil {
		return nil, nil, err
	}
	verified := p
	if s.first || s.second { // a context of its own expects its ID Context as it is
		if verified, err = oscore.ParseProtected(withKIDContext(wire, s.idContext)); err != nil {
			return nil, nil, err
		}
	}
	m, x, err := c.VerifyRequest(verified)
	if err != nil {
		return nil, nil, fmt.Errorf("verify: %w", err)
	}
	if s.second {
		r.idContext = s.idContext
	}
	sent, err := r.protect(s, wire, m)
	if err != nil {
		return nil, nil, err
	}
	e := &exchange{client: sent, server: x}
	if r.server != nil {
		err = r.serve(e, p, m)
	}
	return &m, e, err
}

// protect lets the client protect m, which has to give the message that was sent.
func (r *replay) protect(s step, wire, m oscore.Message) (*oscore.ClientExchange, error) {
	if s.first {
		if err := r.client.Rederive(); err != nil {
			return nil, err
		}
	}
	if s.odd {
		if err := r.newClient(s.idContext); err != nil {
			return nil, err
		}
	}
	p, x, err := r.client.ProtectRequest(withoutEcho(m, r.echo))
	if err != nil {
		return nil, fmt.Errorf("protect again: %w", err)
	}
	if s.odd { // ours has no kid context
		wire = withKIDContext(wire, nil)
	}
	return x, same(p, wire)
}

// serve lets the server's association verify a request in which m is.
func (r *replay) serve(e *exchange, p oscore.Protected, m oscore.Message) error {
	got, x, err := r.server.VerifyRequest(p)
	e.server = x
	var challenge *oscore.Challenge
	if errors.As(err, &challenge) {
		e.challenge = &challenge.Protected
		return nil
	}
	if err != nil {
		return fmt.Errorf("verify by the association: %w", err)
	}
	if newMessage(got).String() != newMessage(m).String() {
		return fmt.Errorf("the association verifies %v, want %v", newMessage(got), newMessage(m))
	}
	return nil
}

func (r *replay) response(x *exchange, wire oscore.Message, p oscore.Protected) (*oscore.Message, error) {
	m, err := x.client.VerifyResponse(p)
	var retry *oscore.Retry
	if errors.As(err, &retry) {
		if o := optionOf(retry.Response, optionEcho); o != nil {
			r.echo = o.Value
		}
		if x.challenge != nil {
			err = same(*x.challenge, wire)
		} else {
			err = nil // only the server knows how it made R2
		}
		return &retry.Response, err
	}
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	if !r.t.Ours {
		return &m, nil
	}
	if x.server == nil {
		return nil, errors.New("a response where the server's association answers with response #1")
	}
	again, err := x.server.ProtectResponse(withObserve(m, wire))
	if err != nil {
		return nil, fmt.Errorf("protect again: %w", err)
	}
	return &m, same(again, wire)
}

// context returns the context of the server with an ID Context.
func (r *replay) context(idContext []byte) (*oscore.Context, error) {
	key := string(idContext)
	if c := r.contexts[key]; c != nil {
		return c, nil
	}
	p := r.base
	p.IDContext = idContext
	c, err := oscore.NewContext(oscore.Config{Params: p})
	r.contexts[key] = c
	return c, err
}

// same compares a message that was protected again with the recorded one.
func same(p oscore.Protected, want oscore.Message) error {
	got, err := p.Message()
	if err != nil {
		return err
	}
	if g, w := newMessage(got).String(), newMessage(want).String(); g != w {
		return fmt.Errorf("protected again it is %s, want %s", g, w)
	}
	return nil
}
