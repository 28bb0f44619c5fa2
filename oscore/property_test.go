package oscore

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/internal/nonceoracle"
)

// drawMessage draws any message of the kind.
func drawMessage(r *rapid.T, request bool) Message {
	m := Message{Payload: rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(r, "payload")}
	if len(m.Payload) == 0 {
		m.Payload = nil
	}
	if request {
		m.Code = Code(rapid.IntRange(1, 31).Draw(r, "method"))
	} else {
		m.Code = Code(rapid.SampledFrom([]int{2, 4, 5}).Draw(r, "class")<<5 | rapid.IntRange(0, 31).Draw(r, "detail"))
	}
	number := 0
	for range rapid.IntRange(0, 6).Draw(r, "options") {
		number += rapid.SampledFrom([]int{0, 1, 2, 3, 4, 5, 7, 12, 13, 200, 269, 2000}).Draw(r, "delta")
		switch number {
		case optionOSCORE, optionObserve, optionProxyURI, optionEcho:
			continue
		}
		if classOf(uint16(number)) == classU {
			if _, again := m.option(uint16(number)); again {
				continue
			}
		}
		m.Options = append(m.Options, Option{uint16(number), rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(r, "value")})
	}
	return m
}

// TestAnyMessage: whatever is protected comes out as it was, at the other side.
//
//spec:8613-4.2-7
//spec:8613-5.4-1
func TestAnyMessage(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c, s := pairFor(r)
		m, answer := drawMessage(r, true), drawMessage(r, false)
		x, y := request(r, c, s, m)
		assertMessage(r, verify(r, x, respond(r, y, answer)), answer)
	})
}

// TestFlippedBits: a bit that changes anywhere in what is protected, or in the OSCORE
// option, makes nothing that verifies.
func TestFlippedBits(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c, s := pairFor(r)
		withContext := rapid.Bool().Draw(r, "ID Context")
		if withContext {
			p := testParams()
			p.IDContext = []byte("context")
			c, _ = NewContext(Config{Params: p})
			s, _ = NewContext(Config{Params: p.mirror()})
		}
		p, x, err := c.ProtectRequest(drawMessage(r, true))
		if err != nil {
			r.Fatal(err)
		}
		if q, ok := flip(r, p); ok {
			if _, y, err := s.VerifyRequest(q); err == nil || y != nil {
				r.Fatal("a changed request was verified")
			}
		}
		_, y, err := s.VerifyRequest(wire(r, p))
		if err != nil {
			r.Fatal(err)
		}
		for range 2 {
			p, err := y.ProtectResponse(drawMessage(r, false))
			if err != nil {
				r.Fatal(err)
			}
			if q, ok := flip(r, p); ok {
				if m, err := x.VerifyResponse(q); err == nil {
					r.Fatalf("a changed response was verified: %v", m)
				}
			}
		}
	})
}

// flip changes one bit of the ciphertext or of the OSCORE option.
func flip(r *rapid.T, p Protected) (Protected, bool) {
	m, err := p.Message()
	if err != nil {
		r.Fatal(err)
	}
	m = m.Clone()
	target := m.Payload
	if option, _ := m.option(optionOSCORE); len(option) > 0 && rapid.Bool().Draw(r, "in the option") {
		target = option
	}
	bit := rapid.IntRange(0, 8*len(target)-1).Draw(r, "bit")
	target[bit/8] ^= 1 << (bit % 8)
	p, err = ParseProtected(m)
	return p, err == nil
}

// TestNonces lets two endpoints do everything that makes messages, with several
// contexts, restarts and runs of Appendix B.2, and watches the nonces.
//
//spec:8613-7.2-1
//spec:8613-7.5-1
//spec:8613-B.2-1
//spec:8613-B.2-3
func TestNonces(t *testing.T) {
	oracle := nonceoracle.New(t)
	rapid.Check(t, func(r *rapid.T) {
		params := testParams()
		params.MasterSalt = rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(r, "fresh salt")
		mode := rapid.SampledFrom([]B2Mode{B2Off, B2Allowed, B2Required}).Draw(r, "B2")
		var stores [2]memoryStore
		build := func(i int, resume []byte, again bool) *Association {
			cfg := Config{
				Params: params, B2: mode, DangerNewAEAD: oracle.NewAEAD, Sequence: &stores[i],
				RecoverWindow: again && mode != B2Required, Resume: resume,
			}
			if i == 1 {
				cfg.Params = params.mirror()
			}
			a, err := NewAssociation(cfg)
			if err != nil {
				r.Fatal(err)
			}
			return a
		}
		ends := [2]*Association{build(0, nil, false), build(1, nil, false)}
		var open [2][]*ServerExchange
		for step := range rapid.IntRange(1, 40).Draw(r, "steps") {
			i := rapid.IntRange(0, 1).Draw(r, "endpoint")
			payload := []byte{byte(step), byte(step >> 8)}
			switch rapid.IntRange(0, 9).Draw(r, "step") {
			case 0:
				_ = ends[i].Rederive()
			case 1: // a clean restart
				state, err := ends[i].Suspend()
				if err != nil {
					r.Fatal(err)
				}
				ends[i] = build(i, state, true)
			case 2: // a crash
				ends[i] = build(i, nil, true)
			case 3, 4:
				if n := len(open[i]); n > 0 {
					y := open[i][rapid.IntRange(0, n-1).Draw(r, "exchange")]
					_, _ = y.ProtectResponse(Message{Code: 0x45, Payload: append(payload, 1)})
				}
			default:
				m := Message{Code: 2, Payload: payload}
				for range 4 {
					p, x, err := ends[i].ProtectRequest(m)
					if err != nil {
						break
					}
					_, y, err := ends[1-i].VerifyRequest(p)
					if err == nil {
						open[1-i] = append(open[1-i], y)
						break
					}
					var challenge *Challenge
					if !errors.As(err, &challenge) {
						break
					}
					_, _ = x.VerifyResponse(challenge.Protected)
				}
			}
		}
	})
	if oracle.Seals() < 100 {
		t.Errorf("only %d messages were protected", oracle.Seals())
	}
}

// TestNothingInClear: no error, and no zero value, lets a message out that is not
// protected.
func TestNothingInClear(t *testing.T) {
	secretPayload := []byte("do not show this to anybody")
	m := Message{Code: 2, Payload: secretPayload}
	discarded := mustAssociation(t, Config{Params: testParams()})
	discarded.Discard()
	noNumber := mustAssociation(t, Config{Params: testParams(), Sequence: &memoryStore{fail: errStore}})
	limited := mustAssociation(t, Config{Params: testParams(), Limits: Limits{Protected: 1}, Used: Usage{Protected: 1}})
	for name, a := range map[string]*Association{"discarded": discarded, "no number": noNumber, "limit": limited} {
		p, x, err := a.ProtectRequest(m)
		if err == nil || x != nil {
			t.Errorf("%s: ProtectRequest = %v", name, err)
		}
		if out, err := p.Message(); err != ErrUnprotected || out.Payload != nil {
			t.Errorf("%s: Message = %v, %v, want %v", name, out, err, ErrUnprotected)
		}
	}
	var y ServerExchange
	p, err := y.ProtectResponse(m)
	if out, err2 := p.Message(); err == nil || err2 != ErrUnprotected || out.Payload != nil {
		t.Errorf("zero ServerExchange: %v, %v, %v", err, out, err2)
	}
	c, _ := pairFor(t)
	p, _, err = c.ProtectRequest(Message{Code: 2, Options: []Option{{11, secretPayload}}, Payload: secretPayload})
	if err != nil {
		t.Fatal(err)
	}
	out, _ := p.Message()
	all := bytes.Clone(out.Payload)
	for _, o := range out.Options {
		all = append(all, o.Value...)
	}
	if bytes.Contains(all, secretPayload[:8]) {
		t.Error("a protected message shows its content")
	}
}
