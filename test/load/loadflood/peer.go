package loadflood

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// slowness is how long a slow request takes.
const slowness = 200 * time.Millisecond

// A peer asks for /fast, one request after the other, and waits between them.
type peer struct {
	address  string
	interval time.Duration
	conn     net.Conn
	next     uint32 // Message ID and token
	late     int
}

// turn asks for the time of a turn. Its socket is its own, so that Message IDs
// do not repeat.
func (p *peer) turn(d time.Duration, t *turns) error {
	p.close()
	var err error
	if p.conn, err = net.Dial("udp4", p.address); err != nil {
		return err
	}
	var took []time.Duration
	b := make([]byte, 128)
	for end := time.Now().Add(d); len(took) == 0 || time.Now().Before(end); time.Sleep(p.interval) {
		p.next++
		one, err := p.ask(b)
		if err != nil {
			return err
		}
		took = append(took, one)
	}
	*t = append(*t, took)
	return nil
}

// ask sends a request, every second once more, and waits for its answer. How long
// a datagram may wait for the server, and whether the system drops it before, is a
// matter of the machine.
func (p *peer) ask(b []byte) (time.Duration, error) {
	r := message(0x01, p.next, "fast")
	begin := time.Now()
	for try := range patience {
		if try == 1 {
			p.late++
		}
		_ = p.conn.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := p.conn.Write(r); err != nil {
			return 0, err
		}
		took, err := p.answer(r, b, begin)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return took, err
		}
	}
	return 0, errors.New("the server does not answer")
}

// patience is after how many requests the server is taken for dead.
const patience = 60

// answer waits for the answer to a request.
func (p *peer) answer(r, b []byte, begin time.Time) (time.Duration, error) {
	for {
		n, err := p.conn.Read(b)
		if err != nil {
			return 0, err
		}
		took := time.Since(begin)
		if n < 12 || string(b[4:12]) != string(r[4:12]) {
			continue // late
		}
		if b[1] != 0x45 {
			return 0, fmt.Errorf("answer %x", b[:n])
		}
		return took, nil
	}
}

func (p *peer) close() {
	if p.conn != nil {
		_ = p.conn.Close()
	}
}

// A slowPeer has many slow requests under way, and sends a new one for each
// that was answered or refused.
type slowPeer struct {
	address string
	n       int
	next    uint32
	refused atomic.Uint64
	conn    net.Conn
}

func newSlowPeer(address string, n int) (*slowPeer, error) {
	conn, err := net.Dial("udp4", address)
	return &slowPeer{address: address, n: n, conn: conn}, err
}

func (p *slowPeer) send() {
	p.next++
	_, _ = p.conn.Write(message(0x02, p.next, "slow"))
}

// begin sends requests until the function it returns is called.
func (p *slowPeer) begin() (stop func()) {
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		b := make([]byte, 128)
		for {
			for range p.n {
				p.send()
			}
			_ = p.conn.SetReadDeadline(time.Now().Add(slowness))
			for {
				n, err := p.conn.Read(b)
				if err != nil {
					break
				}
				if n > 1 && b[1] == 0x9d {
					p.refused.Add(1)
				}
				if n > 3 && b[0]>>4&3 == 0 { // a separate response
					_, _ = p.conn.Write([]byte{0x60, 0, b[2], b[3]})
				}
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	return func() {
		close(done)
		wait.Wait()
	}
}

func (p *slowPeer) close() { _ = p.conn.Close() }

// message makes a Confirmable request with the token and Message ID made of i.
func message(code byte, i uint32, path string) []byte {
	b := []byte{0x48, code, byte(i >> 8), byte(i), 0, 0, 0, 0, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}
	return append(append(b, 0xb0|byte(len(path))), path...)
}
