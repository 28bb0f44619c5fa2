package acecoap

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/ostiary/ostiary/ace/oscoreprofile"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/idalloc"
)

const (
	proofSize = 12              // of an Echo value, in bytes
	proofLife = 1 * time.Minute // of an Echo value
)

// addressProof makes Echo values that prove that a client receives at its
// address (RFC 9175, Section 2.4): the time and a MAC over it and the address,
// so that nothing is stored. It is asked for when clients without proof occupy as
// many identifiers as they may, which anybody can bring about who has seen an
// upload and sends it again; and always where tokens are introspected.
type addressProof struct {
	key []byte
	now func() time.Time
}

func newAddressProof(random io.Reader, now func() time.Time) (*addressProof, error) {
	if random == nil {
		random = rand.Reader
	}
	p := &addressProof{key: make([]byte, sha256.Size), now: now}
	_, err := io.ReadFull(random, p.key)
	return p, err
}

func (p *addressProof) value(r *coap.Request, seconds uint32) []byte {
	v := binary.BigEndian.AppendUint32(make([]byte, 0, proofSize+sha256.Size), seconds)
	mac := hmac.New(sha256.New, p.key)
	mac.Write(v)
	address, _ := r.RemoteAddr.MarshalBinary() // never fails
	mac.Write(address)
	return mac.Sum(v)[:proofSize]
}

func (p *addressProof) seconds() uint32 { return uint32(p.now().Unix()) }

// given reports whether the request has an Echo value that was sent to its
// address a short time ago.
func (p *addressProof) given(r *coap.Request) bool {
	v, ok := r.Options.Get(coap.Echo)
	if !ok || len(v) != proofSize {
		return false
	}
	at := binary.BigEndian.Uint32(v)
	age := time.Duration(p.seconds()-at) * time.Second
	return hmac.Equal(v, p.value(r, at)) && age <= proofLife
}

// demand is the answer that asks for the proof.
func (p *addressProof) demand(r *coap.Request) *coap.Response {
	response := r.NewResponse(coap.Unauthorized)
	response.Options.Set(coap.Echo, p.value(r, p.seconds()))
	return response
}

// wanted reports whether a post failed for want of that proof.
func wanted(p oscoreprofile.Post, err error) bool {
	return p.Association == nil && !p.AddressProved && errors.Is(err, idalloc.ErrUnvalidated)
}
