package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/cmd/internal/edhocservice"
	"github.com/ostiary/ostiary/cmd/internal/settings"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// expireInterval is how often tokens that have expired are taken out, and changes
// of the peers are looked for.
const expireInterval = time.Second

// An agent is a resource server whose application is another CoAP server.
type agent struct {
	cfg      config
	known    *credentials.ResourceServer
	log      *slog.Logger
	contexts oscore.Contexts
	ids      *idalloc.Allocator // of all contexts
	upstream *upstream
	pool     *coap.Pool // for the requests that wait for the upstream server
	rs       *acecoap.ResourceServer
	edhoc    *edhocservice.Service // nil: there is no EDHOC with clients
	handler  coap.Handler          // of all requests

	as      *asChannel // nil: nobody asks the authorization server
	asConn  *coap.Endpoint
	uploads *coap.Pool // for authz-info, where it waits for the authorization server

	trouble string // with the list of peers, as sweep has said it
}

// newAgent opens a socket towards the upstream server, and none for clients.
func newAgent(ctx context.Context, path string, cfg config, known *credentials.ResourceServer, log *slog.Logger) (*agent, error) {
	a := &agent{cfg: cfg, known: known, log: log}
	tokens, err := a.tokens(path)
	if err != nil {
		return nil, err
	}
	if a.ids, err = idalloc.New(idalloc.Config{Now: time.Now}); err != nil {
		return nil, err
	}
	if err := a.assembleEDHOC(path); err != nil {
		return nil, err
	}
	a.upstream, err = newUpstream(ctx, cfg, log)
	if err != nil {
		return nil, errors.Join(err, a.drain())
	}
	if tokens.Introspect, err = a.assembleIntrospection(); err != nil {
		a.close()
		return nil, err
	}
	a.pool = coap.NewPool(coap.PoolConfig{
		Workers: cfg.Limits.Requests, Queue: cfg.Limits.Requests, PerPeer: cfg.Limits.RequestsPerPeer,
	})
	blockwise := coap.BlockwiseConfig{MaxBody: cfg.Limits.Body}
	a.rs, err = acecoap.NewResourceServer(acecoap.Config{
		Tokens:      tokens,
		IDs:         a.ids,
		Contexts:    &a.contexts,
		Association: oscore.Config{B2: a.renewal(), Clock: time.Now},
		Public:      cfg.Public,
		Clear:       a.inClear(),
		Pool:        a.uploads,
		OSCORE:      oscorecoap.Config{Blockwise: blockwise, Observer: a.oscoreObserver()},
		Observer:    a.aceObserver(),
	}, a.pool.Handler(a.upstream))
	if err != nil {
		a.close()
		return nil, err
	}
	a.handler = a.rs
	if a.edhoc != nil {
		a.handler = a.edhoc.Around(a.rs)
		if err := a.edhoc.Sweep(ctx); err != nil { // reads the peers
			a.close()
			return nil, cli.Usage(err)
		}
	}
	return a, nil
}

// renewal says whether clients may renew their contexts.
func (a *agent) renewal() oscore.B2Mode {
	if a.cfg.Renewal {
		return oscore.B2Allowed
	}
	return oscore.B2Off
}

// tokens says whose tokens are taken.
func (a *agent) tokens(path string) (rs.Config, error) {
	keys, err := a.tokenKeys()
	if err != nil {
		return rs.Config{}, err
	}
	cfg := rs.Config{
		Audiences: a.known.Audiences,
		Name:      a.known.Name,
		Keys:      keys,
		Hints:     ace.CreationHints{AS: a.known.AS, Audience: a.known.Audiences[0]},
		Counters:  &counterFile{path: settings.Beside(path, a.cfg.State)},
		MaxTokens: a.cfg.Limits.Tokens,
	}
	table, err := a.cfg.scopeTable()
	if err == nil && len(table) > 0 {
		cfg.Scopes = rs.TextScopes(table)
	}
	return cfg, err
}

// tokenKeys are none if the agent cannot read its tokens, and has to ask.
func (a *agent) tokenKeys() ([]*ace.TokenKey, error) {
	if a.known.Opaque() {
		return nil, nil
	}
	algorithm, err := a.known.TokenKey.COSE()
	if err != nil {
		return nil, err
	}
	key, err := ace.NewTokenKey(ace.TokenKeyConfig{
		Issuer: a.known.Issuer, ID: a.known.TokenKey.ID, Algorithm: algorithm, Secret: a.known.TokenKey.Key.Bytes,
	})
	return []*ace.TokenKey{key}, err
}

func (a *agent) oscoreObserver() oscorecoap.Observer {
	return oscorecoap.Observer{
		Refused: func(remote netip.AddrPort, err error) {
			a.log.Debug("request refused", "peer", remote, "error", err)
		},
		Denied: func(sec *oscore.Association, r *coap.Request, err error) {
			a.log.Info("request denied", "peer", r.RemoteAddr, "client", sec.Subject(), "method", r.Code.String(),
				"path", r.Path(), "error", err)
		},
		Worn: func(sec *oscore.Association) {
			a.log.Warn("half of the failed decryptions of a context", "client", sec.Subject())
		},
		Failed: func(sec *oscore.Association, err error) {
			a.log.Warn("response not sent", "client", sec.Subject(), "error", err)
		},
	}
}

func (a *agent) aceObserver() acecoap.Observer {
	return acecoap.Observer{
		Posted: func(r *coap.Request, err error) {
			if err != nil {
				a.log.Info("token refused", "peer", r.RemoteAddr, "error", err)
				return
			}
			a.log.Info("token taken", "peer", r.RemoteAddr)
		},
		Removed: func(x rs.Removed) {
			if x.Token == nil {
				a.log.Info("edhoc session ended", "client", x.Subject)
				return
			}
			a.log.Info("token removed", "client", x.Subject, "reason", x.Reason.String())
		},
	}
}

// serve answers requests on conn until ctx is done.
func (a *agent) serve(ctx context.Context, conn *net.UDPConn) error {
	understood := []coap.OptionID{coap.OSCORE}
	if a.edhoc != nil {
		understood = append(understood, coap.EDHOC)
	}
	server := coap.Server{Handler: a.handler, Config: coap.Config{Understands: understood}}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, conn) }()
	ticker := time.NewTicker(expireInterval)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			return errors.Join(cli.Drained(err, a.log), a.drain(), a.rs.Expire(), a.upstream.close())
		case <-ticker.C:
			a.sweep(ctx)
		}
	}
}

// sweep ends what has expired, and takes up another list of peers. While that
// cannot be read, sessions stay as they are and nobody gets a new one.
func (a *agent) sweep(ctx context.Context) {
	if err := a.rs.Expire(); err != nil {
		a.log.Error("counters of tokens not saved", "error", err)
	}
	if a.edhoc == nil {
		return
	}
	said := a.trouble
	a.trouble = ""
	if err := a.edhoc.Sweep(ctx); err != nil && ctx.Err() == nil {
		a.trouble = err.Error()
	}
	switch {
	case a.trouble != "" && a.trouble != said:
		a.log.Error("peers not read, there are no new sessions", "error", a.trouble)
	case a.trouble == "" && said != "":
		a.log.Info("peers read")
	}
}

// close ends what newAgent has made.
func (a *agent) close() { _ = errors.Join(a.drain(), a.upstream.close()) }

// drain waits for the requests in work, those first that end in the pool of another.
func (a *agent) drain() (err error) {
	if a.edhoc != nil {
		a.edhoc.Close()
	}
	if a.as != nil {
		a.as.close() // nobody waits for an answer
		err = a.asConn.Close()
		a.uploads.Close()
	}
	if a.pool != nil {
		a.pool.Close() // its handlers use the upstream socket
	}
	return err
}
