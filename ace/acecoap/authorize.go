package acecoap

import (
	"context"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// AuthzInfoPath is where clients upload their tokens (RFC 9200, Section 5.10.1).
const AuthzInfoPath = "/authz-info"

// Grant returns what the request with this context was allowed for; the zero
// Grant, which allows nothing, outside a ResourceServer.
func Grant(ctx context.Context) rs.Grant {
	g, _ := oscorecoap.Grant(ctx).(rs.Grant)
	return g
}

// authorize is Access Rights Verification (RFC 9203, Section 4.4; RFC 9200,
// Section 5.10.2).
func (s *ResourceServer) authorize(sec *oscore.Association, r *coap.Request) (any, error) {
	subject := sec.Subject()
	s.discardSpent()
	s.remember(subject, sec)
	if r.Path() == AuthzInfoPath { // an update of access rights
		if err := s.tokens.Confirm(subject, s.cfg.Now()); err != nil {
			return nil, refusal(err)
		}
		return nil, nil
	}
	grant, err := s.tokens.Authorize(subject, uint8(r.Code), localPart(r), s.cfg.Now())
	if err != nil {
		return nil, refusal(err)
	}
	return grant, nil
}

// remember keeps the association of a subject, for removed.
func (s *ResourceServer) remember(subject string, sec *oscore.Association) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ace[subject] != sec && s.tokens.Contains(subject) {
		s.ace[subject] = sec
	}
}

// localPart is the URI-local-part of a request: its path and, if there is one,
// its query (RFC 9237, Section 2.1), in the form that AIF has it.
func localPart(r *coap.Request) string {
	var path []string
	for segment := range r.Options.All(coap.URIPath) {
		path = append(path, string(segment))
	}
	return ace.LocalPart(path, r.Options.Queries())
}

// refusal is the answer for an error of rs.
func refusal(err error) error {
	x := rs.ErrorResponse(err)
	out := &oscorecoap.Refusal{Code: coap.Code(x.Code), Payload: x.Payload, Unprotected: x.Unprotected, Err: err}
	if len(x.Payload) > 0 {
		out.Options.SetUint(coap.ContentFormat, uint32(ace.ContentFormat))
	}
	return out
}
