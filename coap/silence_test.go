package coap_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
)

// A session is a client with its server, in memory.
type session struct {
	coap.Doer
	coap.Observer
	done  <-chan struct{} // the client's end
	close func()
}

// sessions are the transports that have any.
var sessions = map[string]func(t *testing.T, h coap.Handler) session{
	"TCP": func(t *testing.T, h coap.Handler) session {
		l := coaptest.NewListener()
		served := make(chan error, 1)
		ctx, cancel := context.WithCancel(context.Background())
		go func() { served <- (&coap.StreamServer{Config: coap.ConnConfig{Handler: h}}).Serve(ctx, l) }()
		c, err := coap.DialTCP(context.Background(), "memory", nil, coap.ConnConfig{Dial: l.Dial})
		if err != nil {
			t.Fatal(err)
		}
		return session{c, c, c.Done(), func() {
			cancel()
			if err := errors.Join(<-served, c.Close()); err != nil {
				t.Error(err)
			}
		}}
	},
	"WebSocket": func(t *testing.T, h coap.Handler) session {
		l := coaptest.NewListener()
		ctx, cancel := context.WithCancel(context.Background())
		server := &http.Server{
			Handler: coap.WebSocketHandler(coap.ConnConfig{Handler: h}), ReadHeaderTimeout: time.Second,
			BaseContext: func(net.Listener) context.Context { return ctx },
		}
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		c, err := coap.DialWebSocket(context.Background(), "ws://memory"+coap.WebSocketPath, nil, coap.ConnConfig{Dial: l.Dial})
		if err != nil {
			t.Fatal(err)
		}
		return session{c, c, c.Done(), func() {
			_ = c.Close()
			cancel()
			_ = server.Close()
			<-served
		}}
	},
	"DTLS": func(t *testing.T, h coap.Handler) session {
		l := coaptest.NewListener()
		server, err := coap.ListenSessions(l, anybody, coap.Config{Handler: h})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := l.Dial(context.Background(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		c, err := coap.DialSession(conn, nil, coap.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return session{c, c, c.Endpoint.Done(), func() { _ = errors.Join(c.Close(), server.Close()) }}
	},
}

// TestSessionsLast: an idle session is there after a day, and so is one with an
// observation after a week.
func TestSessionsLast(t *testing.T) {
	for name, open := range sessions {
		t.Run(name+", idle", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, answer("x"))
				defer s.close()
				for range 3 {
					if _, err := s.Do(context.Background(), coap.NewRequest(coap.GET, "/x")); err != nil {
						t.Fatal(err)
					}
					time.Sleep(24 * time.Hour)
				}
			})
		})
		t.Run(name+", observing", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				resource := new(subject)
				s := open(t, resource)
				defer s.close()
				ctx, cancel := context.WithCancel(context.Background())
				notes := make(chan string, 4096)
				done := make(chan error, 1)
				go func() {
					done <- s.Observe(ctx, coap.NewRequest(coap.GET, "/x"), func(r *coap.Response) {
						if len(notes) < cap(notes) {
							notes <- string(r.Payload)
						}
					})
				}()
				<-notes
				time.Sleep(7 * 24 * time.Hour)
				synctest.Wait() // for a registration anew that is due at this moment
				for len(notes) > 0 {
					<-notes // signs of life, and answers to registrations anew
				}
				w, observation := resource.last()
				if observation.Err() != nil {
					t.Fatal("the observation has ended")
				}
				if err := w.Respond(notification("late")); err != nil {
					t.Fatal(err)
				}
				if got := <-notes; got != "late" {
					t.Errorf("got %q", got)
				}
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
				<-observation.Done()
			})
		})
	}
}

// TestObservedSessionLasts: a DTLS session that carries nothing but the signs of
// life that its observation asks for every day (RFC 7641, Section 4.5) does not
// end for its silence; without an observation it does.
func TestObservedSessionLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := coaptest.NewListener()
		resource := new(subject)
		server, err := coap.ListenSessions(l, anybody, coap.Config{Handler: resource})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		conn, err := l.Dial(context.Background(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		days := 0
		_, _ = conn.Write([]byte{0x41, 1, 0, 1, 0xaa, 0x60, 0x51, 'x'})
		b := make([]byte, 64)
		for days < 4 {
			n, err := conn.Read(b)
			if err != nil {
				t.Fatalf("after %d days: %v", days, err)
			}
			if n > 4 && b[0]>>4&3 == 0 {
				days++
				_, _ = conn.Write([]byte{0x60, 0, b[2], b[3]})
			}
		}
		_, _ = conn.Write([]byte{0x41, 1, 0, 2, 0xaa, 0x61, 1, 0x51, 'x'})
		_, _ = conn.Read(b)
		at := time.Now()
		if _, err := conn.Read(b); !errors.Is(err, io.EOF) || time.Since(at) != 25*time.Hour {
			t.Errorf("a silent session ended after %v, %v", time.Since(at), err)
		}
	})
}

// TestSilence: a Ping goes to who is silent, and the end follows when nothing
// comes of it.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := coaptest.Pipe()
		c := coap.NewConn(near, coap.ConnConfig{PingInterval: 20 * time.Second})
		defer c.Close()
		peer := frames{t, far}
		peer.expect("50e12301000020")
		peer.send("00e1")
		at := time.Now()
		for range 3 {
			peer.expect("00e2")
			peer.send("00e3")
		}
		peer.expect("00e2")
		if d := time.Since(at); d != 80*time.Second {
			t.Errorf("four Pings in %v", d)
		}
		<-c.Done()
		if d := time.Since(at); d != 100*time.Second || !errors.Is(c.Err(), coap.ErrTimeout) {
			t.Errorf("ended after %v: %v", d, c.Err())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		near, far := coaptest.Pipe()
		c := coap.NewConn(near, coap.ConnConfig{PingInterval: -1})
		defer c.Close()
		peer := frames{t, far}
		peer.send("00e1")
		time.Sleep(24 * time.Hour)
		if err := c.Err(); err != nil {
			t.Error(err)
		}
	})
}

// TestSetupTimeout: who connects and says nothing, or not enough, is sent away.
func TestSetupTimeout(t *testing.T) {
	cert, _ := certificate(t)
	for name, tt := range map[string]struct {
		serve func(l net.Listener, config coap.ConnConfig) func()
		say   []byte
		after time.Duration
	}{
		"settings": {serveMemory, nil, 7 * time.Second},
		"TLS handshake": {func(l net.Listener, config coap.ConnConfig) func() {
			return serveMemory(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}}), config)
		}, []byte{22, 3, 1}, 7 * time.Second},
		"DTLS handshake": {func(l net.Listener, _ coap.ConnConfig) func() {
			handshake := func(ctx context.Context, conn net.Conn) (coap.Identity, error) {
				_, err := conn.Read(make([]byte, 1))
				return nil, err
			}
			e, err := coap.ListenSessions(l, handshake, coap.Config{})
			if err != nil {
				panic(err)
			}
			return func() { _ = e.Close() }
		}, nil, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := coaptest.NewListener()
				stop := tt.serve(l, coap.ConnConfig{SetupTimeout: 7 * time.Second})
				defer stop()
				at := time.Now()
				conn, err := l.Dial(context.Background(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				_, _ = conn.Write(tt.say)
				_, _ = io.Copy(io.Discard, conn)
				if d := time.Since(at); d != tt.after {
					t.Errorf("sent away after %v, want %v", d, tt.after)
				}
			})
		})
	}
}

// serveMemory serves streams until the function it returns is called.
func serveMemory(l net.Listener, cfg coap.ConnConfig) func() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- (&coap.StreamServer{Config: cfg}).Serve(ctx, l) }()
	return func() {
		cancel()
		<-done
	}
}
