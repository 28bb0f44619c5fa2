package as

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/ace"
)

// A target is what the RSs behind an audience have in common.
type target struct {
	servers  []ResourceServer
	tokenKey *ace.TokenKey
	lifetime time.Duration
}

// target looks up who is behind an audience.
func (s *Server) target(ctx context.Context, audience string) (*target, error) {
	servers, err := s.config.ResourceServers.Audience(ctx, audience)
	switch {
	case errors.Is(err, ErrUnknown), err == nil && len(servers) == 0:
		return nil, refused(ace.InvalidRequest, "RFC 9200, Section 5.8.1", "audience is not registered")
	case err != nil:
		return nil, failed("look audience up", err)
	}
	t := &target{servers: servers, tokenKey: servers[0].TokenKey}
	for i := range servers {
		rs := &servers[i]
		if rs.Name == "" || strings.ContainsRune(rs.Name, 0) || rs.TokenKey == nil || !validLifetime(rs.Lifetime) {
			return nil, failed("use RS "+rs.Name+": its name, token key or lifetime is not valid", nil)
		}
		lifetime := rs.Lifetime
		if lifetime == 0 {
			lifetime = s.config.Lifetime
		}
		if i == 0 || lifetime < t.lifetime {
			t.lifetime = lifetime
		}
	}
	return t, t.checkGroup()
}

// checkGroup refuses a group of RSs that no one token can serve. A token for
// several RSs is signed: under a key that they share with the AS, each could make
// it up (RFC 9200, Section 6.1). Numbers of exi belong to one RS (Section
// 5.10.3).
//
//spec:9200-6.1-3
func (t *target) checkGroup() error {
	if !t.group() {
		return nil
	}
	for i := range t.servers {
		rs := &t.servers[i]
		switch {
		case !rs.TokenKey.Signs(t.tokenKey):
			return refused(ace.InvalidRequest, "RFC 9200, Section 6.1", "RSs of the audience have no token signature in common")
		case rs.ExpiresIn:
			return refused(ace.InvalidRequest, "RFC 9200, Section 5.10.3", "an RS of the audience wants exi")
		}
	}
	return nil
}

// group reports whether there are several RSs.
func (t *target) group() bool { return len(t.servers) > 1 }

// rs is the RS, if it is one.
func (t *target) rs() *ResourceServer { return &t.servers[0] }

// all reports whether something holds for every RS.
func (t *target) all(f func(*ResourceServer) bool) bool {
	return !slices.ContainsFunc(t.servers, func(rs ResourceServer) bool { return !f(&rs) })
}

func (t *target) names() []string {
	names := make([]string, len(t.servers))
	for i := range t.servers {
		names[i] = t.servers[i].Name
	}
	return names
}

// understands reports whether every RS can read the scope.
func (t *target) understands(s ace.Scope) bool {
	return t.all(func(rs *ResourceServer) bool {
		if rs.MaxScope != 0 && s.Len() > rs.MaxScope {
			return false
		}
		switch rs.Scopes {
		case TextScope:
			_, ok := s.Tokens()
			return ok
		case AIFScope:
			_, err := s.AIF()
			return err == nil
		case AnyScope:
			return true
		}
		return false
	})
}

// has reports whether any RS wants a claim.
func (t *target) has(f func(ClaimSet) bool) bool {
	return !t.all(func(rs *ResourceServer) bool { return !f(rs.Claims) })
}

// fits reports whether every RS can take a token of that size.
func (t *target) fits(size int) bool {
	return t.all(func(rs *ResourceServer) bool { return rs.MaxToken == 0 || size <= rs.MaxToken })
}

// chooseProfile takes the profile that the client likes best of those that all
// RSs have and that work with the key: coap_oscore with a symmetric key that the
// AS made (RFC 9203, Appendix A), every other with a public key of the client.
//
//spec:9200-5.8.3-5
//spec:9200-5.8.3-6
func chooseProfile(c Client, t *target, key popKey) (ace.Profile, error) {
	common := false
	for _, p := range c.Profiles {
		if !t.all(func(rs *ResourceServer) bool { return slices.Contains(rs.Profiles, p) }) {
			continue
		}
		common = true
		if (p == ace.ProfileCoAPOSCORE) == (key.use != ClientKey) {
			return p, nil
		}
	}
	if !common {
		return 0, refused(ace.IncompatibleACEProfiles, "RFC 9200, Section 5.8.3", "client and RS have no profile in common")
	}
	return 0, refused(ace.UnsupportedPoPKey, "RFC 9200, Section 5.8.3", "no profile in common for this kind of key")
}
