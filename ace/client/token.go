package client

import (
	"context"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/oscore"
)

// A Request says which access the client wants.
type Request struct {
	Audience string    // the RS; required
	Scope    ace.Scope // none: that of the hints, or what the AS gives by default

	// Hints are what an RS said in a 4.01, nil if nothing. Its AS must be one that
	// the Config authorises for the audience; its audience counts for nothing.
	Hints *ace.CreationHints
}

// An Access is a token with what belongs to it. It holds the Master Secret.
type Access struct {
	Server   string // URI of the AS
	Audience string
	Scope    ace.Scope // what the AS granted, or was asked for
	Token    []byte
	Expires  time.Time // by the client's clock
	Material *ace.OSCOREInputMaterial
}

// Token asks the AS of the audience for a token (RFC 9200, Section 5.8). Errors:
// [ErrServer], [ErrProfile], [ErrNoExpiry], an [*ace.PeerError] that says why the AS
// refuses, and those of the Transport and the association.
func (c *Client) Token(ctx context.Context, r Request) (*Access, error) {
	server, err := c.server(r.Audience, r.Hints)
	if err != nil {
		return nil, err
	}
	if r.Hints != nil && r.Scope.IsZero() {
		r.Scope = r.Hints.Scope
	}
	t := &ace.TokenRequest{Audience: r.Audience, Scope: r.Scope, WantProfile: true}
	if r.Hints != nil {
		//spec:9200-5.3.1-2
		t.CNonce = r.Hints.CNonce
	}
	access, cnf, err := c.token(ctx, server, t)
	if err != nil {
		return nil, err
	}
	if cnf == nil || cnf.OSCORE == nil {
		return nil, fmt.Errorf("%w: no input material", ErrProfile)
	}
	access.Material = cnf.OSCORE
	return access, nil
}

// token does one exchange with the token endpoint.
func (c *Client) token(ctx context.Context, server *Server, t *ace.TokenRequest) (*Access, *ace.Confirmation, error) {
	asked := c.cfg.Clock()
	response, err := c.askServer(ctx, server, request(codePOST, server.Path, t.Append(nil), ace.ContentFormat))
	if err != nil {
		return nil, nil, fmt.Errorf("client: ask the AS for a token: %w", err)
	}
	if response.Code != codeCreated {
		return nil, nil, peerError(response)
	}
	r, err := ace.ParseTokenResponse(response.Payload)
	if err != nil {
		return nil, nil, err
	}
	if r.Profile != 0 && r.Profile != ace.ProfileCoAPOSCORE {
		return nil, nil, fmt.Errorf("%w: profile %d", ErrProfile, r.Profile)
	}
	access := &Access{Server: server.URI, Audience: t.Audience, Scope: r.Scope, Token: r.AccessToken}
	if access.Scope.IsZero() {
		access.Scope = t.Scope
	}
	//spec:9200-5.10.4-1
	lifetime := time.Duration(r.ExpiresIn) * time.Second
	setDefault(&lifetime, server.Lifetime)
	if lifetime <= 0 {
		//spec:9200-5.10.4-2
		return nil, nil, ErrNoExpiry
	}
	access.Expires = asked.Add(lifetime)
	return access, r.Cnf, nil
}

func (c *Client) askServer(ctx context.Context, server *Server, m oscore.Message) (oscore.Message, error) {
	if server.Channel != nil {
		return server.Channel.Do(ctx, server.Address, m)
	}
	return exchange(ctx, c.cfg.Transport, server.Address, server.Association, m)
}

// Ask sends a request for a resource in clear and returns the hints of the 4.01 (RFC
// 9200, Sections 5.2 and 5.3), for Request.Hints. It is always a GET, which shows
// the path and no more. Errors: an [*ace.PeerError] for another answer, those of the
// Transport, and an [*ace.Error] for malformed hints.
//
//spec:9200-6.8-1
func (c *Client) Ask(ctx context.Context, address, path string) (*ace.CreationHints, error) {
	response, err := c.cfg.Transport.Do(ctx, address, request(codeGET, path, nil, 0))
	if err != nil {
		return nil, fmt.Errorf("client: ask the RS for hints: %w", err)
	}
	if response.Code != codeUnauthorized {
		return nil, peerError(response)
	}
	return ace.ParseCreationHints(response.Payload)
}
