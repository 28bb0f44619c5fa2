package coap_test

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
	"github.com/plgd-dev/go-coap/v3/message/pool"
	"github.com/plgd-dev/go-coap/v3/mux"
	gonet "github.com/plgd-dev/go-coap/v3/net"
	"github.com/plgd-dev/go-coap/v3/options"
	"github.com/plgd-dev/go-coap/v3/udp"

	"github.com/ostiary/ostiary/coap"
)

// store is a resource in both worlds: PUT it, GET it, observe it.
type store struct {
	mu         sync.Mutex
	body       []byte
	observers  []func([]byte)
	last       func(*coap.Response) error // of the latest observer
	registered chan struct{}              // told of each, if not nil
}

func (s *store) put(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body = bytes.Clone(b)
	for _, f := range s.observers {
		f(s.body)
	}
}

func (s *store) get() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.body
}

func (s *store) ServeCOAP(w coap.ResponseWriter, r *coap.Request) {
	if r.Code == coap.PUT {
		s.put(r.Payload)
		_ = w.Respond(r.NewResponse(coap.Changed))
		return
	}
	resp := &coap.Response{Code: coap.Content, Payload: s.get()}
	resp.Options.AddUint(coap.ContentFormat, 42)
	if v, ok := r.Options.Uint(coap.Observe); ok && v == 0 {
		resp.Options.AddUint(coap.Observe, 0)
		s.mu.Lock()
		s.last = w.Respond
		if registered := s.registered; registered != nil {
			defer func() { registered <- struct{}{} }()
		}
		s.observers = append(s.observers, func(b []byte) {
			note := &coap.Response{Code: coap.Content, Payload: b}
			note.Options.AddUint(coap.ContentFormat, 42)
			note.Options.AddUint(coap.Observe, 0)
			_ = w.Respond(note)
		})
		s.mu.Unlock()
	}
	_ = w.Respond(resp)
}

// periodic runs go-coap's chores until the test ends, which its own runner
// outlives.
func periodic(t *testing.T) options.PeriodicRunnerOpt {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	return options.WithPeriodicRunner(func(f func(now time.Time) bool) {
		wg.Go(func() {
			for f(time.Now()) {
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
					return
				}
			}
		})
	})
}

// TestGoCoAPClient: go-coap's client against our server.
func TestGoCoAPClient(t *testing.T) {
	s := &store{body: []byte("first")}
	server, err := coap.Listen("udp", "127.0.0.1:0", coap.Config{Handler: coap.Blockwise(s, coap.BlockwiseConfig{}), DangerUnlimited: true})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	conn, err := udp.Dial(server.LocalAddr().String(), options.WithErrors(func(error) {}), periodic(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(); <-conn.Done() }()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	get := func() []byte {
		t.Helper()
		resp, err := conn.Get(ctx, "/x")
		if err != nil {
			t.Fatal(err)
		}
		b, err := resp.ReadBody()
		if err != nil || resp.Code() != codes.Content {
			t.Fatalf("got %v, %v", resp.Code(), err)
		}
		return b
	}
	if b := get(); string(b) != "first" {
		t.Errorf("got %q", b)
	}
	notes := make(chan []byte, 16)
	obs, err := conn.Observe(ctx, "/x", func(m *pool.Message) {
		b, _ := m.ReadBody()
		notes <- b
	})
	if err != nil {
		t.Fatal(err)
	}
	<-notes
	for _, n := range []int{3, 1024, 1025, 5000} {
		resp, err := conn.Put(ctx, "/x", message.AppOctets, bytes.NewReader(pattern(n)))
		if err != nil || resp.Code() != codes.Changed {
			t.Fatalf("PUT %d: %v, %v", n, resp, err)
		}
		if b := get(); !bytes.Equal(b, pattern(n)) {
			t.Errorf("GET %d: got %d bytes", n, len(b))
		}
		select {
		case b := <-notes:
			if !bytes.Equal(b, pattern(n)) {
				t.Errorf("notification: got %d bytes, want %d", len(b), n)
			}
		case <-ctx.Done():
			t.Fatalf("no notification of %d bytes", n)
		}
	}
	if err := obs.Cancel(ctx); err != nil {
		t.Error(err)
	}
	if n := server.Stats().Observations; n != 0 {
		t.Errorf("%d observations after cancellation", n)
	}
	if err := conn.Ping(ctx); err != nil {
		t.Errorf("ping: %v", err)
	}
}

// TestGoCoAPServer: our client against go-coap's server.
func TestGoCoAPServer(t *testing.T) {
	s := &store{body: []byte("first")}
	l, err := gonet.NewListenUDP("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := mux.NewRouter()
	sequence := uint32(2)
	_ = r.Handle("/x", mux.HandlerFunc(func(w mux.ResponseWriter, r *mux.Message) {
		if r.Code() == codes.PUT {
			b, _ := r.ReadBody()
			s.put(b)
			_ = w.SetResponse(codes.Changed, message.TextPlain, nil)
			return
		}
		observe, err := r.Observe()
		if err != nil || observe != 0 {
			_ = w.SetResponse(codes.Content, message.AppOctets, bytes.NewReader(s.get()))
			return
		}
		token := r.Token()
		conn := w.Conn()
		s.mu.Lock()
		s.observers = append(s.observers, func(b []byte) {
			m := conn.AcquireMessage(conn.Context())
			defer conn.ReleaseMessage(m)
			m.SetCode(codes.Content)
			m.SetToken(token)
			m.SetContentFormat(message.AppOctets)
			sequence++
			m.SetObserve(sequence)
			m.SetBody(bytes.NewReader(b))
			_ = conn.WriteMessage(m)
		})
		s.mu.Unlock()
		_ = w.SetResponse(codes.Content, message.AppOctets, bytes.NewReader(s.get()), message.Option{ID: message.Observe, Value: []byte{2}})
	}))
	server := udp.NewServer(options.WithMux(r), options.WithErrors(func(error) {}), periodic(t))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	defer func() { server.Stop(); _ = l.Close(); <-done }()

	c, err := coap.Dial("udp", l.LocalAddr().(*net.UDPAddr).AddrPort().String(), coap.Config{NStart: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if resp, err := c.Get(ctx, "/x"); err != nil || string(resp.Payload) != "first" {
		t.Fatalf("got %v, %v", resp, err)
	}
	notes := make(chan []byte, 16)
	observed := make(chan error, 1)
	octx, ocancel := context.WithCancel(ctx)
	go func() {
		observed <- c.Observe(octx, coap.NewRequest(coap.GET, "/x"), func(r *coap.Response) { notes <- r.Payload })
	}()
	<-notes
	for _, n := range []int{3, 1024, 1025, 5000} {
		put := coap.NewRequest(coap.PUT, "/x")
		put.Options.AddUint(coap.ContentFormat, 42)
		put.Payload = pattern(n)
		if resp, err := c.Do(ctx, put); err != nil || resp.Code != coap.Changed {
			t.Fatalf("PUT %d: got %v, %v", n, resp, err)
		}
		if resp, err := c.Get(ctx, "/x"); err != nil || !bytes.Equal(resp.Payload, pattern(n)) {
			t.Errorf("GET %d: got %v, %v", n, resp, err)
		}
		select {
		case b := <-notes:
			if !bytes.Equal(b, pattern(n)) {
				t.Errorf("notification: got %d bytes, want %d", len(b), n)
			}
		case <-ctx.Done():
			t.Fatalf("no notification of %d bytes", n)
		}
	}
	ocancel()
	if err := <-observed; err != nil {
		t.Error(err)
	}
	if err := c.Ping(ctx); err != nil {
		t.Errorf("ping: %v", err)
	}
	if resp, err := c.Get(ctx, "/none"); err != nil || resp.Code != coap.NotFound {
		t.Errorf("got %v, %v", resp, err)
	}
}
