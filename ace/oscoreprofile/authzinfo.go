package oscoreprofile

import (
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/oscore"
)

// An AuthzInfoConfig describes the authz-info endpoint to [NewAuthzInfo].
type AuthzInfoConfig struct {
	Responder

	Tokens   *rs.Tokens       // required
	Contexts *oscore.Contexts // required

	// Association is what the associations have besides their Params and Subject,
	// which are set for each: replay window, Appendix B.2, limits. Sequence,
	// RecoverWindow and Resume must be zero: the keys are always fresh.
	Association oscore.Config

	// OnDiscard is called before an association is discarded, while it can still
	// carry the 4.01 that ends its observations; nil does nothing. It must not call
	// the AuthzInfo.
	OnDiscard func(*oscore.Association, rs.Reason)
}

// AuthzInfo is the authz-info endpoint of an RS (RFC 9203, Sections 4.1 to 4.3). It
// is safe for concurrent use.
type AuthzInfo struct {
	cfg   AuthzInfoConfig
	count atomic.Uint64 // of subjects
}

// NewAuthzInfo checks cfg.
func NewAuthzInfo(cfg AuthzInfoConfig) (*AuthzInfo, error) {
	switch a := cfg.Association; {
	case cfg.Tokens == nil || cfg.Contexts == nil || cfg.IDs == nil:
		return nil, errors.New("oscoreprofile: AuthzInfoConfig: Tokens, Contexts or IDs is missing")
	case a.MasterSecret != nil || a.Subject != "" || a.Sequence != nil || a.RecoverWindow || a.Resume != nil:
		return nil, errors.New("oscoreprofile: AuthzInfoConfig: Association has what belongs to one context")
	}
	return &AuthzInfo{cfg: cfg}, nil
}

// A Post is a POST request to authz-info. Other methods are for the caller to
// refuse.
type Post struct {
	Payload       []byte
	ContentFormat uint16 // ace.ContentFormat; a request without the option has another, such as 65535

	// Association is what the request was verified with; nil if it came in clear.
	Association *oscore.Association

	// AddressProved tells that the sender of a request in clear has shown to
	// receive at its address, by an Echo option (RFC 9175, Section 2.4).
	AddressProved bool
}

// Post processes a request and returns the answer to it, which is sent over the
// association that the request came over unless Unprotected is set. The error, if
// any, is for the log; if it is idalloc.ErrUnvalidated, the caller may ask for a
// proof of the address instead. On an error nothing is stored.
//
//spec:9203-4.2-1
func (a *AuthzInfo) Post(p Post, now time.Time) (rs.Response, error) {
	if p.Association != nil {
		if err := a.Update(p, now); err != nil {
			return rs.ErrorResponse(err), err
		}
		//spec:9203-4.2-9
		return rs.Response{Code: rs.Created}, nil
	}
	pending, err := a.Prepare(p, now)
	if err != nil {
		return rs.ErrorResponse(err), err
	}
	if err := a.Install(pending, now); err != nil {
		return rs.ErrorResponse(err), err
	}
	//spec:9203-4.2-5
	//spec:9200-5.10.1-5
	return rs.Response{Code: rs.Created, ContentFormat: ace.ContentFormat, Payload: pending.Response()}, nil
}

// Prepare is the first half of processing a request in clear: it verifies the token
// and derives a context. All that it stores is the reservation of the Recipient ID.
// Install or PendingContext.Abort has to follow. It fails with an *rs.Error.
func (a *AuthzInfo) Prepare(p Post, now time.Time) (*PendingContext, error) {
	if p.ContentFormat != ace.ContentFormat {
		return nil, bad("Content-Format is not application/ace+cbor", nil)
	}
	received, err := ParsePost(p.Payload)
	if err != nil {
		return nil, err
	}
	token, err := a.cfg.Tokens.Verify(received.AccessToken, now)
	if err != nil {
		return nil, err
	}
	verified, err := received.Verify(token)
	if err != nil {
		return nil, err
	}
	return verified.Respond(a.cfg.Responder, a.subject(token), p.AddressProved)
}

// subject names one association for all time, and to a reader the input material.
func (a *AuthzInfo) subject(v *rs.Token) string {
	id := ""
	if m := v.Claims().Cnf.OSCORE; m != nil {
		id = hex.EncodeToString(m.ID)
	}
	return fmt.Sprintf("ace:%s:%s:%d", v.Issuer(), id, a.count.Add(1))
}

// Install is the second half: it puts context and token into their tables, or, on
// an error, neither, and gives the Recipient ID back. A context whose Recipient ID or
// key another one has in the meantime is dropped. The Master Secret is erased from
// the claims of the token: the association has what it needs.
//
//spec:9203-4.3-16
//spec:9203-4.3-17
func (a *AuthzInfo) Install(p *PendingContext, now time.Time) error {
	s, err := p.state.take()
	if err != nil {
		return err
	}
	defer s.material.MasterSecret.Erase()
	cfg := a.cfg.Association
	cfg.Params = s.params
	cfg.Subject = p.subject
	association, err := oscore.NewAssociation(cfg)
	if err != nil {
		return errors.Join(bad("no security context", err), s.id.Abort())
	}
	if err := a.cfg.Contexts.Add(association); err != nil {
		association.Discard()
		refused := &rs.Error{Code: rs.ServiceUnavailable, Section: "RFC 8613, Section 3.3", Reason: "context is in the way of another", Err: err}
		return errors.Join(refused, s.id.Abort())
	}
	b := &binding{cfg: &a.cfg, association: association, pending: s.id}
	entry := rs.Entry{
		Token:   s.token,
		Subject: p.subject,
		Profile: ace.ProfileCoAPOSCORE,
		KeyID:   s.material.ID,
		Binding: b,
	}
	if err := a.cfg.Tokens.Add(entry, now); err != nil {
		b.Remove(rs.Removed{Subject: p.subject, Token: s.token, Reason: rs.Unconfirmed})
		return err
	}
	return nil
}

// Update processes a request that came over p.Association: an update of access
// rights (RFC 9203, Section 4.2). It fails with an *rs.Error, of code 4.00 if the
// payload holds no token and of 4.01 for all else.
//
//spec:9203-4.2-6
func (a *AuthzInfo) Update(p Post, now time.Time) error {
	if p.ContentFormat != ace.ContentFormat {
		return bad("Content-Format is not application/ace+cbor", nil)
	}
	token, ok := readAccessToken(p.Payload)
	if !ok {
		return bad("payload is not a token with parameters", nil)
	}
	v, err := a.cfg.Tokens.Verify(token, now)
	if err != nil {
		//spec:9203-4.2-10
		return &rs.Error{Code: rs.Unauthorized, Section: "RFC 9203, Section 4.2", Reason: "update of access rights is refused", Err: err}
	}
	return a.cfg.Tokens.Update(p.Association.Subject(), v, now)
}

// readAccessToken finds the access_token in a map, whatever else is in it.
func readAccessToken(payload []byte) ([]byte, bool) {
	const keyAccessToken = 1
	n, err := cborseq.Normalize(payload)
	if err != nil {
		return nil, false
	}
	s := cborseq.String(n)
	var token []byte
	var members int
	if !s.ReadMap(&members) {
		return nil, false
	}
	for range members {
		var key int64
		isInt := s.ReadInt(&key)
		switch {
		case isInt && key == keyAccessToken:
			if !s.ReadBytes(&token) {
				return nil, false
			}
		case !isInt && !s.Skip(), !s.Skip(): // a key that is not a number, the value
			return nil, false
		}
	}
	return token, len(token) > 0
}
