package edhocrunner

import (
	"encoding/asn1"
	"math/big"
	"testing"
)

// proofs are the faults of Signature_or_MAC_2 and Signature_or_MAC_3.
func (s side) proofs(t *testing.T) []misbehaviour {
	misfit, unverified := refused(s.step, s.decode), refused("Verify", s.verify)
	proof, mac, context, aad := "Signature_or_MAC_"+s.n, "MAC_"+s.n, "context_"+s.n, "external_aad_"+s.n
	at := s.id + 1 // in PLAINTEXT_n
	c := s.context
	other := map[string]string{"2": "3", "3": "2"}[s.n]
	all := []misbehaviour{
		{name: proof + " is missing", bug: s.plaintext(drop(at)), want: misfit},
		{name: proof + " twice", bug: s.plaintext(double(at)), want: misfit},
		{name: proof + " before ID_CRED", bug: s.plaintext(swap(at-1, at)), want: misfit},
		{name: proof + " is a text", bug: s.plaintext(replace(at, Text("12345678"))), want: misfit},
		{name: proof + " is an integer", bug: s.plaintext(replace(at, head(majorUint, 1<<63))), want: misfit},
		{name: proof + " is empty", bug: value(proof, none), want: misfit},
		{name: mac + " cut off", bug: value(proof, shorter), want: misfit},
		{name: mac + " and a byte more", bug: value(proof, longer), want: misfit},
		{name: mac + " of 16 bytes instead of 8", bug: length(mac, 16), want: misfit},
		{name: mac + " of 32 bytes instead of 8", bug: length(mac, 32), want: misfit},
		{name: mac + " of 8 bytes instead of 16", in: static3, bug: length(mac, 8), want: misfit},
		{name: mac + " of 16 bytes, cut to 8", bug: both(length(mac, 16), value(proof, func(b []byte) []byte { return b[:8] })), want: unverified},
		{name: mac + " of 32 bytes, cut to 8", bug: both(length(mac, 32), value(proof, func(b []byte) []byte { return b[:8] })), want: unverified},
		{name: "first bit of " + mac + " flipped", bug: value(proof, flip(0)), want: unverified},
		{name: "last bit of " + mac + " flipped", bug: value(proof, flip(-1)), want: unverified},
		{name: mac + " of zeros", bug: value(proof, zeros), want: unverified},
		{name: mac + " with the label of MAC_" + other, bug: label(mac, infoLabels["MAC_"+other]), want: unverified},
		{name: mac + " with the label of KEYSTREAM_2", bug: label(mac, 0), want: unverified},
		{name: "context without ID_CRED in " + mac, bug: items(context, drop(c)), want: unverified},
		{name: "context without TH in " + mac, bug: items(context, drop(c+1)), want: unverified},
		{name: "context without CRED in " + mac, bug: items(context, drop(c+2)), want: unverified},
		{name: "context with ID_CRED and TH swapped in " + mac, bug: items(context, swap(c, c+1)), want: unverified},
		{name: "context with TH and CRED swapped in " + mac, bug: items(context, swap(c+1, c+2)), want: unverified},
		{name: "context with a compact kid in " + mac, bug: items(context, replace(c, Int(-12))), want: unverified},
		{name: "context with another TH in " + mac, bug: items(context, inside(c+1, flip(0))), want: unverified},
		{name: "context with CRED as a byte string in " + mac, bug: items(context, edit(c+2, Bytes)), want: unverified},
		{name: "context with EAD that is not sent in " + mac, bug: items(context, add(Int(1))), want: unverified},
		{name: "context twice wrapped in " + mac, bug: value(context, Bytes), want: unverified},
		{name: "EAD that is not in the context of " + mac, bug: s.plaintext(add(Int(1), Bytes([]byte("more")))), want: unverified},
		{name: "padding that is not in the context of " + mac, bug: s.plaintext(add(Int(0))), want: unverified},
		{name: mac + " under PRK_2e", bug: instead(s.prk, "PRK_2e"), want: unverified},
		{name: mac + " without the secret of the ephemeral keys", bug: value(map[string]string{"2": "G_RX", "3": "G_IY"}[s.n], zeros), want: unverified},
		{name: "signature in place of " + mac, bug: value(proof, func([]byte) []byte { return make([]byte, 64) }), want: misfit},

		{name: mac + " in place of the signature", in: sign2, bug: instead(proof, mac), want: misfit},
		{name: mac + " of 64 bytes in place of the signature", in: sign2, bug: both(length(mac, 64), instead(proof, mac)), want: unverified},
		{name: "signature of " + s.n + " cut off", in: sign2, bug: value(proof, shorter), want: misfit},
		{name: "signature of " + s.n + " and a byte more", in: sign2, bug: value(proof, longer), want: misfit},
		{name: "signature of " + s.n + " with r flipped", in: sign2, bug: value(proof, flip(31)), want: unverified},
		{name: "signature of " + s.n + " with s flipped", in: sign2, bug: value(proof, flip(-1)), want: unverified},
		{name: "signature of " + s.n + " with r and s swapped", in: sign2, bug: value(proof, func(b []byte) []byte { return append(b[32:], b[:32]...) }), want: unverified},
		{name: "signature of " + s.n + " of zeros", in: sign2, bug: value(proof, zeros), want: unverified},
		{name: "signature of " + s.n + " in DER", in: sign2, bug: value(proof, func(b []byte) []byte {
			der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(b[:32]), new(big.Int).SetBytes(b[32:])})
			must(t, err)
			return der
		}), want: misfit},
		{name: "signature of " + s.n + " over another MAC", in: sign2, bug: value(mac, flip(0)), want: unverified},
		{name: "signature of " + s.n + " over a MAC of 8 bytes", in: sign2, bug: length(mac, 8), want: unverified},
		{name: "signature of " + s.n + " over external_aad without TH", in: sign2, bug: items(aad, drop(0)), want: unverified},
		{name: "signature of " + s.n + " over external_aad without CRED", in: sign2, bug: items(aad, drop(1)), want: unverified},
		{name: "signature of " + s.n + " over external_aad with EAD that is not sent", in: sign2, bug: items(aad, add(Int(1))), want: unverified},
		{name: "signature of " + s.n + " over the MAC alone", in: sign2, bug: instead("M_"+s.n, mac), want: unverified},
		{name: "signature of " + s.n + " as of a Signature", in: sign2, bug: value("M_"+s.n, func(b []byte) []byte {
			return append(append([]byte{0x84}, Text("Signature")...), b[1+len(Text("Signature1")):]...)
		}), want: unverified},
		{name: "Ed25519: signature of " + s.n + " with S that is not reduced", in: sign0, bug: value(proof, addOrder), want: unverified},
		{name: "Ed25519: signature of " + s.n + " flipped", in: sign0, bug: value(proof, flip(0)), want: unverified},
		{name: "Ed25519: signature of " + s.n + " of zeros", in: sign0, bug: value(proof, zeros), want: unverified},
		{name: "Ed25519: " + mac + " in place of the signature", in: sign0, bug: instead(proof, mac), want: misfit},
	}
	if s.n == "2" {
		all = append(all,
			misbehaviour{name: "context without C_R in MAC_2", bug: items(context, drop(0)), want: unverified},
			misbehaviour{name: "context with C_R as a byte string in MAC_2", bug: items(context, replace(0, Bytes([]byte{0x42, 0x18, 0x19}))), want: unverified},
			misbehaviour{name: "context with C_I in MAC_2", bug: items(context, replace(0, Int(5))), want: unverified},
		)
	} else {
		all = append(all,
			misbehaviour{name: "context with C_R in MAC_3", bug: items(context, func(items [][]byte) [][]byte { return append([][]byte{Int(5)}, items...) }), want: unverified},
		)
	}
	for i := range all {
		all[i].as = s.as
	}
	return all
}

// The one who sends the proof authenticates by the other kind than the method says.
func otherKind(t *testing.T) []misbehaviour {
	as := func(method int64) func(*Peer) {
		return func(p *Peer) {
			set := setting{method: method, suite: 2}
			p.Method, p.Own.Key = method, set.identity(t, p.Initiator).Key
		}
	}
	return []misbehaviour{
		{name: "signature where method 3 asks for a MAC", as: responder, bug: before("message_2", as(2)), want: refused("ProcessMessage2", "5.3.2")},
		{name: "MAC where method 0 asks for a signature", as: responder, in: sign2, bug: before("message_2", as(1)), want: refused("ProcessMessage2", "5.3.2")},
		{name: "MAC where method 2 asks for a signature", as: responder, in: mixed2, bug: before("message_2", as(3)), want: refused("ProcessMessage2", "5.3.2")},
		{name: "signature where method 1 asks for a MAC", as: responder, in: mixed1, bug: before("message_2", as(0)), want: refused("ProcessMessage2", "5.3.2")},
		{name: "signature where method 3 asks for a MAC", bug: before("message_3", as(1)), want: refused("ProcessMessage3", "5.4.2")},
		{name: "MAC where method 0 asks for a signature", in: sign2, bug: before("message_3", as(2)), want: refused("ProcessMessage3", "5.4.2")},
		{name: "MAC where method 1 asks for a signature", in: mixed1, bug: before("message_3", as(3)), want: refused("ProcessMessage3", "5.4.2")},
		{name: "signature where method 2 asks for a MAC", in: mixed2, bug: before("message_3", as(0)), want: refused("ProcessMessage3", "5.4.2")},
	}
}

func misbehavioursProof2(t *testing.T) []misbehaviour {
	return append(side2.proofs(t), otherKind(t)...)
}
func misbehavioursProof3(t *testing.T) []misbehaviour { return side3.proofs(t) }

// addOrder adds the order of Ed25519 to S (RFC 8032, Section 5.1.7 has it refused).
func addOrder(sig []byte) []byte {
	order, _ := new(big.Int).SetString("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed", 16)
	s := make([]byte, 32) // big endian
	for i, b := range sig[32:] {
		s[31-i] = b
	}
	sum := new(big.Int).Add(new(big.Int).SetBytes(s), order).FillBytes(make([]byte, 33))
	for i := range 32 {
		sig[32+i] = sum[32-i]
	}
	return sig
}
