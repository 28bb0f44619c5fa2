package ace

import (
	"bytes"
	"testing"

	"github.com/ostiary/ostiary/internal/vector"
)

// TestTokenHash takes the token of RFC 9770, Figure 3; the hash is SHA-256 of its
// base64url form, computed elsewhere.
//
//spec:9770-4.4-1
//spec:9770-4.4-2
func TestTokenHash(t *testing.T) {
	token := vector.Bytes(t, `d83dd0835820a3010a044c53796d6d6574726963313238054d99a0d7846e762c49ffe8a63e0ba05858b918a11fd8
		1e438b7f973d9e2e119bcb22424ba0f38a80f27562f400ee1d0d6c0fdb559c02421fd384fc2ebe22d7071378b0ea7428fff157444d45f7e6
		afcda1aae5f6495830c58627087fc5b4974f319a8707a635dd643b`)
	want := vector.Bytes(t, hashOfFigure3)
	if got := TokenHash(token); !bytes.Equal(got, want) {
		t.Errorf("TokenHash = %x, want %x", got, want)
	}
	const text = "2D3QgwE"
	if got, want := TokenHash([]byte{0xd8, 0x3d, 0xd0, 0x83, 1}), TokenHashText(text); !bytes.Equal(got, want) {
		t.Errorf("hash of a CWT in CBOR and in JSON: %x, %x", got, want)
	}
}

//spec:9200-5.10.3-3
func TestExpiresInID(t *testing.T) {
	cti := ExpiresInID("rs1", 258)
	if want := []byte("rs1\x00\x00\x00\x00\x00\x00\x01\x02"); !bytes.Equal(cti, want) {
		t.Errorf("ExpiresInID = %x, want %x", cti, want)
	}
	for _, c := range []struct {
		cti, rs string
		want    uint64
		ok      bool
	}{
		{string(cti), "rs1", 258, true},
		{"rs1\x05", "rs1", 5, true},
		{"rs1" + "\xff\xff\xff\xff\xff\xff\xff\xff", "rs1", 1<<64 - 1, true},
		{"rs1", "rs1", 0, false},
		{"rs1" + "\x01\xff\xff\xff\xff\xff\xff\xff\xff", "rs1", 0, false},
		{"rs2\x05", "rs1", 0, false},
		{"\x05", "", 0, false},
	} {
		if got, ok := ExpiresInNumber([]byte(c.cti), c.rs); got != c.want || ok != c.ok {
			t.Errorf("ExpiresInNumber(%q, %q) = %d, %v, want %d, %v", c.cti, c.rs, got, ok, c.want, c.ok)
		}
	}
}

const hashOfFigure3 = "011a06427bcbe5d29385202b8255820b8370ae481065a1e94017c0185bfbd51707"
