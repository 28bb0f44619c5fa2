package coap

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// ConnConfig configures connections over reliable transports. The zero value
// gives a client.
type ConnConfig struct {
	// Handler answers the requests of the other side; without one they get
	// 5.01 (RFC 8323, Section 3.3). It runs in the goroutine that reads the
	// connection: one that sends requests itself on the same connection, or
	// may wait long, is wrapped by Pool.Handler.
	Handler Handler
	// Blockwise and Understands are as in Config.
	Blockwise   BlockwiseConfig
	Understands []OptionID
	// Identity is who is at the other side, nil for nobody.
	Identity Identity
	// RemoteAddr and LocalAddr are the addresses shown to the Handler.
	RemoteAddr, LocalAddr netip.AddrPort
	// MaxMessageSize is the longest message accepted, which is announced;
	// default 65536.
	MaxMessageSize int
	// SetupTimeout is how long the other side may take for its first message;
	// default 10 s.
	SetupTimeout time.Duration
	// WriteTimeout is how long one message may take to be written before the
	// connection is given up; default 10 s.
	WriteTimeout time.Duration
	// PingInterval is how long the other side may be silent before it is sent a
	// Ping (RFC 8323, Section 5.4); silent for twice as long it is taken for
	// gone. Default 1 h, negative for no Ping.
	PingInterval time.Duration
	// MaxObservations bounds the observations served; default 64.
	MaxObservations int
	// Dial makes the connections of DialTCP and DialWebSocket; nil is that of
	// a zero net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

func (c ConnConfig) withDefaults() ConnConfig {
	setDefault(&c.MaxMessageSize, 65536)
	setDefault(&c.SetupTimeout, 10*time.Second)
	setDefault(&c.WriteTimeout, 10*time.Second)
	setDefault(&c.PingInterval, time.Hour)
	setDefault(&c.MaxObservations, 64)
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if _, ok := c.Handler.(*blockwise); !ok && c.Handler != nil {
		c.Handler = Blockwise(c.Handler, c.Blockwise)
	}
	return c
}

// A Conn is a connection of CoAP over a reliable transport: TCP, TLS or
// WebSockets (RFC 8323). Both sides may send requests. It is a Doer and an
// Observer with block-wise transfers, and safe for concurrent use.
type Conn struct {
	cfg       ConnConfig
	f         framer
	whole     Doer
	ctx       context.Context // ends with the connection
	cancel    context.CancelCauseFunc
	wait      sync.WaitGroup
	setup     *time.Timer
	silence   *silence
	closeOnce sync.Once

	mu           sync.Mutex // guards what follows
	calls        map[string]*connCall
	observations map[string]*connExchange
	pongs        map[string]chan struct{}
	peerMax      int  // Max-Message-Size of the other side
	peerBlocks   bool // its Block-Wise-Transfer
	ready        bool // its CSM has come
	released     bool
}

// errSetup is the end of a connection that does not begin with a CSM.
var errSetup = errors.New("coap: connection does not begin with settings")

// newConn begins a connection: it sends the settings and reads.
func newConn(f framer, cfg ConnConfig) *Conn {
	c := &Conn{
		cfg: cfg, f: f, peerMax: baseSize,
		calls: make(map[string]*connCall), observations: make(map[string]*connExchange), pongs: make(map[string]chan struct{}),
	}
	c.whole = BlockwiseClient(bareConn{c}, BlockwiseConfig{})
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.setup = time.AfterFunc(cfg.SetupTimeout, func() { c.fail(errSetup) })
	c.silence = newSilence(c)
	//spec:8323-3.3-1
	//spec:8323-3.3-2
	//spec:8323-4.3-1
	//spec:8323-5.3-1
	if err := c.f.writeMessage(codeCSM, nil, c.settings(), nil); err != nil {
		c.fail(err)
	}
	c.wait.Go(c.run)
	return c
}

// settings are what the other side has to know (RFC 8323, Sections 5.3.1 and
// 5.3.2): with more than the base size, this side takes BERT.
func (c *Conn) settings() Options {
	var o Options
	o.AddUint(2, uint32(min(c.cfg.MaxMessageSize, 1<<30)))
	o.Add(4, nil)
	return o
}

// run reads until the connection ends.
func (c *Conn) run() {
	defer c.setup.Stop()
	defer c.silence.stop()
	var m message
	for {
		err := c.f.readMessage(&m)
		if err == nil {
			c.silence.broken()
			err = c.handle(&m)
		}
		if err == nil {
			continue
		}
		if errors.Is(err, errFormat) || errors.Is(err, errSetup) {
			_ = c.f.writeMessage(codeAbort, nil, nil, []byte(err.Error()))
		}
		c.fail(err)
		return
	}
}

// fail ends the connection, for a reason.
func (c *Conn) fail(err error) {
	//spec:8323-7.4-2
	c.closeOnce.Do(func() {
		if errors.Is(err, io.EOF) {
			err = ErrClosed
		}
		c.cancel(err)
		_ = c.f.close()
	})
}

// Close releases the connection (RFC 8323, Section 5.5), closes it and waits
// for its goroutine.
func (c *Conn) Close() error {
	_ = c.f.writeMessage(codeRelease, nil, nil, nil) // the other side may be gone
	c.fail(ErrClosed)
	c.wait.Wait()
	return nil
}

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.ctx.Done() }

// Err says why the connection has ended; nil if it has not.
func (c *Conn) Err() error { return context.Cause(c.ctx) }

// handle processes one message.
func (c *Conn) handle(m *message) error {
	//spec:8323-3.3-3
	if !c.ready && m.code != codeCSM && m.code != codeAbort {
		return errSetup
	}
	switch {
	//spec:8323-5.4-1
	case m.code == Empty: //spec:8323-3.4-1
		return nil
	case m.code.IsRequest():
		c.serve(m)
		return nil
	case m.code.IsResponse():
		c.deliver(m)
		return nil
	case m.code.Class() == 7:
		return c.signal(m)
	}
	return errFormat
}

// signal processes a signaling message (RFC 8323, Section 5).
func (c *Conn) signal(m *message) error {
	for i := range m.options {
		if m.options[i].ID.Critical() {
			//spec:8323-5.4-3
			return errFormat //spec:8323-5.2-1
		}
	}
	switch m.code {
	case codeCSM:
		c.setup.Stop()
		c.mu.Lock()
		c.ready = true
		if v, ok := m.options.Uint(2); ok {
			c.peerMax = int(min(v, 1<<30))
		}
		c.peerBlocks = c.peerBlocks || m.options.Has(4)
		c.mu.Unlock()
	case codePing:
		//spec:8323-5.4-2
		// Requests are handled in order, so what came before is done: Custody.
		var options Options
		if m.options.Has(2) {
			options = Options{{2, nil}}
		}
		return c.f.writeMessage(codePong, m.token, options, nil)
	case codePong:
		c.mu.Lock()
		for token, p := range c.pongs {
			// libcoap 4.3 leaves the token out: a sign of life all the same.
			if token == string(m.token) || len(m.token) == 0 {
				delete(c.pongs, token)
				close(p)
			}
		}
		c.mu.Unlock()
	case codeRelease:
		c.mu.Lock()
		c.released = true
		idle := len(c.calls) == 0
		c.mu.Unlock()
		if idle {
			return ErrClosed
		}
	case codeAbort:
		return ErrClosed
	}
	return nil
}

// deliver hands a response to its call.
func (c *Conn) deliver(m *message) {
	bad, n := filterOptions(m.options, false, nil)
	resp := &Response{Code: m.code, RemoteAddr: c.cfg.RemoteAddr}
	c.mu.Lock()
	defer c.mu.Unlock()
	call := c.calls[string(m.token)]
	if call == nil || bad != 0 {
		return
	}
	resp.Options = m.options[:n].Clone()
	if len(m.payload) > 0 {
		resp.Payload = append([]byte(nil), m.payload...)
	}
	if len(call.queue) >= maxNotes {
		call.queue = call.queue[1:]
	}
	call.queue = append(call.queue, resp)
	select {
	case call.signal <- struct{}{}:
	default:
	}
}

// Do sends a request and waits for the response.
func (c *Conn) Do(ctx context.Context, r *Request) (*Response, error) { return c.whole.Do(ctx, r) }

// Observe observes a resource; see Observer.
func (c *Conn) Observe(ctx context.Context, r *Request, notify func(*Response)) error {
	return c.whole.(Observer).Observe(ctx, r, notify)
}

// Ping asks the other side for a sign of life (RFC 8323, Section 5.4).
func (c *Conn) Ping(ctx context.Context) error {
	var token [8]byte
	_, _ = rand.Read(token[:]) // never fails
	pong := make(chan struct{})
	c.mu.Lock()
	c.pongs[string(token[:])] = pong
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.pongs, string(token[:]))
	}()
	if err := c.f.writeMessage(codePing, token[:], nil, nil); err != nil {
		return err
	}
	select {
	case <-pong:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.ctx.Done():
		return c.Err()
	}
}
