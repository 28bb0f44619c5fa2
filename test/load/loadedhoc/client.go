package loadedhoc

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// turn has the initiators run handshakes, each one after the other. err is what the first
// of those that failed did.
func (s *server) turn(cfg Config) (t turns, failed int, err error) {
	var mu sync.Mutex // guards failed and first
	var first error
	t, err = onAll(cfg.Clients, func(deadline time.Time) (n int, err error) {
		c, err := s.initiator(cfg)
		if err != nil {
			return 0, err
		}
		defer c.close()
		for more := true; more; more = time.Now().Before(deadline) {
			err := c.handshake()
			if err == nil {
				n++
				continue
			}
			mu.Lock()
			failed++
			if first == nil {
				first = err
			}
			mu.Unlock()
		}
		return n, nil
	}, cfg.Slice)
	if err == nil {
		err = first
	}
	return t, failed, err
}

// client is an initiator with a socket of its own.
type client struct {
	conn     *coap.Client
	edhoc    *edhoccoap.Client
	combined bool
}

func (s *server) initiator(cfg Config) (*client, error) {
	conn, err := coap.Dial("udp4", s.endpoint.LocalAddr().String(), coap.Config{})
	if err != nil {
		return nil, err
	}
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, combined: cfg.Combined, edhoc: &edhoccoap.Client{
		Doer: conn, Initiator: s.parties.i, Find: finder(s.parties.credR), IDs: ids, Message4: cfg.Message4,
	}}, nil
}

func (c *client) close() { _ = c.conn.Close() }

// handshake runs one to the association, in the combined flow also the first request.
func (c *client) handshake() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if c.combined {
		return c.request(ctx)
	}
	session, id, err := c.edhoc.Establish(ctx)
	if err != nil {
		return err
	}
	return discard(session, id)
}

// discard makes the association, as the application would, and lets it go.
func discard(session *edhoc.Session, id *idalloc.Live) error {
	a, err := associate(session, id)
	if err != nil {
		return err
	}
	a.Discard()
	return nil
}

func (c *client) request(ctx context.Context) error {
	h, err := c.edhoc.Begin(ctx)
	if err != nil {
		return err
	}
	session, id, doer, err := h.Combine(c.conn)
	if err != nil {
		return err
	}
	a, err := associate(session, id)
	if err != nil {
		return err
	}
	defer a.Discard()
	resp, err := oscorecoap.NewClient(doer, a, oscorecoap.ClientConfig{}).Do(ctx, coap.NewRequest(coap.GET, "/"))
	if err == nil && resp.Code != coap.Content {
		err = fmt.Errorf("answered with %v", resp.Code)
	}
	return err
}
