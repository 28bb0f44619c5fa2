package loadedhoc

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/edhoc/oscorekeys"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// server is the responder at its endpoint.
type server struct {
	parties    *parties
	endpoint   *coap.Endpoint
	pool       *coap.Pool
	edhoc      *edhoccoap.Server
	ids        *idalloc.Allocator
	contexts   oscore.Contexts
	kept       keeper
	challenged atomic.Int64
	stop       func()
}

func newServer(cfg Config, p *parties) (*server, error) {
	s := &server{parties: p, stop: func() {}}
	s.kept.ring = make([]*oscore.Association, max(1, cfg.Contexts))
	s.kept.contexts = &s.contexts
	var err error
	if s.ids, err = idalloc.New(idalloc.Config{Now: time.Now, Lengths: []int{1, 2, 3}[:cfg.IDBytes]}); err != nil {
		return nil, err
	}
	r := p.r
	if cfg.Stock > 0 {
		if r, err = s.stocked(cfg); err != nil {
			return nil, err
		}
	}
	s.edhoc, err = edhoccoap.NewServer(edhoccoap.Config{
		Responder: r, IDs: s.ids, Find: finder(p.credI), Message4: cfg.Message4, Establish: s.establish,
		Observer: edhoccoap.Observer{Challenged: func(netip.AddrPort) { s.challenged.Add(1) }},
	})
	if err != nil {
		return nil, err
	}
	// The next request of a peer may be there before the handler of the last one has returned.
	s.pool = coap.NewPool(coap.PoolConfig{PerPeer: 8})
	mux := new(coap.Mux)
	mux.Handle(edhoccoap.Path, s.pool.Handler(s.edhoc))
	protected := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) { _ = w.Respond(r.NewResponse(coap.Content)) })
	layer := oscorecoap.Handler(&s.contexts, protected, mux, oscorecoap.Config{})
	combined := s.pool.Handler(s.edhoc.Combined(layer, coap.BlockwiseConfig{}))
	s.endpoint, err = coap.Listen("udp4", "127.0.0.1:0", coap.Config{
		Understands: []coap.OptionID{coap.OSCORE, coap.EDHOC},
		Handler: coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			if r.Options.Has(coap.EDHOC) {
				combined.ServeCOAP(w, r)
				return
			}
			layer.ServeCOAP(w, r)
		}),
	})
	return s, err
}

// stocked is a Responder with ephemeral keys made ahead of time.
func (s *server) stocked(cfg Config) (*edhoc.Responder, error) {
	c := s.parties.responder
	stock, err := edhoc.NewEphemeralPool(c, cfg.Stock)
	if err != nil {
		return nil, err
	}
	c.Ephemeral = stock.Take
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = edhoccoap.Refill(ctx, stock) })
	s.stop = func() {
		cancel()
		stock.Close()
		wg.Wait()
	}
	return edhoc.NewResponder(c)
}

func (s *server) close() {
	_ = s.endpoint.Close()
	s.pool.Close()
	s.edhoc.Close()
	s.stop()
}

// establish installs the association of a Session.
func (s *server) establish(session *edhoc.Session, id *idalloc.Live) error {
	a, err := associate(session, id)
	if err != nil {
		return err
	}
	if err := s.contexts.Add(a); err != nil {
		a.Discard()
		return err
	}
	s.kept.add(a)
	return nil
}

// associate makes an association that releases the identifier when it goes.
func associate(session *edhoc.Session, id *idalloc.Live) (*oscore.Association, error) {
	params, err := oscorekeys.Params(session, oscorekeys.Lengths{})
	if err != nil {
		return nil, err
	}
	defer params.MasterSecret.Erase()
	defer session.Erase()
	return oscore.NewAssociation(oscore.Config{Params: params, OnReplaced: func(_, after *oscore.Context) {
		if after == nil {
			_ = id.Release()
		}
	}})
}

// keeper keeps the associations of the last handshakes, as if the peers before had gone.
type keeper struct {
	contexts *oscore.Contexts

	mu   sync.Mutex // guards what follows
	ring []*oscore.Association
	next int
}

func (k *keeper) add(a *oscore.Association) {
	k.mu.Lock()
	old := k.ring[k.next]
	k.ring[k.next] = a
	k.next = (k.next + 1) % len(k.ring)
	k.mu.Unlock()
	if old != nil {
		k.contexts.Remove(old)
		old.Discard()
	}
}

func finder(known *edhoc.Credential) func(context.Context, edhoc.IDCred, []edhoc.EADItem) ([]*edhoc.Credential, error) {
	return func(_ context.Context, id edhoc.IDCred, _ []edhoc.EADItem) ([]*edhoc.Credential, error) {
		if known.Matches(id) {
			return []*edhoc.Credential{known}, nil
		}
		return nil, nil
	}
}

// identifiers counts.
func (s *server) identifiers() IDs {
	st := s.ids.Stats()
	out := IDs{Exhausted: st.Exhausted}
	for _, l := range st.Lengths {
		out.Live = append(out.Live, l.Live)
		out.Resting = append(out.Resting, l.Quarantined)
	}
	return out
}
