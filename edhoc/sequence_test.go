package edhoc

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
)

var sequenceLength = flag.Int("edhoc.sequence", 4, "length of the sequences of TestAllSequences; 5 takes a minute")

// endpoint is a Responder with one peer, as a transport drives it: message_1 starts
// over, everything else goes to the handshake that waits, if one does.
type endpoint struct {
	t       *testing.T
	p       *parties
	waiting *AwaitMessage3
	session *Session
}

// receive gives what the endpoint sends back, or nil.
func (e *endpoint) receive(msg []byte, isMessage1 bool) []byte {
	if isMessage1 {
		v1, err := e.p.r.ProcessMessage1(msg)
		if err != nil {
			return ErrorMessage(err)
		}
		if e.waiting != nil {
			e.waiting.Discard()
		}
		msg2, next, err := v1.ComposeMessage2("\x02")
		must(e.t, err)
		e.waiting = next
		return msg2
	}
	if e.waiting == nil {
		return nil // no handshake to belong to
	}
	r3, err := e.waiting.ProcessMessage3(msg)
	e.waiting = nil
	if err != nil {
		return ErrorMessage(err)
	}
	v3, err := r3.Verify(e.p.credI)
	if err != nil {
		return ErrorMessage(err)
	}
	e.session, err = v3.WithoutMessage4()
	must(e.t, err)
	return nil
}

// symbol is an input of the endpoint.
type symbol int

const (
	freshM1  symbol = iota // of a new handshake of the Initiator
	sameM1                 // the last message_1 once more
	someM2                 // a message_2, which goes the other way
	goodM3                 // for the last message_2
	oldM3                  // of a handshake that is over
	someM4                 // a message_4, which goes the other way
	someErr                // an error message
	emptyMsg               //
	garbage                //
	symbols
)

func (s symbol) String() string {
	return []string{"M1", "M1again", "M2", "M3", "M3old", "M4", "error", "empty", "garbage"}[s]
}

// model is what the endpoint must do: three states, and whether its peer can make
// the message_3 that fits.
type model struct {
	waits, fits, session bool
}

// next gives the kind of answer: "m2", "error" or "".
func (m *model) next(s symbol, known bool) string {
	switch {
	case s == freshM1, s == sameM1 && known:
		m.waits, m.fits = true, s == freshM1 // the Initiator answers the first message_2 only
		return "m2"
	case s == sameM1: // nothing to repeat
		return ""
	case !m.waits:
		return ""
	}
	m.waits = false
	switch {
	case s == goodM3 && m.fits:
		m.session = true
		return ""
	case s == someErr:
		return ""
	}
	return "error"
}

// All sequences of the symbols of that length: what comes back and what is kept is
// what the model says, a Session survives whatever comes, and a fresh handshake
// works afterwards.
//
//spec:9528-5.1-1
//spec:9528-5.1-4
//spec:9528-6-1
//spec:9528-7-1
func TestAllSequences(t *testing.T) {
	length := *sequenceLength
	if testing.Short() {
		length = 3
	}
	p := pair(t, SignatureSignature, 0)
	past := runFlow(t, p, len(steps))
	sequence := make([]symbol, length)
	n := 0
	for {
		runSequence(t, p, past, sequence)
		n++
		k := 0
		for ; k < length; k++ {
			if sequence[k]++; sequence[k] < symbols {
				break
			}
			sequence[k] = 0
		}
		if k == length {
			break
		}
	}
	t.Logf("%d sequences of length %d", n, length)
}

func runSequence(t *testing.T, p *parties, past *flow, sequence []symbol) {
	t.Helper()
	e := &endpoint{t: t, p: p}
	var m model
	var peer struct { // the Initiator
		msg1    []byte
		a2      *AwaitMessage2 // until message_2
		msg3    []byte
		session *Session // if msg3 is accepted
	}
	var established *Session
	for at, s := range sequence {
		here := func() string { return fmt.Sprintf("%v at %d", sequence, at) }
		var msg []byte
		known := peer.msg1 != nil
		switch s {
		case freshM1:
			var err error
			peer.msg1, peer.a2, err = p.i.ComposeMessage1("\x01")
			must(t, err)
			msg = peer.msg1
		case sameM1:
			msg = peer.msg1
			if msg == nil {
				continue
			}
		case someM2:
			msg = past.msg2
		case goodM3:
			msg = peer.msg3
		case oldM3:
			msg = past.msg3
		case someM4:
			msg = past.msg4
		case someErr:
			msg = []byte{0x01, 0x60}
		case garbage:
			msg = []byte{0xff, 0x00}
		}
		had := e.session
		answer := e.receive(msg, s == freshM1 || s == sameM1)
		want := m.next(s, known)
		kind := ""
		if _, err := ParseError(answer); err == nil {
			kind = "error"
		} else if len(answer) > 0 {
			kind = "m2"
		}
		if kind != want {
			t.Fatalf("%s: answer %q, want %q", here(), kind, want)
		}
		if (e.waiting != nil) != m.waits || (e.session != nil) != m.session {
			t.Fatalf("%s: waits %t, session %t; want %+v", here(), e.waiting != nil, e.session != nil, m)
		}
		if s == freshM1 {
			peer.msg3, peer.session = answerMessage2(t, p, peer.a2, answer)
		}
		if e.session != had {
			established = peer.session
		}
		if e.session != nil {
			agree(t, established, e.session)
		}
	}
	// Still alive?
	msg1, a2, err := p.i.ComposeMessage1("\x01")
	must(t, err)
	msg3, session := answerMessage2(t, p, a2, e.receive(msg1, true))
	e.receive(msg3, false)
	if e.session == nil {
		t.Fatalf("%v: no handshake works afterwards", sequence)
	}
	agree(t, session, e.session)
}

func answerMessage2(t *testing.T, p *parties, a2 *AwaitMessage2, msg2 []byte) ([]byte, *Session) {
	t.Helper()
	r2, err := a2.ProcessMessage2(msg2)
	must(t, err)
	v2, err := r2.Verify(p.credR)
	must(t, err)
	msg3, sent, err := v2.ComposeMessage3()
	must(t, err)
	s, err := sent.WithoutMessage4()
	must(t, err)
	return msg3, s
}

// An error message that comes after the end finds nothing to end.
func TestErrorAfterCompletion(t *testing.T) {
	p := pair(t, StaticDHStaticDH, 2)
	f := runFlow(t, p, len(steps))
	for _, err := range []error{f.v3.Refuse("late"), f.r3.Refuse("late"), f.r2.Refuse("late"), f.v2.Refuse("late")} {
		if !errors.Is(err, ErrSpent) || ErrorMessage(err) != nil {
			t.Errorf("after completion: %v, %x", err, ErrorMessage(err))
		}
	}
	agree(t, f.sI, f.sR)
	if !strings.Contains(fmt.Sprint(f.sI), "Initiator") {
		t.Errorf("Session prints as %v", f.sI)
	}
}
