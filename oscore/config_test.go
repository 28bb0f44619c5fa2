package oscore

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/secret"

	"pgregory.net/rapid"
)

func TestConfigRefuses(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no Master Secret":               func(c *Config) { c.MasterSecret = nil },
		"equal IDs":                      func(c *Config) { c.RecipientID = c.SenderID },
		"equal IDs, both empty":          func(c *Config) { c.RecipientID, c.SenderID = nil, []byte{} },
		"Sender ID of 8 bytes":           func(c *Config) { c.SenderID = make([]byte, 8) },
		"Recipient ID of 8 bytes":        func(c *Config) { c.RecipientID = make([]byte, 8) },
		"Sender ID too long for GCM":     func(c *Config) { c.AEAD, c.SenderID = cose.A128GCM, make([]byte, 7) },
		"Sender ID too long for CCM-64":  func(c *Config) { c.AEAD, c.SenderID = cose.AES_CCM_64_64_128, make([]byte, 2) },
		"ID Context of 129 bytes":        func(c *Config) { c.IDContext = make([]byte, 129) },
		"AEAD that is none":              func(c *Config) { c.AEAD = cose.HMAC256_256 },
		"unknown AEAD":                   func(c *Config) { c.AEAD = 9999 },
		"HKDF that is none":              func(c *Config) { c.HKDF = cose.ES256 },
		"HKDF of a truncated HMAC":       func(c *Config) { c.HKDF = cose.HMAC256_64 },
		"negative window":                func(c *Config) { c.ReplayWindow = -1 },
		"window too large":               func(c *Config) { c.ReplayWindow = 4097 },
		"RecoverWindow without Sequence": func(c *Config) { c.RecoverWindow = true },
		"and with an empty Resume":       func(c *Config) { c.RecoverWindow, c.Resume = true, []byte{} },
		"B2 mode that is none":           func(c *Config) { c.B2 = 3 },
		"negative size":                  func(c *Config) { c.Limits.Size = -1 },
		"Resume that is garbage":         func(c *Config) { c.Resume = []byte{1, 2, 3} },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Params: testParams()}
			change(&cfg)
			if _, err := NewAssociation(cfg); err == nil {
				t.Error("NewAssociation = nil error")
			} else if !errors.Is(err, errConfig) && !errors.Is(err, errResume) {
				t.Errorf("NewAssociation = %v", err)
			}
			if _, err := NewContext(cfg); err == nil {
				t.Error("NewContext = nil error")
			}
		})
	}
	if _, err := NewContext(Config{Params: testParams(), B2: B2Allowed}); !errors.Is(err, errConfig) {
		t.Errorf("NewContext with B2 = %v, want %v", err, errConfig)
	}
}

func TestNoRandomness(t *testing.T) {
	empty := strings.NewReader("")
	for name, cfg := range map[string]Config{
		"B2":            {Params: testParams(), Rand: empty, B2: B2Allowed},
		"RecoverWindow": {Params: testParams(), Rand: empty, RecoverWindow: true, Sequence: &memoryStore{}},
	} {
		if _, err := NewAssociation(cfg); err == nil {
			t.Errorf("%s without randomness: error is nil", name)
		}
	}
}

// TestAlgorithms is one exchange under every AEAD and HKDF, with the longest IDs.
//
//spec:8613-3.2.1-1
func TestAlgorithms(t *testing.T) {
	for _, alg := range aeadAlgorithms {
		for _, hkdf := range []cose.Algorithm{0, cose.HMAC256_256, cose.HMAC384_384, cose.HMAC512_512, cose.DirectHKDFSHA256, cose.DirectHKDFSHA512} {
			t.Run(fmt.Sprintf("%v and %v", alg, hkdf), func(t *testing.T) {
				params := testParams()
				params.AEAD, params.HKDF = alg, hkdf
				params.SenderID, params.RecipientID = make([]byte, alg.NonceSize()-6), []byte{}
				c, s := mustContext(t, Config{Params: params}), mustContext(t, Config{Params: params.mirror()})
				roundTrip(t, c, s)
				roundTrip(t, s, c) // the roles change, the IDs and keys do not
			})
		}
	}
}

// protecter and verifier are what a Context and an Association have in common.
type protecter interface {
	ProtectRequest(Message) (Protected, *ClientExchange, error)
}
type verifier interface {
	VerifyRequest(Protected) (Message, *ServerExchange, error)
}

var (
	getRequest = Message{Code: 1, Options: []Option{{Number: optionURIPath, Value: []byte("a")}}}
	content    = Message{Code: 0x45, Payload: []byte("hello")}
)

// roundTrip is a request and a response that arrive.
func roundTrip(t rapid.TB, client protecter, server verifier) {
	t.Helper()
	x, y := request(t, client, server, getRequest)
	assertMessage(t, verify(t, x, respond(t, y, content)), content)
}

// request sends one.
func request(t rapid.TB, client protecter, server verifier, m Message) (*ClientExchange, *ServerExchange) {
	t.Helper()
	p, x, err := client.ProtectRequest(m)
	if err != nil {
		t.Fatalf("protect the request: %v", err)
	}
	got, y, err := server.VerifyRequest(wire(t, p))
	if err != nil {
		t.Fatalf("verify the request: %v", err)
	}
	assertMessage(t, got, m)
	return x, y
}

func respond(t rapid.TB, y *ServerExchange, m Message) Protected {
	t.Helper()
	p, err := y.ProtectResponse(m)
	if err != nil {
		t.Fatalf("protect the response: %v", err)
	}
	return wire(t, p)
}

func verify(t rapid.TB, x *ClientExchange, p Protected) Message {
	t.Helper()
	m, err := x.VerifyResponse(p)
	if err != nil {
		t.Fatalf("verify the response: %v", err)
	}
	return m
}

// wire is p as it arrives at the other side.
func wire(t rapid.TB, p Protected) Protected {
	t.Helper()
	m, err := p.Message()
	if err != nil {
		t.Fatal(err)
	}
	p, err = ParseProtected(m.Clone())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestEmptyIDContext: h” is an ID Context, and another one than none.
func TestEmptyIDContext(t *testing.T) {
	with, without := testParams(), testParams()
	with.IDContext = []byte{}
	d := func(p Params) derived {
		set, err := (&Config{Params: p}).settings()
		if err != nil {
			t.Fatal(err)
		}
		return newMaterial(&set.params, set.sender, set.recipient).derive(set.params.IDContext)
	}
	a, b := d(with), d(without)
	if bytes.Equal(a.keys, b.keys) {
		t.Error("an empty ID Context derives the keys of none")
	}
}

func TestLimitDefaults(t *testing.T) {
	for alg, want := range map[cose.Algorithm]Limits{
		cose.AES_CCM_16_64_128:  {1 << 20, 1 << 14, 4096},
		cose.AES_CCM_64_64_256:  {1 << 20, 1 << 14, 4096},
		cose.AES_CCM_16_128_128: {1 << 20, 1 << 20, 16384},
		cose.A256GCM:            {1 << 20, 1 << 20, 16384},
		cose.ChaCha20Poly1305:   {1 << 20, 1 << 20, 16384},
	} {
		if got := (Limits{}).defaults(alg); got != want {
			t.Errorf("limits of %v = %v, want %v", alg, got, want)
		}
	}
	if got := (Limits{Size: 1 << 20}).defaults(cose.AES_CCM_16_64_128).Size; got != 65535 {
		t.Errorf("Size = %d, want what the algorithm can do, 65535", got)
	}
}

// TestNothingSecretIsPrinted prints what holds keys in every way.
func TestNothingSecretIsPrinted(t *testing.T) {
	params := testParams()
	params.MasterSecret = make([]byte, 16)
	if _, err := rand.Read(params.MasterSecret); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Params: params, B2: B2Allowed}
	a := mustAssociation(t, cfg)
	p, x, err := a.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	peer := mustAssociation(t, Config{Params: params.mirror(), B2: B2Allowed})
	_, y, err := peer.VerifyRequest(p)
	if err != nil {
		t.Fatal(err)
	}
	c := a.Current()
	secrets := map[string]secret.Bytes{
		"Master Secret": params.MasterSecret, "keys": c.keys.raw, "PRK": a.b2.material.prk,
		"nonce base": c.sender.base[:],
	}
	for _, v := range []any{cfg, &cfg, a, c, x, y, a.b2} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%d"} {
			text := fmt.Sprintf(verb, v)
			for name, s := range secrets {
				half := s[:len(s)/2]
				for _, form := range []string{fmt.Sprintf("%x", []byte(half)), fmt.Sprint([]byte(half))[1:], fmt.Sprintf("%#v", []byte(half))[7:]} {
					if strings.Contains(text, strings.TrimRight(form, "]}")) {
						t.Errorf("%s of %T shows the %s", verb, v, name)
					}
				}
			}
		}
	}
}
