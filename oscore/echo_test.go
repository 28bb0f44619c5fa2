package oscore

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/internal/nonceoracle"

	"pgregory.net/rapid"
)

// retried sends m and, as long as the client is told to, again; it returns how many
// exchanges that took.
func retried(t rapid.TB, client protecter, server verifier, m Message) (got Message, x *ClientExchange, y *ServerExchange, rounds int) {
	t.Helper()
	for rounds = 1; rounds <= 5; rounds++ {
		p, x, err := client.ProtectRequest(m)
		if err != nil {
			t.Fatalf("protect the request: %v", err)
		}
		got, y, err := server.VerifyRequest(wire(t, p))
		if err == nil {
			return got, x, y, rounds
		}
		assertRetry(t, x, err)
	}
	t.Fatal("not served within 5 rounds")
	return Message{}, nil, nil, 0
}

// assertRetry sends the challenge err to the client.
func assertRetry(t rapid.TB, x *ClientExchange, err error) {
	t.Helper()
	var challenge *Challenge
	if !errors.As(err, &challenge) {
		t.Fatalf("verify the request: %v, want a challenge", err)
	}
	var retry *Retry
	if _, err := x.VerifyResponse(wire(t, challenge.Protected)); !errors.As(err, &retry) {
		t.Fatalf("verify the challenge: %v, want a Retry", err)
	}
	if retry.Response.Code != codeUnauthorized || retry.Section != challenge.Section {
		t.Errorf("Retry = %v %s, want 4.01 %s", retry.Response.Code, retry.Section, challenge.Section)
	}
	if _, err := x.VerifyResponse(wire(t, challenge.Protected)); err != ErrSpent {
		t.Errorf("the challenge again: %v, want %v", err, ErrSpent)
	}
}

// rebooted is a server that has lost its window, and its client.
func rebooted(t testing.TB, oracle *nonceoracle.Oracle) (client, server *Context, reboot func() *Context) {
	t.Helper()
	params, store := testParams(), &memoryStore{}
	cfg := Config{Params: params.mirror(), Sequence: store, RecoverWindow: true, DangerNewAEAD: oracle.NewAEAD}
	client = mustContext(t, Config{Params: params, DangerNewAEAD: oracle.NewAEAD})
	reboot = func() *Context { return mustContext(t, cfg) }
	return client, reboot(), reboot
}

// TestRecoverWindow is a server that reboots: nothing that was sent before is accepted
// after, and the client is served within two exchanges.
//
//spec:8613-7.5-1
//spec:8613-7.5-2
//spec:8613-B.1.2-1
//spec:8613-B.1.2-2
func TestRecoverWindow(t *testing.T) {
	c, s, reboot := rebooted(t, nonceoracle.New(t))
	var old []Protected
	for range 4 {
		got, x, y, rounds := retried(t, c, s, getRequest)
		if rounds != 2 {
			t.Errorf("served after %d exchanges, want 2", rounds)
		}
		if _, has := got.option(optionEcho); !has {
			t.Error("the request that was accepted has no Echo option")
		}
		verify(t, x, respond(t, y, content))
		for range 250 {
			p, x, err := c.ProtectRequest(getRequest)
			if err != nil {
				t.Fatal(err)
			}
			p = wire(t, p)
			got, y, err := s.VerifyRequest(p)
			if err != nil {
				t.Fatal(err)
			}
			assertMessage(t, got, getRequest) // without Echo
			verify(t, x, respond(t, y, content))
			old = append(old, p)
		}
		s = reboot()
		for _, p := range old {
			if _, _, err := s.VerifyRequest(p); !isChallenge(err) {
				t.Fatalf("replay after the reboot: %v, want a challenge", err)
			}
		}
		fresh := len(old)
		retried(t, c, s, getRequest)
		for _, p := range old[:fresh] {
			if _, _, err := s.VerifyRequest(p); err != error(errReplay) {
				t.Fatalf("replay after the recovery: %v, want %v", err, errReplay)
			}
		}
		s = reboot()
	}
}

func isChallenge(err error) bool {
	var c *Challenge
	return errors.As(err, &c)
}

// TestChallenge is what it holds: an Echo option, and a Partial IV of the server.
//
//spec:8613-B.1.2-1
//spec:8613-B.1.2-2
//spec:9175-2.2.1-3
func TestChallenge(t *testing.T) {
	c, s, _ := rebooted(t, nonceoracle.New(t))
	var values [][]byte
	for i := range uint64(3) {
		want := 2 * i // two requests in each turn
		p, x, err := c.ProtectRequest(getRequest)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = s.VerifyRequest(wire(t, p))
		var challenge *Challenge
		if !errors.As(err, &challenge) || challenge.Section != "B.1.2" {
			t.Fatalf("VerifyRequest = %v, want a challenge", err)
		}
		if piv, own := challenge.Protected.PartialIV(); !own || piv != want {
			t.Errorf("Partial IV = %d (%t), want %d", piv, own, want)
		}
		m, err := x.open(&challenge.Protected, c, &c.sender.base)
		if err != nil {
			t.Fatal(err)
		}
		if m.Code != 0x81 || len(m.Options) != 1 || m.Options[0].Number != optionEcho || m.Payload != nil {
			t.Errorf("challenge = %v, want 4.01 with nothing but Echo", m)
		}
		values = append(values, m.Options[0].Value)
		answer := ErrorMessage(err1(s.VerifyRequest(wire(t, p))))
		if answer.Code != 0x44 {
			t.Errorf("ErrorMessage has outer Code %v, want 2.04", answer.Code)
		}
	}
	if len(values[0]) != 8 || bytes.Equal(values[0], make([]byte, 8)) {
		t.Errorf("Echo value = %x", values[0])
	}
}

func err1(_ Message, _ *ServerExchange, err error) error { return err }

// TestWrongEcho: a wrong value, one of the time before, or one outside, is challenged
// again and wedges nothing.
func TestWrongEcho(t *testing.T) {
	c, s, reboot := rebooted(t, nonceoracle.New(t))
	with := func(value []byte) Message {
		return Message{Code: 1, Options: []Option{{optionEcho, value}}}
	}
	before := bytes.Clone(s.recipient.echo.value[:])
	s = reboot()
	for range 3 {
		for _, value := range [][]byte{{1}, make([]byte, 8), before, make([]byte, 40), s.recipient.echo.value[:7]} {
			p, _, err := c.ProtectRequest(with(value))
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := s.VerifyRequest(wire(t, p)); !isChallenge(err) {
				t.Fatalf("Echo %x: %v, want a challenge", value, err)
			}
		}
	}
	p, _, err := c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	p = tamper(t, p, Option{optionEcho, s.recipient.echo.value[:]})
	if _, _, err := s.VerifyRequest(p); !isChallenge(err) {
		t.Errorf("Echo outside: %v, want a challenge", err)
	}
	if _, _, _, rounds := retried(t, c, s, getRequest); rounds != 2 {
		t.Errorf("served after %d exchanges, want 2", rounds)
	}
}

// TestLowerLimit: of requests on the way at once, those before the one that answers the
// challenge are refused, those after are accepted, each once.
//
//spec:8613-7.5-2
func TestLowerLimit(t *testing.T) {
	c, s, _ := rebooted(t, nonceoracle.New(t))
	p, x, err := c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.VerifyRequest(wire(t, p))
	assertRetry(t, x, err)
	var three []Protected
	for range 3 {
		p, _, err := c.ProtectRequest(getRequest)
		if err != nil {
			t.Fatal(err)
		}
		three = append(three, wire(t, p))
	}
	for _, step := range []struct {
		i    int
		want error
	}{{1, nil}, {0, errReplay}, {2, nil}, {1, errReplay}, {2, errReplay}} {
		if _, _, err := s.VerifyRequest(three[step.i]); !sameError(err, step.want) {
			t.Errorf("request %d: %v, want %v", step.i, err, step.want)
		}
	}
}

// TestRecoverOnce: of many goroutines that find the window lost, and the challenge
// answered, one ends the loss.
//
//spec:8613-7.4-3
func TestRecoverOnce(t *testing.T) {
	var b barrier
	params := testParams()
	c := mustContext(t, Config{Params: params})
	s := mustContext(t, Config{Params: params.mirror(), Sequence: &memoryStore{}, RecoverWindow: true, DangerNewAEAD: b.newAEAD})
	p, x, err := c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	b.Add(1)
	_, _, err = s.VerifyRequest(wire(t, p))
	assertRetry(t, x, err)
	p, _, err = c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	if got := atOnce(s, &b, wire(t, p), 64); got != 1 {
		t.Errorf("accepted %d times, want 1", got)
	}
}

// TestNoWindowRecovery is the setting for peers that ignore Echo: there is no challenge,
// and the window works.
func TestNoWindowRecovery(t *testing.T) {
	params, store := testParams(), &memoryStore{}
	c := mustContext(t, Config{Params: params})
	s := mustContext(t, Config{Params: params.mirror(), Sequence: store})
	p, _, err := c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.VerifyRequest(wire(t, p)); err != nil {
		t.Errorf("first request: %v", err)
	}
	if _, _, err := s.VerifyRequest(wire(t, p)); err != error(errReplay) {
		t.Errorf("replay: %v, want %v", err, errReplay)
	}
}

// TestChallengeWithoutNumber: without a Sender Sequence Number there is no challenge, and
// nothing else either.
func TestChallengeWithoutNumber(t *testing.T) {
	params := testParams()
	c := mustContext(t, Config{Params: params})
	s := mustContext(t, Config{Params: params.mirror(), RecoverWindow: true, Sequence: &memoryStore{fail: errStore}})
	p, _, err := c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.VerifyRequest(wire(t, p))
	if !is(err, ErrSequence) {
		t.Fatalf("VerifyRequest = %v, want %v", err, ErrSequence)
	}
	if m := ErrorMessage(err); m.Code != 0xa3 || m.Payload != nil {
		t.Errorf("ErrorMessage = %v, want 5.03", m)
	}
}

// TestClientEcho is the client's side of RFC 9175: the value goes inside every request
// until one has arrived, and nobody sees it.
//
//spec:9175-2.3-2
func TestClientEcho(t *testing.T) {
	c, s := pairFor(t)
	value := []byte(strings.Repeat("e", 40))
	challenge := Message{Code: 0x81, Options: []Option{{optionEcho, value}}, Payload: []byte("stale")}
	x, y := request(t, c, s, getRequest)
	var retry *Retry
	if _, err := x.VerifyResponse(respond(t, y, challenge)); !errors.As(err, &retry) {
		t.Fatalf("4.01 with Echo: %v, want a Retry", err)
	}
	if string(retry.Response.Payload) != "stale" {
		t.Errorf("Retry.Response = %v", retry.Response)
	}
	send := func(want []byte) (*ClientExchange, *ServerExchange) {
		t.Helper()
		p, x, err := c.ProtectRequest(Message{Code: 1, Options: []Option{{11, []byte("a")}, {292, []byte("t")}}})
		if err != nil {
			t.Fatal(err)
		}
		out, _ := p.Message()
		if _, outside := out.option(optionEcho); outside {
			t.Error("Echo outside")
		}
		m, y, err := s.VerifyRequest(wire(t, p))
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := m.option(optionEcho); !bytes.Equal(got, want) {
			t.Errorf("Echo = %x, want %x", got, want)
		}
		return x, y
	}
	x1, y1 := send(value)
	x2, y2 := send(value) // another one at the same time
	verify(t, x1, respond(t, y1, content))
	send(nil)
	next := []byte("next")
	verify(t, x2, respond(t, y2, Message{Code: 0x45, Options: []Option{{optionEcho, next}}}))
	// Nothing that is no Echo value is a challenge.
	for _, bad := range [][]byte{{}, make([]byte, 41)} {
		x, y := send(next)
		if m := verify(t, x, respond(t, y, Message{Code: 0x81, Options: []Option{{optionEcho, bad}}})); m.Code != 0x81 {
			t.Errorf("Code = %v", m.Code)
		}
		c.sender.echo.value.Store(&next)
	}
	own := Message{Code: 1, Options: []Option{{optionEcho, []byte("own")}}}
	request(t, c, s, own)
}
