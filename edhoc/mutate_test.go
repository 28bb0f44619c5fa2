package edhoc

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
)

// deliver runs a handshake in which change is applied to the message of that
// number, 1 to 4, and says how far the two sides got.
func deliver(p *parties, number int, change func([]byte) []byte) (i, r *Session) {
	f := &flow{parties: p}
	for n, s := range steps {
		switch {
		case number == 1 && n == 1:
			f.msg1 = change(f.msg1)
		case number == 2 && n == 3:
			f.msg2 = change(f.msg2)
		case number == 3 && n == 6:
			f.msg3 = change(f.msg3)
		case number == 4 && n == 9:
			f.msg4 = change(f.msg4)
		}
		if err := s.do(f); err != nil {
			break
		}
	}
	return f.sI, f.sR
}

// Any flipped bit in any message: neither side gets a Session, other than the
// Responder that has sent message_4 already.
//
//spec:9528-9.2-1
//spec:9528-6.3.1-2
func TestFlippedBit(t *testing.T) {
	for _, c := range []struct {
		m Method
		s SuiteID
	}{{SignatureSignature, 0}, {StaticDHStaticDH, 2}, {SignatureStaticDH, 3}, {StaticDHSignature, 6}} {
		t.Run(fmt.Sprintf("method %d suite %d", int64(c.m), c.s), func(t *testing.T) {
			p := pair(t, c.m, c.s)
			good := runFlow(t, p, len(steps))
			for n, msg := range [][]byte{good.msg1, good.msg2, good.msg3, good.msg4} {
				for bit := range 8 * len(msg) {
					i, r := deliver(p, n+1, func(b []byte) []byte {
						b = bytes.Clone(b)
						b[bit/8%len(b)] ^= 1 << (bit % 8) // signatures of ECDSA vary, not their length
						return b
					})
					if i != nil || r != nil && n < 3 {
						t.Fatalf("message_%d with bit %d flipped: Sessions %v, %v", n+1, bit, i, r)
					}
				}
			}
		})
	}
}

// Cut off, lengthened and doubled messages.
func TestOtherLength(t *testing.T) {
	p := pair(t, StaticDHStaticDH, 2)
	good := runFlow(t, p, len(steps))
	for n, msg := range [][]byte{good.msg1, good.msg2, good.msg3, good.msg4} {
		changes := []func([]byte) []byte{
			func(b []byte) []byte { return append(bytes.Clone(b), b...) },
			func(b []byte) []byte { return append(bytes.Clone(b), 0x41) },
			func(b []byte) []byte { return append(bytes.Clone(b), 0x00) },
			func(b []byte) []byte { return append([]byte{0xf5}, b...) },
		}
		for k := range msg {
			changes = append(changes, func(b []byte) []byte { return b[:k] })
		}
		for k, change := range changes {
			if i, r := deliver(p, n+1, change); i != nil || r != nil && n < 3 {
				t.Errorf("message_%d changed in way %d: Sessions %v, %v", n+1, k, i, r)
			}
		}
	}
}

// The other encodings of each item that CBOR has: longer heads, indefinite lengths.
//
//spec:9528-9.8-5
func TestNonDeterministic(t *testing.T) {
	p := pair(t, StaticDHStaticDH, 2)
	good := runFlow(t, p, len(steps))
	longer := func(head byte) [][]byte { // of an argument below 24
		return [][]byte{{head&0xe0 | 24, head & 0x1f}, {head&0xe0 | 25, 0, head & 0x1f}, {head&0xe0 | 26, 0, 0, 0, head & 0x1f}, {head&0xe0 | 27, 0, 0, 0, 0, 0, 0, 0, head & 0x1f}}
	}
	var bad [][]byte
	m1 := good.msg1 // 03 02 58 20 G_X 01
	for _, h := range longer(m1[0]) {
		bad = append(bad, slices.Concat(h, m1[1:]))
	}
	for _, h := range longer(m1[1]) {
		bad = append(bad, slices.Concat(m1[:1], h, m1[2:]))
	}
	last := len(m1) - 1
	for _, h := range append(longer(m1[last]), []byte{0x41, m1[last]}, []byte{0x58, 1, m1[last]}) {
		bad = append(bad, slices.Concat(m1[:last], h))
	}
	gX := m1[4:last]
	bad = append(bad,
		slices.Concat(m1[:2], []byte{0x59, 0, 32}, gX, m1[last:]),
		slices.Concat(m1[:2], []byte{0x5a, 0, 0, 0, 32}, gX, m1[last:]),
		slices.Concat(m1[:2], []byte{0x5f, 0x58, 32}, gX, []byte{0xff}, m1[last:]),
		slices.Concat(m1[:1], []byte{0x9f, 2, 2, 0xff}, m1[2:]),
		slices.Concat(m1[:1], []byte{0x98, 2, 6, 2}, m1[2:]),
		slices.Concat([]byte{0xf9, 0x42, 0x00}, m1[1:]), // METHOD 3.0
	)
	for _, b := range bad {
		if _, err := p.r.ProcessMessage1(b); err == nil {
			t.Errorf("%x was accepted", b)
		}
	}
	for n, msg := range [][]byte{good.msg2, good.msg3, good.msg4} {
		body := msg[1:]
		if msg[0] == 0x58 {
			body = msg[2:]
		}
		for _, head := range [][]byte{{0x59, 0, byte(len(body))}, {0x5a, 0, 0, 0, byte(len(body))}} {
			if i, _ := deliver(p, n+2, func(b []byte) []byte { return append(head, b[len(b)-len(body):]...) }); i != nil {
				t.Errorf("message_%d with head %x was accepted", n+2, head)
			}
		}
	}
}
