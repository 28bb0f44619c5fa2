package coap_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
)

// subject is a resource that can be observed.
type subject struct {
	mu      sync.Mutex
	writers []coap.ResponseWriter
	ctxs    []context.Context
	decline bool
}

func (s *subject) ServeCOAP(w coap.ResponseWriter, r *coap.Request) {
	resp := &coap.Response{Code: coap.Content, Payload: []byte("0")}
	if v, ok := r.Options.Uint(coap.Observe); ok && v == 0 && !s.decline {
		resp.Options.AddUint(coap.Observe, 0)
		s.mu.Lock()
		s.writers, s.ctxs = append(s.writers, w), append(s.ctxs, r.Context())
		s.mu.Unlock()
	}
	_ = w.Respond(resp)
}

func (s *subject) last() (coap.ResponseWriter, context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writers[len(s.writers)-1], s.ctxs[len(s.ctxs)-1]
}

func notification(text string) *coap.Response {
	r := &coap.Response{Code: coap.Content, Payload: []byte(text)}
	r.Options.AddUint(coap.Observe, 0)
	return r
}

// parsed is what the raw observer looks at in a notification.
type parsed struct {
	typ     byte
	code    coap.Code
	id      []byte
	observe int // -1 without
	payload string
}

// note receives a message with the token aa and at most an Observe option.
func (r raw) note(wait time.Duration) (parsed, bool) {
	r.t.Helper()
	d, ok := r.sock.Receive(wait)
	if !ok {
		return parsed{}, false
	}
	b := d.Data
	p := parsed{typ: b[0] >> 4 & 3, code: coap.Code(b[1]), id: b[2:4], observe: -1}
	if b = b[4:]; len(b) == 0 || b[0] != 0xaa {
		r.t.Fatalf("token: got %x", d.Data)
	}
	b = b[1:]
	if len(b) > 0 && b[0]>>4 == 6 {
		p.observe = 0
		for _, v := range b[1 : 1+b[0]&15] {
			p.observe = p.observe<<8 | int(v)
		}
		b = b[1+b[0]&15:]
	}
	if len(b) > 0 && b[0] == 0xff {
		p.payload = string(b[1:])
	}
	return p, true
}

func (r raw) ack(id []byte) { r.send("6000" + hex.EncodeToString(id)) }
func (r raw) rst(id []byte) { r.send("7000" + hex.EncodeToString(id)) }

const (
	register   = "4101000aaa" + "60" + "5178"   // GET, Observe 0, Uri-Path x
	deregister = "4101000baa" + "6101" + "5178" // Observe 1
)

func TestObserveServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		s := new(subject)
		server := endpoint(t, n, serverAddr, coap.Config{Handler: s})
		peer := raw{t, n.Listen(clientAddr)}
		peer.send(register)
		first, ok := peer.note(time.Second)
		//spec:7641-4.2-1
		//spec:7641-4.2-5
		//spec:7641-4.2-6
		if !ok || first.typ != 2 || first.observe < 0 || first.payload != "0" {
			t.Fatalf("registration: got %+v", first)
		}
		w, ctx := s.last()
		seq, con, non := first.observe, 0, 0
		next := func(text string) parsed {
			t.Helper()
			if err := w.Respond(notification(text)); err != nil {
				t.Fatal(err)
			}
			p, ok := peer.note(10 * time.Second)
			if !ok || p.payload != text {
				t.Fatalf("notification %s: got %+v %t", text, p, ok)
			}
			//spec:7641-4.4-1
			//spec:7641-4.4-2
			//spec:7641-4.4-3
			if p.observe <= seq {
				t.Errorf("sequence number %d after %d", p.observe, seq)
			}
			seq = p.observe
			if p.typ == 0 {
				con++
				time.Sleep(50 * time.Millisecond) // the round trip
				peer.ack(p.id)
				synctest.Wait()
			} else {
				non++
			}
			return p
		}
		for i := range 101 {
			time.Sleep(time.Second)
			next(fmt.Sprint(i))
		}
		if con != 6 || non != 95 { // the first tells the round-trip time, then one of twenty
			t.Errorf("got %d CON and %d NON notifications, want 6 and 95", con, non)
		}
		//spec:7641-4.5.1-1
		//spec:7641-4.3.1-1
		//spec:7641-4.4-4
		//spec:7641-4.4-5
		//spec:7641-4.5-1
		for i := range 5 { // a burst: one now, the last one after the round-trip time
			if err := w.Respond(notification(fmt.Sprint("burst", i))); err != nil {
				t.Fatal(err)
			}
		}
		a, _ := peer.note(time.Millisecond)
		b, _ := peer.note(time.Second)
		if _, more := peer.note(time.Second); a.payload != "burst0" || b.payload != "burst4" || more {
			t.Errorf("burst: got %q and %q, more %t", a.payload, b.payload, more)
		}
		seq = b.observe
		//spec:7641-4.5-3
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		p, ok := peer.note(0)
		if !ok || p.typ != 0 || p.payload != "burst4" {
			t.Fatalf("after a day: got %+v %t, want the state once more in a CON", p, ok)
		}
		for i := range 4 { // its retransmissions
			if _, ok := peer.note(0); !ok {
				t.Errorf("no retransmission %d", i+1)
			}
		}
		if server.Stats().Observations != 0 || ctx.Err() == nil {
			t.Error("not acknowledged, and still an observer")
		}
		if err := w.Respond(notification("x")); !errors.Is(err, coap.ErrClosed) {
			t.Errorf("after the end: got %v", err)
		}
	})
}

// TestObserveDay observes for 24 hours with a change each minute.
func TestObserveDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		s := new(subject)
		server := endpoint(t, n, serverAddr, coap.Config{Handler: s})
		client := endpoint(t, n, clientAddr, coap.Config{})
		ctx, cancel := context.WithCancel(context.Background())
		var got atomic.Int64
		done := make(chan error)
		go func() {
			done <- client.Observe(ctx, request(coap.GET, "/x"), func(r *coap.Response) { got.Add(1) })
		}()
		synctest.Wait()
		w, _ := s.last()
		for range 24 * 60 {
			time.Sleep(time.Minute)
			if err := w.Respond(notification("x")); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		if st := server.Stats(); got.Load() != 24*60+1 || st.Observations != 1 || st.Notifications != 24*60 {
			t.Errorf("got %d notifications, %+v", got.Load(), st)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if st := server.Stats(); st.Observations != 0 {
			t.Errorf("after deregistration: %+v", st)
		}
		if len(s.writers) != 1 {
			t.Errorf("registered %d times, want once: each notification is fresh for a minute", len(s.writers))
		}
	})
}

func TestObserveEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(peer raw, w coap.ResponseWriter, note parsed)
		last bool // a last notification without Observe follows
	}{
		//spec:7641-4.5-2
		"RST of a CON notification": {end: func(peer raw, _ coap.ResponseWriter, note parsed) { peer.rst(note.id) }},
		"RST of a NON notification": {end: func(peer raw, w coap.ResponseWriter, note parsed) {
			peer.ack(note.id)
			synctest.Wait()
			time.Sleep(time.Second)
			_ = w.Respond(notification("2"))
			p, ok := peer.note(time.Second)
			if !ok || p.typ != 1 {
				peer.t.Errorf("got %+v, want NON", p)
			}
			peer.rst(p.id)
		}},
		"no acknowledgement": {end: func(peer raw, _ coap.ResponseWriter, _ parsed) {
			time.Sleep(94 * time.Second)
			synctest.Wait()
			for range 4 {
				_, _ = peer.note(0)
			}
		}},
		//spec:7641-4.1-5
		"deregistration": {end: func(peer raw, _ coap.ResponseWriter, note parsed) {
			peer.ack(note.id)
			peer.send(deregister)
			//spec:7641-4.1-4
			//spec:7641-4.1-6
			if p, ok := peer.note(time.Second); !ok || p.observe != -1 || p.typ != 2 {
				peer.t.Errorf("got %+v, want a response without Observe", p)
			}
		}},
		//spec:7641-4.2-2
		//spec:7641-4.2-3
		//spec:7641-4.2-4
		"error notification": {last: true, end: func(peer raw, w coap.ResponseWriter, note parsed) {
			peer.ack(note.id)
			synctest.Wait()
			_ = w.Respond(&coap.Response{Code: coap.NotFound})
		}},
		"last notification": {last: true, end: func(peer raw, w coap.ResponseWriter, note parsed) {
			_ = w.Respond(&coap.Response{Code: coap.Content}) // while the one before is outstanding
			synctest.Wait()
			peer.ack(note.id)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := new(coaptest.Network)
				s := new(subject)
				server := endpoint(t, n, serverAddr, coap.Config{Handler: s})
				peer := raw{t, n.Listen(clientAddr)}
				peer.send(register)
				_, _ = peer.note(time.Second)
				w, ctx := s.last()
				_ = w.Respond(notification("1"))
				p, ok := peer.note(time.Second)
				if !ok || p.typ != 0 {
					t.Fatalf("got %+v", p)
				}
				tt.end(peer, w, p)
				synctest.Wait()
				if tt.last {
					p, ok := peer.note(time.Second)
					if !ok || p.typ != 0 || p.observe != -1 {
						t.Errorf("got %+v, want a CON without Observe", p)
					}
					peer.ack(p.id)
					synctest.Wait()
				}
				if st := server.Stats(); st.Observations != 0 || st.Outstanding != 0 || ctx.Err() == nil {
					t.Errorf("still observed: %+v, context %v", st, ctx.Err())
				}
				if err := w.Respond(notification("3")); !errors.Is(err, coap.ErrClosed) {
					t.Errorf("got %v, want ErrClosed", err)
				}
			})
		})
	}
}

// TestObserveSupersedes: a state that has changed while its notification was
// on the way is not retransmitted; the newer one is, with a Message ID of its
// own and the retransmission counter of the old.
func TestObserveSupersedes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		s := new(subject)
		server := endpoint(t, n, serverAddr, coap.Config{Handler: s})
		peer := raw{t, n.Listen(clientAddr)}
		peer.send(register)
		_, _ = peer.note(time.Second)
		w, _ := s.last()
		_ = w.Respond(notification("old"))
		first, _ := peer.note(time.Second)
		_ = w.Respond(notification("newer"))
		_ = w.Respond(notification("newest"))
		//spec:7641-4.4-4
		second, ok := peer.note(4 * time.Second)
		if !ok || first.payload != "old" || second.payload != "newest" || second.typ != 0 ||
			string(second.id) == string(first.id) || second.observe <= first.observe {
			t.Fatalf("got %+v and then %+v", first, second)
		}
		peer.ack(first.id) // late, and of no use
		synctest.Wait()
		if st := server.Stats(); st.Outstanding != 1 {
			t.Errorf("got %+v", st)
		}
		peer.ack(second.id)
		synctest.Wait()
		if st := server.Stats(); st.Outstanding != 0 || st.Observations != 1 || st.Retransmissions != 1 {
			t.Errorf("got %+v", st)
		}
	})
}

// TestObserveAgain: a registration with the same token replaces the one
// before (RFC 7641, Section 4.1), one with a forged Reset does not end it.
func TestObserveAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		s := new(subject)
		server := endpoint(t, n, serverAddr, coap.Config{Handler: s, MaxPeerObservations: 2})
		peer := raw{t, n.Listen(clientAddr)}
		peer.send(register)
		first, _ := peer.note(time.Second)
		_, ctx1 := s.last()
		for i := range 1 << 16 {
			n.Send(coaptest.Datagram{From: netip.MustParseAddrPort("203.0.113.1:9"), To: serverAddr, Data: []byte{0x70, 0, byte(i >> 8), byte(i)}})
			if i%1024 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if ctx1.Err() != nil {
			t.Error("ended by a stranger's Reset")
		}
		//spec:7641-4.1-2
		//spec:7641-4.1-3
		peer.send("4101000caa" + "60" + "5178")
		second, ok := peer.note(time.Second)
		_, ctx2 := s.last()
		if !ok || second.observe <= first.observe || ctx1.Err() == nil || ctx2.Err() != nil || server.Stats().Observations != 1 {
			t.Errorf("got %+v after %+v, contexts %v and %v, %+v", second, first, ctx1.Err(), ctx2.Err(), server.Stats())
		}
		peer.send("4101000dab" + "60" + "5178")
		peer.send("4101000eac" + "60" + "5178")
		for range 2 {
			_, _ = peer.sock.Receive(time.Second)
		}
		if st := server.Stats(); st.Observations != 2 {
			t.Errorf("got %d observations of one peer, want 2", st.Observations)
		}
		s.decline = true
		peer.send("4101000faa" + "60" + "5178")
		if p, _ := peer.note(time.Second); p.observe != -1 {
			t.Errorf("declined: got %+v", p)
		}
	})
}

// TestObserveRefused: the handler of a registration for which there was no room
// may notify before it learns that. Nobody else gets that for an answer.
func TestObserveRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		s := new(subject)
		h := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			if !r.Options.Has(coap.Observe) {
				refused, _ := s.last()
				if err := refused.Respond(notification("1")); err == nil {
					t.Error("a notification went out without an observation")
				}
			}
			s.ServeCOAP(w, r)
		})
		endpoint(t, n, serverAddr, coap.Config{Handler: h, MaxObservations: 1})
		peer := raw{t, n.Listen(clientAddr)}
		peer.send(register)
		if p, _ := peer.note(time.Second); p.observe == -1 {
			t.Fatalf("registration: got %+v", p)
		}
		peer.send("4101000bab" + "60" + "5178")
		if _, ok := peer.sock.Receive(time.Second); !ok {
			t.Fatal("no answer to the second registration")
		}
		peer.send("4101000caa" + "b178")
		if p, ok := peer.note(time.Second); !ok || p.payload != "0" {
			t.Errorf("another request: got %+v", p)
		}
	})
}

// TestPanicLeavesNoWriter: a goroutine that the handler has begun before it panicked
// cannot answer somebody else's request.
func TestPanicLeavesNoWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		var late coap.ResponseWriter
		h := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			if late == nil {
				late = w
				panic("in the handler")
			}
			if err := late.Respond(&coap.Response{Code: coap.Content, Payload: []byte("late")}); err == nil {
				t.Error("a response went out after the panic")
			}
			_ = w.Respond(&coap.Response{Code: coap.Content, Payload: []byte("own")})
		})
		endpoint(t, n, serverAddr, coap.Config{Handler: h})
		peer := raw{t, n.Listen(clientAddr)}
		peer.send("4101000aaa" + "b178")
		if p, _ := peer.note(time.Second); p.code != coap.InternalServerError {
			t.Errorf("panic: got %+v", p)
		}
		peer.send("4101000baa" + "b178")
		if p, _ := peer.note(time.Second); p.payload != "own" {
			t.Errorf("another request: got %+v", p)
		}
	})
}

// TestObserveClient: order, freshness, registering again, and the end.
func TestObserveClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		server := raw{t, n.Listen(serverAddr)}
		e := endpoint(t, n, clientAddr, coap.Config{})
		send := func(typ byte, code coap.Code, id []byte, token []byte, observe, payload string) {
			t.Helper()
			b, err := hex.DecodeString(observe)
			if err != nil {
				t.Fatal(err)
			}
			d := append([]byte{0x48 | typ<<4, byte(code)}, id...)
			d = append(append(append(d, token...), b...), 0xff)
			n.Send(coaptest.Datagram{From: serverAddr, To: clientAddr, Data: append(d, payload...)})
			synctest.Wait()
		}
		var got []string
		done := make(chan error, 1)
		observe := func(ctx context.Context) {
			got = nil
			go func() {
				done <- e.Observe(ctx, request(coap.GET, "/x"), func(r *coap.Response) { got = append(got, string(r.Payload)) })
			}()
		}
		receive := func(observe byte) (token, id []byte) {
			t.Helper()
			d, ok := server.sock.Receive(2 * time.Minute)
			if !ok || len(d.Data) < 13 || d.Data[12]>>4 != 6 || d.Data[12]&15 != observe {
				t.Fatalf("got %x", d.Data)
			}
			//spec:7641-3.3.1-2
			if rest := string(d.Data[13+observe:]); rest != "\x51x" {
				t.Errorf("other options: got %x", rest)
			}
			return d.Data[4:12], d.Data[2:4]
		}
		observe(context.Background())
		token, id := receive(0)
		send(2, coap.Content, id, token, "63000010", "a")
		nid := func(i byte) []byte { return []byte{0xee, i} }
		//spec:7641-3.4-1
		send(1, coap.Content, nid(1), token, "63000012", "c")
		send(1, coap.Content, nid(2), token, "63000011", "b: older")
		send(1, coap.Content, nid(1), token, "63000013", "c: duplicate")
		send(1, coap.Content, nid(3), token, "63ffff00", "older, wrapped")
		time.Sleep(20 * time.Second)
		send(1, coap.Content, nid(4), token, "63700000", "d")
		send(1, coap.Content, nid(9), token, "63e00000", "d2")
		send(1, coap.Content, nid(5), token, "63000001", "e: wrapped")
		//spec:7641-3.5-2
		send(0, coap.Content, nid(6), token, "63000001", "CON, not newer")
		server.expect("acknowledgement", "6000ee06")
		if want := "[a c d d2 e: wrapped]"; fmt.Sprint(got) != want {
			t.Errorf("got %v, want %v", got, want)
		}
		//spec:7641-3.3.1-1
		//spec:7252-5.4.4-1
		at := time.Now()
		again, id := receive(0)
		if d := time.Since(at); string(again) != string(token) || d < 65*time.Second || d > 75*time.Second {
			t.Errorf("registered again after %v with token %x", d, again)
		}
		n.Send(coaptest.Datagram{From: serverAddr, To: clientAddr, Data: append([]byte{0x60, 0}, id...)})
		time.Sleep(129 * time.Second)
		send(0, coap.Content, nid(10), token, "63000000", "late but fresh") // more than 128 s later
		send(1, coap.NotFound, nid(7), token, "", "gone")
		if err := <-done; err != nil {
			t.Error(err)
		}
		if want := "[a c d d2 e: wrapped late but fresh gone]"; fmt.Sprint(got) != want {
			t.Errorf("got %v, want %v", got, want)
		}
		server.expect("acknowledgement", "6000ee0a")
		//spec:7641-3.5-1
		send(1, coap.Content, nid(8), token, "63000020", "x")
		server.expect("notification nobody wants", "7000ee08")

		ctx, cancel := context.WithCancel(context.Background())
		observe(ctx)
		token, id = receive(0)
		send(2, coap.Content, id, token, "6107", "a")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		//spec:7641-3.6-1
		dereg, id := receive(1)
		if string(dereg) != string(token) {
			t.Errorf("deregistered %x, want %x", dereg, token)
		}
		send(2, coap.Content, id, token, "", "b")

		observe(context.Background())
		token, id = receive(0)
		send(2, coap.Content, id, token, "", "not observable")
		if err := <-done; err != nil || fmt.Sprint(got) != "[not observable]" {
			t.Errorf("got %v, %v", got, err)
		}
		observe(context.Background())
		if err := <-done; !errors.Is(err, coap.ErrTimeout) {
			t.Errorf("nobody there: got %v", err)
		}
	})
}
