package edhocrunner

import "bytes"

func misbehaviours4() []misbehaviour {
	malformed, unverified := refused("ProcessMessage4", "5.5.1"), refused("ProcessMessage4", "5.5.3")
	all := []misbehaviour{
		{name: "empty message_4", bug: sent("message_4", none), want: malformed},
		{name: "message_4 is a text", bug: sent("message_4", func(b []byte) []byte { b[0] |= 0x20; return b }), want: malformed},
		{name: "message_4 cut off", bug: sent("message_4", shorter), want: malformed},
		{name: "message_4 twice in a message", bug: sent("message_4", twice), want: malformed},
		{name: "zero after message_4", bug: sent("message_4", back(0)), want: malformed},
		{name: "message_4 of nothing", bug: items("message_4", replace(0, Bytes(nil))), want: unverified},
		{name: "message_4 of less than a tag", bug: items("message_4", replace(0, Bytes(make([]byte, 7)))), want: unverified},
		{name: "message_4 of zeros", bug: value("CIPHERTEXT_4", zeros), want: unverified},
		{name: "CIPHERTEXT_4 is longer", bug: value("CIPHERTEXT_4", longer), want: unverified},
		{name: "CIPHERTEXT_4 flipped", bug: value("CIPHERTEXT_4", flip(3)), want: unverified},
		{name: "K_4 of another label", bug: label("K_4", 3), want: unverified},
		{name: "IV_4 of another label", bug: label("IV_4", 4), want: unverified},
		{name: "IV_4 is IV_3", bug: instead("IV_4", "IV_3"), want: unverified},
		{name: "K_4 is K_3", bug: instead("K_4", "K_3"), want: unverified},
		{name: "K_4 under PRK_out", bug: before("message_4", func(p *Peer) { p.note("PRK_4e3m", p.Values["PRK_out"]) }), want: unverified},
		{name: "K_4 under PRK_3e2m", bug: before("message_4", func(p *Peer) { p.note("PRK_4e3m", p.Values["PRK_3e2m"]) }), want: unverified},
		{name: "TH_4 is TH_3", bug: before("message_4", func(p *Peer) { p.note("TH_4", p.Values["TH_3"]) }), want: unverified},
		{name: "TH_4 without PLAINTEXT_3", bug: items("input_TH_4", drop(1)), want: unverified},
		{name: "TH_4 without CRED_I", bug: items("input_TH_4", drop(2)), want: unverified},
		{name: "TH_4 over CRED_R", bug: before("message_2", func(p *Peer) { p.Bugs.Items("input_TH_4", replace(2, p.Own.CRED)) }), want: unverified},
		{name: "TH_4 over CIPHERTEXT_3", bug: before("message_2", func(p *Peer) {
			p.Bugs.Items("input_TH_4", func(items [][]byte) [][]byte { items[1] = p.Values["CIPHERTEXT_3"]; return items })
		}), want: unverified},
		{name: "A_4 over TH_3", bug: before("message_4", func(p *Peer) {
			p.Bugs.Value("A_4", constant(Array(Text("Encrypt0"), Bytes(nil), Bytes(p.Values["TH_3"]))))
		}), want: unverified},
		{name: "message_4 in clear", bug: value("CIPHERTEXT_4", func([]byte) []byte { return bytes.Repeat([]byte{0}, 8) }), want: unverified},
		{name: "PLAINTEXT_4 is ID_CRED_R", bug: value("PLAINTEXT_4", constant(Bytes([]byte("r")))), want: refused("ProcessMessage4", "5.5.2")},
	}
	for i := range all {
		all[i].as = responder
	}
	return all
}
