package rs

import (
	"fmt"

	"github.com/ostiary/ostiary/ace"
)

// An Interpreter says what the scope of a token allows at this RS. An error
// means that the RS does not recognise the scope; the token is then refused.
type Interpreter func(ace.Scope) (ace.AIF, error)

// AIFScopes is the Interpreter of byte strings that hold AIF (RFC 9237). A scope
// of text is not recognised.
func AIFScopes(s ace.Scope) (ace.AIF, error) { return s.AIF() }

// TextScopes gives the Interpreter of scope tokens (RFC 6749, Section 3.3) that
// stand in table. A scope with a token that does not, and a byte string, is not
// recognised. The table must not be changed afterwards.
func TextScopes(table map[string]ace.AIF) Interpreter {
	return func(s ace.Scope) (ace.AIF, error) {
		tokens, ok := s.Tokens()
		if !ok {
			return nil, fmt.Errorf("scope is not text")
		}
		var sum ace.AIF
		for _, token := range tokens {
			part, ok := table[token]
			if !ok {
				return nil, fmt.Errorf("scope token %q is not in the table", token)
			}
			sum = union(sum, part)
		}
		return sum, nil
	}
}

// union merges the entries of one path (RFC 9237, Section 3).
func union(a, b ace.AIF) ace.AIF {
	for _, p := range b {
		i := 0
		for i < len(a) && a[i].Path != p.Path {
			i++
		}
		if i < len(a) {
			a[i].Methods |= p.Methods
		} else {
			a = append(a, p)
		}
	}
	return a
}
