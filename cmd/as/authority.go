package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/edhocservice"
	"github.com/ostiary/ostiary/cmd/internal/settings"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
	"github.com/ostiary/ostiary/policy"
	"github.com/ostiary/ostiary/store"
)

// registryInterval is how often changes that another process made to the
// registry are looked for.
const registryInterval = 2 * time.Second

// An authority is a running authorization server: the store, the security
// contexts of its clients and resource servers, and the endpoints behind them.
type authority struct {
	cfg      config
	path     string // of the configuration
	log      *slog.Logger
	store    *store.Store
	contexts oscore.Contexts
	ids      *idalloc.Allocator
	policy   atomic.Pointer[policy.Set]
	pool     *coap.Pool // for the handlers that wait for the store
	pipeline *oscorecoap.Server
	edhoc    *edhocservice.Service // nil: there is no EDHOC
	handler  coap.Handler          // of all requests
	now      func() time.Time

	// In use by one goroutine.
	revision    string                  // of the registry that provisioned is of
	provisioned map[string]*provisioned // by name of the context
	waiting     map[string]bool         // contexts whose identifier is not free yet
}

// provisioned is a security context of the registry that is in use.
type provisioned struct {
	association *oscore.Association
	id          *idalloc.Live
}

// newAuthority opens the store and takes the contexts of all clients into use.
// wrap, unless it is nil, goes around the handler of the requests inside OSCORE.
func newAuthority(ctx context.Context, path string, cfg config, log *slog.Logger, wrap func(coap.Handler) coap.Handler) (*authority, error) {
	a := &authority{cfg: cfg, path: path, log: log, now: time.Now, provisioned: map[string]*provisioned{}}
	if err := a.loadPolicy(); err != nil {
		return nil, cli.Usage(err)
	}
	var err error
	a.store, err = openStore(ctx, path, cfg, store.Observer{
		Generation: func(g store.Generation) {
			log.Warn("store begins a new generation", "number", g.Number, "reason", g.Reason)
		},
	})
	if err != nil {
		return nil, err
	}
	if err := a.assemble(ctx, wrap); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

// drain ends the handlers in work.
func (a *authority) drain() {
	if a.edhoc != nil {
		a.edhoc.Close() // some of its handlers end in the other pool
	}
	if a.pool != nil {
		a.pool.Close() // its handlers use the store
	}
}

// close ends what newAuthority has begun.
func (a *authority) close() error {
	a.drain()
	return a.store.Close()
}

func (a *authority) assemble(ctx context.Context, wrap func(coap.Handler) coap.Handler) error {
	var err error
	if a.ids, err = idalloc.New(idalloc.Config{Now: time.Now, Reserved: provisionedIDs}); err != nil {
		return err
	}
	server, err := as.New(as.Config{
		Issuer: a.cfg.Issuer, Clients: a.store, ResourceServers: a.store, Policy: a, Ledger: a.store,
		Clock: time.Now, Lifetime: time.Duration(a.cfg.Lifetime),
	})
	if err != nil {
		return err
	}
	a.pool = coap.NewPool(coap.PoolConfig{
		Workers: a.cfg.Limits.Requests, Queue: a.cfg.Limits.Requests, PerPeer: a.cfg.Limits.RequestsPerPeer,
	})
	protected := a.mux(server)
	if wrap != nil {
		protected = wrap(protected)
	}
	if err := a.assembleEDHOC(); err != nil {
		return err
	}
	a.pipeline = oscorecoap.Handler(&a.contexts, protected, a.inClear(), oscorecoap.Config{Observer: oscorecoap.Observer{
		Refused: func(remote netip.AddrPort, err error) {
			a.log.Debug("request refused", "peer", remote, "error", err)
		},
		Worn: func(sec *oscore.Association) {
			a.log.Warn("half of the failed decryptions of a context", "client", shown(sec.Subject()))
		},
		Failed: func(sec *oscore.Association, err error) {
			a.log.Warn("response not sent", "client", shown(sec.Subject()), "error", err)
		},
	}})
	a.handler = a.pipeline
	if a.edhoc != nil {
		a.handler = a.edhoc.Around(a.pipeline)
	}
	return a.sync(ctx)
}

// assembleEDHOC makes the EDHOC responder, if the configuration has keys for it.
func (a *authority) assembleEDHOC() error {
	keys, err := readEDHOCKeys(a.path, a.cfg)
	if err != nil || len(keys) == 0 {
		return err
	}
	a.edhoc, err = newEDHOCService(a, keys)
	return err
}

// Decide asks the policies that were loaded last (as.Policy).
func (a *authority) Decide(r policy.Request) policy.Decision {
	d := a.policy.Load().Decide(r)
	a.log.Debug("policy", "client", r.Subject, "audience", r.Audience, "asked", r.Scope, "decision", d.Reason,
		"policies", d.Policies, "error", d.Err)
	return d
}

func (a *authority) loadPolicy() error {
	file := settings.Beside(a.path, a.cfg.Policy)
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	set, err := policy.Parse(a.cfg.Policy, text)
	if err != nil {
		return err
	}
	a.policy.Store(set)
	return nil
}

// sync brings what is in use in line with the registry.
func (a *authority) sync(ctx context.Context) error {
	err := a.syncContexts(ctx)
	if a.edhoc != nil {
		err = errors.Join(err, a.edhoc.Sweep(ctx))
	}
	return err
}

// syncContexts brings the security contexts in use in line with the registry.
// A context that cannot be used is reported, and does not stop the others. One
// whose identifier a removed client had a moment ago is tried again.
func (a *authority) syncContexts(ctx context.Context) error {
	revision, err := a.store.Revision(ctx)
	if err != nil || revision == a.revision && revision != "" {
		return err
	}
	registered, err := a.store.Contexts(ctx)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, c := range registered {
		there[c.Name] = true
	}
	a.retire(there)
	waited := a.waiting
	a.waiting = map[string]bool{}
	for _, c := range registered {
		if a.provisioned[c.Name] != nil {
			continue
		}
		p, err := a.provision(c)
		var conflict *idalloc.ConflictError
		switch {
		case err == nil:
			a.provisioned[c.Name] = p
			continue
		case errors.As(err, &conflict):
			a.waiting[c.Name] = true
		}
		if !waited[c.Name] {
			a.log.Error("security context not in use", "context", c.Name, "client", shown(c.Subject), "error", err)
		}
	}
	a.revision = revision
	if len(a.waiting) > 0 {
		a.revision = "" // look again
	}
	return nil
}

// retire takes the contexts out of use that are not there any more.
func (a *authority) retire(there map[string]bool) {
	for name, p := range a.provisioned {
		if there[name] {
			continue
		}
		a.pipeline.Discard(p.association)
		if err := p.id.Release(); err != nil {
			a.log.Warn("identifier not released", "context", name, "error", err)
		}
		delete(a.provisioned, name)
	}
}

// provision takes a context of the registry into use. With B2Required nothing
// of an earlier run is needed, and no key of one is used again (RFC 8613,
// Appendix B.2); otherwise its sequence numbers come from the store and its
// replay window is recovered with the client (Appendix B.1).
func (a *authority) provision(c store.Context) (*provisioned, error) {
	cfg := oscore.Config{Params: c.Params, Subject: c.Subject, B2: c.B2, Clock: time.Now}
	if c.B2 != oscore.B2Required {
		if c.Stale {
			return nil, errors.New("the store was restored or copied: this client needs a new registration")
		}
		cfg.Sequence, cfg.RecoverWindow = a.store.Sequence(c.Name), true
	}
	id, err := a.ids.Claim(idalloc.ID(c.RecipientID), holder(c))
	if err != nil {
		return nil, err
	}
	association, err := oscore.NewAssociation(cfg)
	if err != nil {
		return nil, errors.Join(err, id.Release())
	}
	if err := a.contexts.Add(association); err != nil {
		return nil, errors.Join(err, id.Release())
	}
	return &provisioned{association, id}, nil
}

// serve answers requests on conn until ctx is done or the store has failed for
// good, and closes the store. reload, which may be nil, makes it read the
// policies again.
func (a *authority) serve(ctx context.Context, conn *net.UDPConn, reload <-chan os.Signal) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	understood := []coap.OptionID{coap.OSCORE}
	if a.edhoc != nil {
		understood = append(understood, coap.EDHOC)
	}
	server := coap.Server{Handler: a.handler, Config: coap.Config{Understands: understood}}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, conn) }()
	ticker := time.NewTicker(registryInterval)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			a.drain()
			return errors.Join(cli.Drained(err, a.log), a.store.Err(), a.store.Close())
		case <-ticker.C:
			if a.store.Err() != nil {
				stop() // only a new start helps
				continue
			}
			if err := a.sync(ctx); err != nil && ctx.Err() == nil {
				a.log.Error("registry not read", "error", err)
			}
		case <-reload:
			if err := a.loadPolicy(); err != nil {
				a.log.Error("policies not loaded, the old ones stay", "error", err)
				continue
			}
			a.log.Info("policies loaded")
		}
	}
}

// listen makes sure that no other server uses the store, and opens the socket
// that the configuration names.
func (a *authority) listen() (*net.UDPConn, error) {
	if err := a.store.Claim(); err != nil {
		return nil, err
	}
	return cli.ListenUDP(a.cfg.Listen)
}
