package coap

// An entryQueue is a queue of up to max entries, in chunks, so that it grows
// without a copy and gives back what it needs no more. An entry is known by its
// number modulo 2^30.
type entryQueue struct {
	chunks  []*entryChunk // a ring of a power of two, by number / chunkSize
	spare   *entryChunk
	head, n uint32 // the number of the oldest entry, and how many there are
	max     uint32
	bit     uint32
	of      [256]uint32 // how many entries each network has
}

const chunkSize = 256

type entryChunk [chunkSize]entry

func (q *entryQueue) chunk(number uint32) **entryChunk {
	return &q.chunks[number&numberMask/chunkSize&uint32(len(q.chunks)-1)]
}

func (q *entryQueue) at(number uint32) *entry {
	return &(*q.chunk(number))[number%chunkSize]
}

// push appends an entry and returns its number.
func (q *entryQueue) push(e entry) uint32 {
	number := (q.head + q.n) & numberMask
	if q.n == 0 || number%chunkSize == 0 {
		q.extend(number)
	}
	*q.at(number) = e
	q.n++
	q.of[e.network]++
	return number
}

// extend makes room for the entry with a number.
func (q *entryQueue) extend(number uint32) {
	if used := (q.head%chunkSize + q.n + chunkSize - 1) / chunkSize; int(used) >= len(q.chunks) {
		grown := entryQueue{chunks: make([]*entryChunk, max(4, 2*len(q.chunks)))}
		for i := range used {
			at := q.head + i*chunkSize
			*grown.chunk(at) = *q.chunk(at)
		}
		q.chunks = grown.chunks
	}
	at := q.chunk(number)
	switch {
	case *at != nil:
	case q.spare != nil:
		*at, q.spare = q.spare, nil
	default:
		*at = new(entryChunk)
	}
}

// pop drops the oldest entry.
func (q *entryQueue) pop() {
	at := q.chunk(q.head)
	q.of[q.at(q.head).network]--
	q.head = (q.head + 1) & numberMask
	q.n--
	if q.head%chunkSize == 0 {
		q.spare, *at = *at, nil
	}
}

// An answerRing holds the last max chunks of answers. A position counts all
// bytes ever put, from 1, so that one whose bytes are gone is recognized.
type answerRing struct {
	chunks []*[answerChunk]byte
	next   uint64 // position of the next byte, less 1
	max    int
}

const answerChunk = 4096

// put stores b and returns its position.
func (a *answerRing) put(b []byte) uint64 {
	if len(b) > (a.max-1)*answerChunk {
		return 0
	}
	at := a.next + 1
	for len(b) > 0 {
		n := copy(a.chunk(a.next)[a.next%answerChunk:], b)
		a.next += uint64(n)
		b = b[n:]
	}
	return at
}

// chunk returns the chunk of a position, which may be the next to be written.
func (a *answerRing) chunk(position uint64) *[answerChunk]byte {
	i := position / answerChunk
	if i >= uint64(a.max) {
		i %= uint64(a.max)
	}
	if i == uint64(len(a.chunks)) {
		a.chunks = append(a.chunks, new([answerChunk]byte))
	}
	return a.chunks[i]
}

// appendTo appends the n bytes at a position, or nothing if they are gone.
func (a *answerRing) appendTo(dst []byte, position uint64, n int) []byte {
	if position == 0 || position-1+uint64(a.max)*answerChunk < a.next {
		return dst
	}
	for at := position - 1; n > 0; {
		part := a.chunk(at)[at%answerChunk:]
		part = part[:min(n, len(part))]
		dst = append(dst, part...)
		at += uint64(len(part))
		n -= len(part)
	}
	return dst
}
