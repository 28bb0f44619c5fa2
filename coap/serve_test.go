package coap_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
)

// TestServeSocketCloses: who serves learns that the socket was closed under it,
// and so do the handlers of observations.
func TestServeSocketCloses(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := new(subject)
	server := &coap.Server{Handler: s}
	served := make(chan error, 1)
	go func() { served <- server.Serve(context.Background(), conn) }()
	c, err := coap.Dial("udp", conn.LocalAddr().String(), coap.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- c.Observe(ctx, coap.NewRequest(coap.GET, "/x"), func(*coap.Response) { cancel() })
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: got %v", err)
	}
	_, observation := s.last()
	<-observation.Done()
	_ = c.Close()
}

// TestSocketClosesUnderClient: calls under way end, and later ones do not begin.
func TestSocketClosesUnderClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		sock := n.Listen(clientAddr)
		e, err := coap.NewEndpoint(sock, coap.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		done := make(chan error, 1)
		go func() {
			_, err := e.Do(context.Background(), request(coap.GET, "/x"))
			done <- err
		}()
		synctest.Wait()
		_ = sock.Close()
		<-e.Done()
		if err := <-done; !errors.Is(err, coap.ErrClosed) {
			t.Errorf("under way: got %v", err)
		}
		if _, err := e.Do(context.Background(), request(coap.GET, "/x")); !errors.Is(err, coap.ErrClosed) {
			t.Errorf("afterwards: got %v", err)
		}
	})
}

// TestListenerCloses: a listener closed under its server ends that, with its
// connections and sessions.
func TestListenerCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := coaptest.NewListener()
		served := make(chan error, 1)
		go func() {
			served <- (&coap.StreamServer{Config: coap.ConnConfig{Handler: answer("x")}}).Serve(context.Background(), l)
		}()
		conn, err := l.Dial(context.Background(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		c := coap.NewConn(conn, coap.ConnConfig{})
		defer c.Close()
		if _, err := c.Do(context.Background(), coap.NewRequest(coap.GET, "/x")); err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		if err := <-served; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve: got %v", err)
		}
		<-c.Done()
	})
	synctest.Test(t, func(t *testing.T) {
		l := coaptest.NewListener()
		server, err := coap.ListenSessions(l, anybody, coap.Config{Handler: answer("x")})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		conn, err := l.Dial(context.Background(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		c, err := coap.DialSession(conn, nil, coap.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if resp, err := c.Get(context.Background(), "/x"); err != nil || string(resp.Payload) != "x" {
			t.Fatalf("got %v, %v", resp, err)
		}
		_ = l.Close()
		<-server.Done()
		<-c.Endpoint.Done() // its session has ended
		if _, err := c.Get(context.Background(), "/x"); !errors.Is(err, coap.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

// anybody is a handshake without authentication.
func anybody(context.Context, net.Conn) (coap.Identity, error) { return nil, nil }
