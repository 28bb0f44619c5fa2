package oscore

import "sync"

// A Scratch is memory for one exchange at a time of a server, so that a worker that
// handles requests one after the other allocates nothing. The zero value is ready.
//
// Parse begins an exchange. Everything that comes of its Protected, the Message, the
// [ServerExchange] and the protected response, lies in the Scratch and in the message
// that was parsed: it is good until the next Parse, and so is every pointer into it. A
// second response overwrites the first. An exchange that lives longer, for an
// observation or a separate response, is moved out with ServerExchange.Keep, a message
// with Message.Clone.
//
// A Scratch must not be copied, and is not safe for concurrent use.
type Scratch struct {
	unprintable
	work     work
	exchange ServerExchange
	request  buffer // what is verified
	response buffer // what is protected
}

// Parse is ParseProtected for an exchange whose memory is s.
func (s *Scratch) Parse(m Message) (p Protected, err error) {
	s.exchange = ServerExchange{}
	if err := p.parse(&m); err != nil {
		return Protected{}, err
	}
	p.scratch = s
	return p, nil
}

// buffer is the memory of one message; its zero value allocates it.
type buffer struct {
	options []Option
	block   []byte
}

// take empties the buffer and makes room for size bytes.
func (b *buffer) take(size int) (block []byte, options []Option) {
	if cap(b.block) < size {
		b.block = make([]byte, 0, size)
	}
	return b.block[:0], b.options[:0]
}

// work is what an AEAD reads besides the message. It is behind an interface, so that
// its arguments are on the heap: works lends that memory out.
type work struct {
	nonce [maxNonce]byte
	aad   [maxAAD]byte
}

var works = sync.Pool{New: func() any { return new(work) }}
