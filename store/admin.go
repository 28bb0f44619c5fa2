package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
)

// An Admin changes the registry in somebody's name, which the audit log tells.
type Admin struct {
	s     *Store
	actor string
}

// Admin returns the registry for changes by actor.
func (s *Store) Admin(actor string) *Admin { return &Admin{s, actor} }

// change makes a change of the registry and adds its event to the audit log, with the
// details that say what a registration lets its subject do.
func (a *Admin) change(ctx context.Context, kind, subject string, details map[string]string, do func(*tx) error) error {
	err := a.s.write(ctx, func(t *tx) error {
		if err := do(t); err != nil {
			return err
		}
		if err := countRevision(t); err != nil {
			return err
		}
		_, err := t.audit(Event{Kind: kind, Actor: a.actor, Subject: subject, Detail: details})
		return err
	})
	a.s.reg.forget() // also after an unknown outcome
	if err != nil {
		return fmt.Errorf("store: %s %q: %w", kind, subject, err)
	}
	return nil
}

// AddClient registers a client with its security contexts, whose Subject it
// sets. It fails with [ErrExists] or [ErrKeyReuse].
func (a *Admin) AddClient(ctx context.Context, c as.Client, contexts ...Context) error {
	record, err := encodeClient(c)
	if err != nil {
		return fmt.Errorf("store: encode client %q: %w", c.Name, err)
	}
	return a.change(ctx, "client.add", c.Name, clientDetails(c), func(t *tx) error {
		if err := one(t.exec("INSERT INTO clients (name, record) VALUES ($1, $2) ON CONFLICT DO NOTHING", c.Name, record))(ErrExists); err != nil {
			return err
		}
		return a.addContexts(t, c.Name, contexts)
	})
}

// UpdateClient replaces what is registered of a client, or fails with
// [ErrNotFound]. Its contexts stay.
func (a *Admin) UpdateClient(ctx context.Context, c as.Client) error {
	record, err := encodeClient(c)
	if err != nil {
		return fmt.Errorf("store: encode client %q: %w", c.Name, err)
	}
	return a.change(ctx, "client.update", c.Name, clientDetails(c), func(t *tx) error {
		return one(t.exec("UPDATE clients SET record = $2 WHERE name = $1", c.Name, record))(ErrNotFound)
	})
}

// RemoveClient removes a client with its contexts, or fails with [ErrNotFound].
// Tokens stay.
func (a *Admin) RemoveClient(ctx context.Context, name string) error {
	return a.change(ctx, "client.remove", name, nil, func(t *tx) error {
		if err := one(t.exec("DELETE FROM clients WHERE name = $1", name))(ErrNotFound); err != nil {
			return err
		}
		return removeContexts(t, kindClient, name)
	})
}

// AddResourceServer registers a resource server with its security contexts,
// whose Subject it sets. It fails with [ErrExists] or [ErrKeyReuse].
func (a *Admin) AddResourceServer(ctx context.Context, r ResourceServer, contexts ...Context) error {
	record, err := encodeServer(r)
	if err != nil {
		return fmt.Errorf("store: encode resource server %q: %w", r.Name, err)
	}
	return a.change(ctx, "rs.add", r.Name, serverDetails(r), func(t *tx) error {
		if err := one(t.exec("INSERT INTO resource_servers (name, record) VALUES ($1, $2) ON CONFLICT DO NOTHING", r.Name, record))(ErrExists); err != nil {
			return err
		}
		if err := setAudiences(t, r); err != nil {
			return err
		}
		return a.addContexts(t, as.ResourceServerSubject(r.Name), contexts)
	})
}

// UpdateResourceServer replaces what is registered of a resource server, or
// fails with [ErrNotFound]. Its contexts stay.
func (a *Admin) UpdateResourceServer(ctx context.Context, r ResourceServer) error {
	record, err := encodeServer(r)
	if err != nil {
		return fmt.Errorf("store: encode resource server %q: %w", r.Name, err)
	}
	return a.change(ctx, "rs.update", r.Name, serverDetails(r), func(t *tx) error {
		if err := one(t.exec("UPDATE resource_servers SET record = $2 WHERE name = $1", r.Name, record))(ErrNotFound); err != nil {
			return err
		}
		return setAudiences(t, r)
	})
}

// RemoveResourceServer removes a resource server with its contexts, or fails
// with [ErrNotFound].
func (a *Admin) RemoveResourceServer(ctx context.Context, name string) error {
	return a.change(ctx, "rs.remove", name, nil, func(t *tx) error {
		if err := one(t.exec("DELETE FROM resource_servers WHERE name = $1", name))(ErrNotFound); err != nil {
			return err
		}
		return removeContexts(t, kindServer, name)
	})
}

// AddContext adds a security context with fresh key material to a registered
// client or resource server. It fails with [ErrNotFound], [ErrExists] or
// [ErrKeyReuse].
func (a *Admin) AddContext(ctx context.Context, c Context) error {
	return a.change(ctx, "context.add", c.Name, nil, func(t *tx) error {
		var n int
		query := "SELECT 1 FROM clients WHERE name = $1"
		kind, name := kindOf(c.Subject)
		if kind == kindServer {
			query = "SELECT 1 FROM resource_servers WHERE name = $1"
		}
		found, err := t.row(query, []any{name}, &n)
		if err != nil {
			return err
		}
		if !found {
			return ErrNotFound
		}
		return c.add(t, a.s.gen.Number)
	})
}

// RemoveContext erases a security context, or fails with [ErrNotFound]. Neither
// its name nor its key material can be added again.
func (a *Admin) RemoveContext(ctx context.Context, name string) error {
	return a.change(ctx, "context.remove", name, nil, func(t *tx) error {
		return one(t.exec("DELETE FROM oscore_contexts WHERE name = $1", name))(ErrNotFound)
	})
}

// RevokeToken ends a token, for good, or fails with [ErrNotFound]. One that has
// ended before stays as it is.
func (a *Admin) RevokeToken(ctx context.Context, cti []byte) error {
	err := a.s.write(ctx, func(t *tx) error {
		var ended int64
		found, err := t.row("SELECT ended FROM tokens WHERE cti = $1", []any{cti}, &ended)
		switch {
		case err != nil:
			return err
		case !found:
			return ErrNotFound
		case ended != 0:
			return nil
		}
		seq, err := t.audit(Event{Kind: "token.revoke", Actor: a.actor, Subject: hexString(cti)})
		if err != nil {
			return err
		}
		_, err = t.exec("UPDATE tokens SET ended = $1 WHERE cti = $2", seq, cti)
		return err
	})
	if err != nil {
		return fmt.Errorf("store: revoke token %x: %w", cti, err)
	}
	return nil
}

func (a *Admin) addContexts(t *tx, subject string, contexts []Context) error {
	for _, c := range contexts {
		c.Subject = subject
		if err := c.add(t, a.s.gen.Number); err != nil {
			return fmt.Errorf("context %q: %w", c.Name, err)
		}
	}
	return nil
}

// clientDetails are the keys that a client is registered with.
func clientDetails(c as.Client) map[string]string {
	return keyDetails(c.Keys, c.Credentials, c.CertSubject)
}

// serverDetails are the keys that a resource server is registered with, and what it
// may ask.
func serverDetails(r ResourceServer) map[string]string {
	var keys []*ace.Key
	if r.Key != nil {
		keys = append(keys, r.Key)
	}
	details := keyDetails(keys, r.Credentials, r.CertSubject)
	if r.Introspection != as.NoIntrospection {
		details["introspection"] = strconv.Itoa(int(r.Introspection))
	}
	return details
}

// keyDetails are the thumbprints of keys (RFC 9679) and SHA-256 of credentials.
func keyDetails(keys []*ace.Key, credentials [][]byte, certSubject string) map[string]string {
	var thumbprints, fingerprints []string
	for _, k := range keys {
		thumbprints = append(thumbprints, hexString(k.Thumbprint()))
	}
	for _, c := range credentials {
		sum := sha256.Sum256(c)
		fingerprints = append(fingerprints, hexString(sum[:]))
	}
	details := map[string]string{
		"keys": strings.Join(thumbprints, ","), "credentials": strings.Join(fingerprints, ","), "certificates": certSubject,
	}
	maps.DeleteFunc(details, func(_, value string) bool { return value == "" })
	return details
}

func setAudiences(t *tx, r ResourceServer) error {
	if _, err := t.exec("DELETE FROM audiences WHERE server = $1", r.Name); err != nil {
		return err
	}
	audiences := slices.Clone(r.Audiences)
	if len(audiences) == 0 {
		audiences = []string{r.Name}
	}
	for _, audience := range audiences {
		if _, err := t.exec("INSERT INTO audiences (audience, server) VALUES ($1, $2) ON CONFLICT DO NOTHING", audience, r.Name); err != nil {
			return err
		}
	}
	return nil
}

// one turns "no row was changed" into an error.
func one(n int64, err error) func(otherwise error) error {
	return func(otherwise error) error {
		if err == nil && n == 0 {
			return otherwise
		}
		return err
	}
}
