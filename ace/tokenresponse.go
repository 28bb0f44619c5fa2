package ace

import (
	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/secret"
)

// A TokenResponse is the Access Information (RFC 9200, Section 5.8.2; RFC 9201,
// Section 3.2).
type TokenResponse struct {
	AccessToken  []byte        // access_token; always there
	ExpiresIn    uint32        // expires_in, seconds
	Cnf          *Confirmation // cnf: the symmetric key that the AS chose
	Scope        Scope         // if it is not what the client asked for
	TokenType    TokenType     // token_type; 0 means PoP
	RefreshToken secret.Bytes  // refresh_token
	Profile      Profile       // ace_profile; 0: the client knows it
	RSCnf        *Confirmation // rs_cnf: the public key of the RS

	others []other
}

// ParseTokenResponse decodes the payload of a 2.01 from the token endpoint. It
// fails with an *Error.
func ParseTokenResponse(b []byte) (*TokenResponse, error) {
	r := new(TokenResponse)
	f := openFields(b)
	for f.next() {
		switch f.key {
		case keyAccessToken:
			f.ok = f.readSized(&r.AccessToken, 1, maxMessage)
		case keyExpiresIn:
			f.ok = f.readLifetime(&r.ExpiresIn)
		case keyCnf:
			f.ok = f.readConfirmation(&r.Cnf)
		case keyScope:
			f.ok = f.readScope(&r.Scope)
		case keyTokenType:
			f.ok = readCode(&f, &r.TokenType)
		case keyRefreshToken:
			f.ok = f.readSecret(&r.RefreshToken)
		case keyProfile:
			f.ok = readCode(&f, &r.Profile)
		case keyRSCnf:
			f.ok = f.readConfirmation(&r.RSCnf)
		default:
			f.ok = f.keep(&r.others)
		}
	}
	if !f.end() || r.AccessToken == nil {
		return nil, f.malformed("RFC 9200, Section 5.8.2", "token response")
	}
	return r, nil
}

// Append appends the payload to dst.
//
//spec:9200-5.8.2-1
//spec:9200-5.8.2-5
func (r *TokenResponse) Append(dst []byte) []byte {
	w := writeFields(dst, r.others)
	w.bytes(keyAccessToken, r.AccessToken)
	w.lifetime(keyExpiresIn, r.ExpiresIn)
	w.confirmation(keyCnf, r.Cnf)
	w.scope(r.Scope)
	w.int(keyTokenType, int64(r.TokenType))
	w.bytes(keyRefreshToken, r.RefreshToken)
	w.int(keyProfile, int64(r.Profile))
	w.confirmation(keyRSCnf, r.RSCnf)
	return w.end()
}

// readLifetime takes a number of seconds. It refuses 0, which nobody can use, and
// what would overflow a time.Duration later.
func (f *fields) readLifetime(out *uint32) bool {
	var v uint64
	if !f.s.ReadUint(&v) || v == 0 || v > 1<<32-1 {
		return false
	}
	*out = uint32(v)
	return true
}

func (w *fieldWriter) lifetime(k int64, v uint32) {
	if v != 0 {
		w.key(k)
		w.b = cborseq.AppendUint(w.b, uint64(v))
	}
}
