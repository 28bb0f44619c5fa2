package coap_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
)

// sequenceTick is by what the numbers of notifications grow (RFC 7641, Section
// 4.4).
const sequenceTick = 256 * time.Second / (1 << 23)

// TestObserveNumbers: in an endpoint that has run for a day and a half, and for
// three, a registration anew has the number of its time, which the client takes
// for a newer one.
func TestObserveNumbers(t *testing.T) {
	for _, age := range []time.Duration{1 << 24, 1 << 31, 1 << 32, 1 << 33, 1 << 40} {
		t.Run(fmt.Sprint(age*sequenceTick), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := new(coaptest.Network)
				endpoint(t, n, serverAddr, coap.Config{Handler: new(subject)})
				time.Sleep((age - 8) * sequenceTick)
				peer := raw{t, n.Listen(clientAddr)}
				last := -1
				for i := range 40 {
					peer.send(fmt.Sprintf("4101%04xaa605178", i))
					p, ok := peer.note(time.Second)
					if !ok || p.observe < 0 {
						t.Fatalf("registration %d: got %+v %t", i, p, ok)
					}
					//spec:7641-4.4-1
					//spec:7641-4.4-2
					//spec:7641-4.4-3
					if d := (p.observe - last) & 0xffffff; last >= 0 && (d == 0 || d >= 1<<23) {
						t.Errorf("registration %d: number %#x after %#x", i, p.observe, last)
					}
					last = p.observe
					time.Sleep(65 * time.Second)
				}
			})
		})
	}
}

// A silentServer is a raw server of one observation.
type silentServer struct {
	raw
	net   *coaptest.Network
	token []byte
	id    []byte // of the last registration
}

// registration waits for one, and fails the test if none comes in time.
func (s *silentServer) registration(within time.Duration) {
	s.t.Helper()
	d, ok := s.sock.Receive(within)
	if !ok || len(d.Data) < 13 || d.Data[0]>>4&3 != 0 || d.Data[12] != 0x60 {
		s.t.Fatalf("registration: got %x", d.Data)
	}
	if s.token != nil && string(s.token) != string(d.Data[4:12]) {
		s.t.Errorf("registration: token %x after %x", d.Data[4:12], s.token)
	}
	s.token, s.id = d.Data[4:12], d.Data[2:4]
}

// note sends a notification with a number.
func (s *silentServer) note(typ byte, id []byte, number uint32, payload string) {
	b := append([]byte{0x48 | typ<<4, byte(coap.Content)}, id...)
	b = append(append(b, s.token...), 0x63, byte(number>>16), byte(number>>8), byte(number), 0xff)
	s.net.Send(coaptest.Datagram{From: serverAddr, To: clientAddr, Data: append(b, payload...)})
	synctest.Wait()
}

// confirm is an Empty acknowledgement of the last registration.
func (s *silentServer) confirm() {
	s.net.Send(coaptest.Datagram{From: serverAddr, To: clientAddr, Data: append([]byte{0x60, 0}, s.id...)})
	synctest.Wait()
}

// TestObserveRenewed: what comes of registrations anew. The first has the answer
// with the number 0x700000.
func TestObserveRenewed(t *testing.T) {
	for name, tt := range map[string]struct {
		then func(s *silentServer)
		want string
		err  error // nil is that the client still observes
	}{
		//spec:7641-3.4-1
		"a server restarted": {func(s *silentServer) {
			s.note(2, s.id, 2, "b")
			s.note(1, []byte{0xee, 1}, 1, "older")
			s.note(1, []byte{0xee, 2}, 3, "c")
		}, "[a b c]", nil},
		"a server restarted that answers late": {func(s *silentServer) {
			s.confirm()
			s.note(0, []byte{0xee, 1}, 2, "whose number says nothing yet")
			s.expect("acknowledgement", "6000ee01")
			s.registration(128*time.Second + 15*time.Second - 64*time.Second)
			s.confirm()
			s.note(0, []byte{0xee, 2}, 3, "b")
		}, "[a b]", nil},
		"an old notification is no answer": {func(s *silentServer) {
			s.note(1, []byte{0xee, 1}, 0x6fffff, "old")
			s.registration(3 * time.Second)
			s.note(2, s.id, 0x700001, "b")
		}, "[a b]", nil},
		"a new notification is one": {func(s *silentServer) {
			s.note(1, []byte{0xee, 1}, 0x700001, "b")
			s.note(2, s.id, 0x700000, "late")
			if d, ok := s.sock.Receive(time.Minute); ok {
				s.t.Errorf("while it is fresh: got %x", d.Data)
			}
		}, "[a b]", nil},
		"one not answered": {func(s *silentServer) {
			for range 4 {
				s.registration(48 * time.Second)
			}
			s.registration((48 + 15) * time.Second)
			s.note(2, s.id, 0x700000, "b")
			for range 5 {
				s.registration(75 * time.Second)
			}
			s.registration((48 + 15) * time.Second)
			s.note(2, s.id, 0x700000, "c")
		}, "[a b c]", nil},
		"two not answered": {func(s *silentServer) {
			for range 9 {
				s.registration((48 + 15) * time.Second)
			}
			time.Sleep(48 * time.Second)
		}, "[a]", coap.ErrTimeout},
		"acknowledged and not answered, twice": {func(s *silentServer) {
			s.confirm()
			s.registration((247 + 15) * time.Second)
			s.confirm()
			time.Sleep(247 * time.Second)
		}, "[a]", coap.ErrTimeout},
		"rejected": {func(s *silentServer) {
			s.net.Send(coaptest.Datagram{From: serverAddr, To: clientAddr, Data: append([]byte{0x70, 0}, s.id...)})
		}, "[a]", coap.ErrReset},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := new(coaptest.Network)
				s := &silentServer{raw: raw{t, n.Listen(serverAddr)}, net: n}
				e := endpoint(t, n, clientAddr, coap.Config{})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var got []string
				done := make(chan error, 1)
				go func() {
					done <- e.Observe(ctx, request(coap.GET, "/x"), func(r *coap.Response) { got = append(got, string(r.Payload)) })
				}()
				s.registration(time.Second)
				s.note(2, s.id, 0x700000, "a")
				s.registration(75 * time.Second)
				tt.then(s)
				synctest.Wait()
				if tt.err == nil {
					select {
					case err := <-done:
						t.Errorf("ended: %v", err)
						return
					default:
						cancel()
					}
				}
				if err := <-done; !errors.Is(err, tt.err) || fmt.Sprint(got) != tt.want {
					t.Errorf("got %v, %v, want %s, %v", got, err, tt.want, tt.err)
				}
			})
		})
	}
}

// TestObserveNoNeed: no registration anew is sent when a notification has come
// before it could be.
func TestObserveNoNeed(t *testing.T) {
	for name, tt := range map[string]struct {
		busy time.Duration // of the caller, with the first notification
		wait bool          // another request is under way when the registration is due
	}{
		"a slow caller":               {busy: 80 * time.Second},
		"not its turn":                {wait: true},
		"a slow caller, not its turn": {80 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := new(coaptest.Network)
				s := &silentServer{raw: raw{t, n.Listen(serverAddr)}, net: n}
				e := endpoint(t, n, clientAddr, coap.Config{})
				ctx, cancel := context.WithCancel(t.Context())
				var got []string
				done := make(chan error, 2)
				go func() {
					done <- e.Observe(ctx, request(coap.GET, "/x"), func(r *coap.Response) {
						if got = append(got, string(r.Payload)); len(got) == 1 {
							time.Sleep(tt.busy)
						}
					})
				}()
				s.registration(time.Second)
				s.note(2, s.id, 1, "a")
				time.Sleep(50 * time.Second)
				var id []byte
				if tt.wait {
					go func() {
						_, err := e.Do(ctx, request(coap.GET, "/slow"))
						done <- err
					}()
					d, _ := s.sock.Receive(time.Second)
					id = d.Data[2:4]
				} else {
					done <- context.Canceled
				}
				time.Sleep(28 * time.Second) // the registration is due
				s.note(1, []byte{0xee, 1}, 2, "b")
				time.Sleep(5 * time.Second)
				for tt.wait {
					if _, ok := s.sock.Receive(0); !ok { // retransmissions
						break
					}
				}
				if tt.wait {
					n.Send(coaptest.Datagram{From: serverAddr, To: clientAddr, Data: append([]byte{0x60, 0}, id...)})
				}
				if d, ok := s.sock.Receive(55 * time.Second); ok {
					t.Errorf("while it is fresh: got %x", d.Data)
				}
				s.registration(15 * time.Second)
				cancel()
				for range 2 {
					if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
				}
				if want := "[a b]"; fmt.Sprint(got) != want {
					t.Errorf("got %v, want %s", got, want)
				}
			})
		})
	}
}

// TestObserveNonConfirmable: a registration that is not confirmed is sent anew
// likewise, and is in nobody's way when it is lost.
func TestObserveNonConfirmable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		s := &silentServer{raw: raw{t, n.Listen(serverAddr)}, net: n}
		e := endpoint(t, n, clientAddr, coap.Config{})
		done := make(chan error, 1)
		go func() {
			r := request(coap.GET, "/x")
			r.NonConfirmable = true
			done <- e.Observe(t.Context(), r, func(*coap.Response) {})
		}()
		for i, within := range []time.Duration{time.Second, 75 * time.Second, (247 + 15) * time.Second} {
			d, ok := s.sock.Receive(within)
			if !ok || d.Data[0]>>4&3 != 1 || d.Data[12] != 0x60 {
				t.Fatalf("registration %d: got %x", i, d.Data)
			}
			if s.token = d.Data[4:12]; i == 0 {
				s.note(1, []byte{0xee, 1}, 1, "a")
			}
		}
		if err := <-done; !errors.Is(err, coap.ErrTimeout) {
			t.Errorf("got %v, want ErrTimeout", err)
		}
	})
}
