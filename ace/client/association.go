package client

import "github.com/ostiary/ostiary/oscore"

// Association returns the security context in use, for what a Transport cannot do,
// such as an observation. The caller does not discard it. What comes of its requests
// does not count for the session as it does in [Session.Do]. Errors: [ErrExpired],
// [ErrDiscarded].
func (s *Session) Association() (*oscore.Association, error) { return s.current() }
