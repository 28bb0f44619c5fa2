package edhocrunner

// WriteMessage1 is Initiator Composition of Message 1 (RFC 9528, Section 5.2.2).
func (p *Peer) WriteMessage1() ([]byte, error) {
	return p.write("message_1", func() {
		p.begin(p.SuitesI[len(p.SuitesI)-1])
		suites := make([][]byte, len(p.SuitesI))
		for i, id := range p.SuitesI {
			suites[i] = Int(id)
		}
		field := suites[0]
		if len(suites) > 1 {
			field = Array(suites...)
		}
		gX := p.value("G_X", p.ephemeral.X)
		p.sequence("message_1", append([][]byte{Int(p.Method), field, Bytes(gX), Identifier(p.C)}, p.EAD[1]...)...)
	})
}

// ReadMessage2 is Initiator Processing of Message 2 (RFC 9528, Section 5.3.3).
func (p *Peer) ReadMessage2(msg []byte) error {
	return p.read("message_2", msg, func() {
		both, err := content(msg, majorBytes)
		n := len(p.ephemeral.X)
		if p.fail(err); err != nil || len(both) <= n {
			p.refuse("message_2 %x", msg)
			return
		}
		p.note("G_Y", both[:n])
		p.note("CIPHERTEXT_2", both[n:])
		p.start()
		plaintext := xor(p.keystream2(len(both)-n), both[n:])
		p.note("PLAINTEXT_2", plaintext)
		items, err := Split(plaintext)
		if p.fail(err); err != nil || len(items) < 3 {
			p.refuse("PLAINTEXT_2 %x", plaintext)
			return
		}
		p.OtherC = p.takeIdentifier(items[0])
		p.wantName(items[1])
		proof, err := content(items[2], majorBytes)
		p.fail(err)
		p.takeEAD(2, items[3:])
		static := p.static(false)
		p.next("PRK_3e2m", "SALT_3e2m", "G_RX", p.Values["PRK_2e"], p.Values["TH_2"], static, false)
		p.check("2", "PRK_3e2m", "TH_2", static, items[0], items[3:], proof)
		p.hash("TH_3", Bytes(p.Values["TH_2"]), plaintext, p.Other.CRED)
	})
}

// WriteMessage3 is Initiator Composition of Message 3 (RFC 9528, Section 5.4.2).
func (p *Peer) WriteMessage3() ([]byte, error) {
	return p.write("message_3", func() {
		static := p.static(true)
		p.next("PRK_4e3m", "SALT_4e3m", "G_IY", p.Values["PRK_3e2m"], p.Values["TH_3"], static, true)
		proof := p.prove("3", "PRK_4e3m", "TH_3", static, nil, p.EAD[3])
		plaintext := p.sequence("PLAINTEXT_3", append([][]byte{p.Own.field(), Bytes(proof)}, p.EAD[3]...)...)
		p.seal("3", "PRK_3e2m", "TH_3", plaintext)
		p.finish()
	})
}

// ReadMessage4 is Initiator Processing of Message 4 (RFC 9528, Section 5.5.3).
func (p *Peer) ReadMessage4(msg []byte) error {
	return p.read("message_4", msg, func() {
		items, err := Split(p.open("4", "PRK_4e3m", "TH_4"))
		p.fail(err)
		p.takeEAD(4, items)
	})
}

func xor(a, b []byte) []byte {
	out := make([]byte, min(len(a), len(b)))
	for i := range out {
		out[i] = a[i] ^ b[i]
	}
	return out
}
