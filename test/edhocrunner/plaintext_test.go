package edhocrunner

import (
	"bytes"
	"testing"

	"github.com/ostiary/ostiary/edhoc"
)

// side is where the plaintexts and the proofs of message_2 and message_3 differ.
type side struct {
	as      role
	n       string // 2 or 3
	step    string // that decodes
	decode  string // the section of the plaintext
	verify  string // the section of the verification
	id      int    // the item of PLAINTEXT_n that is ID_CRED
	context int    // the items of context_n before ID_CRED
	prk, th string // of the proof
}

var (
	side2 = side{responder, "2", "ProcessMessage2", "5.3.2", "5.3.3", 1, 1, "PRK_3e2m", "TH_2"}
	side3 = side{initiator, "3", "ProcessMessage3", "5.4.2", "5.4.3", 0, 0, "PRK_4e3m", "TH_3"}
)

func (s side) plaintext(change func([][]byte) [][]byte) func(*Peer) {
	return items("PLAINTEXT_"+s.n, change)
}

// idCred are the faults of ID_CRED_R and ID_CRED_I. kid is that of the good peer.
func (s side) idCred(kid []byte) []misbehaviour {
	id := func(item []byte) func(*Peer) { return s.plaintext(replace(s.id, item)) }
	malformed, unverified := refused(s.step, s.decode), refused("Verify", s.verify)
	nobody := answered("Verify", s.verify, 3)
	name := "ID_CRED of message_" + s.n
	all := []misbehaviour{
		{name: name + " is missing", bug: s.plaintext(drop(s.id)), want: malformed},
		{name: name + " twice", bug: s.plaintext(double(s.id)), want: malformed},
		{name: name + " has the map of a kid", bug: id(Map(Int(4), Bytes(kid))), want: malformed},
		{name: name + " is an empty map", bug: id(Map()), want: malformed},
		{name: name + " is an array", bug: id(Array(Int(4), Bytes(kid))), want: malformed},
		{name: name + " is a text", bug: id(Text("name")), want: malformed},
		{name: name + " is null", bug: id([]byte{0xf6}), want: malformed},
		{name: name + " is 24", bug: id(Int(24)), want: malformed},
		{name: name + " is -25", bug: id(Int(-25)), want: malformed},
		{name: name + " is a byte string that has an integer", bug: id(Bytes([]byte{0x2b})), want: malformed},
		{name: name + " has a kid that is an integer", bug: id(Map(Int(4), Int(7))), want: malformed},
		{name: name + " has a label twice", bug: id(Map(Int(4), Bytes(kid), Int(4), Bytes(kid))), want: malformed},
		{name: name + " has a label that is null", bug: id(Map([]byte{0xf6}, Bytes(kid))), want: malformed},
		{name: name + " has a value missing", bug: id(append([]byte{0xa1}, Int(4)...)), want: malformed},
		{name: name + " has an x5t of one item", bug: id(Map(Int(34), Array(Int(-15)))), want: malformed},
		{name: name + " has an x5u without tag", bug: id(Map(Int(35), Text("coap://x"))), want: malformed},
		{name: name + " has an x5chain of one in an array", bug: id(Map(Int(33), Array(Bytes([]byte{1})))), want: malformed},
		{name: name + " has a kccs that is a byte string", bug: id(Map(Int(14), Bytes([]byte{1}))), want: malformed},
		{name: name + " has an unknown label alone", bug: id(Map(Int(99), Int(1))), want: unverified},
		{name: name + " has a text label alone", bug: id(Map(Text("kid"), Bytes(kid))), want: unverified},
		{name: name + " has two parameters of two credentials", bug: id(Map(Int(4), Bytes(kid), Int(34), Array(Int(-15), Bytes(make([]byte, 8))))), want: nobody},
		{name: name + " is a kid of nobody", bug: id(Bytes([]byte("nobody"))), want: nobody},
		{name: name + " is an empty kid", bug: id(Bytes(nil)), want: nobody},
		{name: name + " is an x5t of nobody", bug: id(Map(Int(34), Array(Int(-15), Bytes(make([]byte, 8))))), want: nobody},
		{name: name + " is a kccs of nobody", in: value2, bug: id(Map(Int(14), Map(Int(8), Map(Int(1), Map(Int(1), Int(1)))))), want: unverified},
	}
	for i := range all {
		all[i].as = s.as
	}
	return all
}

// stranger is an honest peer whom package edhoc takes for another.
func stranger(t testing.TB, in setting, as role) Identity {
	t.Helper()
	good := in.identity(t, as == initiator)
	suite, _ := suiteOf(in.suite)
	id, err := NewIdentity(suite.Curve(in.static(as == initiator)), in.static(as == initiator), "stranger", []byte("s"))
	must(t, err)
	id.ID = good.ID
	return id
}

// lowOrderIdentity has a static key on X25519 with which all shared secrets are zero.
func lowOrderIdentity(good Identity) Identity {
	good.Key.X = make([]byte, 32)
	good.ID, good.CRED = Map(Int(4), Bytes([]byte("low"))), CCS(good.Key, "low", []byte("low"))
	return good
}

// identities are the faults of who a peer is.
func (s side) identities(t *testing.T) []misbehaviour {
	unverified := refused("Verify", s.verify)
	reflected := refused("Verify", "9.2")
	var all []misbehaviour
	for in, method := range map[*setting]string{nil: "3", sign2: "0", sign0: "0 in suite 0"} {
		m := misbehaviour{in: in}
		in := in
		all = append(all,
			misbehaviour{name: "method " + method + ": right kid, credential and key of another", as: s.as, in: in, bug: before("message_"+s.n, func(p *Peer) {
				p.Own = stranger(t, m.setting(), s.as)
			}), want: unverified},
			misbehaviour{name: "method " + method + ": right credential, key of another", as: s.as, in: in, bug: before("message_"+s.n, func(p *Peer) {
				p.Own.Key = stranger(t, m.setting(), s.as).Key
			}), want: unverified},
			misbehaviour{name: "method " + method + ": credential of another, right key", as: s.as, in: in, bug: before("message_"+s.n, func(p *Peer) {
				p.Own.CRED = stranger(t, m.setting(), s.as).CRED
			}), want: unverified},
		)
	}
	return append(all,
		misbehaviour{name: "credential by kid of package edhoc itself", as: s.as, bug: before("message_"+s.n, func(p *Peer) {
			p.Own.CRED, p.Own.ID = p.Other.CRED, p.Other.ID
		}), want: reflected},
		misbehaviour{name: "credential by value of package edhoc itself", as: s.as, in: value2, bug: before("message_"+s.n, func(p *Peer) {
			p.Own.CRED, p.Own.ID = p.Other.CRED, p.Other.ID
		}), want: reflected},
		misbehaviour{name: "package edhoc itself, with its key", as: s.as, bug: before("message_"+s.n, func(p *Peer) { p.Own = p.Other }), want: reflected},
		misbehaviour{name: "key of package edhoc itself in another credential", as: s.as, bug: before("message_"+s.n, func(p *Peer) {
			p.Own = Identity{CRED: CCS(p.Other.Key, "mirror", []byte("m")), ID: Map(Int(4), Bytes([]byte("m"))), Key: p.Other.Key}
		}), trust: func(t testing.TB, in setting, id edhoc.IDCred) []*edhoc.Credential {
			if string(id.KID) != "m" {
				return in.trusted(t, id)
			}
			own := in.identity(t, s.as == responder)
			return []*edhoc.Credential{Identity{CRED: CCS(own.Key, "mirror", []byte("m"))}.credential(t)}
		}, want: reflected},
		misbehaviour{name: "trusted static key of low order", as: s.as, in: static0, bug: before("message_"+s.n, func(p *Peer) {
			p.Own = lowOrderIdentity(p.Own)
			p.Bugs.Value(map[string]string{"2": "G_RX", "3": "G_IY"}[s.n], zeros)
		}), trust: func(t testing.TB, in setting, id edhoc.IDCred) []*edhoc.Credential {
			low := lowOrderIdentity(in.identity(t, s.as == initiator)).credential(t)
			if !low.Matches(id) {
				return in.trusted(t, id)
			}
			return []*edhoc.Credential{low}
		}, want: unverified},
		misbehaviour{name: "credential that fits another use of the key", as: s.as, bug: value("Signature_or_MAC_"+s.n, zeros), trust: func(t testing.TB, in setting, id edhoc.IDCred) []*edhoc.Credential {
			return []*edhoc.Credential{setting{method: 0, suite: 0}.identity(t, s.as == initiator).credential(t)}
		}, want: unverified},
	)
}

func misbehaviours2(t *testing.T) []misbehaviour {
	malformed, garbled := refused("ProcessMessage2", "5.3.1"), refused("ProcessMessage2", "5.3.2")
	all := []misbehaviour{
		{name: "empty message_2", bug: sent("message_2", none), want: malformed},
		{name: "message_2 is a text", bug: sent("message_2", func(b []byte) []byte { b[0] |= 0x20; return b }), want: malformed},
		{name: "message_2 is an array", bug: sent("message_2", front(0x81)), want: malformed},
		{name: "message_2 is tagged", bug: sent("message_2", front(0xc0)), want: malformed},
		{name: "message_2 cut off", bug: sent("message_2", shorter), want: malformed},
		{name: "message_2 twice in a message", bug: sent("message_2", twice), want: malformed},
		{name: "zero after message_2", bug: sent("message_2", back(0)), want: malformed},
		{name: "message_2 with EAD_2 in clear", bug: sent("message_2", back(1, 0x41, 1)), want: malformed},
		{name: "message_2 of G_Y alone", bug: items("message_2", inside(0, func(b []byte) []byte { return b[:32] })), want: malformed},
		{name: "message_2 of half of G_Y", bug: items("message_2", inside(0, func(b []byte) []byte { return b[:16] })), want: malformed},
		{name: "message_2 of nothing", bug: items("message_2", replace(0, Bytes(nil))), want: malformed},
		{name: "G_Y and CIPHERTEXT_2 apart", bug: items("message_2", func(items [][]byte) [][]byte {
			return [][]byte{append([]byte{0x58, 32}, items[0][2:34]...), Bytes(items[0][34:])}
		}), want: malformed},
		{name: "CIPHERTEXT_2 is longer", bug: value("CIPHERTEXT_2", longer), want: garbled},
		{name: "CIPHERTEXT_2 is shorter", bug: value("CIPHERTEXT_2", shorter), want: garbled},
		{name: "CIPHERTEXT_2 in clear", bug: value("KEYSTREAM_2", zeros), want: garbled},
		{name: "CIPHERTEXT_2 before G_Y", bug: items("message_2", inside(0, func(b []byte) []byte { return append(b[32:], b[:32]...) })), want: garbled},
		{name: "first bit of CIPHERTEXT_2 flipped", bug: value("CIPHERTEXT_2", flip(0)), want: garbled}, // the head of C_R
		{name: "bit of C_R flipped", bug: value("CIPHERTEXT_2", flip(1)), want: refused("Verify", "5.3.3")},
		{name: "KEYSTREAM_2 of another label", bug: label("KEYSTREAM_2", 2), want: garbled},
		{name: "G_Y is G_X", bug: both(instead("G_Y", "G_X")), want: garbled},

		{name: "C_R is missing", bug: items("PLAINTEXT_2", drop(0)), want: garbled},
		{name: "C_R is missing before a kccs", in: value2, bug: items("PLAINTEXT_2", drop(0)), want: garbled},
		{name: "C_R twice", bug: items("PLAINTEXT_2", double(0)), want: garbled},
		{name: "C_R is C_I", bug: before("message_2", func(p *Peer) { p.C = p.OtherC }), want: refused("ProcessMessage2", "3.3.3")},
		{name: "C_R is a byte string that has an integer", bug: items("PLAINTEXT_2", replace(0, Bytes([]byte{0x17}))), want: garbled},
		{name: "C_R is 24", bug: items("PLAINTEXT_2", replace(0, Int(24))), want: garbled},
		{name: "C_R is a text", bug: items("PLAINTEXT_2", replace(0, Text("c"))), want: garbled},
		{name: "C_R is true", bug: items("PLAINTEXT_2", replace(0, []byte{0xf5})), want: garbled},
		{name: "C_R is not the one of the MAC", bug: items("PLAINTEXT_2", replace(0, Int(1))), want: refused("Verify", "5.3.3")},
		{name: "PLAINTEXT_2 is C_R alone", bug: items("PLAINTEXT_2", func(items [][]byte) [][]byte { return items[:1] }), want: garbled},

		{name: "TH_2 without H(message_1)", bug: items("input_TH_2", drop(1)), want: garbled},
		{name: "TH_2 over message_1 itself", bug: before("message_2", func(p *Peer) {
			p.Bugs.Items("input_TH_2", replace(1, Bytes(p.Values["message_1"])))
		}), want: garbled},
		{name: "TH_2 with its inputs swapped", bug: items("input_TH_2", swap(0, 1)), want: garbled},
		{name: "TH_2 over G_X", bug: before("message_2", func(p *Peer) {
			p.Bugs.Items("input_TH_2", replace(0, Bytes(p.Values["G_X"])))
		}), want: garbled},
		{name: "TH_2 over another message_1", bug: before("message_2", func(p *Peer) {
			p.note("message_1", append(bytes.Clone(p.Values["message_1"]), 0))
		}), want: garbled},
		{name: "TH_2 of zeros", bug: value("TH_2", zeros), want: garbled},
		{name: "PRK_2e of G_RX", bug: value("G_XY", zeros), want: garbled},
		{name: "PRK_2e of zeros", bug: value("PRK_2e", zeros), want: garbled},
	}
	for i := range all {
		all[i].as = responder
	}
	return append(append(all, side2.idCred([]byte("r"))...), side2.identities(t)...)
}

func misbehaviours3(t *testing.T) []misbehaviour {
	malformed, unverified := refused("ProcessMessage3", "5.4.1"), refused("ProcessMessage3", "5.4.3")
	all := []misbehaviour{
		{name: "empty message_3", bug: sent("message_3", none), want: malformed},
		{name: "message_3 is a text", bug: sent("message_3", func(b []byte) []byte { b[0] |= 0x20; return b }), want: malformed},
		{name: "message_3 is an array", bug: sent("message_3", front(0x81)), want: malformed},
		{name: "message_3 cut off", bug: sent("message_3", shorter), want: malformed},
		{name: "message_3 twice in a message", bug: sent("message_3", twice), want: malformed},
		{name: "zero after message_3", bug: sent("message_3", back(0)), want: malformed},
		{name: "C_R before message_3", bug: sent("message_3", front(5)), want: ended("ProcessMessage3", 5)}, // an error message of code 5
		{name: "message_3 of nothing", bug: items("message_3", replace(0, Bytes(nil))), want: unverified},
		{name: "message_3 of a tag alone", bug: items("message_3", replace(0, Bytes(make([]byte, 8)))), want: unverified},
		{name: "message_3 of less than a tag", bug: items("message_3", replace(0, Bytes(make([]byte, 7)))), want: unverified},
		{name: "CIPHERTEXT_3 is shorter", bug: value("CIPHERTEXT_3", shorter), want: unverified},
		{name: "CIPHERTEXT_3 is longer", bug: value("CIPHERTEXT_3", longer), want: unverified},
		{name: "first bit of CIPHERTEXT_3 flipped", bug: value("CIPHERTEXT_3", flip(0)), want: unverified},
		{name: "tag of CIPHERTEXT_3 flipped", bug: value("CIPHERTEXT_3", flip(-1)), want: unverified},
		{name: "CIPHERTEXT_3 in clear", bug: before("message_3", func(p *Peer) {
			p.Bugs.Value("CIPHERTEXT_3", func([]byte) []byte { return append(bytes.Clone(p.Values["PLAINTEXT_3"]), make([]byte, 8)...) })
		}), want: unverified},
		{name: "K_3 of another label", bug: label("K_3", 8), want: unverified},
		{name: "IV_3 of another label", bug: label("IV_3", 9), want: unverified},
		{name: "IV_3 of zeros", bug: value("IV_3", zeros), want: unverified},
		{name: "IV_3 plus one", bug: value("IV_3", flip(-1)), want: unverified},
		{name: "K_3 under PRK_4e3m", bug: before("message_3", func(p *Peer) {
			p.Bugs.Value("K_3", func([]byte) []byte {
				return p.expand("info_other", p.Values["PRK_4e3m"], 3, p.Values["TH_3"], 16)
			})
		}), want: unverified},
		{name: "K_3 over TH_2", bug: before("message_3", func(p *Peer) {
			p.Bugs.Items("info_K_3", replace(1, Bytes(p.Values["TH_2"])))
		}), want: unverified},
		{name: "A_3 over TH_2", bug: before("message_3", func(p *Peer) {
			p.Bugs.Value("A_3", constant(Array(Text("Encrypt0"), Bytes(nil), Bytes(p.Values["TH_2"]))))
		}), want: unverified},
		{name: "A_3 is TH_3 alone", bug: before("message_3", func(p *Peer) {
			p.Bugs.Value("A_3", constant(Bytes(p.Values["TH_3"])))
		}), want: unverified},
		{name: "A_3 of an Encrypt", bug: before("message_3", func(p *Peer) {
			p.Bugs.Value("A_3", constant(Array(Text("Encrypt"), Bytes(nil), Bytes(p.Values["TH_3"]))))
		}), want: unverified},
		{name: "A_3 with a protected header", bug: before("message_3", func(p *Peer) {
			p.Bugs.Value("A_3", constant(Array(Text("Encrypt0"), Bytes(Map(Int(1), Int(10))), Bytes(p.Values["TH_3"]))))
		}), want: unverified},
		{name: "A_3 is empty", bug: value("A_3", none), want: unverified},

		{name: "PLAINTEXT_3 is empty", bug: value("PLAINTEXT_3", none), want: refused("ProcessMessage3", "5.4.2")},
		{name: "PLAINTEXT_3 has C_R", bug: items("PLAINTEXT_3", func(items [][]byte) [][]byte { return append([][]byte{Int(5)}, items...) }), want: refused("ProcessMessage3", "5.4.2")},
		{name: "PLAINTEXT_3 is a byte string", bug: value("PLAINTEXT_3", Bytes), want: refused("ProcessMessage3", "5.4.2")},

		{name: "TH_3 without PLAINTEXT_2", bug: items("input_TH_3", drop(1)), want: unverified},
		{name: "TH_3 without CRED_R", bug: items("input_TH_3", drop(2)), want: unverified},
		{name: "TH_3 over CRED_I", bug: before("message_1", func(p *Peer) { p.Bugs.Items("input_TH_3", replace(2, p.Own.CRED)) }), want: unverified},
		{name: "TH_3 over PLAINTEXT_2 as a byte string", bug: items("input_TH_3", edit(1, Bytes)), want: unverified},
		{name: "TH_3 over CIPHERTEXT_2", bug: before("message_1", func(p *Peer) {
			p.Bugs.Items("input_TH_3", func(items [][]byte) [][]byte { items[1] = p.Values["CIPHERTEXT_2"]; return items })
		}), want: unverified},
		{name: "TH_3 is TH_2", bug: before("message_1", func(p *Peer) {
			p.Bugs.Value("TH_3", func([]byte) []byte { return p.Values["TH_2"] })
		}), want: unverified},
	}
	return append(append(all, side3.idCred([]byte{0x2b})...), side3.identities(t)...)
}
