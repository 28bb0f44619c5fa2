package trust

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/ostiary/ostiary/edhoc"
)

// Find is the pre-verification side processing of message_2 and message_3
// (draft-ietf-lake-edhoc-impl-cons, Section 5.3.1.1; the steps are those of its
// PHASE_1): it gives the credentials that the peer may prove to own, at least one, or
// an error. id and ead come from a peer that has proved nothing.
func (s *Store) Find(ctx context.Context, id edhoc.IDCred, ead []edhoc.EADItem) ([]*edhoc.Credential, error) {
	ids := []edhoc.IDCred{id}
	if s.cfg.Envelope != nil {
		other, ok, err := s.cfg.Envelope(ctx, ead)
		if err != nil {
			return nil, err
		}
		if ok {
			ids = append(ids, other)
		}
	}
	// Step 1.
	if stored := s.stored(ids); len(stored) > 0 {
		good, err := s.stillGood(ctx, stored, ead)
		if err != nil {
			return nil, err
		}
		return s.named(ctx, good, ids)
	}
	// Step 5, before anything is fetched for a peer that will be refused.
	if s.cfg.Policy != Learning && s.cfg.Vouch == nil {
		return nil, refuse("credential is not stored")
	}
	n, err := s.newcomer(ctx, ids)
	if err != nil {
		return nil, err
	}
	if err := s.assess(ctx, &n, ead); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.unsigned && s.taken(n.cred) {
		return nil, refuse("credential claims the name or key identifier of other peers")
	}
	s.fresh.put(n)
	return []*edhoc.Credential{n.cred}, nil // Step 10
}

// stored gives the credentials that each of ids names. One that cannot be looked up, such
// as a URI, leaves it to the others.
func (s *Store) stored(ids []edhoc.IDCred) (found []*edhoc.Credential) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		for _, e := range s.index.find(id) {
			if matchesAll(e.cred, ids) {
				found = append(found, e.cred)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// matchesAll is the consistency check of Section 5.4 but for URIs: see named.
func matchesAll(c *edhoc.Credential, ids []edhoc.IDCred) bool {
	for _, id := range ids {
		if len(keys(id)) > 0 && !c.Matches(id) {
			return false
		}
	}
	return true
}

// named is the consistency check for URIs: it gives those of list that each of them
// names, at least one. A URI tells that only when it is fetched.
func (s *Store) named(ctx context.Context, list []*edhoc.Credential, ids []edhoc.IDCred) ([]*edhoc.Credential, error) {
	for _, id := range ids {
		if len(keys(id)) > 0 {
			continue
		}
		n, err := s.retrieve(ctx, id)
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, func(c *edhoc.Credential) bool { return !bytes.Equal(c.CRED(), n.cred.CRED()) })
	}
	if len(list) == 0 {
		return nil, refuse("ID_CRED and an EAD item name different credentials")
	}
	return list, nil
}

// stillGood is Steps 2 and 9. What is not valid any more is deleted (Section 4).
func (s *Store) stillGood(ctx context.Context, stored []*edhoc.Credential, ead []edhoc.EADItem) (good []*edhoc.Credential, err error) {
	for _, c := range stored {
		valid, err := s.valid(ctx, c, ead)
		if err != nil {
			return nil, err
		}
		switch {
		case !valid:
			s.Remove(c)
		case s.trusted(c) && s.wanted(c):
			good = append(good, c)
		}
	}
	if len(good) == 0 {
		return nil, refuse("stored credential is not valid, trusted or wanted")
	}
	return good, nil
}

// newcomer is Steps 3 and 4. If nothing can be retrieved, our fault comes before that of
// the peer.
func (s *Store) newcomer(ctx context.Context, ids []edhoc.IDCred) (newcomer, error) {
	var failure error
	for i, id := range ids {
		n, err := s.retrieve(ctx, id)
		if err != nil {
			if peer := new(edhoc.Error); failure == nil || errors.As(failure, &peer) {
				failure = err
			}
			continue
		}
		if !matchesAll(n.cred, ids) {
			return newcomer{}, refuse("ID_CRED and an EAD item name different credentials")
		}
		_, err = s.named(ctx, []*edhoc.Credential{n.cred}, slices.Concat(ids[:i], ids[i+1:]))
		return n, err
	}
	return newcomer{}, failure
}

// assess is Steps 5 to 9.
func (s *Store) assess(ctx context.Context, n *newcomer, ead []edhoc.EADItem) error {
	valid, err := s.valid(ctx, n.cred, ead)
	if err != nil {
		return err
	}
	if !valid {
		return refuse("credential is not valid")
	}
	n.level = Trusted
	if s.cfg.Vouch != nil {
		if n.level, err = s.cfg.Vouch(ctx, n.cred, ead); err != nil {
			return err
		}
		n.unsigned = n.unsigned && n.level != Trusted
	}
	if n.level == Untrusted || !s.wanted(n.cred) {
		return refuse("credential is not trusted or wanted")
	}
	return nil
}

func (s *Store) valid(ctx context.Context, c *edhoc.Credential, ead []edhoc.EADItem) (bool, error) {
	if c.ValidAt(s.cfg.Now()) != nil {
		return false, nil
	}
	if s.cfg.Revoked == nil {
		return true, nil
	}
	revoked, err := s.cfg.Revoked(ctx, c, ead)
	return err == nil && !revoked, err
}

func (s *Store) wanted(c *edhoc.Credential) bool { return s.cfg.Wanted == nil || s.cfg.Wanted(c) }
