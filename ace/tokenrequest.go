package ace

import (
	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/secret"
)

const (
	minCNonce = 1
	maxCNonce = 64
)

// A TokenRequest is what a client sends to the token endpoint (RFC 9200, Section
// 5.8.1; RFC 9201, Section 3.1). Whether it makes sense is for the AS to say.
type TokenRequest struct {
	ReqCnf       *Confirmation // req_cnf
	Audience     string
	Scope        Scope
	ClientID     string
	ClientSecret secret.Bytes
	RedirectURI  string
	Code         secret.Bytes // authorization code
	GrantType    *GrantType   // nil: client_credentials
	Username     string
	Password     secret.Bytes // UTF-8
	RefreshToken secret.Bytes
	WantProfile  bool   // ace_profile is null: the answer is to name the profile
	CNonce       []byte // cnonce, 1 to 64 bytes

	others []other
}

// ParseTokenRequest decodes the payload of a token request. It fails with an
// *Error. Parameters that this package does not know are ignored.
//
//spec:9200-5.8.5-1
func ParseTokenRequest(b []byte) (*TokenRequest, error) {
	r := new(TokenRequest)
	f := openFields(b)
	for f.next() {
		switch f.key {
		case keyReqCnf:
			f.ok = f.readConfirmation(&r.ReqCnf)
		case keyAudience:
			f.ok = f.readText(&r.Audience)
		case keyScope:
			f.ok = f.readScope(&r.Scope)
		case keyClientID:
			f.ok = f.readText(&r.ClientID)
		case keyClientSecret:
			f.ok = f.readSecret(&r.ClientSecret)
		case keyRedirectURI:
			f.ok = f.readText(&r.RedirectURI)
		case keyCode:
			f.ok = f.readSecret(&r.Code)
		case keyGrantType:
			r.GrantType = new(GrantType)
			f.ok = f.s.ReadInt((*int64)(r.GrantType))
		case keyUsername:
			f.ok = f.readText(&r.Username)
		case keyPassword:
			var v string
			f.ok = f.readText(&v)
			r.Password = secret.Bytes(v)
		case keyRefreshToken:
			f.ok = f.readSecret(&r.RefreshToken)
		case keyProfile:
			r.WantProfile = f.s.ReadNull()
			f.ok = r.WantProfile
		case keyCNonce:
			f.ok = f.readSized(&r.CNonce, minCNonce, maxCNonce)
		default:
			f.ok = f.keep(&r.others)
		}
	}
	if !f.end() {
		return nil, f.malformed("RFC 9200, Section 5.8.1", "token request")
	}
	return r, nil
}

// Append appends the payload to dst.
//
//spec:9200-5.8.1-5
func (r *TokenRequest) Append(dst []byte) []byte {
	w := writeFields(dst, r.others)
	w.confirmation(keyReqCnf, r.ReqCnf)
	w.text(keyAudience, r.Audience)
	w.scope(r.Scope)
	w.text(keyClientID, r.ClientID)
	w.bytes(keyClientSecret, r.ClientSecret)
	w.text(keyRedirectURI, r.RedirectURI)
	w.bytes(keyCode, r.Code)
	if r.GrantType != nil {
		w.anyInt(keyGrantType, int64(*r.GrantType))
	}
	w.text(keyUsername, r.Username)
	w.text(keyPassword, string(r.Password))
	w.bytes(keyRefreshToken, r.RefreshToken)
	if r.WantProfile {
		w.key(keyProfile)
		w.b = cborseq.AppendNull(w.b)
	}
	w.bytes(keyCNonce, r.CNonce)
	return w.end()
}
