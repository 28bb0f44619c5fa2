package edhocrunner

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/edhoc"
)

// A misbehaviour is a fault of a peer, and what package edhoc makes of it.
type misbehaviour struct {
	name  string
	as    role     // of the bad peer
	in    *setting // nil is method 3, suite 2
	bug   func(p *Peer)
	ours  func(c *edhoc.Config)                                              // changes package edhoc's side; may be nil
	trust func(t testing.TB, s setting, id edhoc.IDCred) []*edhoc.Credential // whom it trusts; nil is the good peer and itself
	want  refusal
}

type role bool

const (
	initiator role = false
	responder role = true
)

// Settings other than method 3, suite 2.
var (
	static0 = &setting{method: 3, suite: 0}
	static3 = &setting{method: 3, suite: 3}
	sign0   = &setting{method: 0, suite: 0}
	sign2   = &setting{method: 0, suite: 2}
	mixed1  = &setting{method: 1, suite: 2}
	mixed2  = &setting{method: 2, suite: 2}
	value2  = &setting{method: 3, suite: 2, byValue: true}
)

// A refusal is where and why package edhoc ends a handshake. The zero value says that it
// does not.
type refusal struct {
	step    string // the method that fails
	code    int64  // what the bad peer is sent, 0 for nothing
	section string // of the *edhoc.Error
	peer    int64  // Code of the *edhoc.PeerError, if code is 0
}

// refused is by an error message with code 1.
func refused(step, section string) refusal { return refusal{step: step, code: 1, section: section} }

// answered is by an error message with another code.
func answered(step, section string, code int64) refusal {
	return refusal{step: step, code: code, section: section}
}

// ended is by an error message of the bad peer, which gets no answer.
func ended(step string, code int64) refusal { return refusal{step: step, peer: code} }

// An outcome is how far a handshake got.
type outcome struct {
	step    string
	err     error
	again   func() error // the step once more
	session *edhoc.Session
}

func (m misbehaviour) setting() setting {
	if m.in == nil {
		return setting{method: 3, suite: 2}
	}
	return *m.in
}

func (m misbehaviour) trusted(t testing.TB, id edhoc.IDCred) []*edhoc.Credential {
	t.Helper()
	if m.trust != nil {
		return m.trust(t, m.setting(), id)
	}
	return m.setting().trusted(t, id)
}

// stream is a source of numbers that are the same in every run, so that what a bad peer
// makes the good one decrypt is, too.
func stream(name string) io.Reader { return rand.NewChaCha8(sha256.Sum256([]byte(name))) }

// play runs the handshake, and a good one with the same endpoint afterwards.
func (m misbehaviour) play(t *testing.T) (*Peer, outcome) {
	t.Helper()
	s := m.setting()
	p := s.peer(t, m.as == initiator)
	p.Ephemeral = make([]byte, len(p.Own.Key.X))
	_, _ = stream("runner").Read(p.Ephemeral)
	if m.bug != nil {
		m.bug(p)
	}
	c := s.config(t, m.as == responder)
	c.Rand = stream(m.name)
	if m.ours != nil {
		m.ours(&c)
	}
	var o outcome
	good := s.peer(t, m.as == initiator)
	talk(good)
	if m.as == initiator {
		r, err := edhoc.NewResponder(c)
		must(t, err)
		o = m.respond(t, r, p)
		agree(t, good, runInitiator(t, s, good, r, true))
	} else {
		i, err := edhoc.NewInitiator(c)
		must(t, err)
		o = m.initiate(t, i, p)
		agree(t, good, runResponder(t, s, good, i, true))
	}
	if unused := p.Bugs.unused(p.seen); len(unused) > 0 {
		t.Errorf("faults that did not happen: %q", unused)
	}
	return p, o
}

// respond is package edhoc's side of a bad Initiator.
func (m misbehaviour) respond(t *testing.T, r *edhoc.Responder, p *Peer) outcome {
	t.Helper()
	msg1, err := p.WriteMessage1()
	must(t, err)
	v1, err := r.ProcessMessage1(msg1)
	if err != nil {
		return outcome{step: "ProcessMessage1", err: err}
	}
	msg2, a3, err := v1.ComposeMessage2("\x05")
	if err != nil {
		return outcome{"ComposeMessage2", err, func() error { _, _, err := v1.ComposeMessage2("\x05"); return err }, nil}
	}
	must(t, p.ReadMessage2(msg2))
	msg3, err := p.WriteMessage3()
	must(t, err)
	r3, err := a3.ProcessMessage3(msg3)
	if err != nil {
		return outcome{"ProcessMessage3", err, func() error { _, err := a3.ProcessMessage3(msg3); return err }, nil}
	}
	found := m.trusted(t, r3.IDCredI)
	v3, err := r3.Verify(found...)
	if err != nil {
		return outcome{"Verify", err, func() error { _, err := r3.Verify(found...); return err }, nil}
	}
	session, err := v3.WithoutMessage4()
	must(t, err)
	return outcome{session: session}
}

// initiate is package edhoc's side of a bad Responder. There is a message_4.
func (m misbehaviour) initiate(t *testing.T, i *edhoc.Initiator, p *Peer) outcome {
	t.Helper()
	msg1, a2, err := i.ComposeMessage1("\x05")
	must(t, err)
	must(t, p.ReadMessage1(msg1))
	msg2, err := p.WriteMessage2()
	must(t, err)
	r2, err := a2.ProcessMessage2(msg2)
	if err != nil {
		return outcome{"ProcessMessage2", err, func() error { _, err := a2.ProcessMessage2(msg2); return err }, nil}
	}
	found := m.trusted(t, r2.IDCredR)
	v2, err := r2.Verify(found...)
	if err != nil {
		return outcome{"Verify", err, func() error { _, err := r2.Verify(found...); return err }, nil}
	}
	msg3, sent, err := v2.ComposeMessage3()
	must(t, err)
	must(t, p.ReadMessage3(msg3))
	msg4, err := p.WriteMessage4()
	must(t, err)
	session, _, err := sent.ProcessMessage4(msg4)
	if err != nil {
		return outcome{"ProcessMessage4", err, func() error {
			if _, err := sent.WithoutMessage4(); !errors.Is(err, edhoc.ErrSpent) {
				return err
			}
			_, _, err := sent.ProcessMessage4(msg4)
			return err
		}, session}
	}
	return outcome{session: session}
}

// check compares what happened with what has to.
func (want refusal) check(t *testing.T, o outcome, suites []edhoc.SuiteID) {
	t.Helper()
	if o.err == nil || o.step != want.step || o.session != nil {
		t.Fatalf("%s fails with %v, Session %v, want %+v", o.step, o.err, o.session, want)
	}
	if o.again != nil {
		if err := o.again(); !errors.Is(err, edhoc.ErrSpent) {
			t.Errorf("the same step again: %v", err)
		}
	}
	msg := edhoc.ErrorMessage(o.err)
	if want.code == 0 {
		var e *edhoc.PeerError
		if !errors.As(o.err, &e) || int64(e.Code) != want.peer || msg != nil {
			t.Errorf("got %v, answered with %x, want a PeerError with code %d", o.err, msg, want.peer)
		}
		return
	}
	var e *edhoc.Error
	if !errors.As(o.err, &e) || int64(e.Code) != want.code || e.Section != want.section {
		t.Errorf("got %v, want an Error with code %d of Section %s", o.err, want.code, want.section)
	}
	got, err := ReadError(msg)
	if err != nil || got.Code != want.code {
		t.Errorf("the peer receives %x: %v, want code %d", msg, err, want.code)
	}
	if late := o.step != "ProcessMessage1" && o.step != "ComposeMessage2"; late && got.Code == 1 && got.Text != "processing failed" {
		t.Errorf("the peer learns %q", got.Text)
	}
	for i, id := range got.SuitesR {
		if len(got.SuitesR) != len(suites) || int64(suites[i]) != id {
			t.Errorf("SUITES_R is %v, want %v", got.SuitesR, suites)
		}
	}
}

// allMisbehaviours are the tables of the files beside.
func allMisbehaviours(t *testing.T) []misbehaviour {
	return slices.Concat(
		misbehaviours1(), misbehavioursG(t), misbehaviours2(t), misbehavioursProof2(t), misbehaviours3(t), misbehavioursProof3(t),
		misbehaviours4(), misbehavioursEAD(), misbehavioursOrder(t), misbehavioursErrors(),
	)
}

// Every fault of a peer is found where it must be, told as it must be, and harms nobody.
//
//spec:9528-9.8-5
//spec:9528-9.8-7
//spec:9528-5.2.3-2
//spec:9528-5.2.3-3
//spec:9528-5.3.3-2
//spec:9528-5.3.3-3
//spec:9528-5.4.3-2
//spec:9528-5.4.3-3
//spec:9528-5.5.3-2
//spec:9528-5.5.3-3
func TestMisbehaviours(t *testing.T) {
	all := allMisbehaviours(t)
	if len(all) < 60 {
		t.Errorf("%d misbehaviours", len(all))
	}
	t.Logf("%d misbehaviours", len(all))
	names := map[string]bool{}
	for _, m := range all {
		name := "Initiator/" + m.name
		if m.as == responder {
			name = "Responder/" + m.name
		}
		if names[name] {
			t.Errorf("two are called %s", name)
		}
		names[name] = true
		t.Run(name, func(t *testing.T) {
			suites := []edhoc.SuiteID{edhoc.SuiteID(m.setting().suite)}
			if m.ours != nil {
				var c edhoc.Config
				if m.ours(&c); c.Suites != nil {
					suites = c.Suites
				}
			}
			_, o := m.play(t)
			m.want.check(t, o, suites)
		})
	}
}

// The faults, as functions for the tables.

func value(name string, change func([]byte) []byte) func(*Peer) {
	return func(p *Peer) { p.Bugs.Value(name, change) }
}

func items(name string, change func([][]byte) [][]byte) func(*Peer) {
	return func(p *Peer) { p.Bugs.Items(name, change) }
}

func sent(name string, change func([]byte) []byte) func(*Peer) {
	return func(p *Peer) { p.Bugs.Sent(name, change) }
}

func label(name string, n int64) func(*Peer) { return func(p *Peer) { p.Bugs.Label(name, n) } }

func length(name string, n int) func(*Peer) { return func(p *Peer) { p.Bugs.Length(name, n) } }

func before(name string, change func(*Peer)) func(*Peer) {
	return func(p *Peer) { p.Bugs.Before(name, change) }
}

// instead takes another value of the handshake for one.
func instead(name, other string) func(*Peer) {
	return func(p *Peer) {
		p.Bugs.Value(name, func([]byte) []byte {
			if p.Values[other] == nil {
				panic("no " + other + " yet") // the table is wrong
			}
			return p.Values[other]
		})
	}
}

// both has two faults.
func both(faults ...func(*Peer)) func(*Peer) {
	return func(p *Peer) {
		for _, f := range faults {
			f(p)
		}
	}
}

// Changes of values.

func constant(b []byte) func([]byte) []byte { return func([]byte) []byte { return b } }
func zeros(b []byte) []byte                 { return make([]byte, len(b)) }
func none([]byte) []byte                    { return []byte{} }
func shorter(b []byte) []byte               { return b[:len(b)-1] }
func longer(b []byte) []byte                { return append(b, 0) }
func twice(b []byte) []byte                 { return append(b, b...) }

func flip(i int) func([]byte) []byte {
	return func(b []byte) []byte {
		b[(i+len(b))%len(b)] ^= 1
		return b
	}
}

func front(b ...byte) func([]byte) []byte {
	return func(msg []byte) []byte { return append(bytes.Clone(b), msg...) }
}

func back(b ...byte) func([]byte) []byte {
	return func(msg []byte) []byte { return append(msg, b...) }
}

// Changes of the items of a sequence.

func replace(i int, item []byte) func([][]byte) [][]byte {
	return func(items [][]byte) [][]byte { items[i] = item; return items }
}

func drop(i int) func([][]byte) [][]byte {
	return func(items [][]byte) [][]byte { return slices.Delete(items, i, i+1) }
}

func double(i int) func([][]byte) [][]byte {
	return func(items [][]byte) [][]byte { return slices.Insert(items, i, items[i]) }
}

func swap(i, j int) func([][]byte) [][]byte {
	return func(items [][]byte) [][]byte { items[i], items[j] = items[j], items[i]; return items }
}

func add(more ...[]byte) func([][]byte) [][]byte {
	return func(items [][]byte) [][]byte { return append(items, more...) }
}

// edit changes the encoding of one item.
func edit(i int, change func([]byte) []byte) func([][]byte) [][]byte {
	return func(items [][]byte) [][]byte { items[i] = change(bytes.Clone(items[i])); return items }
}

// inside changes the content of a byte string.
func inside(i int, change func([]byte) []byte) func([][]byte) [][]byte {
	return edit(i, func(item []byte) []byte {
		b, err := content(item, majorBytes)
		if err != nil {
			panic(err) // the table is wrong
		}
		return Bytes(change(bytes.Clone(b)))
	})
}
