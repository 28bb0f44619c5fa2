package coap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Signaling codes (RFC 8323, Section 5.1).
const (
	codeCSM     Code = 7<<5 | 1
	codePing    Code = 7<<5 | 2
	codePong    Code = 7<<5 | 3
	codeRelease Code = 7<<5 | 4
	codeAbort   Code = 7<<5 | 5
)

// A framer carries messages over a reliable transport. readMessage is called
// by one goroutine; what it returns lasts until the next call. writeMessage
// may be called by any.
type framer interface {
	readMessage(m *message) error
	writeMessage(code Code, token []byte, options Options, payload []byte) error
	close() error
}

// tcpFramer is the frame format of RFC 8323, Section 3.2.
type tcpFramer struct {
	conn    net.Conn
	r       *bufio.Reader
	max     int // message size accepted
	timeout time.Duration
	in      []byte

	mu  sync.Mutex // guards out and the order of writes
	out []byte
}

func newTCPFramer(conn net.Conn, max int, timeout time.Duration) *tcpFramer {
	return &tcpFramer{conn: conn, r: bufio.NewReader(conn), max: max, timeout: timeout}
}

// readMessage reads one message. An error that is errFormat is the peer's
// fault, another the transport's.
func (f *tcpFramer) readMessage(m *message) error {
	first, err := f.r.ReadByte()
	if err != nil {
		return err
	}
	n, err := f.readExtended(int(first>>4), true)
	if err != nil {
		return err
	}
	code, err := f.r.ReadByte()
	if err != nil {
		return noEOF(err)
	}
	tkl, err := f.readExtended(int(first&15), false)
	if err != nil {
		return err
	}
	if n+tkl > f.max {
		return fmt.Errorf("%w: message of %d bytes", errFormat, n+tkl)
	}
	if cap(f.in) < n+tkl {
		f.in = make([]byte, n+tkl)
	}
	f.in = f.in[:n+tkl]
	if _, err := io.ReadFull(f.r, f.in); err != nil {
		return noEOF(err)
	}
	m.typ, m.mid, m.code, m.token, m.options, m.payload = 0, 0, Code(code), nil, m.options[:0], nil
	if tkl > 0 {
		m.token = f.in[:tkl:tkl]
	}
	return m.parseOptions(f.in[tkl:])
}

// readExtended reads what extends the length nibble of a frame, or the token
// length nibble, for which 15 means nothing.
func (f *tcpFramer) readExtended(nibble int, frame bool) (int, error) {
	var b [4]byte
	size, add := 0, 0
	switch {
	case nibble < 13:
		return nibble, nil
	case nibble == 13:
		size, add = 1, 13
	case nibble == 14:
		size, add = 2, 269
	case frame:
		size, add = 4, 65805
	default:
		return 0, errFormat
	}
	if _, err := io.ReadFull(f.r, b[4-size:]); err != nil {
		return 0, noEOF(err)
	}
	n := uint64(binary.BigEndian.Uint32(b[:])) + uint64(add)
	if n > uint64(f.max) {
		return 0, fmt.Errorf("%w: length %d", errFormat, n)
	}
	return int(n), nil
}

// noEOF says that a message was cut off.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (f *tcpFramer) writeMessage(code Code, token []byte, options Options, payload []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	if f.out, err = appendFrame(f.out[:0], code, token, options, payload, true); err != nil {
		return err
	}
	if err := f.conn.SetWriteDeadline(time.Now().Add(f.timeout)); err != nil {
		return err
	}
	_, err = f.conn.Write(f.out)
	return err
}

func (f *tcpFramer) close() error { return f.conn.Close() }

// appendFrame encodes a message for a reliable transport. Without length it
// is a WebSocket message, whose Length field is 0 (RFC 8323, Section 4.2).
func appendFrame(dst []byte, code Code, token []byte, options Options, payload []byte, length bool) ([]byte, error) {
	// The datagram format with its header of four bytes has the same token,
	// options and payload.
	m, err := appendMessage(nil, 0, code, 0, token, options, payload)
	if err != nil {
		return dst, err
	}
	tkl := m[0] & 15
	extended := map[byte]int{13: 1, 14: 2}[tkl]
	n := len(m) - headerSize - extended - len(token)
	at := len(dst)
	dst = append(dst, tkl)
	//spec:8323-4.2-1
	if length {
		var nibble byte
		if n >= 65805 {
			nibble = 15
			dst = binary.BigEndian.AppendUint32(dst, uint32(n-65805))
		} else {
			nibble, dst = appendLength(dst, n)
		}
		dst[at] |= nibble << 4
	}
	dst = append(dst, byte(code))
	return append(dst, m[headerSize:]...), nil
}
