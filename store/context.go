package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/oscore"
)

// A Context is a provisioned security context with a client or resource server.
type Context struct {
	Name    string // of the context and of its Sequence; never used a second time
	Subject string // name of the client, or as.ResourceServerSubject of the resource server
	oscore.Params
	B2 oscore.B2Mode

	// Stale, set by the store, says that the context is of an older generation:
	// it must protect nothing, so it is of use with oscore.B2Required only.
	Stale bool
}

// fingerprint stands for one ID under the key material of c.
func (c *Context) fingerprint(id []byte) []byte {
	b := cborseq.AppendText(nil, "ostiary key use")
	b = cborseq.AppendBytes(b, c.MasterSecret)
	b = cborseq.AppendBytes(b, c.MasterSalt)
	if c.IDContext == nil {
		b = cborseq.AppendNull(b)
	} else {
		b = cborseq.AppendBytes(b, c.IDContext)
	}
	b = cborseq.AppendBytes(b, id)
	sum := sha256.Sum256(b)
	return sum[:]
}

// add registers a context with fresh key material.
//
//spec:8613-3.3-1
//spec:8613-3.3-2
//spec:8613-3.3-3
func (c *Context) add(t *tx, generation int64) error {
	if c.Name == "" || c.Subject == "" {
		return errors.New("context without name or subject")
	}
	if _, err := oscore.NewContext(oscore.Config{Params: c.Params}); err != nil {
		return err
	}
	for _, id := range [][]byte{c.SenderID, c.RecipientID} {
		n, err := t.exec("INSERT INTO key_uses (fingerprint, context) VALUES ($1, $2) ON CONFLICT DO NOTHING", c.fingerprint(id), c.Name)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrKeyReuse
		}
	}
	if err := newSequence(t, c.Name, generation); err != nil {
		return err
	}
	kind, subject := kindOf(c.Subject)
	_, err := t.exec(`INSERT INTO oscore_contexts (name, kind, subject, master_secret, master_salt, id_context,
			sender_id, recipient_id, aead, hkdf, b2) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		c.Name, kind, subject, []byte(c.MasterSecret), c.MasterSalt, c.IDContext,
		notNil(c.SenderID), notNil(c.RecipientID), int64(c.AEAD), int64(c.HKDF), int64(c.B2))
	return err
}

// The kinds of subjects, as they are stored.
const (
	kindClient int64 = 0
	kindServer int64 = 1
)

// kindOf takes a subject apart.
func kindOf(subject string) (kind int64, name string) {
	if name, ok := as.ResourceServerName(subject); ok {
		return kindServer, name
	}
	return kindClient, subject
}

// Whether there is an ID Context is a column of its own: an empty byte string may
// be read as nil.
const selectContexts = `SELECT c.name, c.kind, c.subject, c.master_secret, c.master_salt, c.id_context,
	c.id_context IS NOT NULL, c.sender_id, c.recipient_id, c.aead, c.hkdf, c.b2, s.generation
	FROM oscore_contexts AS c JOIN sender_sequences AS s ON s.context = c.name`

// Contexts returns all provisioned contexts, by name.
func (s *Store) Contexts(ctx context.Context) ([]Context, error) {
	return s.contexts(ctx, selectContexts+" ORDER BY c.name")
}

// ContextsByRecipientID returns the contexts with a Recipient ID: several have
// different ID Contexts.
func (s *Store) ContextsByRecipientID(ctx context.Context, id []byte) ([]Context, error) {
	return s.contexts(ctx, selectContexts+" WHERE c.recipient_id = $1 ORDER BY c.name", notNil(id))
}

// ContextsOf returns the contexts with a subject, as Context.Subject has it.
func (s *Store) ContextsOf(ctx context.Context, subject string) ([]Context, error) {
	kind, name := kindOf(subject)
	return s.contexts(ctx, selectContexts+" WHERE c.kind = $1 AND c.subject = $2 ORDER BY c.name", kind, name)
}

func (s *Store) contexts(ctx context.Context, query string, args ...any) ([]Context, error) {
	var all []Context
	err := scanRows(s.readers.QueryContext(ctx, query, args...))(func(scan func(...any) error) error {
		var (
			c                                Context
			hasIDContext                     bool
			kind, aead, hkdf, b2, generation int64
		)
		if err := scan(&c.Name, &kind, &c.Subject, (*[]byte)(&c.MasterSecret), &c.MasterSalt, &c.IDContext,
			&hasIDContext, &c.SenderID, &c.RecipientID, &aead, &hkdf, &b2, &generation); err != nil {
			return err
		}
		if kind == kindServer {
			c.Subject = as.ResourceServerSubject(c.Subject)
		}
		if hasIDContext {
			c.IDContext = notNil(c.IDContext)
		}
		c.SenderID, c.RecipientID = notNil(c.SenderID), notNil(c.RecipientID)
		c.AEAD, c.HKDF, c.B2 = cose.Algorithm(aead), cose.Algorithm(hkdf), oscore.B2Mode(b2)
		c.Stale = generation != s.gen.Number
		all = append(all, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: read contexts: %w", err)
	}
	return all, nil
}

// removeContexts forgets the keys of a subject that is no longer registered.
// Their fingerprints and sequences stay.
func removeContexts(t *tx, kind int64, name string) error {
	_, err := t.exec("DELETE FROM oscore_contexts WHERE kind = $1 AND subject = $2", kind, name)
	return err
}
