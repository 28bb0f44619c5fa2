package edhoc

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/internal/vector"
)

// Public keys that must not be taken, by curve and by what is wrong with them.
var badPoints = map[Curve]map[string]string{
	P256: {
		"not on the curve": "a04e73601df544a70ba7ea1e57030f7d4b4eb7f673924e58d54ca77a5e7d4d4a", // RFC 9529, Section 4.2.3
		"p":                "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
		"p+5":              "ffffffff00000001000000000000000000000001000000000000000000000004", // 5 is the x of a point
		"largest":          "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"short":            "d9697725d23a688b12d1c7e0108a08c9f71a85a09c20814976ab21122248fc", // RFC 9529, Section 4.2.6
		"long":             "00741a13d7ba048fbb615e94386aa3b61bea5b3d8f65f32620b749bee8d278efa9",
		"compressed":       "02741a13d7ba048fbb615e94386aa3b61bea5b3d8f65f32620b749bee8d278efa9",
		"empty":            "",
	},
	P384: {
		"p":       "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
		"largest": "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"short":   "741a13d7ba048fbb615e94386aa3b61bea5b3d8f65f32620b749bee8d278efa9",
		"empty":   "",
	},
	X25519: {
		"0":        "0000000000000000000000000000000000000000000000000000000000000000",
		"1":        "0100000000000000000000000000000000000000000000000000000000000000",
		"order 8":  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"other 8":  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"p-1":      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"p":        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // RFC 9529, Section 4.2.4
		"p+1":      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"high bit": "0000000000000000000000000000000000000000000000000000000000000080",
		"short":    "00000000000000000000000000000000000000000000000000000000000000",
		"long":     "092000000000000000000000000000000000000000000000000000000000000000",
		"empty":    "",
	},
	X448: {
		"0":     hex.EncodeToString(make([]byte, 56)),
		"1":     "01" + hex.EncodeToString(make([]byte, 55)),
		"p-1":   "feffffffffffffffffffffffffffffffffffffffffffffffffffffff" + "feffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"p":     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffff" + "feffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"p+1":   hex.EncodeToString(make([]byte, 28)) + "ffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"short": hex.EncodeToString(bytes.Repeat([]byte{5}, 55)),
		"empty": "",
	},
}

var curveSuite = map[Curve]SuiteID{P256: 2, P384: 24, X25519: 0, X448: 25}

// A bad G_X or G_Y ends the handshake with code 1 and leaves no secret.
//
//spec:9528-9.2-4
//spec:9528-9.2-5
//spec:9528-9.8-6
//spec:9528-9.8-7
func TestBadPoints(t *testing.T) {
	for curve, points := range badPoints {
		for name, x := range points {
			t.Run(curve.String()+"/"+name, func(t *testing.T) {
				p := pair(t, StaticDHStaticDH, curveSuite[curve])
				bad := vector.Bytes(t, x)

				msg1 := (&message1{method: StaticDHStaticDH, selected: curveSuite[curve], gX: bad, cI: "\x01"}).append(nil)
				v1, err := p.r.ProcessMessage1(msg1)
				if err == nil {
					held := v1.state.v.Load()
					_, _, err = v1.ComposeMessage2("\x02")
					if !erased(secretsOf(held)) {
						t.Error("the Responder keeps secrets")
					}
				}
				wantUnspecified(t, err)

				_, a2, err := p.i.ComposeMessage1("\x01")
				must(t, err)
				held := secretsOf(a2.state.v.Load())
				_, err = a2.ProcessMessage2((&message2{bad, bytes.Repeat([]byte{7}, 30)}).append(nil))
				if len(bad) >= groups[curve].size() || err != nil {
					wantUnspecified(t, err)
				}
				var e *Error
				if len(bad) == groups[curve].size() && (!errors.As(err, &e) || e.Section != "5.3.3" && e.Section != "9.2") {
					t.Errorf("got %v, want it to fail at the key", err)
				}
				if !erased(held) && err != nil {
					t.Error("the Initiator keeps secrets")
				}
			})
		}
	}
}

func wantUnspecified(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeUnspecified || ErrorMessage(err) == nil {
		t.Errorf("got %v, want an *Error of code 1", err)
	}
}

// About half of all x are of no point: each answer of the decoder is the one of the
// curve equation, which ScalarMult of a good point confirms.
func TestNonResidues(t *testing.T) {
	for _, c := range []Curve{P256, P384} {
		g := groups[c]
		x := make([]byte, g.size())
		good := 0
		for k := range 200 {
			x[len(x)-1] = byte(k)
			p, err := g.point(x)
			if err != nil {
				continue
			}
			good++
			one := make([]byte, g.size())
			one[len(one)-1] = 1
			z, err := p.ecdh(one)
			must(t, err)
			if !z.Equal(x) {
				t.Errorf("%v: 1*P has x = %x, want %x", c, []byte(z), x)
			}
		}
		if good < 60 || good > 140 {
			t.Errorf("%v: %d of 200 x are points", c, good)
		}
	}
}

// Both sides of a Diffie-Hellman agree, on each curve.
func TestGroups(t *testing.T) {
	for c, g := range groups {
		a, err := newKeyPair(c, nil)
		must(t, err)
		b, err := newKeyPair(c, nil)
		must(t, err)
		pa, err := g.point(a.public)
		must(t, err)
		pb, err := g.point(b.public)
		must(t, err)
		z1, err := pa.ecdh(b.private)
		must(t, err)
		z2, err := pb.ecdh(a.private)
		must(t, err)
		if !z1.Equal(z2) || len(z1) != g.size() {
			t.Errorf("%v: %x and %x", c, []byte(z1), []byte(z2))
		}
		for _, d := range [][]byte{nil, a.private[1:], append(a.private.Clone(), 0)} {
			if _, err := pb.ecdh(d); err == nil {
				t.Errorf("%v: private key of %d bytes", c, len(d))
			}
			if _, _, err := g.public(d); err == nil {
				t.Errorf("%v: public key of a private key of %d bytes", c, len(d))
			}
		}
	}
}

// Private keys of the NIST curves are in 1..order-1.
func TestScalarRange(t *testing.T) {
	for c, order := range map[Curve][]byte{P256: orderP256, P384: orderP384} {
		g := groups[c]
		less, more := slices.Clone(order), slices.Clone(order)
		less[len(less)-1]--
		more[len(more)-1]++
		zero := make([]byte, len(order))
		one := slices.Clone(zero)
		one[len(one)-1] = 1
		for _, k := range []struct {
			d  []byte
			ok bool
		}{{zero, false}, {one, true}, {less, true}, {order, false}, {more, false}, {bytes.Repeat([]byte{0xff}, len(order)), false}} {
			_, _, err := g.public(k.d)
			if (err == nil) != k.ok {
				t.Errorf("%v: private key %x: %v", c, k.d, err)
			}
			if _, err := NewStaticDHKey(c, k.d); (err == nil) != k.ok {
				t.Errorf("%v: NewStaticDHKey(%x): %v", c, k.d, err)
			}
			if _, err := NewSignatureKey(c, k.d); (err == nil) != k.ok {
				t.Errorf("%v: NewSignatureKey(%x): %v", c, k.d, err)
			}
		}
		// Candidates out of range are drawn again; a source that has no others fails.
		d, _, err := g.generate(io.MultiReader(bytes.NewReader(zero), bytes.NewReader(order), bytes.NewReader(less)))
		must(t, err)
		if !d.Equal(less) {
			t.Errorf("%v: generated %x, want %x", c, []byte(d), less)
		}
		if _, _, err := g.generate(zeros{}); err == nil {
			t.Errorf("%v: generated a key from zeros", c)
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// A source of randomness that fails makes no message.
func TestRandFails(t *testing.T) {
	for _, s := range []SuiteID{0, 2, 24, 25} {
		p := pair(t, StaticDHStaticDH, s, func(i, r *Config) { i.Rand, r.Rand = bytes.NewReader(nil), bytes.NewReader(nil) })
		if msg, a2, err := p.i.ComposeMessage1("\x01"); err == nil || msg != nil || a2 != nil {
			t.Errorf("suite %d: message_1 %x, %v", s, msg, err)
		}
		good := runFlow(t, pair(t, StaticDHStaticDH, s), 1)
		v1, err := p.r.ProcessMessage1(good.msg1)
		must(t, err)
		msg, a3, err := v1.ComposeMessage2("\x02")
		if err == nil || msg != nil || a3 != nil {
			t.Errorf("suite %d: message_2 %x, %v", s, msg, err)
		}
		if !bytes.Equal(ErrorMessage(err), ErrorMessage(refuse("", "", nil))) {
			t.Errorf("our own fault is answered with %x", ErrorMessage(err))
		}
	}
}

// Ephemeral keys made ahead of time serve once each.
//
//spec:9528-9.2-2
//spec:9528-9.2-3
//spec:9528-6.3.2-1
func TestEphemeralStock(t *testing.T) {
	key, err := NewEphemeralKey(P256, nil)
	must(t, err)
	p := pair(t, StaticDHStaticDH, 2, func(i, r *Config) { i.Ephemeral = func(Curve) *EphemeralKey { return key } })
	public := slices.Clone(key.state.v.Load().public)
	msg1, _, err := p.i.ComposeMessage1("\x01")
	must(t, err)
	if m, err := parseMessage1(msg1); err != nil || !bytes.Equal(m.gX, public) {
		t.Errorf("G_X = %x, want %x (%v)", m.gX, public, err)
	}
	if _, _, err := p.i.ComposeMessage1("\x01"); !errors.Is(err, ErrConfig) {
		t.Errorf("second message_1 with one ephemeral key: %v", err)
	}
	if key, err = NewEphemeralKey(X25519, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.i.ComposeMessage1("\x01"); !errors.Is(err, ErrConfig) {
		t.Errorf("ephemeral key on another curve: %v", err)
	}
	held := secretsOf(key.state.v.Load())
	key.Discard()
	if !erased(held) {
		t.Error("Discard leaves the key")
	}
	key = nil // the stock is empty: keys are generated
	seen := map[string]bool{}
	for range 100 {
		msg1, _, err := p.i.ComposeMessage1("\x01")
		must(t, err)
		if seen[string(msg1)] {
			t.Fatal("the same message_1 twice")
		}
		seen[string(msg1)] = true
	}
	if _, err := NewEphemeralKey(Ed25519, nil); !errors.Is(err, ErrConfig) {
		t.Errorf("ephemeral key on Ed25519: %v", err)
	}
}
