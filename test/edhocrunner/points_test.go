package edhocrunner

import (
	"crypto/elliptic"
	"encoding/hex"
	"math/big"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/edhoc"
)

// badX are no x-coordinates of points of P-256.
func badX(t testing.TB) map[string][]byte {
	p := elliptic.P256().Params().P
	bad := map[string][]byte{
		"p":       p.FillBytes(make([]byte, 32)),
		"p + 5":   new(big.Int).Add(p, big.NewInt(5)).FillBytes(make([]byte, 32)), // 5 is a good one
		"2^256-1": slices.Repeat([]byte{0xff}, 32),
	}
	if _, err := lift(P256, big.NewInt(5).FillBytes(make([]byte, 32))); err != nil {
		t.Errorf("x = 5: %v", err)
	}
	for x := int64(1); bad["without y"] == nil; x++ {
		b := big.NewInt(x).FillBytes(make([]byte, 32))
		if _, err := lift(P256, b); err != nil {
			bad["without y"] = b
		}
	}
	return bad
}

// lowOrder are the points of low order of X25519, of the curve and of its twist (RFC 7748,
// Section 6.1), reduced and not, and with the bit that is not looked at.
func lowOrder(t testing.TB) map[string][]byte {
	t.Helper()
	points := map[string][]byte{}
	for name, s := range map[string]string{
		"zero":           "0000000000000000000000000000000000000000000000000000000000000000",
		"one":            "0100000000000000000000000000000000000000000000000000000000000000",
		"of order 8":     "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"of order 8 too": "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"p - 1":          "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"p":              "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"p + 1":          "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		b, err := hex.DecodeString(s)
		must(t, err)
		points[name] = b
		high := slices.Clone(b)
		high[31] |= 0x80
		points[name+" with the high bit"] = high
	}
	return points
}

// x = 0 is on P-256, with two points of the order of the group: it is accepted as any other
// x-coordinate is, and who sends it does not know the private key to it.
func TestZeroOnP256(t *testing.T) {
	s := setting{method: 3, suite: 2}
	p := s.peer(t, true)
	p.Bugs.Value("G_X", zeros)
	msg1, err := p.WriteMessage1()
	must(t, err)
	r, err := edhoc.NewResponder(s.config(t, false))
	must(t, err)
	v1, err := r.ProcessMessage1(msg1)
	must(t, err)
	msg2, a3, err := v1.ComposeMessage2("\x05")
	must(t, err)
	if err := p.ReadMessage2(msg2); err == nil {
		t.Error("the peer has the key of message_2")
	}
	if _, err := a3.ProcessMessage3(Bytes(make([]byte, 18))); err == nil {
		t.Error("message_3 was accepted")
	}
}
