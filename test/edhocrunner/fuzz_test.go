package edhocrunner

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ostiary/ostiary/edhoc"
)

// FuzzMessage1 compares two readers of message_1: what the one takes, the other takes.
func FuzzMessage1(f *testing.F) {
	s := setting{method: 3, suite: 2}
	r, err := edhoc.NewResponder(s.config(f, false))
	must(f, err)
	for _, m := range misbehaviours1() {
		p := s.peer(f, true)
		if m.bug != nil {
			m.bug(p)
		}
		msg, err := p.WriteMessage1()
		must(f, err)
		f.Add(msg)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		p := s.peer(t, false)
		for _, suite := range Suites {
			if suite.ID != s.suite {
				p.lacks = append(p.lacks, suite.ID)
			}
		}
		want := p.ReadMessage1(msg)
		if want == nil {
			_, want = lift(P256, p.Values["G_X"])
		}
		if want == nil && !wantedEAD(p.OtherEAD[1]) {
			want = errMessage
		}
		_, got := r.ProcessMessage1(msg)
		if (got == nil) != (want == nil) {
			t.Errorf("%x: %v, and the runner says %v", msg, got, want)
		}
		if reply := edhoc.ErrorMessage(got); reply != nil {
			if _, err := ReadError(reply); err != nil {
				t.Errorf("%x is answered with %x: %v", msg, reply, err)
			}
		}
	})
}

// wantedEAD says whether the items of an EAD field that is well-formed may stand in a
// message: those that are critical are known.
func wantedEAD(items [][]byte) bool {
	for _, it := range items {
		if label, err := integer(it); err == nil && label < -4 {
			return false
		}
	}
	return true
}

// FuzzEAD has a peer send any bytes as EAD_2 or EAD_3, and authenticate them: they are
// taken if the runner would take them, and then both have the same keys.
func FuzzEAD(f *testing.F) {
	for _, ead := range [][]byte{{}, {0}, {0, 0x40}, {0x01, 0x41, 7}, {0x28}, {0x40}, {0x21, 0x21}, {0x18, 0x05}, {0x5f, 0xff}, {0x1b, 0xff}, {0x3b, 0xff}} {
		f.Add(ead, true)
		f.Add(ead, false)
	}
	f.Fuzz(func(t *testing.T, ead []byte, responds bool) {
		m := misbehaviour{name: "fuzz", as: role(responds), bug: func(p *Peer) {
			p.EAD[2], p.EAD[3] = [][]byte{ead}, [][]byte{ead}
		}}
		items, err := Split(ead)
		if err == nil {
			var reader Peer
			reader.takeEAD(2, items)
			err = reader.err
		}
		good := err == nil && wantedEAD(items)
		p, o := m.play(t)
		if (o.err == nil) != good {
			t.Fatalf("EAD %x: %v, and the runner says %v", ead, o.err, err)
		}
		if good {
			agree(t, p, o.session)
		}
	})
}

// FuzzPlaintext has a peer encrypt any bytes as PLAINTEXT_2 or PLAINTEXT_3: no Session
// comes of them, unless they are the right ones.
func FuzzPlaintext(f *testing.F) {
	good := recorded(f)
	for _, plaintext := range [][]byte{good[2], good[3], {}, {0x18}, Sequence(Int(1), Int(2), Bytes(make([]byte, 8)))} {
		f.Add(plaintext, true)
		f.Add(plaintext, false)
	}
	for _, kid := range [][]byte{Int(-12), Bytes([]byte("r")), Map(Int(4), Bytes([]byte("r"))), Map(Int(14), Map())} {
		f.Add(Sequence(kid, Bytes(make([]byte, 8)), Int(0)), false)
		f.Add(Sequence(Bytes([]byte{0x18, 0x19}), kid, Bytes(make([]byte, 8)), Int(0)), true)
	}
	f.Fuzz(func(t *testing.T, plaintext []byte, responds bool) {
		s := side3
		if responds {
			s = side2
		}
		same := false
		m := misbehaviour{name: "fuzz", as: s.as, bug: value("PLAINTEXT_"+s.n, func(b []byte) []byte {
			same = bytes.Equal(b, plaintext)
			return plaintext
		})}
		_, o := m.play(t)
		var e *edhoc.Error
		if (o.err == nil) != same || o.err != nil && !errors.As(o.err, &e) {
			t.Errorf("%x gives %v, Session %v", plaintext, o.err, o.session)
		}
		if o.again != nil && !errors.Is(o.again(), edhoc.ErrSpent) {
			t.Error("the state is not spent")
		}
	})
}
