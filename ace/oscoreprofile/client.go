package oscoreprofile

import (
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
)

// An Initiator is what a client gives to a context: the same parts as a
// [Responder].
type Initiator Responder

// Upload begins the exchange at authz-info for a token and the input material that
// came with it from the AS: it draws N1 and takes ID1, which is new to the client's
// endpoint (RFC 9203, Section 4.1). ref names the use to operators. It keeps no
// reference to its arguments but m. Errors: [ErrMaterial], those of idalloc and of
// Rand.
func (i Initiator) Upload(token []byte, m *ace.OSCOREInputMaterial, ref string) (*Upload, error) {
	if m == nil || len(m.ID) == 0 || len(m.MasterSecret) == 0 {
		//spec:9203-4.3-9
		return nil, fmt.Errorf("%w: id or ms is missing", ErrMaterial)
	}
	n1, err := nonce(i.Rand)
	if err != nil {
		return nil, err
	}
	id, err := i.IDs.Allocate(idalloc.Holder{Source: idalloc.SourceACE, Ref: ref})
	if err != nil {
		return nil, fmt.Errorf("oscoreprofile: take a recipient ID: %w", err)
	}
	id1 := []byte(id.ID())
	u := new(Upload)
	//spec:9203-4.1-5
	//spec:9203-4.1-7
	//spec:9203-4.1.1-1
	//spec:9203-4.1.2-1
	u.payload = (&ace.AuthzInfoRequest{AccessToken: token, Nonce1: n1, ClientRecipientID: id1}).Append(nil)
	//spec:9203-4.1-3
	u.state.put(&sentUpload{material: m, nonce1: n1, id1: id1, id: id, salt: i.Salt})
	return u, nil
}

// An Upload is a post to authz-info that waits for its answer. ProcessResponse or
// Abort uses it up. N1 must not be sent again for another exchange: after Abort a
// new Upload draws a new one.
type Upload struct {
	payload []byte
	state   once[sentUpload]
}

type sentUpload struct {
	material    *ace.OSCOREInputMaterial
	nonce1, id1 []byte
	id          *idalloc.Pending
	salt        SaltReading
}

// Payload is that of the POST request, whose Content-Format is application/ace+cbor.
// It may be sent again as long as no answer has come.
func (u *Upload) Payload() []byte { return u.payload }

// ProcessResponse derives the security context from the payload of the 2.01. On an
// error there is none, ID1 is given back, and the exchange is over (RFC 9203, Section
// 4.3): [ErrProfile] if N2 or ID2 is missing or malformed, [ErrEqualIDs], or
// one of idalloc.
func (u *Upload) ProcessResponse(payload []byte) (*Established, error) {
	s, err := u.state.take()
	if err != nil {
		return nil, err
	}
	//spec:9203-4.3-1
	r, err := ace.ParseAuthzInfoResponse(payload)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrProfile, err), s.id.Abort())
	}
	params, err := Derive(s.material, Exchange{s.nonce1, r.Nonce2, s.id1, r.ServerRecipientID, s.salt}, Client)
	if err != nil {
		return nil, errors.Join(err, s.id.Abort())
	}
	live, err := s.id.Confirm()
	if err != nil {
		return nil, fmt.Errorf("oscoreprofile: keep a recipient ID: %w", err)
	}
	return &Established{Params: params, ID: live}, nil
}

// Abort ends the exchange without a context. It may follow ProcessResponse and then
// does nothing but return ErrSpent.
func (u *Upload) Abort() error {
	s, err := u.state.take()
	if err != nil {
		return err
	}
	return s.id.Abort()
}

// Established is the client's side of a new security context. The RS is
// authenticated when the first response verifies (RFC 9203, Section 4).
type Established struct {
	Params oscore.Params
	ID     *idalloc.Live // the client's Recipient ID, to be released with the context
}

// UpdatePayload is the payload of an update of access rights: the token only. The
// request goes over the security context of the first token (RFC 9203, Section
// 4.1).
//
//spec:9203-4.1-9
func UpdatePayload(token []byte) []byte {
	return (&ace.AuthzInfoRequest{AccessToken: token}).Append(nil)
}
