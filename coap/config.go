package coap

import (
	"crypto/rand"
	"errors"
	"io"
	"time"
)

// Config configures an endpoint. The zero value gives a client with the
// parameters of RFC 7252.
type Config struct {
	// Handler answers requests. Without one every request is rejected with a
	// Reset message.
	Handler Handler
	// Blockwise bounds block-wise transfers of what arrives in clear: the
	// endpoint puts Blockwise around the Handler, unless the Handler is one.
	Blockwise BlockwiseConfig
	// Understands lists critical options the Handler acts upon beside those
	// of the URI, Accept, Block1 and Block2, such as OSCORE, IfMatch or one
	// of its own. Requests with another critical option are refused with
	// 4.02 (RFC 7252, Section 5.4.1). It concerns what arrives in clear;
	// see CheckOptions for what is inside.
	Understands []OptionID

	// Transmission parameters (RFC 7252, Section 4.8).
	AckTimeout      time.Duration // ACK_TIMEOUT; default 2 s
	AckRandomFactor float64       // ACK_RANDOM_FACTOR, at least 1; default 1.5
	MaxRetransmit   int           // MAX_RETRANSMIT; default 4, -1 for none
	NStart          int           // NSTART: interactions outstanding with one peer; default 1
	Leisure         time.Duration // DEFAULT_LEISURE for answers to a group; default 5 s
	// AckDelay is how long an answer may take and still travel in the
	// acknowledgement; default a quarter of AckTimeout.
	AckDelay time.Duration
	// ResponseTimeout is how long Do waits for the response to an
	// acknowledged or Non-confirmable request if its context has no
	// deadline; default 247 s.
	ResponseTimeout time.Duration

	// Sockets is how many sockets Listen opens on the address, each with a
	// goroutine that reads it; default 1. The system keeps a peer with its
	// socket. Only Linux has more than one.
	Sockets int
	// MaxMessageSize is the longest datagram received; default 8192. A longer
	// request is refused with 4.13 (RFC 7252, Section 4.6).
	MaxMessageSize int
	// MaxToken is the longest token accepted in a request; default 64, at
	// least 8 (RFC 8974). A longer one is refused with 4.00.
	MaxToken int
	// DedupBytes bounds what is remembered to detect duplicates, for each
	// socket; default 64 MiB.
	DedupBytes int
	// MaxPending bounds the requests whose answer the handler still owes;
	// more are refused with 5.03. Default 4096.
	MaxPending int
	// MaxObservations bounds the observations served, of all peers and of
	// one; a registration beyond is answered as if Observe were absent
	// (RFC 7641, Section 4.1). Defaults 65536 and 64.
	MaxObservations, MaxPeerObservations int
	// RetryAfter is the Max-Age of a 5.03 or 4.29 response; default 2 s.
	RetryAfter time.Duration

	// UnvalidatedLimit is the longest answer, in bytes of CoAP, to a peer
	// that has not shown that it receives at its address; a longer one is
	// replaced by 4.01 with an Echo option, with which the peer shows it
	// (RFC 9175, Section 2.4, item 3). Default 136. Answers protected by
	// OSCORE are exempt: their peer is authenticated.
	UnvalidatedLimit int
	// DangerUnlimited lifts UnvalidatedLimit: anybody can then use the
	// endpoint to send a stranger more than he sends himself.
	DangerUnlimited bool

	// Rand is the source of tokens, Message IDs, Echo values and delays; nil
	// is crypto/rand.
	Rand io.Reader
	// Clock is the source of time; nil is that of package time.
	Clock Clock
	// Panicked is called with what a handler panicked with, before the
	// request is answered with 5.00; nil is silent. See also Stats.
	Panicked func(value any)
}

// A Clock is a source of time.
type Clock interface {
	Now() time.Time
	// NewTimer returns a timer that sends on C once, after d.
	NewTimer(d time.Duration) Timer
}

// A Timer is a time.Timer.
type Timer interface {
	C() <-chan time.Time
	Reset(d time.Duration) bool
	Stop() bool
}

type systemClock struct{}

func (systemClock) Now() time.Time                 { return time.Now() }
func (systemClock) NewTimer(d time.Duration) Timer { return systemTimer{time.NewTimer(d)} }

type systemTimer struct{ *time.Timer }

func (t systemTimer) C() <-chan time.Time { return t.Timer.C }

// ErrConfig is the answer to a configuration that contradicts RFC 7252.
var ErrConfig = errors.New("coap: invalid configuration")

// maxLatency is MAX_LATENCY (RFC 7252, Section 4.8.2).
const maxLatency = 100 * time.Second

func (c Config) withDefaults() (Config, error) {
	setDefault(&c.AckTimeout, 2*time.Second)
	setDefault(&c.AckRandomFactor, 1.5)
	setDefault(&c.MaxRetransmit, 4)
	setDefault(&c.NStart, 1)
	setDefault(&c.Leisure, 5*time.Second)
	setDefault(&c.AckDelay, c.AckTimeout/4)
	setDefault(&c.ResponseTimeout, 247*time.Second)
	setDefault(&c.Sockets, 1)
	setDefault(&c.MaxMessageSize, 8192)
	setDefault(&c.MaxToken, 64)
	setDefault(&c.DedupBytes, 64<<20)
	setDefault(&c.MaxPending, 4096)
	setDefault(&c.MaxObservations, 65536)
	setDefault(&c.MaxPeerObservations, 64)
	setDefault(&c.RetryAfter, 2*time.Second)
	setDefault(&c.UnvalidatedLimit, 136)
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Clock == nil {
		c.Clock = systemClock{}
	}
	c.MaxRetransmit = max(0, c.MaxRetransmit)
	//spec:7252-4.8.1-2
	if c.AckRandomFactor < 1 || c.AckTimeout < 0 || c.NStart < 0 || c.MaxToken < 8 || c.MaxMessageSize < 64 || c.UnvalidatedLimit < 64 {
		return c, ErrConfig
	}
	return c, nil
}

func setDefault[T comparable](v *T, d T) {
	if *v == *new(T) {
		*v = d
	}
}

// Times derived from the parameters (RFC 7252, Section 4.8.2).

func (c *Config) maxTransmitSpan() time.Duration {
	return time.Duration(float64(c.AckTimeout) * float64(int64(1)<<c.MaxRetransmit-1) * c.AckRandomFactor)
}

func (c *Config) exchangeLifetime() time.Duration {
	return c.maxTransmitSpan() + 2*maxLatency + c.AckTimeout
}

func (c *Config) nonLifetime() time.Duration { return c.maxTransmitSpan() + maxLatency }
