package as

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ostiary/ostiary/ace"
)

// A popKey is the proof-of-possession key that a token will be bound to.
type popKey struct {
	use    KeyUse
	id     []byte   // of SameKey and ClientKey, as in Issued.KeyID
	public *ace.Key // of ClientKey
}

// popKey says which key the client wants (RFC 9201, Section 3.1).
func (s *Server) popKey(ctx context.Context, c Client, t *target, r request, now time.Time) (popKey, error) {
	cnf := r.ReqCnf
	switch {
	case cnf == nil:
		return symmetric(t, popKey{use: NewKey})
	case cnf.Key != nil:
		return clientKey(c, t, cnf.Key)
	case cnf.KID != nil:
		return s.kid(ctx, c, t, cnf.KID, now)
	case cnf.OSCORE != nil, cnf.EncryptedKey != nil:
		return popKey{}, refused(ace.InvalidRequest, "RFC 9201, Section 3.1", "client sends a symmetric key")
	}
	return popKey{}, refused(ace.InvalidRequest, "RFC 9201, Section 3.1", "no known confirmation method")
}

// symmetric checks that the RSs can have a symmetric key: one RS, which gets the
// key encrypted.
//
//spec:9200-6.1-4
//spec:9200-3.1-1
//spec:9203-3.2-6
func symmetric(t *target, key popKey) (popKey, error) {
	if t.group() {
		return popKey{}, refused(ace.UnsupportedPoPKey, "RFC 9200, Section 6.1", "symmetric key for several RSs")
	}
	if !t.tokenKey.Encrypts() {
		return popKey{}, refused(ace.UnsupportedPoPKey, "RFC 9200, Section 6.1", "symmetric key for an RS that gets no encrypted tokens")
	}
	return key, nil
}

// clientKey checks a public key in the request. The channel proves possession of
// the keys that the client is registered with.
//
//spec:9200-5.8.3-5
//spec:9201-3.1-1
//spec:8747-4-1
func clientKey(c Client, t *target, k *ace.Key) (popKey, error) {
	switch {
	case !k.Known():
		return popKey{}, refused(ace.UnsupportedPoPKey, "RFC 9200, Section 5.8.3", "key of an unknown type")
	case k.IsSecret():
		return popKey{}, refused(ace.InvalidRequest, "RFC 9201, Section 3.1", "client sends a secret key")
	case !t.all(func(rs *ResourceServer) bool { return slices.Contains(rs.Curves, k.Curve()) }):
		return popKey{}, refused(ace.UnsupportedPoPKey, "RFC 9200, Section 5.8.3", "RS cannot use keys of that curve")
	case !slices.ContainsFunc(c.Keys, k.Equal):
		return popKey{}, refused(ace.UnsupportedPoPKey, "RFC 9201, Section 3.1", "key is not the one of the channel")
	}
	return popKey{use: ClientKey, id: k.Thumbprint(), public: k}, nil
}

// kid finds the key that a key identifier stands for: a public key of the client,
// or the key of a token that it has for this RS, whose access rights it wants to
// have updated (RFC 9203, Section 3.1).
//
//spec:9203-3.1-2
//spec:9203-3.1-3
//spec:9203-3.1-4
func (s *Server) kid(ctx context.Context, c Client, t *target, kid []byte, now time.Time) (popKey, error) {
	for _, k := range c.Keys {
		if bytes.Equal(k.KID(), kid) {
			return clientKey(c, t, k)
		}
	}
	key, err := symmetric(t, popKey{use: SameKey, id: kid})
	if err != nil {
		return popKey{}, err
	}
	live, err := s.config.Ledger.LiveToken(ctx, c.Name, t.rs().Name, kid, now)
	switch {
	case errors.Is(err, ErrNotLive), err == nil && live.KeyUse == ClientKey:
		return popKey{}, notTheirs()
	case err != nil:
		return popKey{}, failed("look token up", err)
	}
	return key, nil
}

func notTheirs() error {
	return refused(ace.InvalidRequest, "RFC 9203, Section 3.1", "kid is of no live token of this client for this RS")
}
