package edhoc

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/internal/secret"
)

// flow is a handshake with every state and message of it, spent up to where stop
// says.
type flow struct {
	*parties
	msg1, msg2, msg3, msg4 []byte
	a2                     *AwaitMessage2
	v1                     *VerifiedMessage1
	a3                     *AwaitMessage3
	r2                     *ReceivedMessage2
	v2                     *VerifiedMessage2
	sent                   *SentMessage3
	r3                     *ReceivedMessage3
	v3                     *VerifiedMessage3
	sI, sR                 *Session
}

// steps are the arrows of RFC 9528, Appendix I, in their order.
var steps = []struct {
	name string
	do   func(f *flow) error
}{
	{"ComposeMessage1", func(f *flow) (err error) { f.msg1, f.a2, err = f.i.ComposeMessage1("\x01"); return }},
	{"ProcessMessage1", func(f *flow) (err error) { f.v1, err = f.r.ProcessMessage1(f.msg1); return }},
	{"ComposeMessage2", func(f *flow) (err error) { f.msg2, f.a3, err = f.v1.ComposeMessage2("\x02"); return }},
	{"ProcessMessage2", func(f *flow) (err error) { f.r2, err = f.a2.ProcessMessage2(f.msg2); return }},
	{"Verify2", func(f *flow) (err error) { f.v2, err = f.r2.Verify(f.credR); return }},
	{"ComposeMessage3", func(f *flow) (err error) { f.msg3, f.sent, err = f.v2.ComposeMessage3(); return }},
	{"ProcessMessage3", func(f *flow) (err error) { f.r3, err = f.a3.ProcessMessage3(f.msg3); return }},
	{"Verify3", func(f *flow) (err error) { f.v3, err = f.r3.Verify(f.credI); return }},
	{"ComposeMessage4", func(f *flow) (err error) { f.msg4, f.sR, err = f.v3.ComposeMessage4(); return }},
	{"ProcessMessage4", func(f *flow) (err error) { f.sI, _, err = f.sent.ProcessMessage4(f.msg4); return }},
}

// run takes the first n steps.
func runFlow(t testing.TB, p *parties, n int) *flow {
	t.Helper()
	f := &flow{parties: p}
	for _, s := range steps[:n] {
		if err := s.do(f); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
	}
	return f
}

// Each step works once: again, it is ErrSpent, which no message answers.
//
//spec:9528-5.1-4
//spec:9528-5.1-5
//spec:9528-7-1
//spec:9528-7-2
//spec:9528-7-3
func TestDuplicate(t *testing.T) {
	p := pair(t, StaticDHStaticDH, 2)
	for n, s := range steps {
		if s.name == "ComposeMessage1" || s.name == "ProcessMessage1" {
			continue // of the Initiator and the Responder, which start any number
		}
		f := runFlow(t, p, len(steps))
		for range 3 {
			err := s.do(f)
			if !errors.Is(err, ErrSpent) {
				t.Errorf("%s a second time: %v, want ErrSpent", s.name, err)
			}
			if m := ErrorMessage(err); m != nil {
				t.Errorf("%s a second time is answered with %x", s.name, m)
			}
		}
		_ = n
	}
}

// Of many duplicates at once, one is processed.
func TestDuplicateAtOnce(t *testing.T) {
	p := pair(t, StaticDHStaticDH, 2)
	f := runFlow(t, p, 6)
	var wg sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for range 16 {
		wg.Go(func() {
			if _, err := f.a3.ProcessMessage3(f.msg3); err == nil {
				mu.Lock()
				n++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if n != 1 {
		t.Errorf("message_3 was processed %d times", n)
	}
}

// The zero value of a state is spent.
func TestZeroStates(t *testing.T) {
	zero := func() *flow {
		return &flow{
			parties: new(parties),
			a2:      new(AwaitMessage2), v1: new(VerifiedMessage1), a3: new(AwaitMessage3), r2: new(ReceivedMessage2),
			v2: new(VerifiedMessage2), sent: new(SentMessage3), r3: new(ReceivedMessage3), v3: new(VerifiedMessage3),
		}
	}
	f := zero()
	for _, s := range steps[2:] {
		if err := s.do(zero()); !errors.Is(err, ErrSpent) {
			t.Errorf("%s of the zero value: %v, want ErrSpent", s.name, err)
		}
	}
	for _, d := range []func(){f.a2.Discard, f.v1.Discard, f.a3.Discard, f.r2.Discard, f.v2.Discard, f.sent.Discard, f.r3.Discard, f.v3.Discard} {
		d()
	}
	for _, err := range []error{f.v1.Refuse("x"), f.r2.Refuse("x"), f.v2.Refuse("x"), f.r3.Refuse("x"), f.v3.Refuse("x")} {
		if !errors.Is(err, ErrSpent) {
			t.Errorf("Refuse of the zero value: %v", err)
		}
	}
	if _, err := f.sent.WithoutMessage4(); !errors.Is(err, ErrSpent) {
		t.Errorf("WithoutMessage4: %v", err)
	}
	if _, err := f.v3.WithoutMessage4(); !errors.Is(err, ErrSpent) {
		t.Errorf("WithoutMessage4: %v", err)
	}
}

// In every state, every message but the one that is due is refused, and ends the
// handshake.
//
//spec:9528-5.1-1
//spec:9528-5.3.3-2
//spec:9528-5.3.3-3
//spec:9528-5.4.3-2
//spec:9528-5.4.3-3
//spec:9528-5.5.3-2
//spec:9528-5.5.3-3
//spec:9528-5.2.3-2
//spec:9528-5.2.3-3
//spec:9528-6-1
func TestStateTable(t *testing.T) {
	p := pair(t, StaticDHStaticDH, 2)
	whole, other := runFlow(t, p, len(steps)), runFlow(t, p, len(steps))
	messages := map[string][]byte{
		"message_1": whole.msg1, "message_2": whole.msg2, "message_3": whole.msg3, "message_4": whole.msg4,
		"other message_1": other.msg1, "other message_2": other.msg2, "other message_3": other.msg3, "other message_4": other.msg4,
		"error": ErrorMessage(refuse("6", "x", nil)), "error of code 0": {0x00, 0xf6}, "error of another code": {0x18, 0x63, 0xf6},
		"empty": {}, "garbage": {0xff, 0xff}, "empty bstr": {0x40}, "true": {0xf5},
	}
	states := map[string]struct {
		steps int // to get there
		takes string
		give  func(f *flow, msg []byte) error
		state func(f *flow) bool // still there?
	}{
		"START":   {0, "message_1", func(f *flow, msg []byte) error { _, err := f.r.ProcessMessage1(msg); return err }, func(*flow) bool { return false }},
		"WAIT_M2": {1, "message_2", func(f *flow, msg []byte) error { _, err := f.a2.ProcessMessage2(msg); return err }, func(f *flow) bool { return f.a2.state.v.Load() != nil }},
		"WAIT_M3": {3, "message_3", func(f *flow, msg []byte) error { _, err := f.a3.ProcessMessage3(msg); return err }, func(f *flow) bool { return f.a3.state.v.Load() != nil }},
		"WAIT_M4": {6, "message_4", func(f *flow, msg []byte) error { _, _, err := f.sent.ProcessMessage4(msg); return err }, func(f *flow) bool { return f.sent.state.v.Load() != nil }},
	}
	for name, s := range states {
		for what, msg := range messages {
			t.Run(name+"/"+what, func(t *testing.T) {
				f := runFlow(t, p, s.steps)
				err := s.give(f, msg)
				if name == "START" && strings.HasSuffix(what, "message_1") {
					must(t, err)
					return
				}
				var mine *Error
				var peers *PeerError
				switch {
				case strings.HasPrefix(what, "error"):
					if !errors.As(err, &peers) {
						t.Errorf("got %v, want a *PeerError", err)
					}
					if ErrorMessage(err) != nil {
						t.Error("an error message is answered with one")
					}
				default:
					// Also the message that is due: it is of another handshake. A message_2
					// of another handshake may look like one until it is verified.
					if s.takes == "message_2" && strings.HasSuffix(what, "message_2") && err == nil {
						return
					}
					if !errors.As(err, &mine) {
						t.Errorf("got %v, want an *Error", err)
					}
					if ErrorMessage(err) == nil {
						t.Error("nothing to answer with")
					}
				}
				if s.state(f) {
					t.Error("the state is still there")
				}
			})
		}
	}
	// The good one, last, to see that the table does not refuse for another reason.
	for name, s := range states {
		f := runFlow(t, p, s.steps)
		if name == "START" {
			continue
		}
		for _, st := range steps[s.steps:] {
			must(t, st.do(f))
		}
		agree(t, f.sI, f.sR)
	}
}

// A message_2 of another handshake that decodes by chance is refused by Verify.
func TestOtherMessage2(t *testing.T) {
	p := pair(t, StaticDHStaticDH, 2)
	other := runFlow(t, p, 3)
	for range 200 {
		f := runFlow(t, p, 1)
		r2, err := f.a2.ProcessMessage2(other.msg2)
		if err != nil {
			continue
		}
		if _, err := r2.Verify(p.credR); err == nil {
			t.Fatal("message_2 of another handshake was verified")
		}
	}
}

// secrets collects the secret byte strings that v leads to, not following keys
// and credentials of the application.
func secrets(v reflect.Value, seen map[uintptr]bool, out *[]secret.Bytes) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || seen[v.Pointer()] {
			return
		}
		seen[v.Pointer()] = true
		switch v.Type() {
		case reflect.TypeFor[*settings](), reflect.TypeFor[*Credential](), reflect.TypeFor[*PrivateKey](), reflect.TypeFor[*cipherSuite]():
			return
		}
		secrets(v.Elem(), seen, out)
	case reflect.Struct:
		for i := range v.NumField() {
			secrets(v.Field(i), seen, out)
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[secret.Bytes]() && v.Len() > 0 {
			*out = append(*out, secret.Bytes(v.Bytes()))
		}
	}
}

func secretsOf(state any) []secret.Bytes {
	var out []secret.Bytes
	secrets(reflect.ValueOf(state), map[uintptr]bool{}, &out)
	return out
}

func erased(s []secret.Bytes) bool {
	for _, b := range s {
		if !b.Equal(make([]byte, len(b))) {
			return false
		}
	}
	return true
}

// Whatever ends a handshake, Discard, Refuse or a failure, leaves no secret of it.
//
//spec:9528-9.8-4
func TestErase(t *testing.T) {
	bad := []byte{0x41, 0xff}
	cases := []struct {
		name  string
		steps int
		end   func(f *flow) error
		state func(f *flow) any
	}{
		{"Discard WAIT_M2", 1, func(f *flow) error { f.a2.Discard(); return nil }, func(f *flow) any { return f.a2.state.v.Load() }},
		{"message_2", 1, func(f *flow) error { _, err := f.a2.ProcessMessage2(bad); return err }, func(f *flow) any { return f.a2.state.v.Load() }},
		{"error instead of message_2", 1, func(f *flow) error { _, err := f.a2.ProcessMessage2([]byte{1, 0x60}); return err }, func(f *flow) any { return f.a2.state.v.Load() }},
		{"Discard WAIT_M3", 3, func(f *flow) error { f.a3.Discard(); return nil }, func(f *flow) any { return f.a3.state.v.Load() }},
		{"message_3", 3, func(f *flow) error { _, err := f.a3.ProcessMessage3(bad); return err }, func(f *flow) any { return f.a3.state.v.Load() }},
		{"Discard RCVD_M2", 4, func(f *flow) error { f.r2.Discard(); return nil }, func(f *flow) any { return f.r2.state.v.Load() }},
		{"Refuse RCVD_M2", 4, func(f *flow) error { return f.r2.Refuse("x") }, func(f *flow) any { return f.r2.state.v.Load() }},
		{"unknown CRED_R", 4, func(f *flow) error { _, err := f.r2.Verify(); return err }, func(f *flow) any { return f.r2.state.v.Load() }},
		{"wrong CRED_R", 4, func(f *flow) error { _, err := f.r2.Verify(f.credI); return err }, func(f *flow) any { return f.r2.state.v.Load() }},
		{"Discard VRFD_M2", 5, func(f *flow) error { f.v2.Discard(); return nil }, func(f *flow) any { return f.v2.state.v.Load() }},
		{"EAD_3 that may not be", 5, func(f *flow) error { _, _, err := f.v2.ComposeMessage3(EADItem{Label: 23}); return err }, func(f *flow) any { return f.v2.state.v.Load() }},
		{"Discard COMPLETED", 6, func(f *flow) error { f.sent.Discard(); return nil }, func(f *flow) any { return f.sent.state.v.Load() }},
		{"message_4", 6, func(f *flow) error { _, _, err := f.sent.ProcessMessage4(bad); return err }, func(f *flow) any { return f.sent.state.v.Load() }},
		{"Refuse RCVD_M3", 7, func(f *flow) error { return f.r3.Refuse("x") }, func(f *flow) any { return f.r3.state.v.Load() }},
		{"wrong CRED_I", 7, func(f *flow) error { _, err := f.r3.Verify(f.credR); return err }, func(f *flow) any { return f.r3.state.v.Load() }},
		{"Refuse VRFD_M3", 8, func(f *flow) error { return f.v3.Refuse("x") }, func(f *flow) any { return f.v3.state.v.Load() }},
	}
	for _, m := range []Method{SignatureSignature, StaticDHStaticDH} {
		p := pair(t, m, 2)
		for _, c := range cases {
			t.Run(fmt.Sprintf("method %d/%s", int64(m), c.name), func(t *testing.T) {
				f := runFlow(t, p, c.steps)
				held := secretsOf(c.state(f))
				if len(held) == 0 || m == StaticDHStaticDH && erased(held) {
					t.Fatal("the state has no secrets: the test is wrong")
				}
				if err := c.end(f); err == nil && !strings.HasPrefix(c.name, "Discard") {
					t.Fatal("no error")
				}
				if !erased(held) {
					t.Error("secrets are left")
				}
			})
		}
	}
}

// A step that works leaves no secret but those of the next state.
func TestEraseOnTheWay(t *testing.T) {
	for _, m := range allMethods {
		p := pair(t, m, 3)
		f := runFlow(t, p, 3)
		x, y := f.a2.state.v.Load().own.private, f.a3.state.v.Load().own.private
		if m.staticDH(initiator) == erased([]secret.Bytes{y}) {
			t.Errorf("method %v: Y erased: %t; it is needed with a static key of the Initiator only", m, erased([]secret.Bytes{y}))
		}
		must(t, steps[3].do(f))
		key2e := f.r2.state.v.Load().prk2e.key
		must(t, steps[4].do(f))
		if !erased([]secret.Bytes{x, key2e}) {
			t.Errorf("method %v: X or PRK_2e is left after message_2", m)
		}
		key3 := []secret.Bytes{f.v2.state.v.Load().prk3e2m.key, f.a3.state.v.Load().prk3e2m.key}
		for _, s := range steps[5:8] {
			must(t, s.do(f))
		}
		if !erased(append(key3, y)) {
			t.Errorf("method %v: Y or PRK_3e2m is left after message_3", m)
		}
		key4 := []secret.Bytes{f.sent.state.v.Load().prk4e3m.key, f.v3.state.v.Load().prk4e3m.key}
		for _, s := range steps[8:] {
			must(t, s.do(f))
		}
		if !erased(key4) {
			t.Errorf("method %v: PRK_4e3m is left", m)
		}
		agree(t, f.sI, f.sR)

		f = runFlow(t, p, 8) // without message_4
		key4 = []secret.Bytes{f.sent.state.v.Load().prk4e3m.key, f.v3.state.v.Load().prk4e3m.key}
		_, err := f.sent.WithoutMessage4()
		must(t, err)
		_, err = f.v3.WithoutMessage4()
		must(t, err)
		if !erased(key4) {
			t.Errorf("method %v: PRK_4e3m is left without message_4", m)
		}
	}
}

//spec:9528-H-1
func TestSessionErase(t *testing.T) {
	p := pair(t, SignatureSignature, 0)
	i, r := p.handshake(t, true)
	old := secretsOf(i)
	before, err := i.Export(7, nil, 16)
	must(t, err)
	must(t, i.KeyUpdate([]byte("c")))
	if !erased(old) {
		t.Error("the old keys are left after KeyUpdate")
	}
	after, err := i.Export(7, nil, 16)
	must(t, err)
	if before.Equal(after) {
		t.Error("KeyUpdate changes nothing")
	}
	must(t, r.KeyUpdate([]byte("d")))
	if b, _ := r.Export(7, nil, 16); b.Equal(after) {
		t.Error("KeyUpdate does not depend on its context")
	}
	held := secretsOf(i)
	i.Erase()
	i.Erase()
	if !erased(held) {
		t.Error("Erase leaves keys")
	}
	if _, err := i.Export(7, nil, 16); !errors.Is(err, ErrSpent) {
		t.Errorf("Export after Erase: %v", err)
	}
	if err := i.KeyUpdate(nil); !errors.Is(err, ErrSpent) {
		t.Errorf("KeyUpdate after Erase: %v", err)
	}
	for _, n := range []int{-1, 8161} {
		if _, err := r.Export(7, nil, n); !errors.Is(err, ErrConfig) {
			t.Errorf("Export of %d bytes: %v", n, err)
		}
	}
	if b, err := r.Export(7, nil, 8160); err != nil || len(b) != 8160 {
		t.Errorf("Export of 8160 bytes: %d, %v", len(b), err)
	}
}

// Printing shows no secret.
//
//spec:9528-9.8-2
//spec:9528-9.8-3
func TestPrint(t *testing.T) {
	p := pair(t, StaticDHStaticDH, 2)
	f := runFlow(t, p, len(steps))
	g := runFlow(t, p, 6)
	private := f.i.settings.identities[0].Key
	var hidden [][]byte
	for _, s := range append(secretsOf(f.sI), secretsOf(g.sent.state.v.Load())...) {
		hidden = append(hidden, s)
	}
	for _, v := range []any{f.sI, f.sR, private, g.sent, f.i, f.r, g.a3, Identity{Key: private}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
			s := fmt.Sprintf(verb, v)
			for _, h := range hidden {
				if strings.Contains(s, fmt.Sprintf("%x", h)) || strings.Contains(s, fmt.Sprint([]byte(h))) || strings.Contains(s, string(h)) {
					t.Errorf("%s of %T shows a secret", verb, v)
				}
			}
		}
	}
	if bytes.Contains([]byte(fmt.Sprint(private)), []byte("[secret]")) == false {
		t.Errorf("a private key prints as %v", private)
	}
}
