package oscoreprofile

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/internal/vector"
	"github.com/ostiary/ostiary/oscore"
)

type examples struct {
	ClaimsSet vector.Hex `json:"figure_6_cwt_claims_set"`
	Figure13  struct {
		Salt       vector.Hex `json:"salt"`
		Nonce1     vector.Hex `json:"nonce1"`
		Nonce2     vector.Hex `json:"nonce2"`
		MasterSalt vector.Hex `json:"master_salt"`
	} `json:"figure_13"`
	IDs struct {
		Client vector.Hex `json:"ace_client_recipientid"`
		Server vector.Hex `json:"ace_server_recipientid"`
	} `json:"figures_11_12"`
	Computed struct {
		MasterSecret       vector.Hex `json:"master_secret"`
		ClientSenderKey    vector.Hex `json:"client_sender_key"`
		ClientRecipientKey vector.Hex `json:"client_recipient_key"`
		CommonIV           vector.Hex `json:"common_iv"`
	} `json:"computed"`
}

func loadExamples(t *testing.T) examples {
	return vector.Load[examples](t, "testdata/rfc9203/examples.json")
}

//spec:9203-4.3-2
//spec:9203-4.3-11
func TestMasterSalt(t *testing.T) {
	v := loadExamples(t).Figure13
	if got := MasterSalt(v.Salt, v.Nonce1, v.Nonce2, SaltEmpty); !bytes.Equal(got, v.MasterSalt) {
		t.Errorf("RFC 9203, Figure 13: %x, want %x", got, v.MasterSalt)
	}
	n1, n2 := []byte{1}, []byte{2}
	for _, test := range []struct {
		name string
		salt []byte
		r    SaltReading
		want string
	}{
		{"no salt, written as empty", nil, SaltEmpty, "4041014102"},
		{"no salt, left out", nil, SaltOmitted, "41014102"},
		{"empty salt", []byte{}, SaltOmitted, "4041014102"},
		{"salt", []byte{9}, SaltOmitted, "410941014102"},
		{"salt of 24 bytes", make([]byte, 24), SaltEmpty, "5818" + hex.EncodeToString(make([]byte, 24)) + "41014102"},
	} {
		if got := hex.EncodeToString(MasterSalt(test.salt, n1, n2, test.r)); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// TestComputedContext derives the context of the RFC's figures on both sides.
//
//spec:9203-4.3-3
//spec:9203-4.3-4
//spec:9203-4.3-6
//spec:9203-4.3-12
//spec:9203-4.3-13
//spec:9203-4.3-15
//spec:9203-4.3-16
func TestComputedContext(t *testing.T) {
	v := loadExamples(t)
	m := &ace.OSCOREInputMaterial{
		ID: []byte{1}, MasterSecret: secret.Bytes(v.Computed.MasterSecret), Salt: v.Figure13.Salt,
	}
	x := Exchange{
		Nonce1: v.Figure13.Nonce1, Nonce2: v.Figure13.Nonce2,
		ClientRecipientID: v.IDs.Client, ServerRecipientID: v.IDs.Server,
	}
	want := []string{hex.EncodeToString(v.Computed.ClientSenderKey), hex.EncodeToString(v.Computed.ClientRecipientKey)}
	slices.Sort(want)
	associations := map[Role]*oscore.Association{}
	for _, role := range []Role{Client, Server} {
		params, err := Derive(m, x, role)
		if err != nil {
			t.Fatal(err)
		}
		own, peer := v.IDs.Client, v.IDs.Server
		if role == Server {
			own, peer = peer, own
		}
		if !bytes.Equal(params.RecipientID, own) || !bytes.Equal(params.SenderID, peer) {
			t.Errorf("role %d: Sender ID %x, Recipient ID %x", role, params.SenderID, params.RecipientID)
		}
		var k keys
		if associations[role], err = oscore.NewAssociation(oscore.Config{Params: params, DangerNewAEAD: k.newAEAD}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := associations[role].ProtectRequest(message(get, "/x", nil)); err != nil {
			t.Fatal(err)
		}
		slices.Sort(k.list)
		for _, key := range k.list {
			if !slices.Contains(want, key) {
				t.Errorf("role %d: a key is %s, want one of %s", role, key, want)
			}
		}
		if len(k.list) == 0 {
			t.Errorf("role %d: no key was made", role)
		}
	}
	p, x1, err := associations[Client].ProtectRequest(message(get, "/x", nil))
	if err != nil {
		t.Fatal(err)
	}
	_, sx, err := associations[Server].VerifyRequest(p)
	if err != nil {
		t.Fatalf("the RS: %v", err)
	}
	q, err := sx.ProtectResponse(oscore.Message{Code: 69})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x1.VerifyResponse(q); err != nil {
		t.Errorf("the client: %v", err)
	}
}

//spec:9203-4.3-5
//spec:9203-4.3-14
func TestDeriveTakesWhatTheASSays(t *testing.T) {
	m := &ace.OSCOREInputMaterial{
		ID: []byte{1}, MasterSecret: make(secret.Bytes, 16), Version: ace.OSCOREVersion,
		AEAD: cose.AES_CCM_16_128_128, HKDF: cose.HMAC512_512, ContextID: []byte("context"),
	}
	for _, role := range []Role{Client, Server} {
		p, err := Derive(m, Exchange{Nonce1: make([]byte, 8), Nonce2: make([]byte, 8), ClientRecipientID: []byte{1}}, role)
		if err != nil {
			t.Fatal(err)
		}
		if p.AEAD != m.AEAD || p.HKDF != m.HKDF || string(p.IDContext) != "context" {
			t.Errorf("role %d: %+v", role, p)
		}
		if _, err := oscore.NewAssociation(oscore.Config{Params: p}); err != nil {
			t.Errorf("role %d: %v", role, err)
		}
	}
}

//spec:9203-4.3-9
//spec:9203-4.3-10
func TestDeriveRefuses(t *testing.T) {
	good := material("c1")
	x := Exchange{Nonce1: make([]byte, 8), Nonce2: make([]byte, 8), ClientRecipientID: []byte{1}, ServerRecipientID: []byte{2}}
	for name, test := range map[string]struct {
		m    *ace.OSCOREInputMaterial
		x    Exchange
		want error
	}{
		"no material": {nil, x, ErrMaterial},
		"no id":       {&ace.OSCOREInputMaterial{MasterSecret: good.MasterSecret}, x, ErrMaterial},
		"no ms":       {&ace.OSCOREInputMaterial{ID: good.ID}, x, ErrMaterial},
		"version 2":   {&ace.OSCOREInputMaterial{ID: good.ID, MasterSecret: good.MasterSecret, Version: 2}, x, ErrMaterial},
		"33 equal ids": {good, Exchange{
			Nonce1: x.Nonce1, Nonce2: x.Nonce2, ClientRecipientID: []byte{1}, ServerRecipientID: []byte{1},
		}, ErrEqualIDs},
		"33 empty ids": {good, Exchange{Nonce1: x.Nonce1, Nonce2: x.Nonce2, ClientRecipientID: []byte{}}, ErrEqualIDs},
	} {
		p, err := Derive(test.m, test.x, Client)
		if !errors.Is(err, test.want) || p.MasterSecret != nil {
			t.Errorf("%s: %v, %v, want %v", name, p, err, test.want)
		}
	}
}

// TestFigure6 posts a token with the claims of the RFC's example.
func TestFigure6(t *testing.T) {
	c, err := ace.ParseClaims(loadExamples(t).ClaimsSet)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, func(cfg *serverConfig) {
		cfg.rs.Audiences = []string{"tempSensorInLivingRoom"}
		cfg.rs.IssuerOptional = true
		cfg.rs.Scopes = rs.TextScopes(map[string]ace.AIF{
			"temperature_g": {{Path: "/s/temp", Methods: ace.GET}},
			"firmware_p":    {{Path: "/firmware", Methods: ace.PUT}},
		})
	})
	s.clock.now = c.IssuedAt.Time()
	cl := newClient(t)
	a := cl.establish(s, s.token(c), c.Cnf.OSCORE)
	if !cl.works(s, a) {
		t.Error("GET of the example's client is refused")
	}
	if code, _, _ := cl.do(s, a, message(put, "/firmware", nil)); code != 69 {
		t.Errorf("PUT of the example's client: %v", code)
	}
}

// TestNoncesNeverRepeat is AC-11, in small.
//
//spec:9203-4.1-1
//spec:9203-4.1-2
//spec:9203-7-1
func TestNoncesNeverRepeat(t *testing.T) {
	n := 200_000
	if testing.Short() {
		n = 2_000
	}
	seen := make(map[[NonceSize]byte]bool, n)
	for range n {
		b, err := nonce(nil)
		if err != nil || len(b) != 8 {
			t.Fatalf("nonce = %x, %v", b, err)
		}
		if seen[[NonceSize]byte(b)] {
			t.Fatalf("33 %x comes twice", b)
		}
		seen[[NonceSize]byte(b)] = true
	}
	if b, err := nonce(fixed(1, 2, 3)); err == nil {
		t.Errorf("nonce of 3 bytes of randomness = %x", b)
	}
}
