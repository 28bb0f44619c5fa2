package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
)

var (
	_ as.Clients         = (*Store)(nil)
	_ as.ResourceServers = (*Store)(nil)
)

// A ResourceServer is what the registry keeps of an RS.
type ResourceServer struct {
	as.ResourceServer // its TokenKey is made of Token

	Token     ace.TokenKeyConfig // a Signer is kept as its private key
	Audiences []string           // with which it identifies; none: its name
}

// Format implements [fmt.Formatter]: it shows the name only, because a Signer
// shows its private key.
func (r ResourceServer) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "resource server "+strconv.Quote(r.Name)) // f keeps the text in memory
}

// A registry is what the store remembers of clients and resource servers, as of
// one revision of the tables.
type registry struct {
	mu        sync.Mutex // guards all below
	epoch     uint64     // counts what made the rest void
	revision  string
	checked   time.Time // when revision was compared with the database
	clients   map[string]as.Client
	servers   map[string]as.ResourceServer
	audiences map[string][]as.ResourceServer
}

// forget makes everything void.
func (r *registry) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clear()
}

func (r *registry) clear() {
	r.epoch++
	r.clients = make(map[string]as.Client)
	r.servers = make(map[string]as.ResourceServer)
	r.audiences = make(map[string][]as.ResourceServer)
}

// recall looks key up in the map that of chooses and loads it if it is not there.
// Unknown names are not remembered: they would be as many as somebody likes.
func recall[T any](ctx context.Context, s *Store, of func(*registry) map[string]T, key string, load func() (T, error)) (T, error) {
	if err := s.refresh(ctx); err != nil {
		return *new(T), err
	}
	r := &s.reg
	r.mu.Lock()
	v, found := of(r)[key]
	epoch := r.epoch
	r.mu.Unlock()
	if found {
		return v, ctx.Err()
	}
	v, err := load()
	if err != nil {
		return v, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.epoch == epoch {
		of(r)[key] = v
	}
	return v, nil
}

// refresh forgets what another process may have changed.
func (s *Store) refresh(ctx context.Context) error {
	r, now := &s.reg, s.cfg.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.clients != nil && now.Sub(r.checked).Abs() < s.cfg.MaxStale {
		return nil
	}
	revision, err := s.Revision(ctx)
	if err != nil {
		return err
	}
	if r.clients == nil || revision != r.revision {
		r.clear()
	}
	r.revision, r.checked = revision, now
	return nil
}

// Client implements [as.Clients].
func (s *Store) Client(ctx context.Context, name string) (as.Client, error) {
	return recall(ctx, s, func(r *registry) map[string]as.Client { return r.clients }, name, func() (as.Client, error) {
		record, err := s.record(ctx, "SELECT record FROM clients WHERE name = $1", name)
		if err != nil {
			return as.Client{}, fmt.Errorf("store: look for client %q: %w", name, err)
		}
		return decodeClient(name, record)
	})
}

// ResourceServer implements [as.ResourceServers].
func (s *Store) ResourceServer(ctx context.Context, name string) (as.ResourceServer, error) {
	return recall(ctx, s, func(r *registry) map[string]as.ResourceServer { return r.servers }, name, func() (as.ResourceServer, error) {
		record, err := s.record(ctx, "SELECT record FROM resource_servers WHERE name = $1", name)
		if err != nil {
			return as.ResourceServer{}, fmt.Errorf("store: look for resource server %q: %w", name, err)
		}
		server, err := decodeServer(name, record)
		return server.ResourceServer, err
	})
}

// record returns what a query finds, or as.ErrUnknown.
func (s *Store) record(ctx context.Context, query, name string) (record []byte, err error) {
	err = s.readers.QueryRowContext(ctx, query, name).Scan(&record)
	if errors.Is(err, sql.ErrNoRows) {
		err = as.ErrUnknown
	}
	return record, err
}

// Audience implements [as.ResourceServers].
func (s *Store) Audience(ctx context.Context, audience string) ([]as.ResourceServer, error) {
	return recall(ctx, s, func(r *registry) map[string][]as.ResourceServer { return r.audiences }, audience, func() ([]as.ResourceServer, error) {
		found, err := s.servers(ctx, `SELECT s.name, s.record FROM resource_servers AS s
			JOIN audiences AS a ON a.server = s.name WHERE a.audience = $1 ORDER BY s.name`, audience)
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("store: look for audience %q: %w", audience, as.ErrUnknown)
		}
		var all []as.ResourceServer
		for _, s := range found {
			all = append(all, s.ResourceServer)
		}
		return all, err
	})
}

// ListClients returns all clients, by name.
func (s *Store) ListClients(ctx context.Context) ([]as.Client, error) {
	var all []as.Client
	err := scanRows(s.readers.QueryContext(ctx, "SELECT name, record FROM clients ORDER BY name"))(func(scan func(...any) error) error {
		var (
			name   string
			record []byte
		)
		if err := scan(&name, &record); err != nil {
			return err
		}
		c, err := decodeClient(name, record)
		all = append(all, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: list clients: %w", err)
	}
	return all, nil
}

// ListResourceServers returns all resource servers, by name.
func (s *Store) ListResourceServers(ctx context.Context) ([]ResourceServer, error) {
	return s.servers(ctx, "SELECT name, record FROM resource_servers ORDER BY name")
}

func (s *Store) servers(ctx context.Context, query string, args ...any) ([]ResourceServer, error) {
	var all []ResourceServer
	err := scanRows(s.readers.QueryContext(ctx, query, args...))(func(scan func(...any) error) error {
		var (
			name   string
			record []byte
		)
		if err := scan(&name, &record); err != nil {
			return err
		}
		server, err := decodeServer(name, record)
		all = append(all, server)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: read resource servers: %w", err)
	}
	return all, nil
}

// countRevision tells other processes that the registry has changed.
func countRevision(t *tx) error {
	value, _, err := meta(t, metaRegistry)
	if err != nil {
		return err
	}
	n, _ := strconv.ParseInt(value, 10, 64) // absent is 0
	_, err = t.exec(setMeta, metaRegistry, strconv.FormatInt(n+1, 10))
	return err
}
