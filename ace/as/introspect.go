package as

import (
	"context"
	"errors"
	"slices"

	"github.com/ostiary/ostiary/ace"
)

// An Introspection is what an RS learns at the introspection endpoint about the
// tokens that were issued for it.
type Introspection uint8

// The levels of introspection. The values are fixed: they are stored.
const (
	NoIntrospection Introspection = 0 // nothing: it may not ask
	ActiveOnly      Introspection = 1 // whether a token that it can read is active
	WithClaims      Introspection = 2 // also the claims: the token is opaque to it, for its TokenKey stays with the AS
)

// Introspect answers a request to the introspection endpoint (RFC 9200, Section
// 5.9): payload is its application/ace+cbor payload, and requester the subject
// that the channel has authenticated, see [ResourceServerSubject], "" for nobody.
// The channel is encrypted, protects integrity and binds answers to requests. The
// answer is the payload of a 2.01, with the key of the token in clear. An error is
// an *Error, which ErrorResponse turns into the answer. Introspect keeps nothing of
// payload.
func (s *Server) Introspect(ctx context.Context, requester string, payload []byte) ([]byte, error) {
	rs, err := s.introspector(ctx, requester)
	if err != nil {
		return nil, err
	}
	r, err := ace.ParseIntrospectionRequest(payload)
	if err != nil {
		e := refused(ace.InvalidRequest, "RFC 9200, Section 5.9.1", "malformed request")
		e.Err = err
		return nil, e
	}
	if r.ClientID != "" && r.ClientID != rs.Name {
		return nil, refused(ace.InvalidClient, "RFC 7662, Section 2.3", "client_id is not the RS of the channel")
	}
	answer, err := s.introspect(ctx, rs, r.Token)
	if err != nil {
		return nil, err
	}
	defer erase(answer.Cnf)
	return answer.Append(nil), nil
}

// erase overwrites the key of a token.
func erase(c *ace.Confirmation) {
	if c != nil && c.OSCORE != nil {
		c.OSCORE.MasterSecret.Erase()
	}
}

// introspector looks up who asks: an RS that is registered for it.
//
//spec:9200-5.9-5
//spec:9200-5.9.3-2
//spec:9200-5.9.3-3
func (s *Server) introspector(ctx context.Context, requester string) (ResourceServer, error) {
	name, ok := ResourceServerName(requester)
	if !ok {
		_, err := s.client(ctx, requester)
		if e, known := errors.AsType[*Error](err); known && e.OAuth != ace.UnauthorizedClient {
			return ResourceServer{}, err
		}
		return ResourceServer{}, forbidden("requester is no RS")
	}
	rs, err := s.config.ResourceServers.ResourceServer(ctx, name)
	switch {
	case errors.Is(err, ErrUnknown):
		return ResourceServer{}, refused(ace.InvalidClient, "RFC 9200, Section 5.9.3", "RS is not registered")
	case err != nil:
		return ResourceServer{}, failed("look RS up", err)
	case rs.Name != name || rs.TokenKey == nil:
		return ResourceServer{}, failed("look RS up: another one was found, or one without a token key", nil)
	case rs.Introspection != ActiveOnly && rs.Introspection != WithClaims:
		return ResourceServer{}, forbidden("RS is not registered for introspection")
	}
	return rs, nil
}

// introspect says what rs may know of a token. A token that is not for rs, that is
// not live or that its key does not open gets the same answer as any other bytes.
//
//spec:9200-5.9.3-6
func (s *Server) introspect(ctx context.Context, rs ResourceServer, token []byte) (*ace.IntrospectionResponse, error) {
	inactive := new(ace.IntrospectionResponse)
	now, err := s.clock.now(ctx)
	if err != nil {
		return nil, err
	}
	issued, err := s.config.Ledger.LiveTokenByHash(ctx, ace.TokenHash(token), now)
	switch {
	case errors.Is(err, ErrNotLive):
		return inactive, nil
	case err != nil:
		return nil, failed("look token up", err)
	case !slices.Contains(issued.Servers, rs.Name):
		return inactive, nil
	}
	claims, _, err := ace.OpenCWT(token, func([]byte) []*ace.TokenKey { return []*ace.TokenKey{rs.TokenKey} })
	if err != nil { // registered anew, with another key
		return inactive, nil //nolint:nilerr // the protocol has no other answer
	}
	answer := &ace.IntrospectionResponse{Active: true}
	if rs.Introspection == ActiveOnly {
		erase(claims.Cnf)
		return answer, nil
	}
	//spec:9201-5-2
	answer.Claims = *claims
	//spec:9200-5.9.2-2
	answer.Profile = issued.Profile
	return answer, nil
}
