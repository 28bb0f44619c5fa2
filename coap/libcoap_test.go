package coap_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
)

// libcoap finds one of libcoap's programs, which its packages call
// coap-client-notls and coap-server-notls, on the PATH.
func libcoap(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(name + " is not installed")
	}
	return path
}

// TestLibcoapClient: libcoap's client against our server.
func TestLibcoapClient(t *testing.T) {
	client := libcoap(t, "coap-client-notls")
	s := &store{body: []byte("first")}
	var m coap.Mux
	m.Handle("/x", s)
	m.Handle("FETCH /fetch", echo)
	m.Describe("/x", coap.Attribute{Name: "obs"})
	server, err := coap.Listen("udp4", "127.0.0.1:0", coap.Config{Handler: &m})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	tcp := serveTCP(t, nil, coap.ConnConfig{Handler: &m})
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, bytes.Repeat([]byte("0123456789abcdef"), 300), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		out, err := exec.CommandContext(ctx, client, args...).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	for _, base := range []string{"coap://" + server.LocalAddr().String(), "coap+tcp://" + tcp} {
		s.put([]byte("first"))
		for _, tt := range []struct {
			args []string
			want string
		}{
			{[]string{"-m", "get", base + "/x"}, "first"},
			{[]string{"-N", "-m", "get", base + "/x"}, "first"},
			{[]string{"-m", "get", base + "/.well-known/core"}, "</x>;obs"},
			{[]string{"-m", "put", "-e", "second", base + "/x"}, ""},
			{[]string{"-m", "get", base + "/x"}, "second"},
			{[]string{"-m", "put", "-f", large, base + "/x"}, ""},
			{[]string{"-m", "get", base + "/x"}, strings.Repeat("0123456789abcdef", 300)},
			{[]string{"-m", "get", "-b", "64", base + "/x"}, strings.Repeat("0123456789abcdef", 300)},
			{[]string{"-m", "fetch", "-e", "question", base + "/fetch"}, "question"},
			{[]string{"-m", "get", base + "/none"}, "4.04"},
			{[]string{"-m", "put", "-e", "x", base + "/fetch"}, "4.05"},
			{[]string{"-m", "get", "-O", "9999,x", base + "/x"}, "4.02 option 9999"},
		} {
			if got := run(tt.args...); got != tt.want {
				t.Errorf("%v: got %q, want %q", tt.args, got, tt.want)
			}
		}
		s.put([]byte("first"))
		done := make(chan string)
		registered := make(chan struct{}, 1)
		s.mu.Lock()
		s.registered = registered
		s.mu.Unlock()
		go func() { done <- run("-m", "get", "-s", "2", "-B", "5", base+"/x") }()
		<-registered
		s.put([]byte("second"))
		s.put([]byte("last"))
		if got := <-done; !strings.HasPrefix(got, "first") || !strings.HasSuffix(got, "last") {
			t.Errorf("%s: observed %q, want first .. last", base, got)
		}
	}
}

// TestLibcoapServer: our client against libcoap's server.
func TestLibcoapServer(t *testing.T) {
	program := libcoap(t, "coap-server-notls")
	probe, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := probe.LocalAddr().String()
	_ = probe.Close()
	_, port, _ := net.SplitHostPort(address)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-A", "127.0.0.1", "-p", port, "-d", "10")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	udp, err := coap.Dial("udp4", address, coap.Config{NStart: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	if err := udp.Ping(ctx); err != nil { // retransmitted until the server is up
		t.Fatal(err)
	}
	tcp, err := coap.DialTCP(ctx, address, nil, coap.ConnConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	if err := tcp.Ping(ctx); err != nil {
		t.Errorf("TCP ping: %v", err)
	}
	for name, c := range map[string]interface {
		coap.Doer
		coap.Observer
	}{"udp": udp, "tcp": tcp} {
		resp, err := c.Do(ctx, coap.NewRequest(coap.GET, "/.well-known/core"))
		if err != nil || !bytes.Contains(resp.Payload, []byte("</time>")) {
			t.Errorf("%s: got %v, %v", name, resp, err)
		}
		for _, n := range []int{5, 1024, 3000} {
			body := bytes.Repeat([]byte("x"), n)
			put := coap.NewRequest(coap.PUT, "/"+name+fmt.Sprint(n))
			put.Options.AddUint(coap.ContentFormat, 0)
			put.Payload = body
			if resp, err := c.Do(ctx, put); err != nil || !resp.Code.IsSuccess() {
				t.Errorf("%s: PUT %d: got %v, %v", name, n, resp, err)
			}
			resp, err := c.Do(ctx, coap.NewRequest(coap.GET, "/"+name+fmt.Sprint(n)))
			if err != nil || !bytes.Equal(resp.Payload, body) {
				t.Errorf("%s: GET %d: got %v, %v", name, n, resp, err)
			}
		}
		octx, ocancel := context.WithCancel(ctx)
		count := 0
		if err := c.Observe(octx, coap.NewRequest(coap.GET, "/time"), func(*coap.Response) {
			if count++; count == 3 {
				ocancel()
			}
		}); err != nil || count != 3 {
			t.Errorf("%s: observed %d times, %v", name, count, err)
		}
		ocancel()
	}
}
