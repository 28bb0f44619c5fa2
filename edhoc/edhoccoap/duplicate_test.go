package edhoccoap

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/edhoc"
)

// parsed is a CoAP message over UDP, as far as it matters here.
type parsed struct {
	code    coap.Code
	token   string
	payload []byte
}

func parse(b []byte) parsed {
	n := 4 + int(b[0]&0x0f)
	p := parsed{code: coap.Code(b[1]), token: string(b[4:n])}
	extended := func(v int) int {
		switch v {
		case 13:
			n++
			return 13 + int(b[n-1])
		case 14:
			n += 2
			return 269 + int(b[n-2])<<8 + int(b[n-1])
		}
		return v
	}
	for n < len(b) {
		if b[n] == 0xff {
			p.payload = b[n+1:]
			return p
		}
		delta, length := int(b[n]>>4), int(b[n]&0x0f)
		n++
		extended(delta)
		n += extended(length)
	}
	return p
}

// TestDuplicates is behaviour 44 and ED-5: every request comes four times, 0 to 300
// seconds late, as the same CoAP message or as another one. Each EDHOC message has one
// answer, for as long as it may be kept, and nothing is left of the rest after that.
//
//spec:9528-5.1-5
//spec:9528-7-1
//spec:9528-7-2
//spec:9528-7-3
//spec:9528-7-4
func TestDuplicates(t *testing.T) {
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			n := newWire(t, func(w *world) { w.cfg.Message4, w.client.Message4 = true, true })
			defer n.close()
			n.reverse.cfg.Message4 = true
			n.network.Delay = n.delay
			n.mu.Lock()
			rng := rand.New(rand.NewPCG(seed, 44))
			first := map[string]time.Time{}
			payloads := map[string][]byte{}
			n.copies = func(d coaptest.Datagram) []late {
				out := []late{{d.Data, 0}}
				p := parse(d.Data)
				if p.code != coap.POST {
					return out
				}
				if len(p.payload) == 0 && first[p.token].IsZero() { // a trigger: CoAP alone knows that it is the same
					first[p.token] = time.Now()
					return append(out, late{bytes.Clone(d.Data), time.Duration(rng.Int64N(int64(240 * time.Second)))})
				}
				first[p.token] = time.Now()
				if bytes.Contains(d.Data, []byte("edhoc")) {
					payloads[p.token] = bytes.Clone(p.payload)
				}
				for range 3 {
					again := bytes.Clone(d.Data)
					if rng.IntN(2) == 0 {
						again[2] ^= 0x55 // another Message ID
					}
					out = append(out, late{again, time.Duration(rng.Int64N(int64(300 * time.Second)))})
				}
				return out
			}
			answers := map[string][]byte{}
			repeated := 0
			n.sent = func(d coaptest.Datagram) {
				p := parse(d.Data)
				since, known := first[p.token]
				if !known || p.code == 0 {
					return
				}
				old, again := answers[p.token]
				switch {
				case !again:
					answers[p.token] = append([]byte{byte(p.code)}, p.payload...)
				case time.Since(since) < maxLifetime:
					repeated++
					if !bytes.Equal(old[1:], p.payload) || old[0] != byte(p.code) {
						t.Errorf("after %v: %v %x, not %x", time.Since(since), p.code, p.payload, old)
					}
				case old[0] == byte(p.code) && bytes.Equal(old[1:], p.payload): // CoAP has kept it
				default: // message_1 begins a handshake that leads to nothing; others are unknown
					if m1 := payloads[p.token]; len(m1) > 0 && m1[0] == newSession != (p.code == coap.Changed) {
						t.Errorf("after %v: %v %x", time.Since(since), p.code, p.payload)
					}
				}
			}
			n.mu.Unlock()
			c := n.dial("192.0.2.7:1000")
			must(t, n.use(c))
			backward := &ReverseClient{Doer: c, Responder: responderOf(t, n.idI), Find: finder(identity(t, 'r').Credential), IDs: n.client.IDs, Message4: true}
			_, _, err := backward.Establish(t.Context())
			must(t, err)
			time.Sleep(301 * time.Second)
			n.mu.Lock()
			if repeated == 0 {
				t.Error("nothing was answered again")
			}
			n.mu.Unlock()
			if n.contexts.Len() != 2 {
				t.Errorf("%d contexts", n.contexts.Len())
			}
			must(t, n.use(c))
			time.Sleep(2 * 301 * time.Second)
			pending, live := busyIDs(n.ids)
			if n.world.server.Pending() != 0 || n.reverse.Pending() != 0 || pending != 0 || live != 3 {
				t.Errorf("%d and %d pending, identifiers: %d pending, %d live", n.world.server.Pending(), n.reverse.Pending(), pending, live)
			}
			if left := len(n.world.server.table.byID) + len(n.reverse.table.byID) + len(n.world.server.table.byFirst); left != 0 {
				t.Errorf("%d handshakes are kept", left)
			}
		})
	}
}

// The same message_1 several times at once: the answers are one message_2.
//
//spec:9528-7-1
func TestDuplicatesAtOnce(t *testing.T) {
	const at = 4
	var arrived sync.WaitGroup
	arrived.Add(at)
	w := newWorld(t, func(w *world) {
		w.cfg.Propose = func(context.Context, *edhoc.VerifiedMessage1) ([]edhoc.EADItem, error) {
			arrived.Done()
			arrived.Wait()
			return nil, nil
		}
	})
	msg1, _, err := w.client.Initiator.ComposeMessage1("\x01")
	must(t, err)
	msg1 = append([]byte{newSession}, msg1...)
	answers := make([][]byte, at)
	var wait sync.WaitGroup
	for i := range answers {
		wait.Go(func() { answers[i] = w.post(msg1).Payload })
	}
	wait.Wait()
	for _, a := range answers {
		if len(a) == 0 || !bytes.Equal(a, answers[0]) {
			t.Errorf("message_2 is %x and %x", answers[0], a)
		}
	}
	if pending, _ := busyIDs(w.ids); pending != 1 || w.server.Pending() != 1 {
		t.Errorf("%d identifiers, %d handshakes", pending, w.server.Pending())
	}
}
