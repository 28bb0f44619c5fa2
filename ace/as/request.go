package as

import (
	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/policy"
)

// A request is a token request with the defaults of its client.
type request struct {
	*ace.TokenRequest
	audience string
	scope    ace.Scope
	asked    bool // the request names the scope itself
}

// parse reads the request and says what it asks for.
//
//spec:9200-5-7
//spec:9200-5.8.1-4
func parse(payload []byte, c Client) (request, error) {
	t, err := ace.ParseTokenRequest(payload)
	if err != nil {
		e := refused(ace.InvalidRequest, "RFC 9200, Section 5.8.1", "malformed request")
		e.Err = err
		return request{}, e
	}
	switch {
	case t.ClientID != "" && t.ClientID != c.Name:
		return request{}, refused(ace.InvalidClient, "RFC 6749, Section 5.2", "client_id is not the client of the channel")
	case t.ClientSecret != nil:
		return request{}, refused(ace.InvalidRequest, "RFC 6749, Section 5.2", "client_secret beside the channel")
	case t.GrantType != nil && *t.GrantType != ace.GrantClientCredentials:
		return request{}, refused(ace.UnsupportedGrantType, "RFC 9200, Section 5.8.4.1", "grant type is not client_credentials")
	}
	r := request{TokenRequest: t, audience: t.Audience, scope: t.Scope, asked: !t.Scope.IsZero()}
	if r.audience == "" {
		r.audience = c.Audience
	}
	if !r.asked {
		r.scope = c.Scope
	}
	if r.audience == "" || r.scope.IsZero() {
		return request{}, refused(ace.InvalidRequest, "RFC 6749, Sections 3.3 and 5.2", "no scope or audience, and no default")
	}
	return r, nil
}

// decide gives the scope of the token.
func (s *Server) decide(c Client, t *target, r request) (ace.Scope, error) {
	if !t.understands(r.scope) {
		return ace.Scope{}, refused(ace.InvalidScope, "RFC 6749, Section 5.2", "RS does not understand scopes like that, or of that size")
	}
	d := s.config.Policy.Decide(policy.Request{Subject: c.Name, Groups: c.Groups, Audience: r.audience, Scope: r.scope})
	switch {
	case !d.Granted.IsZero():
		return d.Granted, nil
	case d.Err != nil:
		return ace.Scope{}, failed("evaluate policies", d.Err)
	}
	return ace.Scope{}, refused(ace.InvalidScope, "RFC 6749, Section 5.2", "scope is "+d.Reason.String())
}
