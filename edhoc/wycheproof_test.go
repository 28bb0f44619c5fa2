package edhoc

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/internal/vector"
)

// The files of testdata/wycheproof have the cases of C2SP/wycheproof: ecdh_*_ecpoint,
// x25519, x448, ecdsa_*_p1363, ed25519 and ed448.

// TestWycheproofECDH: a public key that is no point of the curve, and one that leads to an
// all-zero secret, are refused, and every other gives the secret of the vector.
//
//spec:9528-9.2-4
//spec:9528-9.2-5
func TestWycheproofECDH(t *testing.T) {
	type testCase struct {
		ID      int        `json:"id"`
		Flags   []string   `json:"flags"`
		Public  vector.Hex `json:"public"`
		Private vector.Hex `json:"private"`
		Shared  vector.Hex `json:"shared"`
		Result  string     `json:"result"`
	}
	for _, file := range []struct {
		name  string
		curve Curve
		count int
	}{{"p256", P256, 355}, {"p384", P384, 790}, {"x25519", X25519, 518}, {"x448", X448, 510}} {
		cases := vector.Load[[]testCase](t, "testdata/wycheproof/"+file.name+".json")
		if len(cases) != file.count {
			t.Errorf("%s: got %d cases, want %d", file.name, len(cases), file.count)
		}
		for _, v := range cases {
			t.Run(fmt.Sprintf("%s/%d", file.name, v.ID), func(t *testing.T) {
				g := groups[file.curve]
				// An x-coordinate of zero is that of a point on P-256 and P-384.
				zero := (file.curve == X25519 || file.curve == X448) && bytes.Equal(v.Shared, make([]byte, g.size()))
				want := v.Result != "invalid" && !zero
				p, err := wycheproofPoint(g, file.curve, v.Public)
				var shared secret.Bytes
				if err == nil {
					shared, err = p.ecdh(scalar(g, v.Private))
				}
				switch {
				case want && err != nil:
					t.Errorf("%v: %v", v.Flags, err)
				case want && !bytes.Equal(shared, v.Shared):
					t.Errorf("%v: the shared secret differs", v.Flags)
				case !want && err == nil:
					t.Errorf("%v: taken", v.Flags)
				}
			})
		}
	}
}

// wycheproofPoint decodes a public key. One with both coordinates, which a credential has,
// is checked whole, and used by its x-coordinate, as in a message.
func wycheproofPoint(g group, curve Curve, public []byte) (point, error) {
	if curve == X25519 || curve == X448 {
		return g.point(public)
	}
	switch n := g.size(); {
	case len(public) == 1+2*n && public[0] == 4:
		if _, err := NewPublicKey(curve, public[1:1+n], public[1+n:]); err != nil {
			return nil, err
		}
		return g.point(public[1 : 1+n])
	case len(public) == 1+n && (public[0] == 2 || public[0] == 3):
		return g.point(public[1:])
	}
	return nil, errPoint
}

// scalar makes a private key as long as the curve's.
func scalar(g group, private []byte) []byte {
	d := private
	for len(d) > g.size() && d[0] == 0 {
		d = d[1:]
	}
	return slices.Concat(make([]byte, max(0, g.size()-len(d))), d)
}

// TestWycheproofSignatures: what the vectors call valid verifies, and nothing else.
func TestWycheproofSignatures(t *testing.T) {
	type testCase struct {
		ID     int        `json:"id"`
		Flags  []string   `json:"flags"`
		Key    vector.Hex `json:"key"`
		Msg    vector.Hex `json:"msg"`
		Sig    vector.Hex `json:"sig"`
		Result string     `json:"result"`
	}
	for _, file := range []struct {
		name  string
		curve Curve
	}{{"es256", P256}, {"es384", P384}, {"ed25519", Ed25519}, {"ed448", Ed448}} {
		cases := vector.Load[[]testCase](t, "testdata/wycheproof/"+file.name+".json")
		if len(cases) < 80 {
			t.Errorf("%s: got %d cases", file.name, len(cases))
		}
		for _, v := range cases {
			t.Run(fmt.Sprintf("%s/%d", file.name, v.ID), func(t *testing.T) {
				x, y := []byte(v.Key), []byte(nil)
				if v.Key[0] == 4 && (file.curve == P256 || file.curve == P384) {
					n := len(v.Key) / 2
					x, y = v.Key[1:1+n], v.Key[1+n:]
				}
				k, err := NewPublicKey(file.curve, x, y)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := k.check(v.Msg, v.Sig), v.Result == "valid"; got != want {
					t.Errorf("%v: got %t, want %t", v.Flags, got, want)
				}
			})
		}
	}
}
