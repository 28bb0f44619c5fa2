package as

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/internal/secret"
)

// saltSize is the size of the salt of OSCORE input material in bytes.
const saltSize = 8

// A grant is a request that is granted, and how.
type grant struct {
	client  Client
	request request
	target  *target
	key     popKey
	profile ace.Profile
	scope   ace.Scope
	now     time.Time
}

// issue makes the token, has it recorded and answers. Whatever is drawn or
// numbered for it is used up, also if it fails.
func (s *Server) issue(ctx context.Context, g grant) ([]byte, error) {
	number, err := s.numbers.take(ctx)
	if err != nil {
		return nil, err
	}
	answer := &ace.TokenResponse{ExpiresIn: uint32(g.target.lifetime / time.Second)}
	id, err := identifier(nil, number, s.config.Rand)
	if err != nil {
		return nil, err
	}
	claims, err := s.claims(ctx, g, id)
	if err != nil {
		return nil, err
	}
	//spec:9203-3.2-9
	if g.key.use == NewKey {
		material, err := s.material(g.target.rs(), id)
		if err != nil {
			return nil, err
		}
		defer material.MasterSecret.Erase()
		g.key.id = id
		claims.Cnf = &ace.Confirmation{OSCORE: material}
		//spec:9203-3.2-4
		//spec:9201-3.2-1
		//spec:9201-5-1
		answer.Cnf = claims.Cnf
	}
	if answer.AccessToken, err = s.protect(claims, g); err != nil {
		return nil, err
	}
	if err := s.record(ctx, g, claims, answer.AccessToken); err != nil {
		return nil, err
	}
	g.complete(answer)
	return answer.Append(nil), nil
}

// claims says what the token says, but for a new key, which issue puts in.
func (s *Server) claims(ctx context.Context, g grant, id []byte) (*ace.Claims, error) {
	t := g.target
	c := &ace.Claims{
		Scope: g.scope,
		//spec:9200-5.10-1
		//spec:9200-5.3.1-3
		CNonce: g.request.CNonce,
	}
	if t.has(func(c ClaimSet) bool { return !c.NoIssuer }) {
		c.Issuer = s.config.Issuer
	}
	if t.has(func(c ClaimSet) bool { return c.Subject }) {
		c.Subject = g.client.Name
	}
	if t.has(func(c ClaimSet) bool { return !c.NoAudience }) {
		c.Audience = g.request.audience
	}
	if t.has(func(c ClaimSet) bool { return !c.NoIssuedAt }) {
		c.IssuedAt = ace.Date(g.now)
	}
	if t.has(func(c ClaimSet) bool { return c.Profile }) {
		c.Profile = g.profile
	}
	c.CWTID = append([]byte{0}, id...) // no RS has a name that begins with NUL
	if !t.rs().ExpiresIn {
		c.Expiration = ace.Date(g.now.Add(t.lifetime))
	} else if err := s.setExpiresIn(ctx, t, c); err != nil {
		return nil, err
	}
	if g.key.use == ClientKey {
		c.Cnf = &ace.Confirmation{Key: g.key.public}
	} else {
		//spec:9203-3.2-10
		c.Cnf = &ace.Confirmation{KID: g.key.id}
	}
	return c, nil
}

// setExpiresIn gives the token an exi in place of an exp, and the cti that goes
// with it.
//
//spec:9200-5.10.3-2
func (s *Server) setExpiresIn(ctx context.Context, t *target, c *ace.Claims) error {
	name := t.rs().Name
	number, err := s.config.Ledger.NextSequence(ctx, name, 1)
	if err != nil {
		return failed("take a number for exi", err)
	}
	c.ExpiresIn = uint32(t.lifetime / time.Second)
	c.CWTID = ace.ExpiresInID(name, number)
	return nil
}

// material makes OSCORE input material that nobody else has: neither another
// client nor another RS.
//
//spec:9203-3-1
//spec:9203-3.2-2
//spec:9203-3.2-8
//spec:9200-6.1-4
func (s *Server) material(rs *ResourceServer, id []byte) (*ace.OSCOREInputMaterial, error) {
	m := &ace.OSCOREInputMaterial{
		ID:           id,
		MasterSecret: make(secret.Bytes, max(16, rs.AEAD.KeySize())),
		Salt:         make([]byte, saltSize),
		AEAD:         rs.AEAD,
		HKDF:         rs.HKDF,
	}
	//spec:9203-3.2-3
	if rs.ContextID {
		m.ContextID = id
	}
	for _, b := range [][]byte{m.MasterSecret, m.Salt} {
		if _, err := io.ReadFull(s.config.Rand, b); err != nil {
			return nil, failed("draw key", err)
		}
	}
	return m, nil
}

// protect makes the CWT.
//
//spec:9200-6.1-1
//spec:9200-6.1-2
//spec:9203-3.2-5
//spec:9203-3.2-7
func (s *Server) protect(claims *ace.Claims, g grant) ([]byte, error) {
	c, t := *claims, g.target
	if !t.rs().ExpiresIn && !t.has(func(c ClaimSet) bool { return !c.NoCTI }) {
		c.CWTID = nil // the ledger knows it nevertheless
	}
	protect := ace.SignCWT
	if t.tokenKey.Encrypts() {
		protect = ace.EncryptCWT
	}
	token, err := protect(nil, &c, t.tokenKey, s.config.Rand)
	if err != nil {
		return nil, failed("protect token", err)
	}
	if !t.fits(len(token)) {
		return nil, refused(ace.InvalidScope, "", "token with that scope would be too large for the RS")
	}
	return token, nil
}

// record makes the intent durable. A token of which that is not certain does not
// leave.
func (s *Server) record(ctx context.Context, g grant, c *ace.Claims, token []byte) error {
	i := Issued{
		CTI: c.CWTID, Hash: ace.TokenHash(token), Client: g.client.Name, Audience: g.request.audience,
		Servers: g.target.names(), KeyID: g.key.id, KeyUse: g.key.use, Scope: g.scope, Profile: g.profile,
		IssuedAt: g.now, Expires: g.now.Add(g.target.lifetime), ExpiresIn: c.ExpiresIn,
	}
	if i.ExpiresIn != 0 {
		i.Expires = i.Expires.Add(s.config.HoldBack)
	}
	err := s.config.Ledger.Record(ctx, i)
	switch {
	case err == nil:
		return nil
	case g.key.use == SameKey && errors.Is(err, ErrNotLive): // it was, a moment ago
		return notTheirs()
	}
	return failed("record token", err)
}

// complete says what else the client has to know.
func (g grant) complete(answer *ace.TokenResponse) {
	if !g.request.asked || g.scope != g.request.scope {
		answer.Scope = g.scope
	}
	//spec:9200-5.8.2-2
	if g.request.WantProfile || len(g.client.Profiles) > 1 {
		answer.Profile = g.profile
	}
	//spec:9201-3.2-2
	//spec:9201-5-5
	if rs := g.target.rs(); g.key.use == ClientKey && !g.target.group() && rs.Key != nil {
		answer.RSCnf = &ace.Confirmation{Key: rs.Key}
	}
}
