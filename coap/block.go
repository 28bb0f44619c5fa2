package coap

// A Block is the value of a Block1 or Block2 option (RFC 7959, Section 2.2).
type Block struct {
	Num  uint32 // 20 bits
	More bool
	SZX  uint8 // 0 to 6: blocks of 16 to 1024 bytes; 7: see bert
}

// parseBlock decodes the value of a Block option. The size 7 is for BERT alone.
func parseBlock(v []byte, takesBERT bool) (Block, bool) {
	if len(v) > 3 {
		return Block{}, false
	}
	n := decodeUint(v)
	b := Block{Num: n >> 4, More: n&8 != 0, SZX: uint8(n & 7)}
	//spec:7959-2.2-2
	//spec:7959-2.2-3
	return b, b.SZX != bert || takesBERT
}

// Block returns the value of a Block1 or Block2 option. It is false if the
// option is absent or malformed.
func (o Options) Block(id OptionID) (Block, bool) { return o.block(id, false) }

func (o Options) block(id OptionID, takesBERT bool) (Block, bool) {
	v, ok := o.Get(id)
	if !ok {
		return Block{}, false
	}
	return parseBlock(v, takesBERT)
}

// SetBlock replaces a Block1 or Block2 option.
func (o *Options) SetBlock(id OptionID, b Block) { o.SetUint(id, b.value()) }

func (b Block) value() uint32 {
	v := b.Num<<4 | uint32(b.SZX)
	if b.More {
		v |= 8
	}
	return v
}

// Size returns the block size in bytes; of BERT, that of the blocks a message
// has several of.
func (b Block) Size() int { return 16 << min(b.SZX, 6) }

// Offset returns where the block begins in the body.
func (b Block) Offset() int { return int(b.Num) * b.Size() }

// blockAt is the block that begins at an offset.
func blockAt(offset int, szx uint8) Block {
	return Block{Num: uint32(offset / Block{SZX: szx}.Size()), SZX: szx}
}

// isWhole reports whether a message has as much payload as one must have that is
// not the last.
func (b Block) isWhole(payload []byte) bool {
	if b.SZX == bert {
		return len(payload) > 0 && len(payload)%b.Size() == 0
	}
	return len(payload) == b.Size()
}

// szxFor returns the exponent of the largest block size of at most n bytes.
func szxFor(n int) uint8 {
	szx := uint8(0)
	for szx < 6 && 32<<szx <= n {
		szx++
	}
	return szx
}
