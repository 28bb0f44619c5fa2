package store

import "fmt"

// Claim makes this Store the only one that may use the security contexts of its
// file, until Close or the end of the process. Of two that use a context each
// would take a request that the other has answered, and answer it with the same
// nonce (RFC 8613, Sections 5.2 and 7.4). It fails with [ErrClaimed]. A Store
// that changes only the registry needs no claim.
func (s *Store) Claim() error {
	s.claiming.Lock()
	defer s.claiming.Unlock()
	if s.claim != nil {
		return nil
	}
	f, err := lockFile(s.cfg.Path + ".lock")
	if err != nil {
		return fmt.Errorf("store: claim %s: %w", s.cfg.Path, err)
	}
	s.claim = f
	return nil
}

// unclaim lets another have the claim.
func (s *Store) unclaim() error {
	s.claiming.Lock()
	defer s.claiming.Unlock()
	if s.claim == nil {
		return nil
	}
	return s.claim.Close()
}
