package ace

import (
	"slices"

	"github.com/ostiary/ostiary/internal/cborseq"
)

const (
	maxCWTID     = 255
	maxAudiences = 64
)

// Claims are a CWT Claims Set (RFC 8392, Section 3; RFC 8747, Section 3; RFC
// 9200, Section 5.10). Which of them a token must have, and what they must say,
// is for the RS to check (RFC 9200, Section 5.10.1.1).
type Claims struct {
	Issuer     string        // iss
	Subject    string        // sub
	Audience   string        // aud, as one text
	Audiences  []string      // aud, as an array; then Audience is empty
	Expiration NumericDate   // exp
	NotBefore  NumericDate   // nbf
	IssuedAt   NumericDate   // iat
	CWTID      []byte        // cti, 1 to 255 bytes
	Cnf        *Confirmation // cnf
	Scope      Scope         // scope
	Profile    Profile       // ace_profile
	CNonce     []byte        // cnonce, 1 to 64 bytes
	ExpiresIn  uint32        // exi, seconds from the RS's first sight of the token

	others []other
}

// ParseClaims decodes a CWT Claims Set. It fails with an *Error. Claims that this
// package does not know are ignored, and kept for Append.
func ParseClaims(b []byte) (*Claims, error) {
	c := new(Claims)
	f := openFields(b)
	for f.next() {
		//spec:8392-3-1
		if !c.read(&f) {
			f.ok = f.keep(&c.others)
		}
	}
	if !f.end() {
		return nil, f.malformed("RFC 8392, Section 3", "claims")
	}
	return c, nil
}

// read takes the claim that f has found; it reports false for one that is not
// known, and leaves a malformed one to f.ok.
func (c *Claims) read(f *fields) bool {
	switch f.key {
	case keyIss:
		f.ok = f.readText(&c.Issuer)
	case keySub:
		f.ok = f.readText(&c.Subject)
	case keyAud:
		f.ok = f.readText(&c.Audience) || f.readTexts(&c.Audiences)
	case keyExp:
		f.ok = f.readDate(&c.Expiration)
	case keyNbf:
		f.ok = f.readDate(&c.NotBefore)
	case keyIat:
		f.ok = f.readDate(&c.IssuedAt)
	case keyCti:
		f.ok = f.readSized(&c.CWTID, 1, maxCWTID)
	case keyCnf:
		f.ok = f.readConfirmation(&c.Cnf)
	case keyScope:
		f.ok = f.readScope(&c.Scope)
	case keyProfile:
		f.ok = readCode(f, &c.Profile)
	case keyCNonce:
		f.ok = f.readSized(&c.CNonce, minCNonce, maxCNonce)
	case keyExi:
		f.ok = f.readLifetime(&c.ExpiresIn)
	default:
		return false
	}
	return true
}

// readTexts takes an array of texts (RFC 8392, Section 3.1.3).
func (f *fields) readTexts(out *[]string) bool {
	var n int
	if !f.s.ReadArray(&n) || n == 0 || n > maxAudiences {
		return false
	}
	*out = make([]string, n)
	for i := range *out {
		if !f.readText(&(*out)[i]) {
			return false
		}
	}
	return true
}

// Append appends the CWT Claims Set to dst, with the secret that a cnf may hold.
func (c *Claims) Append(dst []byte) []byte {
	w := writeFields(dst, c.others)
	c.writeFirst(&w)
	c.writeLast(&w)
	return w.end()
}

// writeFirst writes the claims with keys up to 9; introspection has others
// between these and those of writeLast.
func (c *Claims) writeFirst(w *fieldWriter) {
	w.text(keyIss, c.Issuer)
	w.text(keySub, c.Subject)
	if len(c.Audiences) > 0 {
		w.key(keyAud)
		w.b = cborseq.AppendArray(w.b, len(c.Audiences))
		for _, a := range c.Audiences {
			w.b = cborseq.AppendText(w.b, a)
		}
	} else {
		w.text(keyAud, c.Audience)
	}
	w.date(keyExp, c.Expiration)
	w.date(keyNbf, c.NotBefore)
	w.date(keyIat, c.IssuedAt)
	w.bytes(keyCti, c.CWTID)
	w.confirmation(keyCnf, c.Cnf)
	w.scope(c.Scope)
}

func (c *Claims) writeLast(w *fieldWriter) {
	w.int(keyProfile, int64(c.Profile))
	w.bytes(keyCNonce, c.CNonce)
	w.lifetime(keyExi, c.ExpiresIn)
}

// IsFor reports whether aud names the audience.
func (c *Claims) IsFor(audience string) bool {
	return audience != "" && (c.Audience == audience || slices.Contains(c.Audiences, audience))
}
