package oscorecoap

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
)

// Config configures a Server. The zero value of every field is its default.
// It is copied.
type Config struct {
	// Authorize decides whether the peer may make a request that has been
	// verified. It is asked for every block of a block-wise transfer and, with
	// the request that registered, before every notification, so that a right
	// that has ended is not used any longer. It runs where the request does
	// and should not wait. The request's Identity is sec.
	//
	// The grant goes into the request's context, see Grant. An error that is
	// a *Refusal is the answer; any other becomes 5.00 and is told to the
	// Observer. Nil allows everything to everybody in the table of contexts.
	Authorize func(sec *oscore.Association, r *coap.Request) (grant any, err error)

	// Blockwise bounds the block-wise transfers inside OSCORE (RFC 8613,
	// Section 4.1.3.4.1). Its default BlockSize is 512 here: a block of 1024
	// bytes is longer when it is protected, and would not be the payload of one
	// message any more for who keeps to RFC 7252, Section 4.6.
	Blockwise coap.BlockwiseConfig

	// MaxUnfragmented is MAX_UNFRAGMENTED_SIZE: the longest OSCORE message
	// that is put together when a proxy has fragmented it. Anybody may send
	// such fragments. The default is 8 KiB (RFC 8613, Section 4.1.3.4.2). A
	// coap.Endpoint does it before this handler is called, with its own limit,
	// the MaxBody of its configuration.
	//
	//spec:8613-4.1.3.4.2-1
	MaxUnfragmented int

	// Understands lists critical options that the protected handler acts upon
	// beside those of the URI, Accept, Block1 and Block2. A request that has
	// another one inside is refused (RFC 7252, Section 5.4.1).
	Understands []coap.OptionID

	// Answers bounds the protected answers that are kept for retransmitted
	// requests.
	Answers AnswersConfig

	// Observations is how many observations one association may have; the
	// default is 64. A registration beyond is answered like a plain request.
	Observations int

	// Throttle bounds the failed decryptions of each association, by where they
	// come from.
	Throttle ThrottleConfig

	// Now is the clock; nil is time.Now, or what the transport says of when a
	// request was received.
	Now func() time.Time

	// Observer is told what happens.
	Observer Observer
}

// AnswersConfig bounds the answers that a Server keeps. A request that is
// retransmitted gets the bytes of its first answer, also when it comes from
// another address, and is neither verified nor executed nor protected again.
type AnswersConfig struct {
	// Bytes bounds all answers, AssociationBytes those to one association, so
	// that no peer can make the others' give way. The defaults are 16 MiB and
	// 64 KiB.
	Bytes, AssociationBytes int
	// Lifetime is how long an answer is kept; the default is 247 seconds, as
	// long as the messages of an exchange can be under way (RFC 7252, Section
	// 4.8.2).
	Lifetime time.Duration
}

// An Observer is told of events, for metrics and logs. Its functions may be
// nil; they are called from many goroutines and must not block.
type Observer struct {
	// Verified reports a request that was verified.
	Verified func(sec *oscore.Association, r *coap.Request)
	// Refused reports a request that was not: err is an *oscore.Error, an
	// *oscore.Challenge or an error of our side.
	Refused func(remote netip.AddrPort, err error)
	// Throttled reports a request that was not decrypted, because too many from
	// there did not verify; Refused follows.
	Throttled func(sec *oscore.Association, remote netip.AddrPort)
	// Worn reports, once for each security context, that half of the failed
	// decryptions that oscore.Limits allows have happened: time for another one, by
	// oscore.Association.Rederive, EDHOC or a new token.
	Worn func(sec *oscore.Association)
	// Denied reports a request that Authorize has refused.
	Denied func(sec *oscore.Association, r *coap.Request, err error)
	// Repeated reports a retransmission: answered, or not, because there is no
	// answer yet, or because the address is new and the answer too long for it.
	Repeated func(remote netip.AddrPort, answered bool)
	// Failed reports a response that could not be protected or sent. It is
	// called with locks held and must not call the Server.
	Failed func(sec *oscore.Association, err error)
}

// A Refusal is an error of Authorize that says how the request is answered.
type Refusal struct {
	Code    coap.Code // 4.01, 4.03 or 4.05
	Options coap.Options
	Payload []byte
	// Unprotected says that the association has ended with the peer's rights,
	// so that the answer goes out without OSCORE (RFC 9203, Section 4.3).
	Unprotected bool
	Err         error // for our log, may be nil
}

// Error implements error.
func (r *Refusal) Error() string {
	if r.Err != nil {
		return fmt.Sprintf("refused with %v: %v", r.Code, r.Err)
	}
	return fmt.Sprintf("refused with %v", r.Code)
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// refusal is the response for an error of Authorize.
func refusal(err error) *coap.Response {
	var r *Refusal
	if errors.As(err, &r) && r.Code.IsResponse() && !r.Code.IsSuccess() {
		return &coap.Response{Code: r.Code, Options: r.Options, Payload: r.Payload}
	}
	return &coap.Response{Code: coap.InternalServerError}
}

// outer bounds the transfers outside of OSCORE. Their peer is a proxy, which
// may have many clients; and every message is a transfer of its own there,
// which soon nobody asks for any more.
//
//spec:8613-4.1.3.4.2-3
func (c Config) outer() coap.BlockwiseConfig {
	return coap.BlockwiseConfig{MaxBody: c.MaxUnfragmented, MaxPeerBytes: 64 * c.MaxUnfragmented, Lifetime: 30 * time.Second, Now: c.Now}
}

// innerBlockSize is the default size of blocks inside OSCORE.
const innerBlockSize = 512

func (c Config) withDefaults() Config {
	if c.Blockwise.BlockSize <= 0 {
		c.Blockwise.BlockSize = innerBlockSize
	}
	c.Understands = slices.Clone(c.Understands)
	if c.Answers.Bytes <= 0 {
		c.Answers.Bytes = 16 << 20
	}
	if c.Answers.AssociationBytes <= 0 {
		c.Answers.AssociationBytes = 64 << 10
	}
	if c.Answers.Lifetime <= 0 {
		c.Answers.Lifetime = 247 * time.Second
	}
	c.Throttle = c.Throttle.withDefaults()
	if c.MaxUnfragmented <= 0 {
		c.MaxUnfragmented = 8 << 10
	}
	if c.Observations <= 0 {
		c.Observations = 64
	}
	return c
}
