package as_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"reflect"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/internal/vector"
)

func edKey(t *testing.T) *ace.Key {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ace.NewPublicKey(public, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func key(t *testing.T, cbor string) *ace.Key {
	t.Helper()
	k, err := ace.ParseKey(vector.Bytes(t, cbor))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// withDTLS lets alice and rs1 use public keys on P-256.
func withDTLS(t *testing.T) *world {
	w := newWorld(t)
	w.setAlice(func(c *as.Client) { c.Profiles = append(c.Profiles, ace.ProfileCoAPDTLS) })
	w.set("rs1", func(rs *as.ResourceServer) {
		rs.Profiles = append(rs.Profiles, ace.ProfileCoAPDTLS)
		rs.Curves = []ace.Curve{ace.CurveP256}
		rs.Key = ecKey(t)
	})
	return w
}

// TestClientKeys: what a client may send as its key.
//
//spec:9200-5.8.1-4
//spec:9200-5.8.3-5
//spec:9201-3.1-1
//spec:8747-4-1
func TestClientKeys(t *testing.T) {
	w := withDTLS(t)
	ed := edKey(t)
	w.setAlice(func(c *as.Client) { c.Keys = append(c.Keys, ed) })
	symmetric, err := ace.NewSymmetricKey(bytes.Repeat([]byte{0x5e}, 16), nil)
	if err != nil {
		t.Fatal(err)
	}
	private := key(t, `a6 0102 2001 215820143329cce7868e416927599cf65a34f3ce2ffda55a7eca69ed8919a394d42f0f
		22582060f7f1a780d8a783bfb7a2dd6b2796e8128dbbcef9d3d168db9529971a36e7b9
		2358206c1382765aec5358f117733d281c1c7bdc39884d04a45a1e6c67c858bc206c19 0326`)
	for name, c := range map[string]struct {
		cnf  ace.Confirmation
		want ace.ErrorCode
	}{
		"symmetric key":         {ace.Confirmation{Key: symmetric}, ace.InvalidRequest},
		"private key":           {ace.Confirmation{Key: private}, ace.InvalidRequest},
		"input material":        {ace.Confirmation{OSCORE: &ace.OSCOREInputMaterial{MasterSecret: bytes.Repeat([]byte{0x5e}, 16)}}, ace.InvalidRequest},
		"encrypted key":         {ace.Confirmation{EncryptedKey: []byte{0x83, 0x40, 0xa0, 0x40}}, ace.InvalidRequest},
		"nothing known":         {ace.Confirmation{}, ace.InvalidRequest},
		"RSA":                   {ace.Confirmation{Key: key(t, "a3 0103 2043010001 2141ff")}, ace.UnsupportedPoPKey},
		"secp256k1":             {ace.Confirmation{Key: key(t, "a4 0102 2008 2141aa 2241bb")}, ace.UnsupportedPoPKey},
		"own key, other curve":  {ace.Confirmation{Key: ed}, ace.UnsupportedPoPKey},
		"somebody else's key":   {ace.Confirmation{Key: ecKey(t)}, ace.UnsupportedPoPKey},
		"kid of nothing":        {ace.Confirmation{KID: []byte("kid")}, ace.InvalidRequest},
		"thumbprint of own key": {ace.Confirmation{KID: w.aliceEC.Thumbprint()}, ace.InvalidRequest},
	} {
		r := read()
		r.ReqCnf = &c.cnf
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.refused("alice", r.Append(nil), c.want)
		})
	}
	w.t = t
	// A client without registered keys has proven nothing.
	r := read()
	r.ReqCnf = &ace.Confirmation{Key: w.aliceEC}
	w.clients["bob"] = as.Client{Name: "bob", Profiles: w.clients["alice"].Profiles}
	w.refused("bob", r.Append(nil), ace.UnsupportedPoPKey)
}

// TestPublicKeyToken binds a token to the key of the channel.
//
//spec:9201-3.2-2
func TestPublicKeyToken(t *testing.T) {
	for _, signed := range []bool{false, true} {
		w := withDTLS(t)
		if signed {
			w.set("rs1", func(rs *as.ResourceServer) { rs.TokenKey = signingKey(t) })
		}
		r := read()
		r.ReqCnf = &ace.Confirmation{Key: w.aliceEC}
		answer, claims := w.granted("alice", r)
		rsKey := w.servers["rs1"][0].Key
		want := &ace.TokenResponse{
			AccessToken: answer.AccessToken, ExpiresIn: 3600, Profile: ace.ProfileCoAPDTLS, RSCnf: &ace.Confirmation{Key: rsKey},
		}
		if !reflect.DeepEqual(answer, want) {
			t.Errorf("answer %+v, want %+v", answer, want)
		}
		if claims.Cnf == nil || claims.Cnf.Key == nil || !claims.Cnf.Key.Equal(w.aliceEC) {
			t.Errorf("cnf of the token %+v", claims.Cnf)
		}
		i := w.ledger.Tokens()[0]
		if i.KeyUse != as.ClientKey || !bytes.Equal(i.KeyID, w.aliceEC.Thumbprint()) {
			t.Errorf("recorded %+v", i)
		}
		w.granted("alice", r) // again, with the same key
		// That key is no symmetric one, which could be kept.
		r.ReqCnf = &ace.Confirmation{KID: w.aliceEC.Thumbprint()}
		code := ace.InvalidRequest
		if signed {
			code = ace.UnsupportedPoPKey
		}
		w.refused("alice", r.Append(nil), code)
	}

	// No rs_cnf with a symmetric key, nor if the RS has none.
	w := withDTLS(t)
	if answer, _ := w.granted("alice", read()); answer.RSCnf != nil || answer.Cnf == nil {
		t.Errorf("answer with a symmetric key: %+v", answer)
	}
	w.set("rs1", func(rs *as.ResourceServer) { rs.Key = nil })
	r := read()
	r.ReqCnf = &ace.Confirmation{Key: w.aliceEC}
	if answer, _ := w.granted("alice", r); answer.RSCnf != nil || answer.Cnf != nil {
		t.Errorf("answer without a key of the RS: %+v", answer)
	}
}

// TestRegisteredKID: a key that the AS knows needs no repetition.
func TestRegisteredKID(t *testing.T) {
	w := withDTLS(t)
	named := key(t, `a5 0102 0243 6b6964 2001 215820143329cce7868e416927599cf65a34f3ce2ffda55a7eca69ed8919a394d42f0f
		22582060f7f1a780d8a783bfb7a2dd6b2796e8128dbbcef9d3d168db9529971a36e7b9`)
	w.setAlice(func(c *as.Client) { c.Keys = append(c.Keys, named) })
	r := read()
	r.ReqCnf = &ace.Confirmation{KID: []byte("kid")}
	_, claims := w.granted("alice", r)
	if claims.Cnf.Key == nil || !claims.Cnf.Key.Equal(named) {
		t.Errorf("cnf of the token %+v", claims.Cnf)
	}
	w.refused("bob", r.Append(nil), ace.InvalidRequest)
}

// TestSymmetricNeedsEncryption: an RS that gets signed tokens gets no secret.
//
//spec:9200-6.1-2
//spec:9203-3.2-6
func TestSymmetricNeedsEncryption(t *testing.T) {
	w := newWorld(t)
	answer, _ := w.granted("alice", read())
	w.set("rs1", func(rs *as.ResourceServer) { rs.TokenKey = signingKey(t) })
	w.refused("alice", read().Append(nil), ace.UnsupportedPoPKey)
	w.refused("alice", update("read", answer.Cnf.OSCORE.ID).Append(nil), ace.UnsupportedPoPKey)
}

// TestGroup is an audience of two RSs.
//
//spec:9200-6.1-3
//spec:9200-6.1-4
//spec:9201-5-5
func TestGroup(t *testing.T) {
	w := withDTLS(t)
	signing, another := signingKey(t), signingKey(t)
	rs1 := w.servers["rs1"][0]
	rs1.TokenKey, rs1.Lifetime, rs1.Claims = signing, time.Hour, as.ClaimSet{NoIssuedAt: true}
	rs2 := rs1
	rs2.Name, rs2.Lifetime, rs2.Claims = "rs2", time.Minute, as.ClaimSet{}
	group := func(change func(*as.ResourceServer)) {
		other := rs2
		change(&other)
		w.servers["group"] = []as.ResourceServer{rs1, other}
	}
	r := read()
	r.Audience = "group"
	r.ReqCnf = &ace.Confirmation{Key: w.aliceEC}
	symmetric := &ace.TokenRequest{Audience: "group", Scope: ace.TextScope("read")}

	group(func(*as.ResourceServer) {})
	answer, claims := w.granted("alice", r)
	if answer.RSCnf != nil || answer.Cnf != nil || answer.ExpiresIn != 60 {
		t.Errorf("answer for a group: %+v", answer)
	}
	if claims.Audience != "group" || claims.IssuedAt.IsZero() {
		t.Errorf("claims for a group: %+v", claims)
	}
	if i := w.ledger.Tokens()[0]; !reflect.DeepEqual(i.Servers, []string{"rs1", "rs2"}) || i.Audience != "group" {
		t.Errorf("recorded %+v", i)
	}
	w.refused("alice", symmetric.Append(nil), ace.UnsupportedPoPKey)
	w.refused("alice", (&ace.TokenRequest{Audience: "group", Scope: ace.TextScope("read"), ReqCnf: &ace.Confirmation{KID: []byte{1}}}).Append(nil), ace.UnsupportedPoPKey)

	for name, c := range map[string]struct {
		change func(*as.ResourceServer)
		want   ace.ErrorCode
	}{
		"encrypted tokens":      {func(rs *as.ResourceServer) { rs.TokenKey = w.rs1.TokenKey }, ace.InvalidRequest},
		"another signing key":   {func(rs *as.ResourceServer) { rs.TokenKey = another }, ace.InvalidRequest},
		"exi":                   {func(rs *as.ResourceServer) { rs.ExpiresIn = true }, ace.InvalidRequest},
		"another profile":       {func(rs *as.ResourceServer) { rs.Profiles = []ace.Profile{ace.ProfileCoAPOSCORE} }, ace.UnsupportedPoPKey},
		"no profile":            {func(rs *as.ResourceServer) { rs.Profiles = nil }, ace.IncompatibleACEProfiles},
		"another curve":         {func(rs *as.ResourceServer) { rs.Curves = []ace.Curve{ace.CurveEd25519} }, ace.UnsupportedPoPKey},
		"another form of scope": {func(rs *as.ResourceServer) { rs.Scopes = as.AIFScope }, ace.InvalidScope},
		"smaller tokens":        {func(rs *as.ResourceServer) { rs.MaxToken = 50 }, ace.InvalidScope},
		"no name":               {func(rs *as.ResourceServer) { rs.Name = "" }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			group(c.change)
			w.refused("alice", r.Append(nil), c.want)
		})
	}
	w.t = t
	// Both under one symmetric key: each could make tokens for the other.
	w.servers["group"] = []as.ResourceServer{w.rs1, w.rs1}
	w.refused("alice", symmetric.Append(nil), ace.InvalidRequest)
	w.servers["group"] = []as.ResourceServer{}
	w.refused("alice", symmetric.Append(nil), ace.InvalidRequest)
}
