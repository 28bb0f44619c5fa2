package edhocrunner

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/ostiary/ostiary/edhoc"
)

// misbehavioursEAD are the faults of EAD_1 to EAD_4, which stand at the end of message_1
// and of the plaintexts.
func misbehavioursEAD() []misbehaviour {
	var all []misbehaviour
	for n, where := range []struct{ sequence, section string }{
		1: {"message_1", "5.2.1"}, 2: {"PLAINTEXT_2", "5.3.2"}, 3: {"PLAINTEXT_3", "5.4.2"}, 4: {"PLAINTEXT_4", "5.5.2"},
	} {
		if n == 0 {
			continue
		}
		step := fmt.Sprintf("ProcessMessage%d", n)
		as := role(n%2 == 0)
		for name, ead := range map[string][][]byte{
			"unknown critical item":              {Int(-9)},
			"unknown critical item with a value": {Int(-9), Bytes([]byte("value"))},
			"unknown critical item, the least":   {Int(-65536)},
			"unknown critical item, below that":  {Int(-65537), Bytes(nil)},
			"critical GREASE":                    {Int(-160)},
			"unknown critical item after known":  {Int(1), Bytes([]byte("known")), Int(-9)},
			"unknown critical item in padding":   {Int(0), Bytes(make([]byte, 30)), Int(-9), Int(0)},
			"critical reserved label":            {Int(-23)},
		} {
			all = append(all, misbehaviour{
				name: fmt.Sprintf("EAD_%d: %s", n, name), as: as, bug: items(where.sequence, add(ead...)), want: refused(step, "3.8"),
			})
		}
		for name, ead := range map[string][][]byte{
			"value without label":    {Bytes([]byte("value"))},
			"two values":             {Int(1), Bytes(nil), Bytes(nil)},
			"two values for padding": {Int(0), Bytes(nil), Bytes(nil)},
			"value is a text":        {Int(1), Text("value")},
			"value is an array":      {Int(1), Array(Bytes(nil))},
			"value is a map":         {Int(1), Map()},
			"value is true":          {Int(1), {0xf5}},
			"value is null":          {Int(1), {0xf6}},
			"value is a number":      {Int(1), {0xf9, 0x3c, 0x01}},
			"value is tagged":        {Int(1), Tag(24, Bytes(nil))},
			"value is cut off":       {Int(1), {0x45, 1, 2}},
			"value is endless":       {Int(1), {0x5f}},
			"label is a text":        {Text("label"), Bytes(nil)},
			"label is an array":      {Array(Int(1)), Bytes(nil)},
			"label is null":          {{0xf6}},
			"label of 2^63":          {head(majorUint, 1<<63)},
			"label of -2^63":         {head(majorNint, 1<<63-1)},
			"label of -2^64":         {head(majorNint, 1<<64-1)},
			"label is a bignum":      {Tag(2, Bytes([]byte{1}))},
			"break":                  {{0xff}},
			"reserved head":          {{0x1c}},
		} {
			// Before a first value there is a byte string in the plaintexts and C_I in message_1:
			// never a label.
			all = append(all, misbehaviour{
				name: fmt.Sprintf("EAD_%d: %s", n, name), as: as, bug: items(where.sequence, add(ead...)), want: refused(step, where.section),
			})
		}
	}
	return all
}

// What a peer may do, if seldom: the handshake completes, with the same keys.
//
//spec:9528-3.8-1
//spec:9528-3.8.1-1
func TestTolerated(t *testing.T) {
	var all []misbehaviour
	for n := 1; n <= 4; n++ {
		for name, ead := range map[string][][]byte{
			"a byte of padding":       {Int(0)},
			"two bytes of padding":    {Int(0), Bytes(nil)},
			"padding with a value":    {Int(0), Bytes(bytes.Repeat([]byte{0xaa}, 300))},
			"much padding":            bytesOf(Int(0), 100),
			"unknown item":            {Int(9)},
			"unknown item with value": {Int(9), Bytes([]byte("value"))},
			"item beyond the labels":  {Int(65536), Bytes(nil)},
			"item of 2^62":            {Int(1 << 62)},
			"the same item twice":     {Int(1), Bytes([]byte("a")), Int(1), Bytes([]byte("b"))},
			"critical known item":     {Int(-1), Bytes(nil)},
			"long item":               {Int(1), Bytes(make([]byte, 2000))},
		} {
			all = append(all, misbehaviour{
				name: fmt.Sprintf("EAD_%d: %s", n, name), as: role(n%2 == 0), bug: func(p *Peer) { p.EAD[n] = ead },
			})
		}
	}
	// PLAINTEXT_2 of more than 255 hashes (RFC 9528, Appendix G), and the edge of it.
	for _, size := range []int{8100, 8131, 8132, 8133, 8134, 8135, 8136, 8137, 8138, 8139, 8140, 8161, 20_000, 60_000} {
		for _, in := range []*setting{nil, sign0, {method: 3, suite: 24}, {method: 3, suite: 25}} {
			m := misbehaviour{name: fmt.Sprintf("EAD_2 of %d bytes", size), as: responder, in: in, bug: func(p *Peer) { p.EAD[2] = [][]byte{Int(1), Bytes(make([]byte, size))} }}
			m.name += fmt.Sprintf(" in suite %d", m.setting().suite)
			all = append(all, m)
		}
	}
	all = append(all,
		misbehaviour{name: "suites that nobody has, before the one selected", bug: func(p *Peer) { p.SuitesI = []int64{77, -1, 9999, 23, 2} }},
		misbehaviour{name: "a thousand suites that nobody has", bug: func(p *Peer) { p.SuitesI = append(make([]int64, 1000), 2) }},
		misbehaviour{name: "long C_I", bug: func(p *Peer) { p.C = bytes.Repeat([]byte{7}, 300) }},
		misbehaviour{name: "empty C_I", bug: func(p *Peer) { p.C = []byte{} }},
		misbehaviour{name: "C_I of a byte that is no integer", bug: func(p *Peer) { p.C = []byte{0x18} }},
		misbehaviour{name: "C_I of a break", bug: func(p *Peer) { p.C = []byte{0xff} }},
		misbehaviour{name: "empty C_R", as: responder, bug: func(p *Peer) { p.C = []byte{} }},
		misbehaviour{name: "long C_R", as: responder, bug: func(p *Peer) { p.C = bytes.Repeat([]byte{7}, 300) }},
		misbehaviour{name: "ECDSA signature with the other s", as: responder, in: sign2, bug: value("Signature_or_MAC_2", otherS)},
		misbehaviour{name: "ECDSA signature with the other s", in: sign2, bug: value("Signature_or_MAC_3", otherS)},
	)
	for _, as := range []role{initiator, responder} {
		message := map[role]string{initiator: "message_3", responder: "message_2"}[as]
		named := func(name string, in *setting, id func(p *Peer) []byte) {
			all = append(all, misbehaviour{name: name, as: as, in: in, bug: before(message, func(p *Peer) { p.Own.ID = id(p) })})
		}
		kid := map[role][]byte{initiator: {0x2b}, responder: []byte("r")}[as]
		named("labels of ID_CRED that are not sorted", value2, func(p *Peer) []byte { return Map(Int(14), p.Own.CRED, Int(4), Bytes(kid)) })
		named("unknown parameter beside the kid", nil, func(*Peer) []byte { return Map(Int(4), Bytes(kid), Int(99), Array(Int(1))) })
		named("parameter with a text label beside the kid", nil, func(*Peer) []byte { return Map(Text("more"), []byte{0xf6}, Int(4), Bytes(kid)) })
		all = append(all, misbehaviour{name: "another credential with the same kid, tried first", as: as, trust: func(t testing.TB, in setting, id edhoc.IDCred) []*edhoc.Credential {
			return append([]*edhoc.Credential{stranger(t, in, as).credential(t)}, in.trusted(t, id)...)
		}})
	}
	for _, m := range all {
		t.Run(fmt.Sprintf("responder %t/%s", bool(m.as), m.name), func(t *testing.T) {
			p, o := m.play(t)
			if o.err != nil {
				t.Fatalf("%s: %v", o.step, o.err)
			}
			agree(t, p, o.session)
			if m.as == initiator && !bytes.Equal([]byte(o.session.CI), p.C) || m.as == responder && !bytes.Equal([]byte(o.session.CR), p.C) {
				t.Errorf("C_I %v, C_R %v, the peer has %x", o.session.CI, o.session.CR, p.C)
			}
		})
	}
}

func bytesOf(item []byte, n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = item
	}
	return all
}

// A PLAINTEXT_2 that is longer than one keystream, with the second part of it wrong.
func TestLongPlaintext2(t *testing.T) {
	m := misbehaviour{name: "OKM(1) with the label 1", as: responder, bug: func(p *Peer) {
		p.EAD[2] = [][]byte{Int(1), Bytes(make([]byte, 9000))}
		p.Bugs.Items("info_KEYSTREAM_2_1", replace(0, Int(1)))
	}}
	_, o := m.play(t)
	// The end of a value is garbled: well-formed, and not what was authenticated.
	refused("Verify", "5.3.3").check(t, o, []edhoc.SuiteID{2})
}

// The same the other way: package edhoc writes the long PLAINTEXT_2.
func TestLongPlaintext2Written(t *testing.T) {
	for _, suite := range []int64{0, 2, 24, 25} {
		for _, size := range []int{8100, 8200, 12_300, 40_000} {
			s := setting{method: 3, suite: suite}
			r, err := edhoc.NewResponder(s.config(t, false))
			must(t, err)
			p := s.peer(t, true)
			msg1, err := p.WriteMessage1()
			must(t, err)
			v1, err := r.ProcessMessage1(msg1)
			must(t, err)
			ead2 := bytes.Repeat([]byte("long"), size/4)
			msg2, a3, err := v1.ComposeMessage2("\x05", edhoc.EADItem{Label: 1, Value: ead2})
			must(t, err)
			must(t, p.ReadMessage2(msg2))
			if len(p.OtherEAD[2]) != 2 || !bytes.Equal(p.OtherEAD[2][1], Bytes(ead2)) {
				t.Errorf("suite %d: EAD_2 of %d bytes is another", suite, size)
			}
			msg3, err := p.WriteMessage3()
			must(t, err)
			r3, err := a3.ProcessMessage3(msg3)
			must(t, err)
			v3, err := r3.Verify(s.trusted(t, r3.IDCredI)...)
			must(t, err)
			session, err := v3.WithoutMessage4()
			must(t, err)
			agree(t, p, session)
		}
	}
}
