package c509

import (
	"errors"
	"fmt"
)

// What goes wrong. Every error of this package is one of these.
var (
	// ErrMalformed says that bytes are not a C509 certificate, or not its one encoding.
	ErrMalformed = errors.New("c509: malformed certificate")
	// ErrInexpressible says that an X.509 certificate, or what a Template asks for, has no
	// C509 encoding that gives it back exactly.
	ErrInexpressible = errors.New("c509: no C509 encoding")
	// ErrInvalid says that a certificate, though well-formed, is not to be trusted or not
	// fit for its use: signature, validity, path, or key.
	ErrInvalid = errors.New("c509: invalid certificate")
)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

func inexpressible(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInexpressible, fmt.Sprintf(format, args...))
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// errValue is a value that is not what its CDDL or its ASN.1 says. Whoever knows the
// field puts its name to it.
var errValue = errors.New("c509: value")
