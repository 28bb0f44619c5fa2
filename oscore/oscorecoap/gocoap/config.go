package gocoap

import (
	"net/netip"
	"slices"
	"time"

	"github.com/plgd-dev/go-coap/v3/udp/server"

	"github.com/ostiary/ostiary/coap"
)

// Config configures a Server or a Client. The zero value of every field is
// its default. It is copied.
type Config struct {
	// Handler answers the requests that arrive. It is called in a goroutine
	// of its own for each request and may wait. Nil rejects every request with
	// a Reset message, as a mere client does.
	Handler coap.Handler

	// Understands lists critical options that Handler acts upon beside those
	// of the URI, Accept, Block1 and Block2: coap.OSCORE for a handler of
	// package oscorecoap. A request with another one is refused (RFC 7252,
	// Section 5.4.1).
	Understands []coap.OptionID

	// Requests is how many handlers may run at once, and RequestsPerPeer how
	// many of them for one address; the defaults are 1024 and 32. A request
	// beyond is dropped as if it had been lost.
	Requests, RequestsPerPeer int

	// CacheBytes bounds the answers that are kept for duplicates of their
	// requests (RFC 7252, Section 4.2); the default is 16 MiB. They are
	// kept for 247 seconds, or until newer ones need the room.
	CacheBytes int

	// Observations is how many observations one address may have, the
	// default is 64. A registration beyond is answered like a plain request.
	Observations int

	// AckDelay is how long a Confirmable request waits for its response
	// before it is acknowledged without one (RFC 7252, Section 5.2.2). The
	// default is one second.
	AckDelay time.Duration

	// AckTimeout, MaxRetransmit and NStart are the transmission parameters of
	// RFC 7252, Section 4.8: by default 2 seconds, 4 and 1.
	AckTimeout    time.Duration
	MaxRetransmit int
	NStart        int

	// ResponseTimeout is how long a request waits for its response once it
	// has been acknowledged, if its context does not end earlier. The default
	// is 93 seconds, MAX_TRANSMIT_WAIT.
	ResponseTimeout time.Duration

	// DrainTimeout is how long Serve, told to stop, waits for handlers that
	// run. The default is 5 seconds.
	DrainTimeout time.Duration

	// GoCoAP are further options for go-coap's server. They come first: what
	// this package needs overrides them.
	GoCoAP []server.Option

	// Observer is told what goes wrong.
	Observer Observer
}

// An Observer is told of events that nobody waits for. Its functions may be
// nil; they are called from many goroutines and must not block.
type Observer struct {
	// Error reports a datagram that could not be read, understood or sent, and
	// a confirmable message that nobody acknowledged. The address is invalid
	// if it is not known.
	Error func(peer netip.AddrPort, err error)
	// Dropped reports a request that found its peer's or all of the handlers
	// busy.
	Dropped func(peer netip.AddrPort)
}

func (o *Observer) failed(peer netip.AddrPort, err error) {
	if o.Error != nil && err != nil {
		o.Error(peer, err)
	}
}

func (o *Observer) dropped(peer netip.AddrPort) {
	if o.Dropped != nil {
		o.Dropped(peer)
	}
}

// exchangeLifetime is how long a Message ID may not be used again (RFC 7252,
// Section 4.8.2).
const exchangeLifetime = 247 * time.Second

func (c Config) withDefaults() Config {
	fill(&c.Requests, 1024)
	fill(&c.RequestsPerPeer, 32)
	fill(&c.CacheBytes, 16<<20)
	fill(&c.Observations, 64)
	fill(&c.AckDelay, time.Second)
	fill(&c.AckTimeout, 2*time.Second)
	fill(&c.MaxRetransmit, 4)
	fill(&c.NStart, 1)
	fill(&c.ResponseTimeout, 93*time.Second)
	fill(&c.DrainTimeout, 5*time.Second)
	c.Understands = slices.Clone(c.Understands)
	c.GoCoAP = slices.Clone(c.GoCoAP)
	return c
}

func fill[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}
