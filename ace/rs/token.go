package rs

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/ostiary/ostiary/ace"
)

// A Token is an access token that [Tokens.Verify] has accepted. Only this package
// makes one. It does not change.
type Token struct {
	claims      *ace.Claims
	issuer      string // the AS, by its key
	hash        string // ace.TokenHash
	permissions ace.AIF
	expires     time.Time  // exp; zero: none
	exi         *counterID // nil: no exi
	asked       bool       // the AS has said that it is active
}

// Claims are those of the token. The caller does not change them, and does not
// print them: they may hold a key.
func (t *Token) Claims() *ace.Claims { return t.claims }

// Issuer names the AS that made the token, also if it has no iss.
func (t *Token) Issuer() string { return t.issuer }

// Hash is the token hash of RFC 9770, 33 bytes.
func (t *Token) Hash() []byte { return []byte(t.hash) }

// Permissions are what the scope allows at this RS. The caller does not change
// them.
func (t *Token) Permissions() ace.AIF { return t.permissions }

const verifying = "RFC 9200, Section 5.10.1.1"

// Verify verifies an access token and stores nothing. It fails with an [*Error],
// which has code 4.01 for a token that is not authentic, not from an AS for this
// RS, not valid now, not fresh or revoked; 4.03 if it is for another RS; and 4.00 if
// its claims cannot be obtained or understood. The checks are in the order that
// RFC 9200, Section 5.10.1.1 gives.
//
//spec:9200-5.10.1-4
//spec:9200-5.10.1.1-1
func (t *Tokens) Verify(token []byte, now time.Time) (*Token, error) {
	v := &Token{hash: string(ace.TokenHash(token))}
	if err := t.open(v, token); err != nil {
		return nil, err
	}
	if err := t.check(v, now); err != nil {
		return nil, err
	}
	if err := t.checkActive(v, token); err != nil {
		return nil, err
	}
	return v, nil
}

func (t *Tokens) check(v *Token, now time.Time) error {
	checks := [...]func(*Token, time.Time) error{t.checkIssuer, t.readExpiry, t.checkTime, t.checkFresh, t.checkAudience, t.checkScope, t.checkRest}
	//spec:9200-5.10.1.1-7
	for _, check := range checks {
		if err := check(v, now); err != nil {
			return err
		}
	}
	return nil
}

// open obtains the claims and the issuer.
//
//spec:9200-5.10.1.1-2
//spec:9200-5.10.1.1-3
func (t *Tokens) open(v *Token, token []byte) error {
	claims, key, err := ace.OpenCWT(token, func(kid []byte) []*ace.TokenKey { return t.keys[string(kid)] })
	var refused *ace.Error
	switch {
	case err == nil:
		//spec:9200-5.10.1.1-4
		v.claims, v.issuer = claims, key.Issuer()
	case errors.As(err, &refused) && refused.Code == ace.BadRequest:
		//spec:9200-5.10.1.1-6
		return &Error{Code: BadRequest, Section: verifying, Reason: "claims cannot be obtained", Err: err}
	case t.cfg.Introspect.Ask != nil:
		return t.introspect(v, token)
	default:
		//spec:9200-5.10.1.1-5
		return &Error{Code: Unauthorized, Section: verifying, Reason: "token is not authentic", Err: err}
	}
	if !key.Encrypts() && claims.Cnf.HoldsSecret() {
		return &Error{Code: Unauthorized, Section: "RFC 9200, Section 6.1", Reason: "key in a token that is not encrypted"}
	}
	return nil
}

// introspect obtains the claims of a token by reference. No answer is a no.
//
//spec:9200-6.10-1
func (t *Tokens) introspect(v *Token, token []byte) error {
	response, err := t.ask(token)
	if err != nil {
		return err
	}
	v.claims, v.issuer, v.asked = claimsOf(response), t.cfg.Introspect.Issuer, true
	return nil
}

// ask gives what the AS says of an active token.
func (t *Tokens) ask(token []byte) (*ace.IntrospectionResponse, error) {
	response, err := t.cfg.Introspect.Ask(token)
	switch {
	case err != nil || response == nil:
		return nil, &Error{Code: BadRequest, Section: verifying, Reason: "claims cannot be obtained: introspection failed", Err: err}
	case !response.Active:
		return nil, &Error{Code: Unauthorized, Section: "RFC 9200, Section 5.9.2", Reason: "token is not active"}
	}
	return response, nil
}

// checkActive comes last: what is refused otherwise costs the AS nothing.
func (t *Tokens) checkActive(v *Token, token []byte) error {
	if v.asked || !t.cfg.Introspect.All || t.cfg.Introspect.Ask == nil {
		return nil
	}
	_, err := t.ask(token)
	return err
}

// claimsOf gives the claims with a Master Secret of their own: the profile erases it
// once it has made a context, and an Introspector may keep its answers.
func claimsOf(r *ace.IntrospectionResponse) *ace.Claims {
	c := r.Claims
	if c.Cnf != nil && c.Cnf.OSCORE != nil {
		cnf, material := *c.Cnf, *c.Cnf.OSCORE
		material.MasterSecret = material.MasterSecret.Clone()
		cnf.OSCORE = &material
		c.Cnf = &cnf
	}
	return &c
}

//spec:9200-5.10.1.1-8
//spec:9200-5.10.1.1-9
func (t *Tokens) checkIssuer(v *Token, _ time.Time) error {
	if iss := v.claims.Issuer; iss == "" && t.cfg.IssuerOptional || iss != "" && iss == v.issuer {
		return nil
	}
	return &Error{Code: Unauthorized, Section: verifying, Reason: "iss is not the AS of the key"}
}

// readExpiry finds out when the token expires, or which one with exi it is.
func (t *Tokens) readExpiry(v *Token, _ time.Time) error {
	v.expires = v.claims.Expiration.Time()
	if v.claims.ExpiresIn == 0 {
		return nil
	}
	number, ok := ace.ExpiresInNumber(v.claims.CWTID, t.cfg.Name)
	if !ok {
		return &Error{Code: Unauthorized, Section: "RFC 9200, Section 5.10.3", Reason: "exi, and cti is not a number of this RS"}
	}
	v.exi = &counterID{v.issuer, number}
	return nil
}

// hasExpired reports whether exp has come.
func (t *Token) hasExpired(now time.Time) bool {
	return !t.expires.IsZero() && !now.Before(t.expires)
}

// checkTime checks everything that makes a token valid now (RFC 9200, Section
// 5.10.3).
func (t *Tokens) checkTime(v *Token, now time.Time) error {
	c := v.claims
	switch {
	//spec:9200-5.10.1.1-10
	//spec:9200-5.10.1.1-11
	case v.hasExpired(now):
		return &Error{Code: Unauthorized, Section: verifying, Reason: "token has expired"}
	case !c.NotBefore.IsZero() && now.Before(c.NotBefore.Time()):
		return &Error{Code: Unauthorized, Section: "RFC 8392, Section 3.1.5", Reason: "token is not valid yet"}
	case c.Expiration.IsZero() && c.ExpiresIn == 0 && !t.cfg.DangerNoExpiry:
		return &Error{Code: Unauthorized, Section: "RFC 9200, Section 5.10.3", Reason: "token has neither exp nor exi"}
	}
	if v.exi != nil {
		if err := t.counters.check(*v.exi, now); err != nil {
			return &Error{Code: Unauthorized, Section: "RFC 9200, Section 5.10.3", Reason: "token has expired", Err: err}
		}
	}
	if t.cfg.Revoked != nil && t.cfg.Revoked(v.Hash()) {
		return &Error{Code: Unauthorized, Section: "RFC 9770, Section 11.1", Reason: "token is revoked"}
	}
	return nil
}

// checkFresh checks the cnonce. It counts when the token arrives, and not later.
//
//spec:9200-5.3.1-4
//spec:9200-5.3.1-5
//spec:9200-5.3.1-6
func (t *Tokens) checkFresh(v *Token, now time.Time) error {
	if t.cfg.ClientNonces == nil {
		return nil
	}
	if err := t.cfg.ClientNonces.check(v.claims.CNonce, v.hash, now); err != nil {
		return &Error{Code: Unauthorized, Section: "RFC 9200, Section 5.3.1", Reason: "token is not fresh", Err: err}
	}
	return nil
}

//spec:9200-5.10.1.1-12
//spec:9200-5.10.1.1-13
func (t *Tokens) checkAudience(v *Token, _ time.Time) error {
	if slices.ContainsFunc(t.cfg.Audiences, v.claims.IsFor) {
		return nil
	}
	return &Error{Code: Forbidden, Section: verifying, Reason: "aud is another RS"}
}

//spec:9200-5.10.1.1-14
//spec:9200-5.10.1.1-15
func (t *Tokens) checkScope(v *Token, _ time.Time) error {
	if v.claims.Scope.IsZero() {
		return &Error{Code: BadRequest, Section: verifying, Reason: "no scope"}
	}
	permissions, err := t.cfg.Scopes(v.claims.Scope)
	if err != nil {
		return &Error{Code: BadRequest, Section: verifying, Reason: "scope is not recognised", Err: err}
	}
	v.permissions = permissions
	return nil
}

// checkRest checks the claims that RFC 9200 leaves to the profile and the RS.
func (t *Tokens) checkRest(v *Token, _ time.Time) error {
	switch c := v.claims; {
	case c.Profile != 0 && !slices.Contains(t.cfg.Profiles, c.Profile):
		return &Error{Code: BadRequest, Section: "RFC 9200, Section 6.8", Reason: "ace_profile is not accepted"}
	case c.Cnf == nil:
		return &Error{Code: BadRequest, Section: "RFC 9200, Section 5.10", Reason: "no cnf"}
	}
	return nil
}

// identity names the proof-of-possession key among all issuers, "" if only the
// profile can say. An OSCORE_Input_Material and the kid of its updates are the
// same (RFC 9203, Section 4.2), and so are a symmetric key and its kid.
func (t *Token) identity() string {
	c := t.claims.Cnf
	switch {
	case c.OSCORE != nil:
		return kidIdentity(t.issuer, c.OSCORE.ID)
	case c.KID != nil:
		return kidIdentity(t.issuer, c.KID)
	case c.Key == nil:
		return ""
	}
	if print := c.Key.Thumbprint(); print != nil {
		return "p" + string(print)
	}
	return kidIdentity(t.issuer, c.Key.KID())
}

func kidIdentity(issuer string, kid []byte) string {
	if len(kid) == 0 {
		return ""
	}
	return "k" + join(issuer, string(kid))
}

// join makes one string of two so that different pairs stay different.
func join(a, b string) string { return strconv.Itoa(len(a)) + ":" + a + b }
