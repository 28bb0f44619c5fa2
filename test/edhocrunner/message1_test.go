package edhocrunner

import (
	"bytes"
	"testing"

	"github.com/ostiary/ostiary/edhoc"
)

// The items of message_1.
const (
	atMethod = iota
	atSuitesI
	atGX
	atCI
	atEAD1
)

// misbehaviours1 are those of message_1 as a message; all are refused by its parser
// unless they say more.
func misbehaviours1() []misbehaviour {
	malformed := refused("ProcessMessage1", "5.2.1")
	suites := func(item []byte) func(*Peer) { return items("message_1", replace(atSuitesI, item)) }
	suites23 := func(c *edhoc.Config) { c.Suites = []edhoc.SuiteID{2, 3} }
	wrongSuite := answered("ProcessMessage1", "6.3", 2)
	return []misbehaviour{
		{name: "empty message_1", bug: sent("message_1", none), want: malformed},
		{name: "message_1 as a byte string", bug: sent("message_1", Bytes), want: malformed},
		{name: "message_1 as an array", bug: sent("message_1", func(b []byte) []byte { return append([]byte{0x84}, b...) }), want: malformed},
		{name: "true before message_1", bug: sent("message_1", front(0xf5)), want: malformed},
		{name: "message_1 cut off", bug: sent("message_1", shorter), want: malformed},
		{name: "message_1 twice in a message", bug: sent("message_1", twice), want: refused("ProcessMessage1", "3.8")}, // C_I again as EAD item -24
		{name: "break after message_1", bug: sent("message_1", back(0xff)), want: malformed},

		{name: "METHOD is missing", bug: items("message_1", drop(atMethod)), want: malformed},
		{name: "METHOD twice", bug: items("message_1", double(atMethod)), want: malformed},
		{name: "METHOD is a text", bug: items("message_1", replace(atMethod, Text("3"))), want: malformed},
		{name: "METHOD is a byte string", bug: items("message_1", replace(atMethod, Bytes([]byte{3}))), want: malformed},
		{name: "METHOD is an array", bug: items("message_1", replace(atMethod, Array(Int(3)))), want: malformed},
		{name: "METHOD is tagged", bug: items("message_1", replace(atMethod, Tag(2, Int(3)))), want: malformed},
		{name: "METHOD is null", bug: items("message_1", replace(atMethod, []byte{0xf6})), want: malformed},
		{name: "METHOD of 2^63", bug: items("message_1", replace(atMethod, head(majorUint, 1<<63))), want: malformed},
		{name: "METHOD 4", bug: items("message_1", replace(atMethod, Int(4))), want: refused("ProcessMessage1", "3.2")},
		{name: "METHOD -1", bug: items("message_1", replace(atMethod, Int(-1))), want: refused("ProcessMessage1", "3.2")},
		{name: "METHOD 259, 3 in its last byte", bug: items("message_1", replace(atMethod, Int(259))), want: refused("ProcessMessage1", "3.2")},
		{name: "METHOD that is not supported", bug: items("message_1", replace(atMethod, Int(0))), want: refused("ProcessMessage1", "3.2")},

		{name: "SUITES_I is missing", bug: items("message_1", drop(atSuitesI)), want: malformed},
		{name: "SUITES_I twice", bug: items("message_1", double(atSuitesI)), want: malformed},
		{name: "SUITES_I is empty", bug: suites(Array()), want: malformed},
		{name: "SUITES_I is an array of one", bug: suites(Array(Int(2))), want: malformed},
		{name: "SUITES_I has an array", bug: suites(Array(Int(5), Array(Int(2), Int(2)))), want: malformed},
		{name: "SUITES_I has a text", bug: suites(Array(Text("2"), Int(2))), want: malformed},
		{name: "SUITES_I is a text", bug: suites(Text("2")), want: malformed},
		{name: "SUITES_I is a byte string", bug: suites(Bytes([]byte{2})), want: malformed},
		{name: "SUITES_I is a map", bug: suites(Map(Int(2), Int(2))), want: malformed},
		{name: "SUITES_I of 2^64-1 suites", bug: suites(head(majorArray, 1<<64-1)), want: malformed},
		{name: "SUITES_I is longer than it says", bug: suites(append([]byte{0x82}, Sequence(Int(5), Int(6), Int(2))...)), want: malformed},
		{name: "selected suite is not supported", bug: suites(Int(3)), want: wrongSuite},
		{name: "selected suite is of nobody", bug: suites(Int(9999)), want: wrongSuite},
		{name: "selected suite is for private use", bug: suites(Int(-24)), want: wrongSuite},
		{name: "selected suite 258, 2 in its last byte", bug: suites(Int(258)), want: wrongSuite},
		{name: "selected suite is not the last", bug: suites(Array(Int(2), Int(5))), want: wrongSuite},
		{name: "selected suite twice", bug: suites(Array(Int(2), Int(2))), want: wrongSuite},
		{name: "preferred suite that is supported is skipped", ours: suites23, bug: suites(Array(Int(3), Int(2))), want: wrongSuite},
		{name: "supported suite is skipped behind unknown ones", ours: suites23, bug: suites(Array(Int(77), Int(3), Int(-5), Int(2))), want: wrongSuite},

		{name: "C_I is missing", bug: items("message_1", drop(atCI)), want: malformed},
		{name: "C_I twice", bug: items("message_1", double(atCI)), want: refused("ProcessMessage1", "3.8")}, // EAD item -24
		{name: "C_I is a byte string that has an integer", bug: items("message_1", replace(atCI, Bytes([]byte{0x37}))), want: malformed},
		{name: "C_I is 24", bug: items("message_1", replace(atCI, Int(24))), want: malformed},
		{name: "C_I is -25", bug: items("message_1", replace(atCI, Int(-25))), want: malformed},
		{name: "C_I is a text", bug: items("message_1", replace(atCI, Text("7"))), want: malformed},
		{name: "C_I is null", bug: items("message_1", replace(atCI, []byte{0xf6})), want: malformed},
		{name: "C_I is an array", bug: items("message_1", replace(atCI, Array())), want: malformed},
		{name: "C_I is longer than the message", bug: items("message_1", replace(atCI, head(majorBytes, 1<<63))), want: malformed},
	}
}

// misbehavioursG are wrong ephemeral keys, on both sides.
func misbehavioursG(t *testing.T) []misbehaviour {
	malformed, invalid := refused("ProcessMessage1", "5.2.1"), refused("ProcessMessage1", "5.2.3")
	all := []misbehaviour{
		{name: "G_X is missing", bug: items("message_1", drop(atGX)), want: malformed},
		{name: "G_X twice", bug: items("message_1", double(atGX)), want: refused("ProcessMessage1", "3.8")}, // as C_I, and C_I as EAD item -24
		{name: "G_X is an integer", bug: items("message_1", replace(atGX, Int(7))), want: malformed},
		{name: "G_X is a text", bug: items("message_1", replace(atGX, Text(string(bytes.Repeat([]byte("x"), 32))))), want: malformed},
		{name: "G_X is empty", bug: value("G_X", none), want: invalid},
		{name: "G_X of 31 bytes", bug: value("G_X", shorter), want: invalid},
		{name: "G_X of 33 bytes", bug: value("G_X", longer), want: invalid},
		{name: "G_X is compressed", bug: value("G_X", front(2)), want: invalid},
		{name: "G_X is uncompressed", bug: before("message_1", func(p *Peer) {
			k, err := NewKey(P256, p.Ephemeral)
			must(t, err)
			p.Bugs.Value("G_X", constant(Sequence([]byte{4}, k.X, k.Y)))
		}), want: invalid},
		{name: "X25519: G_X of 31 bytes", in: static0, bug: value("G_X", shorter), want: invalid},
		{name: "X25519: G_X of 33 bytes", in: static0, bug: value("G_X", longer), want: invalid},
		{name: "X25519: G_X is empty", in: static0, bug: value("G_X", none), want: invalid},
	}
	for name, x := range badX(t) {
		all = append(all,
			misbehaviour{name: "G_X is " + name, bug: value("G_X", constant(x)), want: invalid},
			misbehaviour{name: "G_Y is " + name, as: responder, bug: items("message_2", edit(0, withG(x))), want: refused("ProcessMessage2", "5.3.3")},
		)
	}
	for name, x := range lowOrder(t) {
		all = append(all,
			misbehaviour{name: "X25519: G_X is " + name, in: static0, bug: value("G_X", constant(x)), want: refused("ComposeMessage2", "9.2")},
			misbehaviour{name: "X25519: G_Y is " + name, as: responder, in: static0, bug: items("message_2", edit(0, withG(x))), want: refused("ProcessMessage2", "9.2")},
		)
	}
	return all
}

// withG puts another G_Y into message_2.
func withG(x []byte) func([]byte) []byte {
	return func(msg []byte) []byte {
		b, err := content(msg, majorBytes)
		if err != nil {
			panic(err) // the table is wrong
		}
		return Bytes(append(bytes.Clone(x), b[len(x):]...))
	}
}

// The permutations of SUITES_I: a Responder with some of the suites accepts message_1 if
// and only if the last is the first that it supports (ED-9).
//
//spec:9528-6.3-1
//spec:9528-6.3-2
//spec:9528-6.3-3
//spec:9528-6.3.1-1
//spec:9528-6.3.1-2
func TestSuitesI(t *testing.T) {
	offered := []int64{0, 2, 3, 6, 99}
	for supported := 1; supported < 8; supported++ { // of the first three
		var ids []int64
		for bit := range 3 {
			if supported>>bit&1 == 1 {
				ids = append(ids, offered[bit])
			}
		}
		var c edhoc.Config
		for _, id := range ids {
			one := setting{method: 3, suite: id}.config(t, false)
			c.Methods, c.Suites = one.Methods, append(c.Suites, one.Suites...)
			c.Identities = append(c.Identities, one.Identities...)
		}
		r, err := edhoc.NewResponder(c)
		must(t, err)
		tried, accepted := 0, 0
		permutations(offered, func(suites []int64) {
			tried++
			good := (&Peer{lacks: without(offered, ids)}).firstSupported(suites)
			_, err := r.ProcessMessage1(message1For(t, suites))
			if (err == nil) != good {
				t.Errorf("SUITES_I %v of a Responder with %v: %v", suites, ids, err)
			}
			if err == nil {
				accepted++
				return
			}
			e, err := ReadError(edhoc.ErrorMessage(err))
			if err != nil || e.Code != 2 || len(e.SuitesR) != len(ids) {
				t.Errorf("SUITES_I %v: answered with %+v, %v", suites, e, err)
			}
		})
		if tried != 5+20+60+120+120 || accepted == 0 {
			t.Errorf("%d tried, %d accepted", tried, accepted)
		}
	}
}

// message1For makes a message_1 for method 3 whose G_X fits the suite selected.
func message1For(t *testing.T, suites []int64) []byte {
	t.Helper()
	selected := suites[len(suites)-1]
	if _, ok := suiteOf(selected); !ok {
		selected = 2
	}
	p := setting{method: 3, suite: selected}.peer(t, true)
	p.Ephemeral = bytes.Repeat([]byte{7}, 32)
	field := make([][]byte, len(suites))
	for i, id := range suites {
		field[i] = Int(id)
	}
	item := field[0]
	if len(field) > 1 {
		item = Array(field...)
	}
	p.Bugs.Items("message_1", replace(atSuitesI, item))
	msg, err := p.WriteMessage1()
	must(t, err)
	return msg
}

// permutations calls f with every order of every subset that is not empty.
func permutations(of []int64, f func([]int64)) {
	var grow func(have []int64)
	grow = func(have []int64) {
		if len(have) > 0 {
			f(have)
		}
		for _, id := range without(of, have) {
			grow(append(have[:len(have):len(have)], id))
		}
	}
	grow(nil)
}

func without(all, some []int64) (rest []int64) {
next:
	for _, id := range all {
		for _, other := range some {
			if id == other {
				continue next
			}
		}
		rest = append(rest, id)
	}
	return rest
}
