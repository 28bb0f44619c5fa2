package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/test/interop"
)

// plainTransport carries plain CoAP.
type plainTransport struct {
	scheme string
	// serve serves on a listener until stop is called; nil for UDP.
	serve func(h coap.Handler, l net.Listener) (stop func())
	dial  func(ctx context.Context, address string) (plainConn, error)
}

// plainConn is a client of a transport.
type plainConn interface {
	interop.Requester
	Ping(ctx context.Context) error
	Close() error
}

// plainTransports are the transports, by what the names of their runs end with.
var plainTransports = map[string]plainTransport{
	"":     {"coap", nil, dialPlainUDP},
	"-tcp": {"coap+tcp", servePlainTCP, dialPlainTCP},
	"-ws":  {"coap+ws", servePlainWebSocket, dialPlainWebSocket},
}

// plainRuns are the runs in plain CoAP.
func (s *suite) plainRuns() map[string]interop.Func {
	runs := map[string]interop.Func{}
	for name, t := range plainTransports {
		runs["plain-client"+name] = func(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
			results, err := s.plainClient(ctx, r, t)
			return results, nil, err
		}
		runs["plain-server"+name] = func(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
			results, err := s.plainServer(ctx, r, t)
			return results, nil, err
		}
	}
	return runs
}

func (s *suite) plainPeer(ctx context.Context, args ...string) (p *interop.Process, said string, err error) {
	args = append([]string{"-B", filepath.Join(s.dir, "plain_peer.py")}, args...)
	p, err = interop.Start(ctx, false, filepath.Join(s.dir, "..", ".cache", "venv", "bin", "python"), args...)
	if err != nil {
		return nil, "", err
	}
	line, err := p.Line(ctx)
	said, ready := strings.CutPrefix(line, "ready")
	if err == nil && !ready {
		err = fmt.Errorf("aiocoap says %s", line)
	}
	if err != nil {
		p.Stop()
	}
	return p, strings.TrimSpace(said), err
}

// plainClient runs the cases with aiocoap as client.
func (s *suite) plainClient(ctx context.Context, r *interop.Run, t plainTransport) (map[string]string, error) {
	var port int
	record := new(recorder)
	if t.serve == nil {
		// aiocoap does not repeat a request that is answered with Echo.
		e, err := coap.Listen("udp4", "127.0.0.1:0", coap.Config{Handler: plainResources(), UnvalidatedLimit: 1200})
		if err != nil {
			return nil, err
		}
		defer func() { _ = e.Close() }()
		port = int(e.LocalAddr().Port())
	} else {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		record.Listener = l
		defer t.serve(plainResources(), record)()
		port = l.Addr().(*net.TCPAddr).Port
	}
	peer, _, err := s.plainPeer(ctx, "client", t.scheme, fmt.Sprint(port))
	if err != nil {
		return nil, err
	}
	defer peer.Stop()
	results := r.Do(ctx, os.Stdout, nil, func(ctx context.Context, name string) error {
		record.mark(name)
		return say(ctx, peer, name)
	})
	if _, failed, _ := (interop.Results{r.Name: results}).Count(); failed > 0 || !s.update || t.serve == nil {
		return results, nil
	}
	return results, record.save(filepath.Join(s.dir, "testdata", r.Name+".jsonl"))
}

// plainResources are what the cases ask for.
func plainResources() coap.Handler {
	m := new(coap.Mux)
	m.Handle("/value", interop.NewResource(interop.InitialValue))
	m.Handle("/large", interop.NewResource(""))
	return m
}

// plainServer runs the cases with aiocoap as server.
func (s *suite) plainServer(ctx context.Context, r *interop.Run, t plainTransport) (map[string]string, error) {
	peer, port, err := s.plainPeer(ctx, "server", t.scheme)
	if err != nil {
		return nil, err
	}
	defer peer.Stop()
	conn, err := t.dial(ctx, net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	c := &plainClient{Client: interop.Client{Requester: conn, Value: interop.InitialValue}, conn: conn, peer: peer}
	return r.Do(ctx, os.Stdout, nil, c.run), nil
}

// plainClient is a client with the cases for aiocoap as server.
type plainClient struct {
	interop.Client
	conn plainConn
	peer *interop.Process
}

func (c *plainClient) run(ctx context.Context, name string) error {
	question := []byte("a question")
	switch name {
	case "ping":
		return c.conn.Ping(ctx)
	case "get":
		return c.Get(ctx)
	case "put":
		return errors.Join(c.Put(ctx, name), c.Get(ctx))
	case "fetch":
		return c.Do(ctx, coap.FETCH, "/value", question, coap.Content, question)
	case "observe":
		return errors.Join(c.Observe(ctx, "one", "two"), say(ctx, c.peer, "unobserved"))
	case "block-wise-put":
		return c.Do(ctx, coap.PUT, "/large", interop.Body(), coap.Changed, nil)
	case "block-wise-get":
		return c.Do(ctx, coap.GET, "/large", nil, coap.Content, interop.Body())
	case "block-wise-fetch":
		return c.Do(ctx, coap.FETCH, "/value", interop.Body(), coap.Content, interop.Body())
	case "not-found":
		return c.Do(ctx, coap.GET, "/nothing", nil, coap.NotFound, nil)
	case "method-not-allowed":
		return c.Do(ctx, coap.DELETE, "/value", nil, coap.MethodNotAllowed, nil)
	}
	return fmt.Errorf("there is no case %s", name)
}

// plainMessageSize is less than what the long bodies need, so that aiocoap sends
// them in blocks over TCP and WebSockets too, of 2048 bytes (RFC 8323, Section 6).
const plainMessageSize = 2300

func dialPlainUDP(_ context.Context, address string) (plainConn, error) {
	return coap.Dial("udp4", address, coap.Config{NStart: 2})
}

func servePlainTCP(h coap.Handler, l net.Listener) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	server := &coap.StreamServer{Config: coap.ConnConfig{Handler: h, MaxMessageSize: plainMessageSize}}
	go func() { done <- server.Serve(ctx, l) }()
	return func() {
		cancel()
		<-done
	}
}

func dialPlainTCP(ctx context.Context, address string) (plainConn, error) {
	return coap.DialTCP(ctx, address, nil, coap.ConnConfig{MaxMessageSize: plainMessageSize})
}

func servePlainWebSocket(h coap.Handler, l net.Listener) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.Handle(coap.WebSocketPath, coap.WebSocketHandler(coap.ConnConfig{Handler: h, MaxMessageSize: plainMessageSize}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	return func() {
		cancel()
		_ = server.Close()
		<-done
	}
}

func dialPlainWebSocket(ctx context.Context, address string) (plainConn, error) {
	return coap.DialWebSocket(ctx, "ws://"+address+coap.WebSocketPath, nil, coap.ConnConfig{MaxMessageSize: plainMessageSize})
}
