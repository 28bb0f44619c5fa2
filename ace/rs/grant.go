package rs

import (
	"time"

	"github.com/ostiary/ostiary/ace"
)

// A Grant is the right to one method on one resource, which [Tokens.Authorize]
// found in the token of a client that has proved possession of its key, or in a
// [Standing]. Only this package makes one that allows something: the zero Grant
// allows nothing. It is as old as the request; a long-running one (Observe) ends
// when the token does, see Config.OnRemove.
type Grant struct {
	subject  string
	method   uint8
	path     string
	token    *Token    // one of these is there
	standing *standing // or none, in the zero Grant
}

func (g Grant) given() bool { return g.token != nil || g.standing != nil }

// Permits reports whether g was given for this method and path.
func (g Grant) Permits(method uint8, path string) bool {
	return g.given() && g.method == method && g.path == path
}

// Subject names the security association that the request came over; "" in the
// zero Grant.
func (g Grant) Subject() string { return g.subject }

// Standing gives the Source and the Peer of the [Standing] that g was found in; ""
// if it was a token.
func (g Grant) Standing() (source, peer string) {
	if g.standing == nil {
		return "", ""
	}
	return g.standing.Source, g.standing.Peer
}

// Claims are those of the token; nil in the zero Grant, and where there is no
// token. The caller does not change them.
func (g Grant) Claims() *ace.Claims {
	if g.token == nil {
		return nil
	}
	return g.token.claims
}

// Expires is when the token expires; the zero time in the zero Grant, where there
// is no token, and if it has only an exi claim.
func (g Grant) Expires() time.Time {
	if g.token == nil {
		return time.Time{}
	}
	return g.token.expires
}
