package oscorecoap

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
)

// ClientConfig configures a Client. The zero value of every field is its
// default.
type ClientConfig struct {
	// Blockwise has the block size and the largest body of transfers inside
	// OSCORE. The default BlockSize is 512, see Config.
	Blockwise coap.BlockwiseConfig

	// RemoteAddr is the server's address, for a Doer that reaches many. The
	// zero value leaves the address of each request as it is.
	RemoteAddr netip.AddrPort

	// Retries is how often in a row a request is protected and sent again
	// because the server asks for it (RFC 8613, Appendices B.1.2 and B.2). The
	// default is 4: both, and each once more for bad luck.
	Retries int

	// Window is the size of the server's replay window: no request is sent so
	// far ahead of one without an answer that this one might fall out of it.
	// The default is 32 (RFC 8613, Section 3.2.2).
	Window int

	// Forgeries bounds the notifications that fail to be decrypted, by a forger who
	// sees the Tokens. Beyond it, all notifications are dropped but for one in
	// Every, on average, and the observation begins anew when nothing fresh is left.
	// The default is 1024, and one every 10 seconds: see ThrottleConfig.Peer.
	// Other responses need no bound: there is one for each request.
	Forgeries Budget

	// Dropped is told of notifications that are ignored: they do not verify,
	// or are older than one that came before. It may be nil.
	Dropped func(err error)
}

// ErrNoObserver is the error of Observe when the Doer is no coap.Observer.
var ErrNoObserver = errors.New("oscorecoap: the transport cannot observe")

// An UnprotectedError is the error for a response that came without OSCORE.
// Anybody on the path may have sent it (RFC 8613, Appendix D.5.3): it says
// nothing reliable about the request, which may have been executed, and is no
// reason to discard the association at once.
type UnprotectedError struct {
	Response *coap.Response
}

// Error implements error.
func (e *UnprotectedError) Error() string {
	return fmt.Sprintf("oscorecoap: response %v is not protected", e.Response.Code)
}

// A Client makes requests inside OSCORE, with one association, to the server
// that a coap.Doer reaches. It is a coap.Doer and, if that is one, a
// coap.Observer. It sends nothing that is not protected. It is safe for
// concurrent use.
type Client struct {
	whole coap.Doer // block-wise transfer around next
	next  *protector
}

// NewClient returns a Client for the server that d reaches. d need not know
// block-wise transfer, unless a proxy on the way fragments responses.
func NewClient(d coap.Doer, sec *oscore.Association, cfg ClientConfig) *Client {
	if cfg.Blockwise.BlockSize <= 0 {
		cfg.Blockwise.BlockSize = innerBlockSize
	}
	if cfg.Retries <= 0 {
		cfg.Retries = 4
	}
	if cfg.Window <= 0 {
		cfg.Window = 32
	}
	cfg.Forgeries = cfg.Forgeries.withDefaults(1024, 10*time.Second)
	if cfg.Dropped == nil {
		cfg.Dropped = func(error) {}
	}
	p := &protector{transport: d, sec: sec, cfg: cfg, flights: flights{window: uint64(cfg.Window)}}
	return &Client{whole: coap.BlockwiseClient(p, cfg.Blockwise), next: p}
}

// Do sends a request and returns its verified response, both of any length.
//
// A response without OSCORE is an *UnprotectedError. One that does not verify
// is an *oscore.Error. An association that was discarded gives
// oscore.ErrDiscarded. A server that goes on asking for the request is a
// *oscore.Retry.
func (c *Client) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	return c.whole.Do(ctx, r)
}

// A protector sends each request inside OSCORE. It is what block-wise
// transfer goes through, block by block.
type protector struct {
	transport coap.Doer
	sec       *oscore.Association
	cfg       ClientConfig

	mu        sync.Mutex // guards what follows; taken before that of an observing
	observing map[*observing]bool
	flights   flights
	debt      int64 // for forged notifications, see Budget
}

// Do protects a request, sends it and verifies its response, and does so again
// as long as the server asks for it.
func (p *protector) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	for tries := 0; ; tries++ {
		resp, err := p.try(ctx, r)
		p.renew()
		var retry *oscore.Retry
		if !errors.As(err, &retry) || tries == p.cfg.Retries {
			return resp, err
		}
	}
}

// try sends a request once.
func (p *protector) try(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	f, err := p.depart(ctx)
	if err != nil {
		return nil, err
	}
	defer p.land(f)
	outer, exchange, err := p.protect(r)
	if err != nil {
		return nil, err
	}
	answer, err := p.transport.Do(ctx, outer)
	if err != nil {
		return nil, err
	}
	return verify(exchange, answer)
}

// protect is Protecting the Request (RFC 8613, Section 8.1).
func (p *protector) protect(r *coap.Request) (*coap.Request, *oscore.ClientExchange, error) {
	protected, exchange, err := p.sec.ProtectRequest(messageOf(nil, r.Code, r.Options, r.Payload))
	if err != nil {
		return nil, nil, err
	}
	m, err := protected.Message()
	if err != nil {
		return nil, nil, err
	}
	out := &coap.Request{
		Code: coap.Code(m.Code), Options: optionsOf(nil, m), Payload: m.Payload,
		RemoteAddr: r.RemoteAddr, NonConfirmable: r.NonConfirmable,
	}
	if p.cfg.RemoteAddr.IsValid() {
		out.RemoteAddr = p.cfg.RemoteAddr
	}
	return out, exchange, nil
}

// verify is Verifying the Response (RFC 8613, Section 8.4).
func verify(exchange *oscore.ClientExchange, answer *coap.Response) (*coap.Response, error) {
	protected, err := oscore.ParseProtected(messageOf(nil, answer.Code, answer.Options, answer.Payload))
	if errors.Is(err, oscore.ErrUnprotected) {
		return nil, &UnprotectedError{answer}
	}
	if err != nil {
		return nil, err
	}
	m, err := exchange.VerifyResponse(protected)
	if err != nil {
		return nil, err
	}
	resp := responseOf(m)
	resp.RemoteAddr = answer.RemoteAddr
	return resp, nil
}
