package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/oscoreprofile"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
)

// A Session is a security context with an RS, made of an access token. It is safe
// for concurrent use; requests that are under way when the context is replaced may
// fail with [ErrDiscarded].
type Session struct {
	client  *Client
	address string
	access  Access // whose token has the input material

	mu           sync.Mutex // guards all below
	association  *oscore.Association
	id           *idalloc.Live
	latest       Access // what counts at the RS
	unauthorized int    // 4.01 in a row
}

// Open gets a token and uploads it.
func (c *Client) Open(ctx context.Context, address string, r Request) (*Session, error) {
	access, err := c.Token(ctx, r)
	if err != nil {
		return nil, err
	}
	return c.Upload(ctx, address, access)
}

// Upload posts a token to authz-info and makes the security context (RFC 9203,
// Sections 4.1 to 4.3). Every call draws a new N1 and ID1. Errors: [ErrExpired], an
// [*ace.PeerError] or [*UnauthorizedError] if the RS refuses, and those of
// oscoreprofile, which say that the exchange is stopped.
func (c *Client) Upload(ctx context.Context, address string, access *Access) (*Session, error) {
	s := &Session{client: c, address: address, access: *access, latest: *access}
	if err := s.establish(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// establish makes a context of the token, in place of the one that there is.
//
//spec:9203-4.1-4
//spec:9200-5.10.1-1
func (s *Session) establish(ctx context.Context) error {
	cfg := &s.client.cfg
	if !cfg.Clock().Before(s.access.Expires) {
		return ErrExpired
	}
	initiator := oscoreprofile.Initiator{IDs: cfg.IDs, Rand: cfg.Rand, Salt: cfg.Salt}
	upload, err := initiator.Upload(s.access.Token, s.access.Material, s.access.Audience)
	if err != nil {
		return err
	}
	defer func() { _ = upload.Abort() }() // does nothing once there is an answer
	//spec:9203-4.1-6
	//spec:9200-5.10.1-2
	response, err := cfg.Transport.Do(ctx, s.address, request(codePOST, cfg.AuthzInfo, upload.Payload(), ace.ContentFormat))
	switch {
	case err != nil:
		return fmt.Errorf("client: post the token: %w", err)
	case response.Code == codeUnauthorized:
		return unauthorized(response, false)
	// 2.04 is the answer of RSs that are older than RFC 9203.
	case response.Code != codeCreated && response.Code != codeChanged:
		return peerError(response)
	}
	established, err := upload.ProcessResponse(response.Payload)
	if err != nil {
		return err
	}
	a := cfg.Association
	a.Params = established.Params
	a.Subject = s.access.Audience
	association, err := oscore.NewAssociation(a)
	if err != nil {
		return errors.Join(fmt.Errorf("%w: %w", oscoreprofile.ErrMaterial, err), established.ID.Release())
	}
	s.replace(association, established.ID)
	return nil
}

// replace discards the context in favour of a new one, which has new nonces.
//
//spec:9203-6-4
//spec:9203-4.3-8
func (s *Session) replace(a *oscore.Association, id *idalloc.Live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.discard()
	s.association, s.id, s.unauthorized = a, id, 0
	s.latest = s.access
}

// discard ends the context, if there is one; the lock is held.
func (s *Session) discard() {
	if s.association == nil {
		return
	}
	s.association.Discard()
	_ = s.id.Release() // It rests also after an error of the journal.
	s.association, s.id = nil, nil
}

// Close discards the context. The session cannot be used but for Repost.
func (s *Session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.discard()
}

// Access is that of the token which counts at the RS now.
func (s *Session) Access() Access {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest
}

// current gives the context if it may be used.
//
//spec:9200-5.10.2-1
//spec:9203-6-2
func (s *Session) current() (*oscore.Association, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.association == nil {
		return nil, ErrDiscarded
	}
	if !s.client.cfg.Clock().Before(s.latest.Expires) {
		s.discard()
		return nil, ErrExpired
	}
	return s.association, nil
}

// Do sends a request over the security context and returns the response, which has
// verified. It never sends in clear. Errors: [ErrExpired] and [ErrDiscarded] before
// anything is sent; an [*UnauthorizedError] for a 4.01, protected or not; an
// [*UnprotectedError] for any other response in clear; [ErrRetries]; those of the
// Transport and of package oscore.
func (s *Session) Do(ctx context.Context, m oscore.Message) (oscore.Message, error) {
	a, err := s.current()
	if err != nil {
		return oscore.Message{}, err
	}
	response, err := exchange(ctx, s.client.cfg.Transport, s.address, a, m)
	return s.judge(a, response, err)
}

// judge counts the 4.01 and discards the context when RFC 9203, Section 6 says so.
func (s *Session) judge(a *oscore.Association, response oscore.Message, err error) (oscore.Message, error) {
	var clear *UnprotectedError
	var refused *UnauthorizedError
	switch {
	case err == nil && response.Code == codeUnauthorized:
		refused = unauthorized(response, true)
	case errors.As(err, &clear) && clear.Code == codeUnauthorized:
		refused = unauthorized(response, false)
	case err != nil && !errors.Is(err, oscore.ErrSequence) && !errors.Is(err, oscore.ErrKeyLimit):
		return oscore.Message{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	current := s.association == a
	if refused == nil {
		if current {
			s.unauthorized = 0
		}
		//spec:9203-6-1
		if current && err != nil {
			s.discard()
		}
		return response, err
	}
	if current {
		s.unauthorized++
		//spec:9203-6-3
		if s.unauthorized >= s.client.cfg.MaxUnauthorized {
			s.discard()
		}
	}
	refused.Discarded = s.association == nil
	return oscore.Message{}, refused
}

func unauthorized(m oscore.Message, protected bool) *UnauthorizedError {
	e := &UnauthorizedError{Protected: protected}
	if hints, err := ace.ParseCreationHints(m.Payload); err == nil {
		e.Hints = hints
	}
	return e
}

// Renew asks for a new context by RFC 8613, Appendix B.2, which the next request
// makes. Config.Association must allow it.
func (s *Session) Renew() error {
	a, err := s.current()
	if err != nil {
		return err
	}
	return a.Rederive()
}

// Repost posts the same token again and makes a new context with new nonces and IDs
// (RFC 9203, Section 4.1), then brings the rights up to date if they were updated.
// It serves when the RS has lost the context, or to change the IDs. Errors: those of
// Upload and Update. The former context is in use until the RS has answered.
func (s *Session) Repost(ctx context.Context) error {
	latest := s.Access()
	if err := s.establish(ctx); err != nil {
		return err
	}
	if string(latest.Token) == string(s.access.Token) {
		return nil
	}
	return s.postUpdate(ctx, latest)
}

// Update asks the AS for a token with another scope for the same context, and posts
// it over that context (RFC 9203, Section 4.1). Errors: those of Token and Do, and an
// [*ace.PeerError] if the RS refuses.
func (s *Session) Update(ctx context.Context, scope ace.Scope) error {
	if _, err := s.current(); err != nil {
		return err
	}
	server, err := s.client.server(s.access.Audience, &ace.CreationHints{AS: s.access.Server})
	if err != nil {
		return err
	}
	access, cnf, err := s.client.token(ctx, server, &ace.TokenRequest{
		Audience: s.access.Audience,
		Scope:    scope,
		ReqCnf:   &ace.Confirmation{KID: s.access.Material.ID},
	})
	if err != nil {
		return err
	}
	if cnf != nil && (cnf.OSCORE != nil || cnf.Key != nil) {
		return fmt.Errorf("%w: new material for an update", ErrProfile)
	}
	access.Material = s.access.Material
	return s.postUpdate(ctx, *access)
}

// postUpdate sends an update of access rights, protected.
//
//spec:9203-4.1-8
func (s *Session) postUpdate(ctx context.Context, access Access) error {
	payload := oscoreprofile.UpdatePayload(access.Token)
	response, err := s.Do(ctx, request(codePOST, s.client.cfg.AuthzInfo, payload, ace.ContentFormat))
	if err != nil {
		return err
	}
	if response.Code != codeCreated && response.Code != codeChanged {
		return peerError(response)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest = access
	return nil
}

// Expires is when the token that counts at the RS expires, by the client's clock.
func (s *Session) Expires() time.Time { return s.Access().Expires }
