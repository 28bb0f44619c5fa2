package oscore

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// observation is one that is established: client and server side.
func observation(t rapid.TB) (*ClientExchange, *ServerExchange) {
	t.Helper()
	c, s := pairFor(t)
	return request(t, c, s, register)
}

// TestNotifications are those of a good run: the first without Partial IV, the others in
// order.
//
//spec:8613-4.1.3.5-1
//spec:8613-4.1.3.5-2
//spec:8613-4.1.3.5.1-1
//spec:8613-4.1.3.5.2-2
//spec:8613-4.1.3.5.2-3
//spec:8613-4.1.3.5.2-5
//spec:8613-7.4.1-4
//spec:8613-8-2
func TestNotifications(t *testing.T) {
	x, y := observation(t)
	y.context.sender.sequence.next = 0x01fffffe
	for i, want := range []string{"", "fffffe", "ffffff", "00", "01"} {
		m := notice
		m.Payload = []byte{byte(i)}
		p := respond(t, y, m)
		outer, _ := p.Message()
		if value, _ := outer.option(optionObserve); !bytes.Equal(value, []byte{9}) {
			t.Errorf("outer Observe = %x, want 09", value)
		}
		got := verify(t, x, p)
		value, ok := got.option(optionObserve)
		if !ok || got.Payload[0] != byte(i) {
			t.Errorf("notification %d = %v", i, got)
		}
		if hex := hexOf(value); hex != want {
			t.Errorf("notification %d: Observe = %s, want %s", i, hex, want)
		}
	}
	// The inner value was empty.
	p := respond(t, y, notice)
	m, err := x.open(&p, x.context, &x.context.sender.base)
	if err != nil {
		t.Fatal(err)
	}
	if value, ok := m.option(optionObserve); !ok || len(value) != 0 {
		t.Errorf("inner Observe = %x (%t), want empty", value, ok)
	}
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var out []byte
	for _, c := range b {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(out)
}

// TestNotificationReplay drops, repeats and reorders notifications: those that come out
// are in order, each once.
//
//spec:8613-7.4.1-1
//spec:8613-7.4.1-2
//spec:8613-7.4.1-3
//spec:8613-7.4.1-4
//spec:8613-8.4.2-1
//spec:8613-8.4.2-2
func TestNotificationReplay(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		x, y := observation(t)
		var sent []Protected
		for i := range rapid.IntRange(1, 20).Draw(r, "notifications") {
			m := notice
			m.Payload = []byte{byte(i)}
			sent = append(sent, respond(t, y, m))
		}
		last := -1
		for range rapid.IntRange(1, 60).Draw(r, "arrivals") {
			i := rapid.IntRange(0, len(sent)-1).Draw(r, "notification")
			m, err := x.VerifyResponse(sent[i])
			if accepted, want := err == nil, i > last; accepted != want {
				r.Fatalf("notification %d after %d: %v, want acceptance %t", i, last, err, want)
			}
			if err == nil {
				if int(m.Payload[0]) != i {
					r.Fatalf("notification %d has the payload of %d", i, m.Payload[0])
				}
				last = i
			}
		}
	})
}

// TestObservationEnds by a response without Observe, which needs no order.
//
//spec:8613-8.4.2-2
func TestObservationEnds(t *testing.T) {
	x, y := observation(t)
	verify(t, x, respond(t, y, notice))
	late := respond(t, y, notice)
	gone := respond(t, y, Message{Code: 0x84})
	forged := gone
	forged.payload = bytes.Clone(gone.payload)
	forged.payload[0] ^= 1
	if _, err := x.VerifyResponse(forged); err != error(errDecrypt) {
		t.Errorf("forged response: %v, want %v", err, errDecrypt)
	}
	if m := verify(t, x, gone); m.Code != 0x84 {
		t.Errorf("Code = %v, want 4.04", m.Code)
	}
	if _, err := x.VerifyResponse(late); err != ErrSpent {
		t.Errorf("notification after the end: %v, want %v", err, ErrSpent)
	}
}

// TestUnaskedNotification: Observe inside the response to a request that registered
// nothing.
func TestUnaskedNotification(t *testing.T) {
	cancel := register
	cancel.Options = []Option{{optionObserve, []byte{1}}, register.Options[1]}
	for name, m := range map[string]Message{"plain request": getRequest, "cancellation": cancel} {
		c, s := pairFor(t)
		x, y := request(t, c, s, m)
		if _, err := x.VerifyResponse(forgeResponse(t, y, notice)); err != error(errNotRegistered) {
			t.Errorf("%s: %v, want %v", name, err, errNotRegistered)
		}
		verify(t, x, respond(t, y, content))
	}
}

// TestNewPartialIV: a registration, and its repetition, have Partial IVs of their own, and
// each observation counts by itself.
//
//spec:8613-4.1.3.5.1-2
//spec:8613-4.1.3.5.2-2
func TestNewPartialIV(t *testing.T) {
	c, s := pairFor(t)
	x1, y1 := request(t, c, s, register)
	verify(t, x1, respond(t, y1, notice))
	verify(t, x1, respond(t, y1, notice))
	x2, y2 := request(t, c, s, register)
	if x1.piv == x2.piv {
		t.Errorf("both registrations have Partial IV %x", x1.piv.bytes())
	}
	if x2.notified || x2.notification != 0 {
		t.Errorf("the new observation begins at notification %d", x2.notification)
	}
	verify(t, x2, respond(t, y2, notice))
	verify(t, x1, respond(t, y1, notice))
}
