package oscore

// open decrypts p with the nonce and AAD of v and joins what was inside with the outer
// options, into b (Sections 8.2 and 8.4, from the AAD to the decrypted message). kind
// is what the Code has to be.
func (c *Context) open(w *work, b *buffer, p *Protected, v *cover, kind func(Code) bool) (Message, error) {
	keys, err := c.keys.use(c.common.settings)
	if err != nil {
		return Message{}, err
	}
	if c.recipient.failed.Load() > c.common.limits.Failures {
		return Message{}, errWorn
	}
	aad := appendAAD(w.aad[:0], c.common.alg, v.requestKID, v.requestPIV.bytes())
	nonce := v.nonceBase.nonce(&w.nonce, int(c.common.nonceSize), v.noncePIV)
	block, options := b.take(len(p.payload) + outerSize(p))
	plaintext, err := keys.recipient.Open(block, nonce, p.payload, aad)
	if err != nil {
		c.recipient.failed.Add(1)
		return Message{}, errDecrypt
	}
	m, ok := parsePlaintext(plaintext, options)
	if !ok || !kind(m.Code) {
		return Message{}, errPlaintext
	}
	b.block, b.options = plaintext, m.Options
	if !join(b, &m, p) {
		return Message{}, errPlaintext
	}
	return m, nil
}

// outerSize is the memory that the values of the outer options take in a message that
// must not refer to the one that was received.
func outerSize(p *Protected) int {
	if p.scratch != nil {
		return 0
	}
	n := 0
	for _, o := range p.options {
		if trusted(o.Number) {
			n += len(o.Value)
		}
	}
	return n
}

// join adds the outer options of p that are of Class U to the inner ones of m; all
// others, and the outer Code, are discarded. Where there is an inner instance, the
// outer ones of that option are discarded too: what is protected decides. It
// reports false for an OSCORE option inside.
//
//spec:8613-8.2-2
//spec:8613-8.4-2
//spec:8613-4.2-4
//spec:8613-4.1.3.5.2-4
func join(b *buffer, m *Message, p *Protected) bool {
	if _, nested := m.option(optionOSCORE); nested {
		return false
	}
	for _, o := range p.options {
		if !trusted(o.Number) {
			continue
		}
		if p.scratch == nil {
			at := len(b.block)
			b.block = append(b.block, o.Value...)
			o.Value = b.block[at:len(b.block):len(b.block)]
		}
		m.Options = insert(m.Options, o)
	}
	b.options = m.Options
	return true
}

// insert puts the outer option o into its place, unless there is one of its number
// already: no option of Class U is repeatable.
func insert(options []Option, o Option) []Option {
	at := len(options)
	for at > 0 && options[at-1].Number > o.Number {
		at--
	}
	if at > 0 && options[at-1].Number == o.Number {
		return options
	}
	options = append(options, Option{})
	copy(options[at+1:], options[at:])
	options[at] = o
	return options
}
