package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/coap"
)

// upstream passes requests on to the server that is protected, in clear. It is
// a reverse proxy (RFC 7252, Section 5.7.3), and a coap.Handler.
type upstream struct {
	timeout time.Duration
	log     *slog.Logger
	conn    *coap.Client // transfers long bodies in blocks
	shares  shares       // of conn

	observations sync.WaitGroup
	ctx          context.Context //nolint:containedctx // ends the observations
	cancel       context.CancelFunc
}

func newUpstream(ctx context.Context, cfg config, log *slog.Logger) (*upstream, error) {
	addr, err := acecoap.Resolve(ctx, cfg.Upstream)
	if err != nil {
		return nil, err
	}
	conn, err := coap.Dial("udp", addr.String(), coap.Config{NStart: upstreamAtOnce, Blockwise: coap.BlockwiseConfig{MaxBody: cfg.Limits.Body}})
	if err != nil {
		return nil, err
	}
	u := &upstream{timeout: time.Duration(cfg.Timeout), log: log, conn: conn}
	u.ctx, u.cancel = context.WithCancel(context.Background())
	return u, nil
}

// close ends the observations and closes the socket.
func (u *upstream) close() error {
	u.cancel()
	u.observations.Wait()
	return u.conn.Close()
}

// ServeCOAP passes a request on and its response back. It waits for the server.
func (u *upstream) ServeCOAP(w coap.ResponseWriter, r *coap.Request) {
	if observe, ok := r.Options.Uint(coap.Observe); ok && observe == 0 && (r.Code == coap.GET || r.Code == coap.FETCH) {
		u.observe(w, r.Clone())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), u.timeout)
	defer cancel()
	response, err := u.do(ctx, r)
	if err != nil {
		u.failed(w, r, err)
		return
	}
	_ = w.Respond(back(response))
}

func (u *upstream) do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	leave, err := u.shares.take(ctx, sharer(r))
	if err != nil {
		return nil, err
	}
	defer leave()
	return u.conn.Do(ctx, forward(r))
}

// observe observes for the client until the client's observation ends: with its
// token, with its security context, or because it wants so.
func (u *upstream) observe(w coap.ResponseWriter, r *coap.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(u.ctx, cancel)
	u.observations.Go(func() {
		defer cancel()
		defer stop()
		answered := false
		leave, err := u.shares.take(ctx, sharer(r))
		if err != nil {
			return // nobody waits for it any more
		}
		defer leave()
		err = u.conn.Observe(ctx, forward(r), func(response *coap.Response) {
			leave()
			answered = true
			if err := w.Respond(back(response)); err != nil {
				cancel()
			}
		})
		if err != nil && !answered {
			u.failed(w, r, err)
		}
	})
}

// failed answers a request that the server did not answer (RFC 7252, Sections
// 5.9.3.3 and 5.9.3.5).
func (u *upstream) failed(w coap.ResponseWriter, r *coap.Request, err error) {
	code := coap.BadGateway
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, coap.ErrTimeout) {
		code = coap.GatewayTimeout
	}
	u.log.Warn("server does not answer", "method", r.Code.String(), "path", r.Path(), "error", err)
	_ = w.Respond(&coap.Response{Code: code})
}

// hopByHop are the options that concern one hop, or that the agent acts upon.
var hopByHop = map[coap.OptionID]bool{
	coap.URIHost: true, coap.URIPort: true, coap.ProxyURI: true, coap.ProxyScheme: true,
	coap.Observe: true, coap.OSCORE: true, coap.Block1: true, coap.Block2: true,
	coap.Echo: true, coap.RequestTag: true, coap.NoResponse: true, coap.HopLimit: true,
}

// forward is the request to send for r.
func forward(r *coap.Request) *coap.Request {
	return &coap.Request{Code: r.Code, Options: endToEnd(r.Options), Payload: r.Payload}
}

// back is the response to give for that of the server. Its Observe option says
// whether there is an observation.
func back(r *coap.Response) *coap.Response {
	out := &coap.Response{Code: r.Code, Options: endToEnd(r.Options), Payload: r.Payload, Confirmable: r.Confirmable}
	if v, ok := r.Options.Get(coap.Observe); ok {
		out.Options.Set(coap.Observe, v)
	}
	return out
}

func endToEnd(options coap.Options) coap.Options {
	var out coap.Options
	for _, o := range options {
		if !hopByHop[o.ID] {
			out = append(out, o)
		}
	}
	return out
}
