package oscore

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ostiary/ostiary/internal/nonceoracle"
)

var (
	register = Message{Code: 1, Options: []Option{{Number: optionObserve, Value: []byte{}}, {Number: optionURIPath, Value: []byte("a")}}}
	notice   = Message{Code: 0x45, Options: []Option{{Number: optionObserve, Value: []byte{9}}}, Payload: []byte("n")}
)

// TestRequestNonceOnce: of the responses to one request, one may have its nonce.
//
//spec:8613-7.2-1
//spec:8613-8.3-2
//spec:8613-8.3-3
//spec:8613-8.3.1-1
//spec:8613-4.1.3.5-3
//spec:8613-4.1.3.5.2-1
func TestRequestNonceOnce(t *testing.T) {
	oracle := nonceoracle.New(t)
	params := testParams()
	c := mustContext(t, Config{Params: params, DangerNewAEAD: oracle.NewAEAD})
	s := mustContext(t, Config{Params: params.mirror(), DangerNewAEAD: oracle.NewAEAD})
	for name, m := range map[string]Message{"plain": getRequest, "observation": register} {
		_, y := request(t, c, s, m)
		next := s.sender.sequence.position()
		for i := range 20 {
			answer := Message{Code: 0x45, Payload: []byte{byte(i)}}
			if m.Options[0].Number == optionObserve {
				answer = notice
				answer.Payload = []byte{byte(i)}
			}
			p := respond(t, y, answer)
			piv, own := p.PartialIV()
			if own != (i > 0) || own && piv != next+uint64(i)-1 {
				t.Errorf("%s, response %d: Partial IV %d (%t), want %d (%t)", name, i, piv, own, next+uint64(i)-1, i > 0)
			}
			if _, has := p.KID(); has {
				t.Errorf("%s: a response has a kid", name)
			}
		}
	}
}

// TestOwnPartialIV is the setting for servers with a predecessor: no response has the
// nonce of a request.
//
//spec:8613-8.3-2
func TestOwnPartialIV(t *testing.T) {
	params := testParams()
	c := mustContext(t, Config{Params: params})
	s := mustContext(t, Config{Params: params.mirror(), OwnPartialIV: true})
	x, y := request(t, c, s, getRequest)
	p := respond(t, y, content)
	if _, own := p.PartialIV(); !own {
		t.Error("the first response has no Partial IV of its own")
	}
	assertMessage(t, verify(t, x, p), content)
}

// TestConcurrentResponses: also in many goroutines at once one response has the nonce of
// the request.
func TestConcurrentResponses(t *testing.T) {
	oracle := nonceoracle.New(t)
	params := testParams()
	c := mustContext(t, Config{Params: params})
	s := mustContext(t, Config{Params: params.mirror(), DangerNewAEAD: oracle.NewAEAD})
	_, y := request(t, c, s, register)
	var without atomic.Int32
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			p, err := y.ProtectResponse(Message{Code: 0x45, Payload: []byte{byte(i)}})
			if err != nil {
				t.Error(err)
				return
			}
			if _, own := p.PartialIV(); !own {
				without.Add(1)
			}
		})
	}
	all.Wait()
	if got := without.Load(); got != 1 {
		t.Errorf("%d responses without Partial IV, want 1", got)
	}
}

// TestKeepTakesTheNonceAlong: an exchange that is moved has used what it has used.
//
//spec:8613-7.2-1
func TestKeepTakesTheNonceAlong(t *testing.T) {
	oracle := nonceoracle.New(t)
	params := testParams()
	c := mustContext(t, Config{Params: params})
	s := mustContext(t, Config{Params: params.mirror(), DangerNewAEAD: oracle.NewAEAD})
	_, y := request(t, c, s, register)
	for i := range 4 {
		m := notice
		m.Payload = []byte{byte(i)}
		p := respond(t, y, m)
		if _, own := p.PartialIV(); own != (i > 0) {
			t.Errorf("notification %d has a Partial IV: %t, want %t", i, own, i > 0)
		}
		y = y.Keep()
	}
}

func TestSpentExchanges(t *testing.T) {
	c, s := pairFor(t)
	x, y := request(t, c, s, getRequest)
	kept := y.Keep()
	if _, err := y.ProtectResponse(content); err != ErrSpent {
		t.Errorf("response of a moved exchange: %v, want %v", err, ErrSpent)
	}
	p := respond(t, kept, content)
	verify(t, x, p)
	if _, err := x.VerifyResponse(p); err != ErrSpent {
		t.Errorf("second response: %v, want %v", err, ErrSpent)
	}
	if _, err := new(ServerExchange).ProtectResponse(content); err != ErrSpent {
		t.Errorf("zero ServerExchange: %v, want %v", err, ErrSpent)
	}
	if _, err := new(ClientExchange).VerifyResponse(p); err != ErrSpent {
		t.Errorf("zero ClientExchange: %v, want %v", err, ErrSpent)
	}
	if _, err := new(ServerExchange).Keep().ProtectResponse(content); err != ErrSpent {
		t.Errorf("kept zero ServerExchange: %v, want %v", err, ErrSpent)
	}
}

// TestBinding: a response belongs to one request, of this client, to this server.
//
//spec:8613-8-1
//spec:8613-8.4-1
//spec:8613-8.4-3
func TestBinding(t *testing.T) {
	c, s := pairFor(t)
	x1, y1 := request(t, c, s, getRequest)
	x2, y2 := request(t, c, s, getRequest)
	p1, p2 := respond(t, y1, content), respond(t, y2, content)
	q1 := respond(t, y1, content) // with a Partial IV
	for name, v := range map[string]struct {
		x *ClientExchange
		p Protected
	}{"of another request": {x1, p2}, "of another, with Partial IV": {x2, q1}} {
		if _, err := v.x.VerifyResponse(v.p); err != error(errDecrypt) {
			t.Errorf("response %s: %v, want %v", name, err, errDecrypt)
		}
	}
	if _, err := x1.VerifyResponse(Protected{}); err != ErrUnprotected {
		t.Errorf("zero Protected: %v, want %v", err, ErrUnprotected)
	}
	verify(t, x1, p1) // failures end nothing
	verify(t, x2, p2)
	if _, _, err := s.VerifyRequest(p1); err != error(errDecode) {
		t.Errorf("a response as request: %v, want %v", err, errDecode)
	}
	if _, _, err := s.VerifyRequest(Protected{}); err != ErrUnprotected {
		t.Errorf("a zero Protected as request: %v, want %v", err, ErrUnprotected)
	}
}

// TestNotUnintendedServer: whatever is changed outside, only the server that has the
// context verifies the request.
//
//spec:8613-4.1.3.2-1
func TestNotUnintendedServer(t *testing.T) {
	params := testParams()
	c := mustContext(t, Config{Params: params})
	other := params.mirror()
	other.MasterSecret = []byte("another secret!!")
	unintended := mustContext(t, Config{Params: other})
	m := Message{Code: 1, Options: []Option{{optionURIHost, []byte("one")}, {optionURIPort, []byte{1}}}}
	p, _, err := c.ProtectRequest(m)
	if err != nil {
		t.Fatal(err)
	}
	p = tamper(t, p, Option{optionURIHost, []byte("two")})
	if _, _, err := unintended.VerifyRequest(p); err != error(errDecrypt) {
		t.Errorf("unintended server: %v, want %v", err, errDecrypt)
	}
	got, _, err := mustContext(t, Config{Params: params.mirror()}).VerifyRequest(p)
	if err != nil {
		t.Fatal(err)
	}
	if host, _ := got.option(optionURIHost); string(host) != "two" {
		t.Errorf("Uri-Host = %s, want that from outside, two", host)
	}
}

// TestScratchDoesNotAllocate is the promise of Scratch; TestPlainKeepsNothing that of
// the plain form.
func TestScratchDoesNotAllocate(t *testing.T) {
	c, s := pairFor(t)
	var table Contexts
	params := testParams()
	if err := table.Add(mustAssociation(t, Config{Params: params.mirror()})); err != nil {
		t.Fatal(err)
	}
	_ = s
	const runs = 200
	var requests []Message
	for range runs + 1 {
		p, _, err := c.ProtectRequest(benchRequest)
		if err != nil {
			t.Fatal(err)
		}
		m, _ := p.Message()
		requests = append(requests, m)
	}
	var scratch Scratch
	i := 0
	allocs := testing.AllocsPerRun(runs, func() {
		p, err := scratch.Parse(requests[i])
		i++
		if err != nil {
			t.Fatal(err)
		}
		_, _, x, err := table.VerifyRequest(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.ProtectResponse(benchResponse); err != nil {
			t.Fatal(err)
		}
	})
	if allocs >= 1 && !raceEnabled {
		t.Errorf("%v allocations for one exchange, want 0", allocs)
	}
}

func TestPlainKeepsNothing(t *testing.T) {
	c, s := pairFor(t)
	m := Message{Code: 2, Options: []Option{{optionURIHost, []byte("host")}, {optionURIPath, []byte("a")}}, Payload: []byte("payload")}
	var got []Message
	var exchanges []*ServerExchange
	var waiting []*ClientExchange
	var answers []Protected
	for range 3 {
		p, x, err := c.ProtectRequest(m)
		if err != nil {
			t.Fatal(err)
		}
		p = wire(t, p)
		v, y, err := s.VerifyRequest(p)
		if err != nil {
			t.Fatal(err)
		}
		clear(p.payload) // the datagram's memory is used for the next
		for _, o := range p.options {
			clear(o.Value)
		}
		got, exchanges, waiting = append(got, v), append(exchanges, y), append(waiting, x)
	}
	for _, v := range got {
		assertMessage(t, v, m)
	}
	for _, y := range exchanges {
		answers = append(answers, respond(t, y, content))
	}
	for i, x := range waiting {
		assertMessage(t, verify(t, x, answers[i]), content)
	}
}

// TestScratchLifetime: an exchange that is kept outlives the next Parse.
func TestScratchLifetime(t *testing.T) {
	c, s := pairFor(t)
	var scratch Scratch
	verifyOne := func() (*ClientExchange, *ServerExchange, Message) {
		p, x, err := c.ProtectRequest(register)
		if err != nil {
			t.Fatal(err)
		}
		m, _ := p.Message()
		if p, err = scratch.Parse(m); err != nil {
			t.Fatal(err)
		}
		v, y, err := s.VerifyRequest(p)
		if err != nil {
			t.Fatal(err)
		}
		return x, y, v
	}
	x1, y1, m1 := verifyOne()
	clone, kept := m1.Clone(), y1.Keep()
	x2, y2, m2 := verifyOne()
	assertMessage(t, clone, register)
	assertMessage(t, m2, register)
	first := respond(t, y2, notice)
	second := respond(t, kept, notice)
	if got := verify(t, x2, first); string(got.Payload) != "n" {
		t.Errorf("payload = %q, want n", got.Payload)
	}
	if got := verify(t, x1, second); string(got.Payload) != "n" {
		t.Errorf("payload = %q, want n", got.Payload)
	}
	if _, own := first.PartialIV(); own {
		t.Error("the first response has a Partial IV")
	}
	if _, err := scratch.Parse(Message{}); err != ErrUnprotected {
		t.Errorf("Parse = %v, want %v", err, ErrUnprotected)
	}
	if _, err := y2.ProtectResponse(content); err != ErrSpent {
		t.Errorf("exchange of the last Parse: %v, want %v", err, ErrSpent)
	}
}
