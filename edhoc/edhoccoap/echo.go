package edhoccoap

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"net/netip"
	"time"

	"github.com/ostiary/ostiary/coap"
)

// echoLife is how long an Echo value may be returned.
const echoLife = time.Minute

// echo makes and checks Echo values (RFC 9175, Section 2.4), without state: a time and
// a MAC of it and of the address.
type echo struct{ key [sha256.Size]byte }

func newEcho(random io.Reader) (*echo, error) {
	if random == nil {
		random = rand.Reader
	}
	e := new(echo)
	_, err := io.ReadFull(random, e.key[:])
	return e, err
}

func (e *echo) value(peer netip.AddrPort, at int64) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(at))
	mac := hmac.New(sha256.New, e.key[:])
	mac.Write(b)
	mac.Write([]byte(peer.String()))
	return append(b, mac.Sum(nil)[:8]...)
}

// shown says whether the request has an Echo option that was sent to its address.
func (e *echo) shown(r *coap.Request, now time.Time) bool {
	v, ok := r.Options.Get(coap.Echo)
	if !ok || len(v) != 16 {
		return false
	}
	at := int64(binary.BigEndian.Uint64(v))
	age := now.Sub(time.Unix(at, 0))
	return hmac.Equal(v, e.value(r.RemoteAddr, at)) && age >= -time.Second && age <= echoLife
}

// challenge asks the peer to show its address.
func (e *echo) challenge(w coap.ResponseWriter, r *coap.Request, now time.Time) {
	resp := &coap.Response{Code: coap.Unauthorized}
	resp.Options.Add(coap.Echo, e.value(r.RemoteAddr, now.Unix()))
	_ = w.Respond(resp)
}
