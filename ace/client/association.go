package client

import "github.com/ostiary/ostiary/oscore"

// Association returns the security association of the session, for what a
// Transport cannot do, such as an observation: it must not be discarded by the
// caller. Its requests do not count the 4.01 as Session.Do does. Errors:
// [ErrExpired], [ErrDiscarded].
func (s *Session) Association() (*oscore.Association, error) { return s.current() }
