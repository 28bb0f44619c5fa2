package coap

// bert is the SZX of a message with several blocks of 1024 bytes (RFC 8323,
// Section 6).
const bert = 7

// A room is what a reliable transport has for the payload of one message. The
// zero value is that of a datagram: a block.
type room struct {
	message int  // bytes of a message that the other side accepts
	takes   bool // this side takes BERT
	sends   bool // the other side takes it
}

// roomer is a Doer over a reliable transport.
type roomer interface{ room() room }

// baseSize is the message size that everybody accepts (RFC 8323, Section
// 5.3.1).
const baseSize = 1152

// messageRoom is what a message has beside options and payload at most, with
// what block-wise transfer adds.
const messageRoom = 64

// payload is how much a message with some options has room for; at least a
// block of szx.
func (r room) payload(o Options, szx uint8) int {
	block := Block{SZX: szx}.Size()
	if r.message <= baseSize || szx < 6 {
		return block
	}
	n := r.message - messageRoom
	for i := range o {
		n -= 5 + len(o[i].Value)
	}
	return max(block, n)
}

// span is how much payload a message has that is not the last of its body.
func (r room) span(o Options, szx uint8) int {
	if szx != bert {
		return Block{SZX: szx}.Size()
	}
	return r.payload(o, szx) &^ 1023
}

// size is the SZX of what is sent unasked, where that of a datagram is szx.
func (r room) size(szx uint8) uint8 {
	if r.sends && szx == 6 {
		return bert
	}
	return szx
}

// largest is the largest SZX there is a use for.
func (r room) largest(szx uint8) uint8 {
	if r.takes && szx == 6 {
		return bert
	}
	return szx
}

// room is what a message to the other side has room for.
func (c *Conn) room() room {
	c.mu.Lock()
	defer c.mu.Unlock()
	takes := c.cfg.MaxMessageSize > baseSize
	return room{message: c.peerMax, takes: takes, sends: takes && c.peerBlocks && c.peerMax > baseSize}
}

func (b bareConn) room() room { return b.c.room() }
