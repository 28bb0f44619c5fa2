package oscore

import (
	"bytes"
	"crypto/cipher"
	"errors"

	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/secret"

	"pgregory.net/rapid"
)

// aeadCall records the last Seal of the AEADs it makes.
type aeadCall struct{ key, nonce, plaintext, aad, ciphertext []byte }

func (c *aeadCall) newAEAD(a cose.Algorithm, key []byte) (cipher.AEAD, error) {
	aead, err := a.NewAEAD(key)
	return &recording{AEAD: aead, call: c, key: bytes.Clone(key)}, err
}

type recording struct {
	cipher.AEAD
	call *aeadCall
	key  []byte
}

func (r *recording) Seal(dst, nonce, plaintext, aad []byte) []byte {
	c := r.call
	c.key, c.nonce, c.plaintext, c.aad = r.key, bytes.Clone(nonce), bytes.Clone(plaintext), bytes.Clone(aad)
	out := r.AEAD.Seal(dst, nonce, plaintext, aad)
	c.ciphertext = bytes.Clone(out[len(dst):])
	return out
}

// splitCoAP takes a CoAP message of RFC 7252, Section 3 apart into header with token, and
// what OSCORE sees.
func splitCoAP(t rapid.TB, b []byte) (head []byte, m Message) {
	t.Helper()
	n := 4 + int(b[0]&0xf)
	m, ok := parsePlaintext(append([]byte{b[1]}, b[n:]...), nil)
	if !ok {
		t.Fatalf("not a CoAP message: %x", b)
	}
	return b[:n], m
}

// joinCoAP is the inverse of splitCoAP; the code comes from m.
func joinCoAP(head []byte, m Message) []byte {
	b := bytes.Clone(head)
	b[1] = byte(m.Code)
	var last uint16
	for _, o := range m.Options {
		b, last = appendOption(b, o.Number-last, o.Value), o.Number
	}
	if len(m.Payload) > 0 {
		b = append(append(b, payloadMarker), m.Payload...)
	}
	return b
}

func parseMessage(t rapid.TB, b []byte) Protected {
	t.Helper()
	_, m := splitCoAP(t, b)
	p, err := ParseProtected(m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// testParams are those of a client; a server has the mirror.
func testParams() Params {
	return Params{
		MasterSecret: secret.Bytes("0123456789abcdef"), MasterSalt: []byte("salt and"),
		SenderID: []byte{1}, RecipientID: []byte{2},
	}
}

// mirror returns the parameters of the other endpoint.
func (p Params) mirror() Params {
	p.SenderID, p.RecipientID = p.RecipientID, p.SenderID
	return p
}

func mustAssociation(t rapid.TB, cfg Config) *Association {
	t.Helper()
	a, err := NewAssociation(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mustContext(t rapid.TB, cfg Config) *Context {
	t.Helper()
	c, err := NewContext(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func is(err, target error) bool { return errors.Is(err, target) }

func parseHeader(b []byte) (h header, ok bool) {
	ok = h.parse(b)
	return h, ok
}
