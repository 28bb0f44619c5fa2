package edhoccoap

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/oscorekeys"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

var edsLength = flag.Int("eds.length", 0, "length of the sequences of TestSequences, if not 0; 5 takes minutes")

// symbol is what the peer of a server may send.
type symbol int

const (
	symM1       symbol = iota // of a new handshake, the current one from then on
	symM2                     // the message_2 that it got, back
	symM3                     // of the current handshake
	symM4                     // the message_4 that it got, back
	symError                  // an error message in the current handshake
	symCombined               // message_3 and an OSCORE request
	symOSCORE                 // an OSCORE request with the keys of the current handshake
	symClear                  // a request in clear
	symEmpty                  // an empty request to the EDHOC resource
	symbols
)

func (s symbol) String() string {
	return []string{"M1", "M2", "M3", "M4", "EDHOC_ERR", "M3+OSCORE_APP", "OSCORE_APP", "COAP_APP", "COAP_EMPTY"}[s]
}

// phase is where the current handshake of the peer is, for the server.
type phase int

const (
	idle phase = iota // there is none, or it has failed
	waitM3
	completed
	phases
)

// kind is a class of answers.
type kind string

const (
	answerM1       kind = "message_1"
	answerM2       kind = "message_2"
	answerM4       kind = "message_4"
	answerOK       kind = "2.04"
	answerError    kind = "4.00, EDHOC error message of code 1"
	answerBad      kind = "4.00"
	answerApp      kind = "protected 2.05"
	answerNoKeys   kind = "4.01 in clear"
	answerNotFound kind = "4.04 in clear"
)

type move struct {
	answer kind
	next   phase
}

// model is what the server does: by symbol and phase.
type model [symbols][phases]move

// newModel is the model for an application profile. Beside it there is one rule: the
// message that ended waitM3 gets its answer again.
func newModel(p edsProfile) *model {
	m := &model{
		symM1:       {{answerM2, waitM3}, {answerM2, waitM3}, {answerM2, waitM3}},
		symM2:       {{answerBad, idle}, {answerError, idle}, {answerBad, completed}},
		symM3:       {{answerBad, idle}, {answerOK, completed}, {answerBad, completed}},
		symM4:       {{answerBad, idle}, {answerError, idle}, {answerBad, completed}},
		symError:    {{answerBad, idle}, {answerOK, idle}, {answerBad, completed}},
		symCombined: {{answerError, idle}, {answerApp, completed}, {answerError, completed}},
		symOSCORE:   {{answerNoKeys, idle}, {answerNoKeys, waitM3}, {answerApp, completed}},
		symClear:    {{answerNotFound, idle}, {answerNotFound, waitM3}, {answerNotFound, completed}},
		symEmpty:    {{answerBad, idle}, {answerBad, waitM3}, {answerBad, completed}},
	}
	if p.message4 || p.optional {
		m[symM3][waitM3].answer = answerM4
	}
	if p.message4 {
		m[symCombined][waitM3] = move{answerError, idle}
	}
	if p.both {
		for i := range phases {
			m[symEmpty][i].answer = answerM1
		}
	}
	return m
}

type edsProfile struct{ message4, optional, both bool }

func (p edsProfile) String() string {
	name := "without message_4"
	switch {
	case p.message4:
		name = "message_4"
	case p.optional:
		name = "message_4 optional"
	}
	if p.both {
		name += ", both flows"
	}
	return name
}

// TestSequences is ED-S, and behaviours 44, 45 and 48. ED-n are the
// requirements of docs/reference/edhoc-security.md.
//
// All sequences of the symbols up to a length, from one peer to a server with the EDHOC
// resource, combined requests, OSCORE and an application: each answer is that of the
// model. After every sequence all contexts work that were made, each message_1 has led to
// one message_2 and one ephemeral key, and a fresh handshake works.
//
//spec:9528-5.1-1
//spec:9528-5.1-4
//spec:9528-6-1
//spec:9528-7-1
//spec:9528-7-2
//spec:9668-3.3.1-4
//spec:9668-3.3.1-7
func TestSequences(t *testing.T) {
	for _, p := range []edsProfile{{}, {message4: true}, {optional: true}, {both: true}} {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			length := 3
			switch {
			case *edsLength > 0:
				length = *edsLength
			case !testing.Short() && !p.optional && !p.both:
				length = 4
			}
			x := newExplorer(t, p)
			n, start := 0, time.Now()
			for l := 1; l <= length; l++ {
				for s := range sequences(l, int(symbols)) {
					x.run(s)
					if n++; t.Failed() {
						return
					}
				}
			}
			t.Logf("%d sequences, %d handshakes, %d of them after another of the same peer, %v", n, x.handshakes, x.second, time.Since(start).Round(time.Millisecond))
			if x.second == 0 {
				t.Error("no second handshake")
			}
		})
	}
}

// sequences gives all sequences of that length of numbers below n.
func sequences(length, n int) func(yield func([]int) bool) {
	return func(yield func([]int) bool) {
		s := make([]int, length)
		for {
			if !yield(s) {
				return
			}
			i := length - 1
			for ; i >= 0; i-- {
				if s[i]++; s[i] < n {
					break
				}
				s[i] = 0
			}
			if i < 0 {
				return
			}
		}
	}
}

// rewinding is randomness that can be had again, and counts what is read.
type rewinding struct {
	source *rand.ChaCha8
	reads  int
}

func (r *rewinding) rewind(seed byte) {
	r.source, r.reads = rand.NewChaCha8([32]byte{seed}), 0
}

func (r *rewinding) Read(b []byte) (int, error) {
	r.reads++
	return r.source.Read(b)
}

// explorer runs sequences, each against a server of its own. All draw on the same
// randomness, so that what the client has to compute for a message_2 is known from
// earlier sequences: the server computes everything, always.
type explorer struct {
	t         *testing.T
	profile   edsProfile
	model     *model
	idI, idR  edhoc.Identity
	initiator *edhoc.Initiator
	responder *edhoc.Responder
	reverser  *edhoc.Initiator
	clientRng *rewinding
	serverRng *rewinding
	otherRng  *rewinding
	known     map[string]*clientSide
	strange   *instance // of a handshake with somebody else

	handshakes, second int
}

// clientSide is what the client makes of a message_2.
type clientSide struct {
	msg1, msg2, msg3 []byte
	cR               edhoc.ConnID
	params           oscore.Params
}

func newExplorer(t *testing.T, p edsProfile) *explorer {
	x := &explorer{
		t: t, profile: p, model: newModel(p), idI: identity(t, 'i'), idR: identity(t, 'r'),
		clientRng: new(rewinding), serverRng: new(rewinding), otherRng: new(rewinding), known: map[string]*clientSide{},
	}
	config := func(id edhoc.Identity, random io.Reader) edhoc.Config {
		return edhoc.Config{
			Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{0}, Identities: []edhoc.Identity{id}, Rand: random,
		}
	}
	var err error
	x.initiator, err = edhoc.NewInitiator(config(x.idI, x.clientRng))
	must(t, err)
	x.responder, err = edhoc.NewResponder(config(x.idR, x.serverRng))
	must(t, err)
	x.reverser, err = edhoc.NewInitiator(config(x.idR, x.otherRng))
	must(t, err)

	x.serverRng.rewind(99)
	msg1, _ := x.message1(23)
	v1, err := x.responder.ProcessMessage1(msg1)
	must(t, err)
	msg2, st, err := v1.ComposeMessage2("zz")
	must(t, err)
	x.strange = &instance{clientSide: x.clientSide(23, msg2)}
	r3, err := st.ProcessMessage3(x.strange.msg3)
	must(t, err)
	v3, err := r3.Verify(x.idI.Credential)
	must(t, err)
	x.strange.msg4, _, err = v3.ComposeMessage4()
	must(t, err)
	return x
}

// message1 composes the n-th message_1.
func (x *explorer) message1(n int) ([]byte, *edhoc.AwaitMessage2) {
	x.clientRng.rewind(byte(n))
	msg1, st, err := x.initiator.ComposeMessage1(edhoc.ConnID([]byte{0x20 + byte(n)}))
	must(x.t, err)
	return msg1, st
}

// clientSide is what comes of a message_2 that answers the n-th message_1.
func (x *explorer) clientSide(n int, msg2 []byte) *clientSide {
	key := fmt.Sprint(n, msg2)
	if c := x.known[key]; c != nil {
		return c
	}
	msg1, st := x.message1(n)
	r2, err := st.ProcessMessage2(msg2)
	must(x.t, err)
	v2, err := r2.Verify(x.idR.Credential)
	must(x.t, err)
	msg3, sent, err := v2.ComposeMessage3()
	must(x.t, err)
	session, err := sent.WithoutMessage4()
	must(x.t, err)
	params, err := oscorekeys.Params(session, oscorekeys.Lengths{})
	must(x.t, err)
	c := &clientSide{msg1: msg1, msg2: msg2, msg3: msg3, cR: v2.CR, params: params}
	x.known[key] = c
	return c
}

// subject is a server and its peer during one sequence.
type subject struct {
	*explorer
	sequence []int
	server   *Server
	reverse  *ReverseServer
	contexts *oscore.Contexts
	handler  coap.Handler

	phase     phase
	current   *instance
	instances []*instance
	waiting   int
	empty     int // empty requests that were answered with message_1
}

// instance is a handshake that the peer has begun.
type instance struct {
	*clientSide
	number    int
	msg4      []byte
	sec       *oscorecoap.Client
	relay     *relayed // under sec
	taken     symbol   // what ended waitM3, or symM1
	takenM3   move
	installed bool
}

var edsClock = time.Unix(1e9, 0)

func (x *explorer) newSubject(sequence []int) *subject {
	s := &subject{explorer: x, sequence: sequence, contexts: new(oscore.Contexts)}
	x.serverRng.rewind(100)
	x.otherRng.rewind(101)
	now := func() time.Time { return edsClock }
	ids, err := idalloc.New(idalloc.Config{Now: now, Rand: rand.NewChaCha8([32]byte{102})})
	must(x.t, err)
	s.server, err = NewServer(Config{
		Responder: x.responder, Find: finder(x.idI.Credential), IDs: ids, Now: now,
		Establish: Install(s.contexts, oscorekeys.Lengths{}, nil),
		Message4:  x.profile.message4, Message4Optional: x.profile.optional,
		Rand: rand.NewChaCha8([32]byte{103}),
	})
	must(x.t, err)
	resource := coap.Handler(s.server)
	if x.profile.both {
		s.reverse, err = NewReverseServer(ReverseConfig{
			Initiator: x.reverser, Find: finder(x.idI.Credential), IDs: ids, Now: now,
			Establish: Install(s.contexts, oscorekeys.Lengths{}, nil), Rand: rand.NewChaCha8([32]byte{104}),
		})
		must(x.t, err)
		resource, err = Both(s.server, s.reverse)
		must(x.t, err)
	}
	mux := new(coap.Mux)
	mux.Handle(Path, resource)
	protected := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		_ = w.Respond(&coap.Response{Code: coap.Content, Payload: []byte(r.Identity.Subject())})
	})
	s.handler = s.server.Combined(oscorecoap.Handler(s.contexts, protected, mux, oscorecoap.Config{Now: now}), coap.BlockwiseConfig{Now: now})
	return s
}

// Do implements coap.Doer.
func (s *subject) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	in := r.Clone().WithContext(ctx)
	in.RemoteAddr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 5683)
	var resp *coap.Response
	s.handler.ServeCOAP(respondFunc(func(r *coap.Response) { resp = r.Clone() }), in)
	if resp == nil {
		return nil, errors.New("no answer")
	}
	return resp, nil
}

type respondFunc func(*coap.Response)

func (f respondFunc) Respond(r *coap.Response) error { f(r); return nil }

// relayed is a Doer that can be exchanged.
type relayed struct{ next coap.Doer }

func (r *relayed) Do(ctx context.Context, req *coap.Request) (*coap.Response, error) {
	return r.next.Do(ctx, req)
}

// combining sends message_3 along, with every request.
type combining struct {
	*subject
	msg3 []byte
}

func (c combining) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	both := r.Clone()
	both.Payload = slices.Concat(c.msg3, r.Payload)
	both.Options.Set(coap.EDHOC, nil)
	return c.subject.Do(ctx, both)
}

func (s *subject) errorf(format string, args ...any) {
	s.t.Helper()
	names := make([]string, len(s.sequence))
	for i, n := range s.sequence {
		names[i] = symbol(n).String()
	}
	s.t.Errorf("%s: %s", strings.Join(names, " "), fmt.Sprintf(format, args...))
}

// post sends a payload to the EDHOC resource.
func (s *subject) post(payload []byte) *coap.Response {
	r := coap.NewRequest(coap.POST, Path)
	if len(payload) > 0 {
		r.Options.AddUint(coap.ContentFormat, formatCIDEDHOC)
	}
	r.Payload = payload
	resp, err := s.Do(s.t.Context(), r)
	must(s.t, err)
	return resp
}

// run sends the sequence, and checks what has to hold after it.
func (x *explorer) run(sequence []int) {
	s := x.newSubject(sequence)
	for i, n := range sequence {
		want := s.want(symbol(n))
		if got := s.send(symbol(n)); got != want {
			s.errorf("symbol %d is answered with %s, want %s", i+1, got, want)
			return
		}
	}
	s.wantContexts()
	before := len(s.instances)
	s.fresh()
	s.wantContexts()
	s.wantOnce()
	if before > 0 {
		x.second++
	}
	if x.profile.both && len(sequence) < 3 {
		s.freshReverse()
	}
}

// want moves the model on, and gives the answer to a symbol.
func (s *subject) want(sym symbol) kind {
	m := s.model[sym][s.phase]
	c := s.current
	switch {
	case sym == symM1:
		s.waiting++
	case s.phase == waitM3 && m.next != waitM3:
		s.waiting--
		c.taken, c.takenM3, c.installed = sym, m, m.next == completed
	case c != nil && c.taken == sym:
		m = move{c.takenM3.answer, s.phase} // again
	}
	s.phase = m.next
	return m.answer
}

// send sends a symbol and classifies the answer.
func (s *subject) send(sym symbol) kind {
	if sym == symM1 {
		return s.begin()
	}
	c := s.current
	if c == nil { // as if a handshake with another server were this one's
		c = &instance{clientSide: s.strange.clientSide}
	}
	to := func(msg []byte) kind { return s.classify(s.post(append(c.cR.AppendCBOR(nil), msg...))) }
	switch sym {
	case symM2:
		return to(c.msg2)
	case symM3:
		return to(c.msg3)
	case symM4:
		if c.msg4 != nil {
			return to(c.msg4)
		}
		return to(s.strange.msg4)
	case symError:
		return to([]byte{0x01, 0x60})
	case symCombined:
		return s.protected(c, combining{s, c.msg3})
	case symOSCORE:
		return s.protected(c, s)
	case symClear:
		resp, err := s.Do(s.t.Context(), coap.NewRequest(coap.GET, "/temp"))
		must(s.t, err)
		return s.classify(resp)
	}
	k := s.classify(s.post(nil))
	if k == answerM2 { // neither do their lengths tell message_1 from it
		s.empty++
		k = answerM1
	}
	return k
}

// begin sends message_1, twice.
func (s *subject) begin() kind {
	n := len(s.instances)
	msg1, _ := s.message1(n)
	msg1 = append([]byte{newSession}, msg1...)
	resp := s.post(msg1)
	if k := s.classify(resp); k != answerM2 {
		return k
	}
	if again := s.post(msg1); !bytes.Equal(again.Payload, resp.Payload) {
		s.errorf("a second message_2 for one message_1")
	}
	s.handshakes++
	s.current = &instance{clientSide: s.clientSide(n, resp.Payload), number: n}
	s.instances = append(s.instances, s.current)
	return answerM2
}

// protected sends an OSCORE request with the keys of a handshake.
func (s *subject) protected(c *instance, d coap.Doer) kind {
	if c.sec == nil {
		params := c.params
		params.MasterSecret = bytes.Clone(params.MasterSecret)
		sec, err := oscore.NewAssociation(oscore.Config{Params: params})
		must(s.t, err)
		relay := new(relayed)
		c.sec = oscorecoap.NewClient(relay, sec, oscorecoap.ClientConfig{})
		c.relay = relay
	}
	c.relay.next = d
	resp, err := c.sec.Do(s.t.Context(), coap.NewRequest(coap.GET, "/temp"))
	var u *oscorecoap.UnprotectedError
	switch {
	case errors.As(err, &u):
		return s.classify(u.Response)
	case err != nil:
		return kind(err.Error())
	case resp.Code != coap.Content || string(resp.Payload) != "i":
		return kind(fmt.Sprintf("protected %v %q", resp.Code, resp.Payload))
	}
	return answerApp
}

func (s *subject) classify(resp *coap.Response) kind {
	f, has := resp.Options.Uint(coap.ContentFormat)
	edhocMessage := has && f == formatEDHOC
	switch {
	case resp.Code == coap.Changed && edhocMessage && len(resp.Payload) == 9:
		if c := s.current; c != nil {
			c.msg4 = resp.Payload
		}
		return answerM4
	case resp.Code == coap.Changed && edhocMessage && len(resp.Payload) > 32:
		return answerM2
	case resp.Code == coap.Changed && !has && len(resp.Payload) == 0:
		return answerOK
	case resp.Code == coap.BadRequest && edhocMessage:
		if e, err := edhoc.ParseError(resp.Payload); err == nil && e.Code == edhoc.CodeUnspecified {
			return answerError
		}
	case resp.Code == coap.BadRequest && !has && len(resp.Payload) == 0:
		return answerBad
	case resp.Code == coap.Unauthorized && !resp.Options.Has(coap.OSCORE):
		return answerNoKeys
	case resp.Code == coap.NotFound && !resp.Options.Has(coap.OSCORE):
		return answerNotFound
	}
	return kind(fmt.Sprintf("%v %v %x", resp.Code, resp.Options, resp.Payload))
}

// wantContexts checks that what was installed works, and that nothing else was.
func (s *subject) wantContexts() {
	installed := 0
	for _, c := range s.instances {
		if !c.installed {
			continue
		}
		installed++
		if k := s.protected(c, s); k != answerApp {
			s.errorf("the context of handshake %d: %s", c.number+1, k)
		}
	}
	if n := s.contexts.Len(); n != installed {
		s.errorf("%d contexts, want %d", n, installed)
	}
	if n := s.server.Pending(); n != s.waiting {
		s.errorf("%d handshakes wait, want %d", n, s.waiting)
	}
	if s.reverse != nil && s.reverse.Pending() != s.empty {
		s.errorf("%d reverse handshakes wait, want %d", s.reverse.Pending(), s.empty)
	}
}

// fresh runs one more handshake.
func (s *subject) fresh() {
	for _, sym := range []symbol{symM1, symM3, symOSCORE} {
		want := s.want(sym)
		if got := s.send(sym); got != want {
			s.errorf("afterwards %s is answered with %s, want %s", sym, got, want)
		}
	}
}

// wantOnce checks that each message_1 still has the one answer, and that there was one
// ephemeral key for each.
func (s *subject) wantOnce() {
	for _, c := range s.instances {
		if resp := s.post(append([]byte{newSession}, c.msg1...)); !bytes.Equal(resp.Payload, c.msg2) {
			s.errorf("another message_2 for message_1 of handshake %d", c.number+1)
		}
	}
	if s.serverRng.reads != len(s.instances) || s.otherRng.reads != s.empty {
		s.errorf("%d and %d ephemeral keys for %d and %d handshakes", s.serverRng.reads, s.otherRng.reads, len(s.instances), s.empty)
	}
}

// freshReverse runs a handshake in the other message flow.
func (s *subject) freshReverse() {
	_, responder := role(s.t, s.idI)
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	must(s.t, err)
	c := &ReverseClient{Doer: s, Responder: responder, Find: finder(s.idR.Credential), IDs: ids}
	if _, _, err := c.Establish(s.t.Context()); err != nil {
		s.errorf("afterwards in the reverse message flow: %v", err)
	}
}
