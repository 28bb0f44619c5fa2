package edhocrunner

import "fmt"

// The info_label values (RFC 9528, Figure 6 and Appendix H).
var infoLabels = map[string]int64{
	"KEYSTREAM_2": 0, "SALT_3e2m": 1, "MAC_2": 2, "K_3": 3, "IV_3": 4, "SALT_4e3m": 5,
	"MAC_3": 6, "PRK_out": 7, "K_4": 8, "IV_4": 9, "PRK_exporter": 10, "PRK_out_new": 11,
}

// value gives a value its name: it is changed as the Bugs say, and noted.
func (p *Peer) value(name string, v []byte) []byte {
	if change := p.Bugs.values[name]; change != nil {
		v = change(append([]byte{}, v...))
	}
	p.note(name, v)
	return v
}

func (p *Peer) note(name string, v []byte) {
	set(&p.Values, name, v)
	set(&p.seen, name, true)
}

// sequence puts the items of a value together.
func (p *Peer) sequence(name string, items ...[]byte) []byte {
	if change := p.Bugs.items[name]; change != nil {
		items = change(append([][]byte{}, items...))
	}
	return p.value(name, Sequence(items...))
}

// extract derives a pseudorandom key.
func (p *Peer) extract(name string, salt, ikm []byte) []byte {
	prk, err := p.suite.extract(salt, ikm)
	p.fail(err)
	return p.value(name, prk)
}

// kdf is EDHOC_KDF (RFC 9528, Section 4.1.2).
func (p *Peer) kdf(name string, prk, context []byte, n int) []byte {
	label := infoLabels[name]
	if other, ok := p.Bugs.labels[name]; ok {
		label = other
	}
	if other, ok := p.Bugs.lengths[name]; ok {
		n = other
	}
	return p.value(name, p.expand("info_"+name, prk, label, context, n))
}

func (p *Peer) expand(name string, prk []byte, label int64, context []byte, n int) []byte {
	info := p.sequence(name, Int(label), Bytes(context), Int(int64(n)))
	okm, err := p.suite.expand(prk, info, n)
	p.fail(err)
	return okm
}

// keystream2 is KEYSTREAM_2, in parts if PLAINTEXT_2 is long (RFC 9528, Appendix G).
func (p *Peer) keystream2(n int) []byte {
	most := p.suite.maxExpand()
	if n <= most {
		return p.kdf("KEYSTREAM_2", p.Values["PRK_2e"], p.Values["TH_2"], n)
	}
	var all []byte
	for i := int64(0); len(all) < n; i++ {
		part := p.expand(fmt.Sprintf("info_KEYSTREAM_2_%d", i), p.Values["PRK_2e"], -i, p.Values["TH_2"], min(most, n-len(all)))
		all = append(all, part...)
	}
	return p.value("KEYSTREAM_2", all)
}

// hash is a transcript hash.
func (p *Peer) hash(name string, items ...[]byte) []byte {
	return p.value(name, p.suite.sum(p.sequence("input_"+name, items...)))
}

// start derives PRK_2e (RFC 9528, Sections 4.1.1.1 and 5.3.2).
func (p *Peer) start() {
	p.hash("TH_2", Bytes(p.Values["G_Y"]), Bytes(p.value("H(message_1)", p.suite.sum(p.Values["message_1"]))))
	theirs := p.Values["G_Y"]
	if !p.Initiator {
		theirs = p.Values["G_X"]
	}
	p.extract("PRK_2e", p.Values["TH_2"], p.value("G_XY", p.dh(p.ephemeral, theirs)))
}

// next derives PRK_3e2m or PRK_4e3m from the key before. The one who authenticates by
// static Diffie-Hellman has the long-term key.
func (p *Peer) next(name, salt, shared string, prk, th []byte, static, ours bool) []byte {
	if !static {
		return p.value(name, prk)
	}
	saltValue := p.kdf(salt, prk, th, p.suite.hashSize())
	var z []byte
	if ours {
		theirs := p.Values["G_X"]
		if p.Initiator {
			theirs = p.Values["G_Y"]
		}
		z = p.dh(p.Own.Key, theirs)
	} else {
		z = p.dh(p.ephemeral, p.Other.Key.X)
	}
	return p.extract(name, saltValue, p.value(shared, z))
}

func (p *Peer) dh(k Key, x []byte) []byte {
	z, err := k.agree(x)
	p.fail(err)
	return z
}

// finish derives PRK_out and PRK_exporter (RFC 9528, Section 4.1.3).
func (p *Peer) finish() {
	n := p.suite.hashSize()
	p.hash("TH_4", Bytes(p.Values["TH_3"]), p.Values["PLAINTEXT_3"], p.credential(true).CRED)
	p.kdf("PRK_out", p.Values["PRK_4e3m"], p.Values["TH_4"], n)
	p.kdf("PRK_exporter", p.Values["PRK_out"], []byte{}, n)
	p.complete = p.err == nil
}

// Export is EDHOC_Exporter (RFC 9528, Section 4.2.1).
func (p *Peer) Export(label int64, context []byte, n int) ([]byte, error) {
	if !p.complete {
		return nil, errOrder
	}
	v := p.expand("info_exporter", p.Values["PRK_exporter"], label, context, n)
	return v, p.err
}

// KeyUpdate is EDHOC_KeyUpdate (RFC 9528, Appendix H).
func (p *Peer) KeyUpdate(context []byte) error {
	if !p.complete {
		return errOrder
	}
	n := p.suite.hashSize()
	p.note("PRK_out", p.kdf("PRK_out_new", p.Values["PRK_out"], context, n))
	p.kdf("PRK_exporter", p.Values["PRK_out"], []byte{}, n)
	return p.err
}
