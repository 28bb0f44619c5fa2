package coap_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
)

// protected returns a request as OSCORE makes it.
func protected(observe uint32, partialIV byte) *coap.Request {
	r := &coap.Request{Code: coap.FETCH, Payload: []byte{partialIV}}
	r.Options.AddUint(coap.Observe, observe)
	r.Options.Add(coap.OSCORE, []byte{1, partialIV})
	return r
}

// TestObserveCancel: the caller's cancellation goes out with the token of the
// observation; its answer is awaited, while notifications under way are not its
// answer and do not end its transmission; afterwards the token is free.
func TestObserveCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		server := raw{t, n.Listen(serverAddr)}
		c := endpoint(t, n, clientAddr, coap.Config{}).Client(serverAddr)
		send := func(typ byte, id string, token []byte, options, payload string) {
			t.Helper()
			b, err := hex.DecodeString(id + hex.EncodeToString(token) + options)
			if err != nil {
				t.Fatal(err)
			}
			d := append([]byte{0x48 | typ<<4, byte(coap.Content)}, b...)
			n.Send(coaptest.Datagram{From: serverAddr, To: clientAddr, Data: append(append(d, 0xff), payload...)})
			synctest.Wait()
		}
		receive := func(want string) (token []byte, id string) {
			t.Helper()
			d, ok := server.sock.Receive(10 * time.Second)
			if !ok || len(d.Data) < 12 || hex.EncodeToString(d.Data[12:]) != want {
				t.Fatalf("got %x, want a request with %s", d.Data, want)
			}
			return d.Data[4:12], hex.EncodeToString(d.Data[2:4])
		}
		var got []string
		done := make(chan error, 1)
		observe := func(ctx context.Context, cancel func() *coap.Request) {
			got = nil
			go func() {
				done <- c.ObserveCancel(ctx, protected(0, 7), func(r *coap.Response) { got = append(got, string(r.Payload)) }, cancel)
			}()
		}
		cancellation := func() *coap.Request { return protected(1, 8) }
		const registration, end = "60" + "320107" + "ff07", "6101" + "320108" + "ff08"
		const accepted = "6101" + "30" // Observe, OSCORE

		ctx, cancel := context.WithCancel(t.Context())
		observe(ctx, cancellation)
		token, id := receive(registration)
		send(2, id, token, accepted, "a")
		cancel()
		again, id := receive(end)
		if !bytes.Equal(again, token) {
			t.Errorf("cancelled %x, want %x", again, token)
		}
		send(0, "ee01", token, accepted, "under way")
		server.expect("acknowledgement", "6000ee01")
		receive(end) // retransmitted all the same
		select {
		case <-done:
			t.Fatal("no answer was awaited")
		default:
		}
		//spec:7641-3.6-1
		send(2, id, token, "90", "answer")
		if err := <-done; err != nil || len(got) != 1 {
			t.Errorf("got %q, %v", got, err)
		}
		send(0, "ee02", token, accepted, "late")
		server.expect("the token is free", "7000ee02")
		server.expect("no retransmission", "")

		// The server is gone.
		ctx, cancel = context.WithCancel(t.Context())
		observe(ctx, cancellation)
		token, id = receive(registration)
		send(2, id, token, accepted, "a")
		cancel()
		at := time.Now()
		if err := <-done; err != nil || time.Since(at) != 4*time.Second {
			t.Errorf("without an answer: %v after %v", err, time.Since(at))
		}
		for range 5 {
			d, ok := server.sock.Receive(time.Minute)
			if !ok || !bytes.Equal(d.Data[4:12], token) {
				t.Errorf("retransmission: got %x", d.Data)
			}
		}
		time.Sleep(time.Minute) // until the client gives up

		// Nothing to cancel.
		ctx, cancel = context.WithCancel(t.Context())
		observe(ctx, func() *coap.Request { return nil })
		token, id = receive(registration)
		send(2, id, token, accepted, "a")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		observe(ctx, func() *coap.Request { t.Error("asked before the registration is answered"); return nil })
		token, _ = receive(registration)
		cancel()
		if err := <-done; err == nil {
			t.Error("not registered: no error")
		}
		server.expect("no cancellation", "")
		send(0, "ee03", token, accepted, "late")
		server.expect("notification", "7000ee03")
	})
}

// TestObserveGroup: the end of an observation of a group is no Confirmable message
// to the group; whoever notifies then is told by a Reset.
func TestObserveGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		group := netip.MustParseAddrPort("224.0.1.187:5683")
		members, member := raw{t, n.Listen(group)}, raw{t, n.Listen(serverAddr)}
		c := endpoint(t, n, clientAddr, coap.Config{}).Client(group)
		for name, cancel := range map[string]func() *coap.Request{"deregistration": nil, "cancellation": func() *coap.Request { return protected(1, 8) }} {
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			r := coap.NewRequest(coap.GET, "/x")
			r.NonConfirmable = true
			go func() { done <- c.ObserveCancel(ctx, r, func(*coap.Response) { stop() }, cancel) }()
			d, ok := members.sock.Receive(time.Second)
			if !ok || d.Data[0]>>4 != 5 {
				t.Fatalf("got %x", d.Data)
			}
			note := append([]byte{0x58, byte(coap.Content), 0xee, 2 * name[0]}, d.Data[4:12]...)
			n.Send(coaptest.Datagram{From: serverAddr, To: clientAddr, Data: append(note, 0x60)})
			if err := <-done; err != nil {
				t.Error(err)
			}
			//spec:7252-8.1-1
			members.expect(name, "")
			note[3]++
			n.Send(coaptest.Datagram{From: serverAddr, To: clientAddr, Data: append(note, 0x61, 1)})
			member.expect(name, "7000"+hex.EncodeToString(note[2:4]))
		}
	})
}

// TestObserveCancelStream: the same over a reliable transport, where a server
// learns of the end by nothing else.
func TestObserveCancelStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := coaptest.Pipe()
		peer := frames{t, far}
		c := coap.NewConn(near, coap.ConnConfig{})
		defer far.Close()
		defer c.Close()
		peer.expect("50e12301000020")
		peer.send("00e1")
		var got []string
		done := make(chan error, 1)
		observe := func(ctx context.Context, r *coap.Request, cancel func() *coap.Request) {
			got = nil
			go func() {
				done <- c.ObserveCancel(ctx, r, func(r *coap.Response) { got = append(got, string(r.Payload)) }, cancel)
			}()
		}
		cancellation := func() *coap.Request { return protected(1, 8) }
		ctx, cancel := context.WithCancel(t.Context())
		observe(ctx, protected(0, 7), cancellation)
		token := peer.token("6805", "60320107ff07")
		peer.send("5845" + token + "610130" + "ff61")
		cancel()
		if again := peer.token("7805", "6101320108ff08"); again != token {
			t.Errorf("cancelled %s, want %s", again, token)
		}
		peer.send("5845" + token + "610230" + "ff62") // under way
		select {
		case <-done:
			t.Fatal("no answer was awaited")
		default:
		}
		peer.send("1845" + token + "90")
		if err := <-done; err != nil || len(got) != 1 {
			t.Errorf("got %q, %v", got, err)
		}

		ctx, cancel = context.WithCancel(t.Context())
		observe(ctx, protected(0, 7), cancellation)
		token = peer.token("6805", "60320107ff07")
		peer.send("5845" + token + "610130" + "ff61")
		cancel()
		at := time.Now()
		if err := <-done; err != nil || time.Since(at) != 4*time.Second {
			t.Errorf("without an answer: %v after %v", err, time.Since(at))
		}
		peer.token("7805", "6101320108ff08")

		// In clear, and before the registration is answered.
		ctx, cancel = context.WithCancel(t.Context())
		observe(ctx, coap.NewRequest(coap.GET, "/x"), nil)
		token = peer.token("3801", "605178")
		cancel()
		if err := <-done; err == nil {
			t.Error("not registered: no error")
		}
		//spec:8323-7.4-1
		if again := peer.token("4801", "61015178"); again != token {
			t.Errorf("deregistered %s, want %s", again, token)
		}
	})
}

// frames is a peer over a stream that speaks bytes.
type frames struct {
	t    *testing.T
	conn *coaptest.Stream
}

// send sends, and waits until that has been worked off.
func (f frames) send(s string) {
	f.t.Helper()
	if _, err := f.conn.Write(unhexBytes(f.t, s)); err != nil {
		f.t.Fatal(err)
	}
	synctest.Wait()
}

// read reads n bytes.
func (f frames) read(n int) string {
	f.t.Helper()
	b := make([]byte, n)
	_ = f.conn.SetReadDeadline(time.Now().Add(time.Minute))
	if n, err := io.ReadFull(f.conn, b); err != nil {
		f.t.Fatalf("got %x, %v", b[:n], err)
	}
	return hex.EncodeToString(b)
}

func (f frames) expect(want string) {
	f.t.Helper()
	if got := f.read(len(want) / 2); got != want {
		f.t.Fatalf("got %s, want %s", got, want)
	}
}

// token reads a message with a token of 8 bytes and returns that.
func (f frames) token(head, tail string) string {
	f.t.Helper()
	f.expect(head)
	token := f.read(8)
	f.expect(tail)
	return token
}

// TestLateRegistrationRejected: who no longer wants the observation when its
// registration is answered, late, rejects the answer. That ends it.
func TestLateRegistrationRejected(t *testing.T) {
	for name, tt := range map[string]struct {
		reply func(peer raw, id []byte)
		want  int
	}{
		"acknowledged": {raw.ack, 1},
		//spec:7641-4.5-2
		"rejected": {raw.rst, 0},
		"lost":     {func(raw, []byte) { time.Sleep(94 * time.Second) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := new(coaptest.Network)
				s := new(subject)
				h := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
					in := r.Clone()
					time.AfterFunc(time.Second, func() { s.ServeCOAP(w, in) })
				})
				server := endpoint(t, n, serverAddr, coap.Config{Handler: h})
				peer := raw{t, n.Listen(clientAddr)}
				peer.send(register)
				peer.expect("acknowledgement", "6000000a")
				p, ok := peer.note(2 * time.Second)
				if !ok || p.typ != 0 || p.observe < 0 {
					t.Fatalf("answer: got %+v %t", p, ok)
				}
				tt.reply(peer, p.id)
				synctest.Wait()
				_, ctx := s.last()
				if got := server.Stats().Observations; got != tt.want || ctx.Err() == nil != (tt.want == 1) {
					t.Errorf("got %d observations and %v, want %d", got, ctx.Err(), tt.want)
				}
			})
		})
	}
}
