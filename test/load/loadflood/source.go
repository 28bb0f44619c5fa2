package loadflood

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
)

const (
	ports = 16 // of each address of the flood
	burst = 16 // datagrams in one system call
)

// source is the flood's process: each question is the rate from then on, and a
// negative one that of a flood to a socket that nobody reads.
func source(target string, peers int, in io.Reader, out io.Writer) error {
	f, err := newFlood(target, peers)
	if err != nil {
		return err
	}
	defer f.close()
	var stop func()
	err = answer(in, out, func(question string) (any, error) {
		rate, err := strconv.Atoi(question)
		if stop != nil {
			stop()
			stop = nil
		}
		switch {
		case rate > 0:
			stop = f.begin(rate, f.target)
		case rate < 0:
			stop = f.begin(-rate, f.nowhere)
		}
		return "done", err
	})
	if stop != nil {
		stop()
	}
	return err
}

// A flood sends datagrams, each from another of its source tuples.
type flood struct {
	target   net.Addr
	nowhere  net.Addr
	sink     net.PacketConn
	peers    int
	sent     int
	port     int        // that sent last
	at       [ports]int // the address that sent last, of each port
	sockets  [ports]*ipv4.PacketConn
	messages [burst]ipv4.Message
	address  int // where the source address is in the control message
}

// kinds are what the flood sends: requests that are served, refused or
// unknown, pings, and what is no sense at all. Bytes 2 and 3 become the
// Message ID.
var kinds = [...]string{
	"\x48\x01..tokentok\xb4fast", "\x58\x01..tokentok\xb4fast", "\x48\x01..tokentok\xb4fast", "\x40\x00..", "\x4f\x01..", "\x48\x45..tokentok",
	"\x60\x00..", "\x70\x00..", "\x48\x01..tokentok\x90", "\x48\x01..tokentok\xb6absent",
}

func newFlood(target string, peers int) (*flood, error) {
	addr, err := net.ResolveUDPAddr("udp4", target)
	if err != nil {
		return nil, err
	}
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	_ = sink.SetReadBuffer(1)
	f := &flood{target: addr, nowhere: sink.LocalAddr(), sink: sink, peers: max(ports, peers)}
	for i := range f.sockets {
		conn, err := net.ListenUDP("udp4", nil)
		if err != nil {
			return nil, err
		}
		_ = conn.SetReadBuffer(1) // the system drops the answers
		f.sockets[i] = ipv4.NewPacketConn(conn)
	}
	first := net.IPv4(127, 16, 32, 48).To4()
	for i := range f.messages {
		control := (&ipv4.ControlMessage{Src: first}).Marshal()
		f.address = bytes.Index(control, first)
		f.messages[i] = ipv4.Message{Buffers: make([][]byte, 1), OOB: control}
	}
	if f.address < 0 {
		return nil, errors.New("the system has no source addresses in control messages")
	}
	return f, nil
}

func (f *flood) close() {
	_ = f.sink.Close()
	for _, s := range f.sockets {
		_ = s.Close()
	}
}

// begin floods at a rate until the function it returns is called.
func (f *flood) begin(rate int, to net.Addr) (stop func()) {
	for i := range f.messages {
		f.messages[i].Addr = to
	}
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		begin, sent := time.Now(), 0
		for {
			select {
			case <-done:
				return
			default:
			}
			due := int(time.Since(begin).Seconds() * float64(rate))
			if sent < due-rate/20 {
				sent = due - rate/20 // what could not be sent is not made up for
			}
			if sent >= due {
				pause(50 * time.Microsecond)
				continue
			}
			n := min(burst, due-sent)
			f.send(n)
			sent += n
		}
	})
	return func() {
		close(done)
		wait.Wait()
	}
}

// send sends n datagrams from the next addresses, of the next port.
func (f *flood) send(n int) {
	f.port = (f.port + 1) % ports
	for i := range n {
		f.sent++
		f.at[f.port] = (f.at[f.port] + 1) % (f.peers / ports)
		m, at := &f.messages[i], f.at[f.port]
		m.OOB[f.address+1], m.OOB[f.address+2], m.OOB[f.address+3] = byte(16+at>>16), byte(at>>8), byte(at)
		b := []byte(kinds[f.sent%len(kinds)])
		b[2], b[3] = byte(f.sent>>8), byte(f.sent)
		m.Buffers[0] = b
	}
	_, _ = f.sockets[f.port].WriteBatch(f.messages[:n], 0) // what the system refuses is lost
}
