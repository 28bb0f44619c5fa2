package edhocrunner

// Bugs are deliberate faults of a Peer. The zero value has none. Names are those of RFC
// 9529: METHOD and SUITES_I are items of "message_1", C_R is one of "PLAINTEXT_2".
type Bugs struct {
	values  map[string]func(v []byte) []byte
	items   map[string]func(items [][]byte) [][]byte
	sent    map[string]func(msg []byte) []byte
	labels  map[string]int64
	lengths map[string]int
	before  map[string]func(p *Peer)
}

// Value changes a value as soon as it is known; what is derived from it is derived
// from the changed one. "G_X" is the ephemeral public key as it is sent, "TH_3" the
// hash, "Signature_or_MAC_2" what is sent of it, "message_1" the whole message.
func (b *Bugs) Value(name string, change func(v []byte) []byte) { set(&b.values, name, change) }

// Items changes the items of a sequence before they are put together: of "message_1",
// "PLAINTEXT_2", "context_2", "external_aad_2", "input_TH_2", "message_2" and so on. The
// items are encoded.
func (b *Bugs) Items(name string, change func(items [][]byte) [][]byte) { set(&b.items, name, change) }

// Sent changes a message on the wire: the Peer itself believes to have sent what it was
// before.
func (b *Bugs) Sent(name string, change func(msg []byte) []byte) { set(&b.sent, name, change) }

// Label derives a value with another info_label.
func (b *Bugs) Label(name string, label int64) { set(&b.labels, name, label) }

// Length derives a value with another length.
func (b *Bugs) Length(name string, n int) { set(&b.lengths, name, n) }

// Before changes anything of the Peer before it writes a message.
func (b *Bugs) Before(message string, change func(p *Peer)) { set(&b.before, message, change) }

func set[V any](m *map[string]V, name string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[name] = v
}

// unused tells which names have not come up: a fault that never happened tests nothing.
func (b *Bugs) unused(seen map[string]bool) (names []string) {
	add := func(name string) {
		if !seen[name] {
			names = append(names, name)
		}
	}
	for name := range b.values {
		add(name)
	}
	for name := range b.items {
		add(name)
	}
	for name := range b.sent {
		add("sent " + name)
	}
	for name := range b.labels {
		add(name)
	}
	for name := range b.lengths {
		add(name)
	}
	for name := range b.before {
		add("before " + name)
	}
	return names
}
