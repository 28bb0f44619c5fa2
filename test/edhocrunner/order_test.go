package edhocrunner

import (
	"bytes"
	"crypto/elliptic"
	"errors"
	"math/big"
	"testing"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/internal/secret"
)

// otherS is the other s of the same signature: n - s.
func otherS(sig []byte) []byte {
	s := new(big.Int).SetBytes(sig[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(sig[32:])
	return sig
}

// recorded are the messages of another session of the same peers, with the same message_1.
func recorded(t testing.TB) (messages [5][]byte) {
	t.Helper()
	s := setting{method: 3, suite: 2}
	i, r := s.peer(t, true), s.peer(t, false)
	i.Ephemeral = make([]byte, 32)
	_, _ = stream("runner").Read(i.Ephemeral)
	r.Ephemeral = make([]byte, 32)
	_, _ = stream("another").Read(r.Ephemeral)
	var err error
	messages[1], err = i.WriteMessage1()
	must(t, err)
	must(t, r.ReadMessage1(messages[1]))
	messages[2], err = r.WriteMessage2()
	must(t, err)
	must(t, i.ReadMessage2(messages[2]))
	messages[3], err = i.WriteMessage3()
	must(t, err)
	must(t, r.ReadMessage3(messages[3]))
	messages[4], err = r.WriteMessage4()
	must(t, err)
	return messages
}

// misbehavioursOrder are messages where others are due.
func misbehavioursOrder(t *testing.T) []misbehaviour {
	old := recorded(t)
	mirror := func(name, other string) func(*Peer) {
		return before(name, func(p *Peer) { p.Bugs.Sent(name, func([]byte) []byte { return p.Values[other] }) })
	}
	p1, p2, p3, p4 := "ProcessMessage1", "ProcessMessage2", "ProcessMessage3", "ProcessMessage4"
	return []misbehaviour{
		{name: "message_2 instead of message_1", bug: sent("message_1", constant(old[2])), want: refused(p1, "5.2.1")},
		{name: "message_3 instead of message_1", bug: sent("message_1", constant(old[3])), want: refused(p1, "5.2.1")},
		{name: "message_4 instead of message_1", bug: sent("message_1", constant(old[4])), want: refused(p1, "5.2.1")},

		{name: "message_1 instead of message_2", as: responder, bug: sent("message_2", constant(old[1])), want: refused(p2, "5.3.1")},
		{name: "message_1 back", as: responder, bug: mirror("message_2", "message_1"), want: refused(p2, "5.3.1")},
		{name: "message_2 of another session", as: responder, bug: sent("message_2", constant(old[2])), want: refused(p2, "5.3.2")},
		{name: "message_3 instead of message_2", as: responder, bug: sent("message_2", constant(old[3])), want: refused(p2, "5.3.1")},
		{name: "message_4 instead of message_2", as: responder, bug: sent("message_2", constant(old[4])), want: refused(p2, "5.3.1")},

		{name: "message_1 instead of message_3", bug: sent("message_3", constant(old[1])), want: refused(p3, "5.4.1")},
		{name: "message_1 again instead of message_3", bug: mirror("message_3", "message_1"), want: refused(p3, "5.4.1")},
		{name: "message_2 back", bug: mirror("message_3", "message_2"), want: refused(p3, "5.4.3")},
		{name: "message_3 of a session with the same message_1", bug: sent("message_3", constant(old[3])), want: refused(p3, "5.4.3")},
		{name: "message_4 of another session instead of message_3", bug: sent("message_3", constant(old[4])), want: refused(p3, "5.4.3")},

		{name: "message_1 instead of message_4", as: responder, bug: sent("message_4", constant(old[1])), want: refused(p4, "5.5.1")},
		{name: "message_1 back instead of message_4", as: responder, bug: mirror("message_4", "message_1"), want: refused(p4, "5.5.1")},
		{name: "message_2 again instead of message_4", as: responder, bug: mirror("message_4", "message_2"), want: refused(p4, "5.5.3")},
		{name: "message_3 back", as: responder, bug: mirror("message_4", "message_3"), want: refused(p4, "5.5.3")},
		{name: "message_4 of another session", as: responder, bug: sent("message_4", constant(old[4])), want: refused(p4, "5.5.3")},
	}
}

// Each step is taken once, also after it went well: what comes again finds the state
// spent, and nothing is sent because of it.
//
//spec:9528-5.1-2
func TestDuplicates(t *testing.T) {
	s := setting{method: 3, suite: 2}
	spent := func(err error) {
		t.Helper()
		if !errors.Is(err, edhoc.ErrSpent) || edhoc.ErrorMessage(err) != nil {
			t.Errorf("the second time: %v", err)
		}
	}
	p := s.peer(t, true)
	r, err := edhoc.NewResponder(s.config(t, false))
	must(t, err)
	msg1, err := p.WriteMessage1()
	must(t, err)
	v1, err := r.ProcessMessage1(msg1)
	must(t, err)
	msg2, a3, err := v1.ComposeMessage2("\x05")
	must(t, err)
	_, _, err = v1.ComposeMessage2("\x06")
	spent(err)
	must(t, p.ReadMessage2(msg2))
	msg3, err := p.WriteMessage3()
	must(t, err)
	r3, err := a3.ProcessMessage3(msg3)
	must(t, err)
	_, err = a3.ProcessMessage3(msg3)
	spent(err)
	v3, err := r3.Verify(s.trusted(t, r3.IDCredI)...)
	must(t, err)
	_, err = r3.Verify(s.trusted(t, r3.IDCredI)...)
	spent(err)
	session, err := v3.WithoutMessage4()
	must(t, err)
	_, _, err = v3.ComposeMessage4()
	spent(err)
	agree(t, p, session)

	q := s.peer(t, false)
	i, err := edhoc.NewInitiator(s.config(t, true))
	must(t, err)
	msg1, a2, err := i.ComposeMessage1("\x05")
	must(t, err)
	must(t, q.ReadMessage1(msg1))
	msg2, err = q.WriteMessage2()
	must(t, err)
	r2, err := a2.ProcessMessage2(msg2)
	must(t, err)
	_, err = a2.ProcessMessage2(msg2)
	spent(err)
	v2, err := r2.Verify(s.trusted(t, r2.IDCredR)...)
	must(t, err)
	msg3, sent, err := v2.ComposeMessage3()
	must(t, err)
	_, _, err = v2.ComposeMessage3()
	spent(err)
	must(t, q.ReadMessage3(msg3))
	msg4, err := q.WriteMessage4()
	must(t, err)
	session, _, err = sent.ProcessMessage4(msg4)
	must(t, err)
	_, _, err = sent.ProcessMessage4(msg4)
	spent(err)
	agree(t, q, session)
}

// A C_R that the application gives twice is not sent.
func TestSameConnectionIdentifiers(t *testing.T) {
	s := setting{method: 3, suite: 2}
	r, err := edhoc.NewResponder(s.config(t, false))
	must(t, err)
	p := s.peer(t, true)
	msg1, err := p.WriteMessage1()
	must(t, err)
	v1, err := r.ProcessMessage1(msg1)
	must(t, err)
	if _, _, err := v1.ComposeMessage2(v1.CI); !errors.Is(err, edhoc.ErrConnID) {
		t.Errorf("C_R equal to C_I: %v", err)
	}
	if _, _, err := v1.ComposeMessage2("\x05"); !errors.Is(err, edhoc.ErrSpent) {
		t.Errorf("afterwards: %v", err)
	}
}

// The keys that are not the same: another label, another context, another length, another
// session; and lengths that HKDF does not give.
func TestKeyConfirmation(t *testing.T) {
	s := setting{method: 3, suite: 2}
	r, err := edhoc.NewResponder(s.config(t, false))
	must(t, err)
	p, q := s.peer(t, true), s.peer(t, true)
	one, two := runInitiator(t, s, p, r, false), runInitiator(t, s, q, r, false)
	base, err := one.Export(0, nil, 16)
	must(t, err)
	differ := func(name string, other secret.Bytes, err error) {
		t.Helper()
		must(t, err)
		if bytes.Equal(base, other[:16]) {
			t.Errorf("%s: the same key", name)
		}
	}
	k, err := one.Export(1, nil, 16)
	differ("another label", k, err)
	k, err = one.Export(0, []byte{0}, 16)
	differ("another context", k, err)
	k, err = one.Export(0, nil, 17)
	differ("another length", k, err)
	k, err = two.Export(0, nil, 16)
	differ("another session", k, err)
	if _, err := one.Export(0, nil, 255*32); err != nil {
		t.Error(err)
	}
	for _, n := range []int{-1, 255*32 + 1, 1 << 30} {
		if _, err := one.Export(0, nil, n); !errors.Is(err, edhoc.ErrConfig) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	// A peer whose PRK_out is another does not get the keys, whatever it says in its messages.
	liar := s.peer(t, true)
	liar.Bugs.Label("PRK_out", 8)
	session := runInitiator(t, s, liar, r, false)
	got, err := session.Export(0, nil, 16)
	must(t, err)
	want, err := liar.Export(0, nil, 16)
	must(t, err)
	if bytes.Equal(got, want) {
		t.Error("the same key of another PRK_out")
	}
	liar = s.peer(t, true)
	session = runInitiator(t, s, liar, r, false)
	must(t, session.KeyUpdate([]byte("a")))
	must(t, liar.KeyUpdate([]byte("b")))
	got, err = session.Export(0, nil, 16)
	must(t, err)
	want, err = liar.Export(0, nil, 16)
	must(t, err)
	if bytes.Equal(got, want) {
		t.Error("the same key after updates that differ")
	}
}
