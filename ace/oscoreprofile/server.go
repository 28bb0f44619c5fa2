package oscoreprofile

import (
	"errors"
	"fmt"
	"io"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
)

// A ReceivedPost is an unprotected post to authz-info (RFC 9203, Section 4.1). What
// is in it is what anybody claims.
type ReceivedPost struct {
	AccessToken []byte
	state       once[received]
}

type received struct{ nonce1, id1 []byte }

// ParsePost decodes the payload of a post that came over no security context. It
// fails with an *rs.Error of code 4.00.
func ParsePost(payload []byte) (*ReceivedPost, error) {
	r, err := ace.ParseAuthzInfoRequest(payload)
	switch {
	case err != nil:
		//spec:9200-5.10.1-8
		return nil, bad("payload is not a token with parameters", err)
	case r.Nonce1 == nil || r.ClientRecipientID == nil:
		return nil, bad("nonce1 or ace_client_recipientid is missing", nil)
	}
	p := &ReceivedPost{AccessToken: r.AccessToken}
	p.state.put(&received{nonce1: r.Nonce1, id1: r.ClientRecipientID})
	return p, nil
}

// Verify says that the caller has verified the token: v is what rs.Tokens made of
// AccessToken. It fails with an *rs.Error of code 4.00 if the token has no input
// material to make a security context of, or is for another profile.
func (r *ReceivedPost) Verify(v *rs.Token) (*VerifiedPost, error) {
	s, err := r.state.take()
	if err != nil {
		return nil, err
	}
	m := v.Claims().Cnf.OSCORE
	switch {
	case v.Claims().Profile != 0 && v.Claims().Profile != ace.ProfileCoAPOSCORE:
		return nil, bad("token is for another profile", nil)
	case m == nil:
		return nil, bad("no OSCORE_Input_Material in the token", nil)
	case len(m.ID) == 0 || len(m.MasterSecret) == 0:
		return nil, bad("id or ms is missing in the token", nil)
	}
	p := new(VerifiedPost)
	p.state.put(&verified{received: *s, token: v, material: m})
	return p, nil
}

// A VerifiedPost is a post with a token that is valid. Its sender has proved
// nothing.
type VerifiedPost struct{ state once[verified] }

type verified struct {
	received
	token    *rs.Token
	material *ace.OSCOREInputMaterial
}

// A Responder is what the RS gives to a context. It is not changed and may be used
// concurrently if its parts may.
type Responder struct {
	IDs  *idalloc.Allocator // of the endpoint; required
	Rand io.Reader          // nil means crypto/rand.Reader
	Salt SaltReading
}

// Respond draws N2 and ID2, which differs from ID1 and from all Recipient IDs of
// the endpoint, and derives the security context. subject names the association.
// addressProved tells that the sender has shown to receive at its address: what
// others occupy is bounded. It fails with an *rs.Error of code 5.03 if no
// identifier is free (then idalloc.ErrExhausted or idalloc.ErrUnvalidated is in it,
// and the latter asks for a proof of the address) and of 4.00 if the material makes no
// context.
func (v *VerifiedPost) Respond(r Responder, subject string, addressProved bool) (*PendingContext, error) {
	s, err := v.state.take()
	if err != nil {
		return nil, err
	}
	//spec:9203-4.2-2
	n2, err := nonce(r.Rand)
	if err != nil {
		return nil, err
	}
	allocate := r.IDs.AllocateUnvalidated
	if addressProved {
		allocate = r.IDs.Allocate
	}
	holder := idalloc.Holder{Source: idalloc.SourceACE, Ref: subject}
	//spec:9203-4.2-3
	id, err := allocate(holder, idalloc.ID(s.id1))
	if err != nil {
		return nil, &rs.Error{Code: rs.ServiceUnavailable, Section: "RFC 9203, Section 4.2", Reason: "no identifier", Err: err}
	}
	id2 := []byte(id.ID())
	params, err := Derive(s.material, Exchange{s.nonce1, n2, s.id1, id2, r.Salt}, Server)
	if err != nil {
		return nil, errors.Join(bad("no security context", err), id.Abort())
	}
	p := &PendingContext{subject: subject}
	p.response = (&ace.AuthzInfoResponse{Nonce2: n2, ServerRecipientID: id2}).Append(nil)
	p.state.put(&pendingContext{token: s.token, material: s.material, params: params, id: id})
	return p, nil
}

// A PendingContext is a security context that is derived and not installed, with
// the answer that lets the client derive it too. One of AuthzInfo's install steps,
// Take or Abort uses it up.
type PendingContext struct {
	subject  string
	response []byte
	state    once[pendingContext]
}

type pendingContext struct {
	token    *rs.Token
	material *ace.OSCOREInputMaterial
	params   oscore.Params
	id       *idalloc.Pending
}

// Subject names the association.
func (p *PendingContext) Subject() string { return p.subject }

// Response is the payload of the 2.01: N2 and ID2.
//
//spec:9203-4.2-4
//spec:9203-4.2.1-1
//spec:9203-4.2.2-1
func (p *PendingContext) Response() []byte { return p.response }

// Take gives the parts to a caller that installs them by itself: the input
// parameters of the context and its Recipient ID, which is to be confirmed when the
// first request verifies.
func (p *PendingContext) Take() (oscore.Params, *idalloc.Pending, error) {
	s, err := p.state.take()
	if err != nil {
		return oscore.Params{}, nil, err
	}
	return s.params, s.id, nil
}

// Abort drops the context and gives its Recipient ID back, which rests. It may be
// called also after another step, and then returns ErrSpent.
func (p *PendingContext) Abort() error {
	s, err := p.state.take()
	if err != nil {
		return err
	}
	if err := s.id.Abort(); err != nil {
		return fmt.Errorf("oscoreprofile: give an identifier back: %w", err)
	}
	return nil
}
