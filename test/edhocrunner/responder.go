package edhocrunner

// ReadMessage1 is Responder Processing of Message 1 (RFC 9528, Section 5.2.3).
func (p *Peer) ReadMessage1(msg []byte) error {
	return p.read("message_1", msg, func() {
		items, err := Split(msg)
		if p.fail(err); err != nil || len(items) < 4 {
			p.refuse("message_1 %x", msg)
			return
		}
		method, err := integer(items[0])
		if p.fail(err); method != p.Method {
			p.refuse("METHOD %d", method)
		}
		p.SuitesI, err = suitesIn(items[1])
		if p.fail(err); err != nil || !p.firstSupported(p.SuitesI) {
			p.refuse("SUITES_I %v", p.SuitesI)
			return
		}
		p.begin(p.SuitesI[len(p.SuitesI)-1])
		gX, err := content(items[2], majorBytes)
		p.fail(err)
		p.note("G_X", gX)
		p.OtherC = p.takeIdentifier(items[3])
		p.takeEAD(1, items[4:])
	})
}

// suitesIn reads suites = [ 2* int ] / int (RFC 9528, Section 5.2.1).
func suitesIn(item []byte) ([]int64, error) {
	major, n, rest, err := readHead(item)
	if err != nil {
		return nil, err
	}
	items := [][]byte{item}
	if major == majorArray && n >= 2 {
		if items, err = Split(rest); err != nil {
			return nil, err
		}
	}
	ids := make([]int64, len(items))
	for i, it := range items {
		if ids[i], err = integer(it); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// WriteMessage2 is Responder Composition of Message 2 (RFC 9528, Section 5.3.2).
func (p *Peer) WriteMessage2() ([]byte, error) {
	return p.write("message_2", func() {
		gY := p.value("G_Y", p.ephemeral.X)
		p.start()
		static := p.static(false)
		p.next("PRK_3e2m", "SALT_3e2m", "G_RX", p.Values["PRK_2e"], p.Values["TH_2"], static, true)
		cR := Identifier(p.C)
		proof := p.prove("2", "PRK_3e2m", "TH_2", static, cR, p.EAD[2])
		plaintext := p.sequence("PLAINTEXT_2", append([][]byte{cR, p.Own.field(), Bytes(proof)}, p.EAD[2]...)...)
		ciphertext := p.value("CIPHERTEXT_2", xor(plaintext, p.keystream2(len(plaintext))))
		p.sequence("message_2", Bytes(append(append([]byte{}, gY...), ciphertext...)))
		p.hash("TH_3", Bytes(p.Values["TH_2"]), plaintext, p.Own.CRED)
	})
}

// ReadMessage3 is Responder Processing of Message 3 (RFC 9528, Section 5.4.3).
func (p *Peer) ReadMessage3(msg []byte) error {
	return p.read("message_3", msg, func() {
		plaintext := p.open("3", "PRK_3e2m", "TH_3")
		items, err := Split(plaintext)
		if p.fail(err); p.err != nil || len(items) < 2 {
			p.refuse("PLAINTEXT_3 %x", plaintext)
			return
		}
		p.wantName(items[0])
		proof, err := content(items[1], majorBytes)
		p.fail(err)
		p.takeEAD(3, items[2:])
		static := p.static(true)
		p.next("PRK_4e3m", "SALT_4e3m", "G_IY", p.Values["PRK_3e2m"], p.Values["TH_3"], static, false)
		p.check("3", "PRK_4e3m", "TH_3", static, nil, items[2:], proof)
		p.finish()
	})
}

// WriteMessage4 is Responder Composition of Message 4 (RFC 9528, Section 5.5.2).
func (p *Peer) WriteMessage4() ([]byte, error) {
	return p.write("message_4", func() {
		p.seal("4", "PRK_4e3m", "TH_4", p.sequence("PLAINTEXT_4", p.EAD[4]...))
	})
}
