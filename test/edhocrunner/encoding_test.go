package edhocrunner

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/ostiary/ostiary/edhoc"
)

// Each item of each message is written in every other way that CBOR has, and nothing else
// is wrong: the peer hashes, authenticates and encrypts what it sends. All are refused as
// malformed, before anything is verified (ED-11).
//
//spec:9528-9.8-5
//spec:9528-3.3.2-1
//spec:9528-3.5.3.2-1
func TestMisspellings(t *testing.T) {
	tried := 0
	for n, where := range []struct {
		as                         role
		sequence, step, section    string
		message, messageStep, wire string
	}{
		1: {initiator, "message_1", "ProcessMessage1", "5.2.1", "", "", ""},
		2: {responder, "PLAINTEXT_2", "ProcessMessage2", "5.3.2", "message_2", "ProcessMessage2", "5.3.1"},
		3: {initiator, "PLAINTEXT_3", "ProcessMessage3", "5.4.2", "message_3", "ProcessMessage3", "5.4.1"},
		4: {responder, "PLAINTEXT_4", "ProcessMessage4", "5.5.2", "message_4", "ProcessMessage4", "5.5.1"},
	} {
		if n == 0 {
			continue
		}
		for _, in := range []*setting{nil, sign0, value2} {
			set := func(p *Peer) {
				p.EAD[n] = [][]byte{Int(1), Bytes([]byte("value")), Int(-2), Int(300), Bytes(nil)}
				if n == 1 {
					p.SuitesI = []int64{99, p.SuitesI[0]}
				}
			}
			for _, s := range []struct{ sequence, step, section string }{{where.sequence, where.step, where.section}, {where.message, where.messageStep, where.wire}} {
				if s.sequence == "" {
					continue
				}
				for i, item := range goodItems(t, in, where.as, s.sequence, set) {
					for k, bad := range append(Misspellings(item), Mistypings(item)...) {
						if bytes.Equal(bad, item) {
							t.Fatalf("%x is no misspelling", bad)
						}
						m := misbehaviour{name: fmt.Sprint(n, i, k), as: where.as, in: in, bug: both(set, items(s.sequence, replaceLate(i, item, bad)))}
						_, o := m.play(t)
						var e *edhoc.Error
						if !errors.As(o.err, &e) || o.step != s.step || e.Section != s.section || e.Code != edhoc.CodeUnspecified {
							t.Errorf("%s: item %d is %x instead of %x: %s gives %v", s.sequence, i, bad, item, o.step, o.err)
						}
						tried++
					}
				}
			}
		}
	}
	t.Logf("%d misspellings", tried)
	if tried < 500 {
		t.Errorf("%d misspellings", tried)
	}
}

// goodItems gives the items of a sequence in a handshake without faults.
func goodItems(t *testing.T, in *setting, as role, sequence string, set func(*Peer)) [][]byte {
	t.Helper()
	var good [][]byte
	m := misbehaviour{name: "good", as: as, in: in, bug: both(set, items(sequence, func(items [][]byte) [][]byte {
		for _, it := range items {
			good = append(good, bytes.Clone(it))
		}
		return items
	}))}
	if _, o := m.play(t); o.err != nil {
		t.Fatalf("%s without a fault: %s: %v", sequence, o.step, o.err)
	}
	return good
}

// replaceLate writes an item badly. Where the item is not the same in each handshake, as
// a signature, the bad one is made of what it is now.
func replaceLate(i int, was, bad []byte) func([][]byte) [][]byte {
	return func(items [][]byte) [][]byte {
		if !bytes.Equal(items[i], was) {
			all, now := Misspellings(was), Misspellings(items[i])
			for k := range all {
				if bytes.Equal(all[k], bad) {
					bad = now[k]
				}
			}
		}
		items[i] = bad
		return items
	}
}

// A misspelling of each kind is one, and means the same.
func TestMisspellingsThemselves(t *testing.T) {
	for _, c := range []struct {
		item []byte
		want int
	}{
		{Int(3), 4 + 1},                  // heads, bignum
		{Int(24), 3 + 1},                 // heads, bignum
		{Bytes(nil), 4 + 1},              // heads, indefinite
		{Bytes([]byte("ab")), 4 + 1 + 1}, // and chunks
		{Array(Int(24)), 4 + 1 + 4},      // and what is inside
		{Map(Int(24), Int(25)), 5 + 2*4}, // likewise
		{Tag(32, Text("x")), 3 + 5},      // likewise
		{[]byte{0xf5}, 0},                // true has one encoding
	} {
		all := Misspellings(c.item)
		if len(all) != c.want {
			t.Errorf("%x has %d misspellings, want %d: %x", c.item, len(all), c.want, all)
		}
		for _, b := range all {
			if items, err := Split(b); err == nil && len(items) == 1 && bytes.Equal(items[0], c.item) {
				t.Errorf("%x is read as %x", b, items[0])
			}
		}
	}
}
