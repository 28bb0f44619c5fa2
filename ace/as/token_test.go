package as_test

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/internal/cose"
)

// TestToken looks at everything about one token of the OSCORE profile.
//
//spec:9200-3.1-1
//spec:9200-5-7
//spec:9200-5-11
//spec:9200-5.8-3
//spec:9200-5.8.2-1
//spec:9200-6.1-1
//spec:9201-3.2-1
//spec:9201-5-1
//spec:9203-3-1
//spec:9203-3.2-2
//spec:9203-3.2-4
//spec:9203-3.2-5
//spec:9203-3.2-6
//spec:9203-3.2-7
func TestToken(t *testing.T) {
	w := newWorld(t)
	answer, claims := w.granted("alice", read())
	if answer.Cnf == nil || answer.Cnf.OSCORE == nil {
		t.Fatalf("no osc in cnf of %+v", answer)
	}
	m := answer.Cnf.OSCORE
	if len(m.ID) < 9 || len(m.MasterSecret) != 16 || len(m.Salt) != 8 || m.ContextID != nil || m.AEAD != 0 || m.HKDF != 0 || m.Version != 0 {
		t.Errorf("input material %+v, with a Master Secret of %d bytes", m, len(m.MasterSecret))
	}
	want := &ace.TokenResponse{AccessToken: answer.AccessToken, ExpiresIn: 3600, Cnf: answer.Cnf}
	if !reflect.DeepEqual(answer, want) {
		t.Errorf("answer %+v, want %+v", answer, want)
	}
	wantClaims := &ace.Claims{
		Issuer: issuer, Audience: "rs1", Expiration: ace.Date(start.Add(time.Hour)), IssuedAt: ace.Date(start),
		CWTID: append([]byte{0}, m.ID...), Cnf: answer.Cnf, Scope: ace.TextScope("read"),
	}
	if !reflect.DeepEqual(claims, wantClaims) {
		t.Errorf("claims %+v, want %+v", claims, wantClaims)
	}
	if bytes.Contains(answer.AccessToken, m.MasterSecret) || bytes.Contains(answer.AccessToken, []byte("read")) {
		t.Error("the token is not encrypted")
	}
	issued := as.Issued{
		CTI: claims.CWTID, Hash: ace.TokenHash(answer.AccessToken), Client: "alice", Audience: "rs1", Servers: []string{"rs1"},
		KeyID: m.ID, KeyUse: as.NewKey, Scope: ace.TextScope("read"), Profile: ace.ProfileCoAPOSCORE,
		IssuedAt: start, Expires: start.Add(time.Hour),
	}
	if got := w.ledger.Tokens(); !reflect.DeepEqual(got, []as.Issued{issued}) {
		t.Errorf("recorded %+v, want %+v", got, issued)
	}
	w.noSecretIn(fmt.Sprintf("%+v %#v", w.ledger.Tokens(), w.ledger.Tokens()), fmt.Sprintf("%+v %#v %v", answer, answer, *answer))
}

// TestWho is what the channel says of the requester.
//
//spec:9200-5.8-4
//spec:9200-5.8.3-2
func TestWho(t *testing.T) {
	w := newWorld(t)
	w.refused("", read().Append(nil), ace.InvalidClient)
	w.refused("mallory", read().Append(nil), ace.InvalidClient)
	w.refused("rs1", read().Append(nil), ace.UnauthorizedClient)
	w.refused("mallory", []byte("garbage"), ace.InvalidClient)

	r := read()
	r.ClientID = "alice"
	w.granted("alice", r)
	w.refused("bob", r.Append(nil), ace.InvalidClient)
	r.ClientSecret = []byte("sesame")
	w.refused("alice", r.Append(nil), ace.InvalidRequest)

	w.setAlice(func(c *as.Client) { c.Suspended = true })
	w.refused("alice", read().Append(nil), ace.UnauthorizedClient)
	w.setAlice(func(c *as.Client) { c.Suspended, c.Name = false, "another" })
	w.refused("alice", read().Append(nil), 0)
}

func TestGrantType(t *testing.T) {
	w := newWorld(t)
	for grant, ok := range map[ace.GrantType]bool{
		ace.GrantClientCredentials: true, ace.GrantPassword: false, ace.GrantAuthorizationCode: false, ace.GrantRefreshToken: false, 99: false, -1: false,
	} {
		r := read()
		r.GrantType = &grant
		if ok {
			w.granted("alice", r)
		} else {
			w.refused("alice", r.Append(nil), ace.UnsupportedGrantType)
		}
	}
}

// TestDefaults: scope and audience that the request leaves out.
func TestDefaults(t *testing.T) {
	for _, c := range []struct {
		name            string
		request         ace.TokenRequest
		audience, scope string // registered defaults
		want            ace.ErrorCode
	}{
		{"neither", ace.TokenRequest{}, "", "", ace.InvalidRequest},
		{"no scope", ace.TokenRequest{Audience: "rs1"}, "", "", ace.InvalidRequest},
		{"no audience", ace.TokenRequest{Scope: ace.TextScope("read")}, "", "", ace.InvalidRequest},
		{"no scope, default audience", ace.TokenRequest{}, "rs1", "", ace.InvalidRequest},
		{"no audience, default scope", ace.TokenRequest{}, "", "read", ace.InvalidRequest},
		{"default audience", ace.TokenRequest{Scope: ace.TextScope("write")}, "rs1", "read", 0},
		{"default scope", ace.TokenRequest{Audience: "rs2"}, "rs1", "read", 0},
		{"both defaults", ace.TokenRequest{}, "rs1", "read", 0},
		{"unknown audience", ace.TokenRequest{Audience: "rs9", Scope: ace.TextScope("read")}, "rs1", "read", ace.InvalidRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.setAlice(func(a *as.Client) {
				a.Audience = c.audience
				if c.scope != "" {
					a.Scope = ace.TextScope(c.scope)
				}
			})
			if c.want != 0 {
				w.refused("alice", c.request.Append(nil), c.want)
				return
			}
			answer, claims := w.granted("alice", &c.request)
			wantScope, wantAudience := c.request.Scope, c.request.Audience
			if wantScope.IsZero() {
				wantScope = ace.TextScope(c.scope)
			}
			if wantAudience == "" {
				wantAudience = c.audience
			}
			if claims.Scope != wantScope || claims.Audience != wantAudience {
				t.Errorf("token for %v at %s, want %v at %s", claims.Scope, claims.Audience, wantScope, wantAudience)
			}
			// The answer names a scope that the client has not named.
			if told := !answer.Scope.IsZero(); told != c.request.Scope.IsZero() || told && answer.Scope != wantScope {
				t.Errorf("scope of the answer: %v", answer.Scope)
			}
		})
	}
}

// TestMalformed: never a 5.xx.
//
//spec:9200-5.8.5-1
func TestMalformed(t *testing.T) {
	w := newWorld(t)
	secret := bytes.Repeat([]byte{0x5e}, 16)
	for name, payload := range map[string][]byte{
		"nothing":                 {},
		"no CBOR":                 []byte("audience=rs1"),
		"no map":                  {0x80},
		"audience as bytes":       {0xa1, 5, 0x41, 'a'},
		"audience empty":          {0xa1, 5, 0x60},
		"audience array":          {0xa1, 5, 0x81, 0x61, 'a'},
		"scope as number":         {0xa2, 5, 0x63, 'r', 's', '1', 9, 1},
		"scope array":             {0xa2, 5, 0x63, 'r', 's', '1', 9, 0x80},
		"scope empty":             {0xa2, 5, 0x63, 'r', 's', '1', 9, 0x60},
		"two audiences":           {0xa2, 5, 0x61, 'a', 5, 0x61, 'b'},
		"indefinite":              {0xbf, 0xff},
		"cut off":                 read().Append(nil)[:5],
		"something behind":        append(read().Append(nil), 0),
		"req_cnf as bytes":        {0xa1, 4, 0x41, 1},
		"req_cnf null":            {0xa1, 4, 0xf6},
		"kid as text":             {0xa1, 4, 0xa1, 3, 0x61, 'a'},
		"kid empty":               {0xa1, 4, 0xa1, 3, 0x40},
		"kid null":                {0xa1, 4, 0xa1, 3, 0xf6},
		"COSE_Key empty":          {0xa1, 4, 0xa1, 1, 0xa0},
		"COSE_Key without crv":    {0xa1, 4, 0xa1, 1, 0xa1, 1, 2},
		"osc malformed":           {0xa1, 4, 0xa1, 4, 0xa1, 2, 0x61, 'a'},
		"two keys":                {0xa1, 4, 0xa2, 3, 0x41, 1, 4, 0xa0},
		"ace_profile as number":   {0xa1, 0x18, 38, 2},
		"ace_profile as text":     {0xa1, 0x18, 38, 0x60},
		"cnonce as text":          {0xa1, 0x18, 39, 0x61, 'a'},
		"cnonce null":             {0xa1, 0x18, 39, 0xf6},
		"grant_type as text":      {0xa1, 0x18, 33, 0x61, 'a'},
		"client_id as bytes":      {0xa1, 0x18, 24, 0x41, 'a'},
		"secret behind bad stuff": append([]byte{0xa2, 4, 0xa1, 1, 0xa2, 1, 4, 0x20, 0x50}, append(slices.Clone(secret), 5, 1)...),
	} {
		e := w.refused("alice", payload, ace.InvalidRequest)
		if bytes.Contains([]byte(e.Error()), secret) {
			t.Errorf("%s: the error shows the secret", name)
		}
	}
	if n := len(w.random.drawn); n != 0 {
		t.Errorf("%d draws for requests that were malformed", n)
	}
}

// TestUnknownParameters are ignored.
func TestUnknownParameters(t *testing.T) {
	w := newWorld(t)
	payload := append(read().Append(nil), 0x19, 0x10, 0x00, 0xf5)
	payload[0]++
	if _, err := w.server.Token(t.Context(), "alice", payload); err != nil {
		t.Errorf("Token with an unknown parameter: %v", err)
	}
}

//spec:9200-5.8.2-2
//spec:9200-5.8.3-6
//spec:9200-5.8.4.3-6
func TestProfiles(t *testing.T) {
	const dtls, oscore, edhoc ace.Profile = ace.ProfileCoAPDTLS, ace.ProfileCoAPOSCORE, -70000
	for _, c := range []struct {
		name   string
		client []ace.Profile
		rs     []ace.Profile
		key    bool // the client sends its public key
		null   bool // ace_profile is null
		want   ace.Profile
		told   bool
		code   ace.ErrorCode
	}{
		{"one", []ace.Profile{oscore}, []ace.Profile{oscore}, false, false, oscore, false, 0},
		{"one, asked with null", []ace.Profile{oscore}, []ace.Profile{oscore}, false, true, oscore, true, 0},
		{"several", []ace.Profile{dtls, oscore}, []ace.Profile{oscore}, false, false, oscore, true, 0},
		{"several and a public key", []ace.Profile{oscore, dtls}, []ace.Profile{dtls, oscore}, true, false, dtls, true, 0},
		{"the client's order", []ace.Profile{edhoc, dtls}, []ace.Profile{dtls, edhoc}, true, true, edhoc, true, 0},
		{"none in common", []ace.Profile{dtls}, []ace.Profile{oscore}, false, false, 0, false, ace.IncompatibleACEProfiles},
		{"none in common, public key", []ace.Profile{oscore}, []ace.Profile{dtls}, true, false, 0, false, ace.IncompatibleACEProfiles},
		{"client has none", nil, []ace.Profile{oscore}, false, false, 0, false, ace.IncompatibleACEProfiles},
		{"RS has none", []ace.Profile{oscore}, nil, false, false, 0, false, ace.IncompatibleACEProfiles},
		{"none for a public key", []ace.Profile{oscore}, []ace.Profile{oscore}, true, false, 0, false, ace.UnsupportedPoPKey},
		{"none for a symmetric key", []ace.Profile{dtls}, []ace.Profile{dtls}, false, false, 0, false, ace.UnsupportedPoPKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.setAlice(func(a *as.Client) { a.Profiles = c.client })
			w.set("rs1", func(rs *as.ResourceServer) { rs.Profiles, rs.Curves = c.rs, []ace.Curve{ace.CurveP256} })
			r := read()
			r.WantProfile = c.null
			if c.key {
				r.ReqCnf = &ace.Confirmation{Key: w.aliceEC}
			}
			if c.code != 0 {
				w.refused("alice", r.Append(nil), c.code)
				return
			}
			answer, _ := w.granted("alice", r)
			if got := w.ledger.Tokens()[0].Profile; got != c.want {
				t.Errorf("profile %d, want %d", got, c.want)
			}
			if told := answer.Profile != 0; told != c.told || told && answer.Profile != c.want {
				t.Errorf("ace_profile of the answer %d, want %d (told: %v)", answer.Profile, c.want, c.told)
			}
		})
	}
}

// TestCNonce comes back in the token.
//
//spec:9200-5.3.1-3
//spec:9200-5.10-1
func TestCNonce(t *testing.T) {
	w := newWorld(t)
	r := read()
	r.CNonce = []byte{0xe0, 0xa1, 0x56, 0xbb, 0x3f}
	if _, claims := w.granted("alice", r); !bytes.Equal(claims.CNonce, r.CNonce) {
		t.Errorf("cnonce of the token %x, want %x", claims.CNonce, r.CNonce)
	}
}

// TestQuirks gives each RS what it can take.
//
//spec:9203-3.2-3
func TestQuirks(t *testing.T) {
	w := newWorld(t)
	small := tokenKey(t, ace.TokenKeyConfig{
		Algorithm: cose.AES_CCM_16_128_256, Secret: bytes.Repeat([]byte{3}, 32), Form: ace.TokenForm{NoTag61: true},
	})
	w.set("rs1", func(rs *as.ResourceServer) {
		rs.TokenKey, rs.Scopes, rs.MaxScope, rs.MaxToken = small, as.AIFScope, 64, 256
		rs.Claims = as.ClaimSet{NoIssuer: true, NoAudience: true, NoCTI: true}
		rs.Lifetime = time.Minute
	})
	r := &ace.TokenRequest{Audience: "rs1", Scope: ace.AIFScope(ace.AIF{{Path: "/led", Methods: ace.GET | ace.PUT}})}
	answer, claims := w.granted("alice", r)
	if token := answer.AccessToken; !bytes.HasPrefix(token, []byte{0xd0, 0x83, 0x53, 0xa2, 1, 0x18, 31, 5, 0x4d}) || len(token) > 256 {
		t.Errorf("token %x of %d bytes", token, len(token))
	}
	want := &ace.Claims{Expiration: ace.Date(start.Add(time.Minute)), IssuedAt: ace.Date(start), Cnf: answer.Cnf, Scope: r.Scope}
	if !reflect.DeepEqual(claims, want) {
		t.Errorf("claims %+v, want %+v", claims, want)
	}
	if i := w.ledger.Tokens()[0]; len(i.CTI) == 0 || !i.Expires.Equal(start.Add(time.Minute)) {
		t.Errorf("recorded %+v", i)
	}

	// As much as there is.
	w.set("rs2", func(rs *as.ResourceServer) {
		rs.Claims = as.ClaimSet{NoIssuedAt: true, Subject: true, Profile: true}
		rs.ContextID, rs.AEAD, rs.HKDF = true, cose.AES_CCM_16_64_256, cose.HMAC512_512
	})
	answer, claims = w.granted("alice", &ace.TokenRequest{Audience: "rs2", Scope: ace.TextScope("read")})
	m := answer.Cnf.OSCORE
	if len(m.MasterSecret) != 32 || !bytes.Equal(m.ContextID, m.ID) || m.AEAD != cose.AES_CCM_16_64_256 || m.HKDF != cose.HMAC512_512 {
		t.Errorf("input material %+v, with a Master Secret of %d bytes", m, len(m.MasterSecret))
	}
	if claims.Subject != "alice" || claims.Profile != ace.ProfileCoAPOSCORE || !claims.IssuedAt.IsZero() || claims.Issuer != issuer {
		t.Errorf("claims %+v", claims)
	}

	// A token that the RS cannot take is not made.
	long := ace.AIFScope(ace.AIF{{Path: "/" + string(bytes.Repeat([]byte("a"), 50)), Methods: ace.GET}})
	w.set("rs1", func(rs *as.ResourceServer) { rs.MaxToken = 120 })
	w.refused("alice", (&ace.TokenRequest{Audience: "rs1", Scope: long}).Append(nil), ace.InvalidScope)
}

// TestBadRegistration: what the registry gives is our fault.
func TestBadRegistration(t *testing.T) {
	for name, change := range map[string]func(*as.ResourceServer){
		"no name":                   func(rs *as.ResourceServer) { rs.Name = "" },
		"NUL in the name":           func(rs *as.ResourceServer) { rs.Name = "a\x00" },
		"no token key":              func(rs *as.ResourceServer) { rs.TokenKey = nil },
		"negative lifetime":         func(rs *as.ResourceServer) { rs.Lifetime = -time.Second },
		"part of a second":          func(rs *as.ResourceServer) { rs.Lifetime = time.Second / 2 },
		"more than a hundred years": func(rs *as.ResourceServer) { rs.Lifetime = 101 * 365 * 24 * time.Hour },
	} {
		w := newWorld(t)
		w.set("rs1", change)
		if e := w.refused("alice", read().Append(nil), 0); e == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
