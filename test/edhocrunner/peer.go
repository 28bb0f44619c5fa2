package edhocrunner

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// A Peer is one side of one handshake. The fields down to Bugs are set before it starts.
// It is not safe for concurrent use.
type Peer struct {
	Initiator bool
	Method    int64
	SuitesI   []int64 // as the Initiator sends them, the selected one last; the Responder reads them
	Own       Identity
	Other     Identity    // of the other peer, by the name that it is expected to use
	C         []byte      // our connection identifier
	EAD       [5][][]byte // items to send: EAD[2] in message_2
	Ephemeral []byte      // private key; nil to generate one
	Bugs      Bugs

	// Values are those of the handshake so far, by name.
	Values map[string][]byte
	// OtherC is the connection identifier of the other peer.
	OtherC []byte
	// OtherEAD are the EAD items that were received, by message.
	OtherEAD [5][][]byte

	lacks     []int64 // of Suites
	suite     Suite
	ephemeral Key
	seen      map[string]bool // names that came up
	err       error           // the first that happened; nothing goes on after it
	complete  bool
}

// What a Peer makes of the other one.
var (
	errOrder   = errors.New("edhocrunner: no message is due")
	errMessage = errors.New("edhocrunner: bad message")
)

func (p *Peer) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *Peer) refuse(format string, args ...any) {
	p.fail(fmt.Errorf("%w: %s", errMessage, fmt.Sprintf(format, args...)))
}

// static says whether the one with that role authenticates by static Diffie-Hellman.
func (p *Peer) static(initiator bool) bool {
	if initiator {
		return p.Method == 2 || p.Method == 3
	}
	return p.Method == 1 || p.Method == 3
}

// credential is that of the one with the role.
func (p *Peer) credential(initiator bool) Identity {
	if initiator == p.Initiator {
		return p.Own
	}
	return p.Other
}

// begin makes the ephemeral key.
func (p *Peer) begin(selected int64) {
	var ok bool
	if p.suite, ok = suiteOf(selected); !ok {
		p.refuse("cipher suite %d", selected)
		return
	}
	var err error
	if p.Ephemeral != nil {
		p.ephemeral, err = NewKey(p.suite.DH, p.Ephemeral)
	} else {
		p.ephemeral, err = GenerateKey(p.suite.DH)
	}
	p.fail(err)
}

// write runs the steps that make a message, and gives what goes on the wire.
func (p *Peer) write(name string, steps func()) ([]byte, error) {
	if change := p.Bugs.before[name]; change != nil {
		set(&p.seen, "before "+name, true)
		change(p)
	}
	if p.err == nil {
		steps()
	}
	if p.err != nil {
		return nil, p.err
	}
	msg := p.Values[name]
	if change := p.Bugs.sent[name]; change != nil {
		set(&p.seen, "sent "+name, true)
		msg = change(bytes.Clone(msg))
	}
	return msg, nil
}

// read runs the steps that take a message.
func (p *Peer) read(name string, msg []byte, steps func()) error {
	p.note(name, bytes.Clone(msg))
	if p.err == nil {
		steps()
	}
	return p.err
}

// proof is Signature_or_MAC_n with its MAC, for the one who sends it: context_n, MAC_n,
// and over it, with a signature key, M_n (RFC 9528, Sections 5.3.2 and 5.4.2).
func (p *Peer) proof(n, prk, th string, own Identity, static bool, front []byte, ead [][]byte) (mac, signed []byte) {
	aad := append([][]byte{Bytes(p.Values[th]), own.CRED}, ead...)
	context := append([][]byte{own.ID}, aad...)
	if front != nil {
		context = append([][]byte{front}, context...)
	}
	size := p.suite.hashSize()
	if static {
		size = p.suite.MACLength
	}
	mac = p.kdf("MAC_"+n, p.Values[prk], p.sequence("context_"+n, context...), size)
	if static {
		return mac, nil
	}
	return mac, p.sequence("M_"+n, Array(Text("Signature1"), Bytes(own.ID), Bytes(p.sequence("external_aad_"+n, aad...)), Bytes(mac)))
}

// prove makes Signature_or_MAC_n.
func (p *Peer) prove(n, prk, th string, static bool, front []byte, ead [][]byte) []byte {
	proof, signed := p.proof(n, prk, th, p.Own, static, front, ead)
	if !static {
		var err error
		proof, err = p.Own.Key.Sign(signed)
		p.fail(err)
	}
	return p.value("Signature_or_MAC_"+n, proof)
}

// check verifies Signature_or_MAC_n.
func (p *Peer) check(n, prk, th string, static bool, front []byte, ead [][]byte, got []byte) {
	mac, signed := p.proof(n, prk, th, p.Other, static, front, ead)
	p.note("Signature_or_MAC_"+n, got)
	if static && !bytes.Equal(mac, got) || !static && !p.Other.Key.verify(signed, got) {
		p.refuse("Signature_or_MAC_%s", n)
	}
}

// aead is the AEAD of message n with its key, its nonce and its additional data.
func (p *Peer) aead(n, prk, th string, work func(seal func(b []byte) []byte, open func(b []byte) ([]byte, error))) {
	key := p.kdf("K_"+n, p.Values[prk], p.Values[th], p.suite.KeySize)
	iv := p.kdf("IV_"+n, p.Values[prk], p.Values[th], p.suite.nonceSize())
	aad := p.value("A_"+n, Array(Text("Encrypt0"), Bytes(nil), Bytes(p.Values[th])))
	a, err := p.suite.AEAD(key)
	p.fail(err)
	if p.err != nil {
		return
	}
	work(
		func(b []byte) []byte { return a.Seal(nil, iv, b, aad) },
		func(b []byte) ([]byte, error) { return a.Open(nil, iv, b, aad) },
	)
}

// seal makes message n of its plaintext.
func (p *Peer) seal(n, prk, th string, plaintext []byte) {
	p.aead(n, prk, th, func(seal func([]byte) []byte, _ func([]byte) ([]byte, error)) {
		p.sequence("message_"+n, Bytes(p.value("CIPHERTEXT_"+n, seal(plaintext))))
	})
}

// open gives the plaintext of message n.
func (p *Peer) open(n, prk, th string) []byte {
	ciphertext, err := content(p.Values["message_"+n], majorBytes)
	p.fail(err)
	p.note("CIPHERTEXT_"+n, ciphertext)
	var plaintext []byte
	p.aead(n, prk, th, func(_ func([]byte) []byte, open func([]byte) ([]byte, error)) {
		var err error
		plaintext, err = open(ciphertext)
		p.fail(err)
	})
	p.note("PLAINTEXT_"+n, plaintext)
	return plaintext
}

// takeEAD keeps the EAD items of message n, which end it.
func (p *Peer) takeEAD(n int, items [][]byte) {
	p.OtherEAD[n] = items
	label := false // the item before is a label
	for _, it := range items {
		if _, err := integer(it); err == nil {
			label = true
			continue
		}
		if _, err := content(it, majorBytes); err != nil || !label {
			p.refuse("EAD_%d", n)
		}
		label = false
	}
}

// takeIdentifier reads a connection identifier.
func (p *Peer) takeIdentifier(item []byte) []byte {
	if oneByteInt(item) {
		return item
	}
	b, err := content(item, majorBytes)
	if p.fail(err); err == nil && oneByteInt(b) {
		p.refuse("identifier %x as a byte string", b)
	}
	return b
}

// wantName checks ID_CRED_x.
func (p *Peer) wantName(field []byte) {
	if !bytes.Equal(field, p.Other.field()) {
		p.refuse("ID_CRED %x", field)
	}
}

// firstSupported says whether the selected suite is the first that the Peer has.
func (p *Peer) firstSupported(offered []int64) bool {
	last := len(offered) - 1
	known := func(id int64) bool { _, ok := suiteOf(id); return ok && !slices.Contains(p.lacks, id) }
	return last >= 0 && known(offered[last]) && !slices.ContainsFunc(offered[:last], known)
}
