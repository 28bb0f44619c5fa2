package interop

import (
	"net"
	"testing"
	"time"
)

func listen(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// exchangeOver sends a text through the relay and an answer back.
func exchangeOver(t *testing.T, r *Relay, client, server *net.UDPConn, text string) {
	t.Helper()
	if _, err := client.WriteToUDPAddrPort([]byte(text), r.Addr()); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, from, err := server.ReadFromUDPAddrPort(buf)
	if err != nil || string(buf[:n]) != text {
		t.Fatalf("the server got %q, %v, want %q", buf[:n], err, text)
	}
	if _, err := server.WriteToUDPAddrPort([]byte("re: "+text), from); err != nil {
		t.Fatal(err)
	}
	n, _, err = client.ReadFromUDPAddrPort(buf)
	if err != nil || string(buf[:n]) != "re: "+text {
		t.Fatalf("the client got %q, %v, want %q", buf[:n], err, "re: "+text)
	}
}

func TestRelay(t *testing.T) {
	server, alice, bob := listen(t), listen(t), listen(t)
	r, err := NewRelay(server.LocalAddr().(*net.UDPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	r.Mark("one")
	exchangeOver(t, r, alice, server, "hello")
	exchangeOver(t, r, alice, server, "hello") // sent again, recorded once
	r.Mark("two")
	r.MarkRederive()
	exchangeOver(t, r, bob, server, "hello")
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	want := []Datagram{
		{Case: "one", From: FromClient, Bytes: []byte("hello")},
		{Case: "one", From: FromServer, Bytes: []byte("re: hello")},
		{Case: "two", From: FromClient, Client: 1, Bytes: []byte("hello"), Rederive: true},
		{Case: "two", From: FromServer, Client: 1, Bytes: []byte("re: hello")},
	}
	got := r.Datagrams()
	if len(got) != len(want) {
		t.Fatalf("recorded %d datagrams, want %d", len(got), len(want))
	}
	for i := range want {
		g, w := got[i], want[i]
		if g.Case != w.Case || g.From != w.From || g.Client != w.Client || g.Rederive != w.Rederive || string(g.Bytes) != string(w.Bytes) {
			t.Errorf("datagram %d: got %+v, want %+v", i, g, w)
		}
	}
}
