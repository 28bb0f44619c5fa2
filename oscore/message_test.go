package oscore

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// figure5 is how RFC 8613, Section 4.1 protects options, and later RFCs theirs: E inside,
// U outside, EU one of each.
var figure5 = map[uint16]string{
	1: "E", 3: "U", 4: "E", 5: "E", 6: "EU", 7: "U", 8: "E", 9: "U", 11: "E", 12: "E", 14: "EU",
	15: "E", 17: "E", 20: "E", 23: "EU", 27: "EU", 28: "EU", 35: "U", 39: "U", 60: "EU", 258: "EU",
	252: "EU", 292: "EU", // RFC 9175
	19: "EU", 31: "EU", // RFC 9177
	21: "U",                        // RFC 9668
	16: "U",                        // draft-ietf-core-oscore-capable-proxies
	10: "E", 2049: "E", 65001: "E", // unknown
}

// pairFor is a client and a server context.
func pairFor(t rapid.TB) (c, s *Context) {
	t.Helper()
	params := testParams()
	return mustContext(t, Config{Params: params}), mustContext(t, Config{Params: params.mirror()})
}

// TestClasses sends each option in a request and a response, and looks where it went.
//
//spec:8613-4-1
//spec:8613-4-3
//spec:8613-4.1-1
//spec:8613-4.1.1-1
//spec:8613-4.1.2-1
//spec:8613-4.1.3.1-1
//spec:8613-4.1.3.4.1-1
//spec:8613-4.1.3.6-1
//spec:8613-4.1.3.6-2
func TestClasses(t *testing.T) {
	for number, class := range figure5 {
		if number == optionOSCORE || number == optionObserve || number == optionProxyURI {
			continue // with rules of their own, tested below
		}
		t.Run(fmt.Sprint(number), func(t *testing.T) {
			c, s := pairFor(t)
			value := []byte("value of the option")
			m := Message{Code: 2, Options: []Option{{number, value}}, Payload: []byte("p")}
			p, x, err := c.ProtectRequest(m)
			if err != nil {
				t.Fatal(err)
			}
			assertWhere(t, "request", p, number, value, class)
			got, y, err := s.VerifyRequest(wire(t, p))
			if err != nil {
				t.Fatal(err)
			}
			assertMessage(t, got, m)
			m.Code = 0x44
			q := respond(t, y, m)
			assertWhere(t, "response", q, number, value, class)
			assertMessage(t, verify(t, x, q), m)
		})
	}
}

func assertWhere(t *testing.T, what string, p Protected, number uint16, value []byte, class string) {
	t.Helper()
	m, err := p.Message()
	if err != nil {
		t.Fatal(err)
	}
	outside, ok := m.option(number)
	if want := class == "U"; ok != want || ok && !bytes.Equal(outside, value) {
		t.Errorf("%s: option %d outside: %t (%q), want %t", what, number, ok, outside, want)
	}
	if class != "U" && bytes.Contains(m.Payload, value) {
		t.Errorf("%s: option %d is in the payload in clear", what, number)
	}
}

// TestInnerDecides adds outer options to protected messages, as anybody on the way can:
// only those of Class U arrive, and none beside an inner one of the same number.
//
//spec:8613-4.1.3.5.2-4
//spec:8613-4.1.3.6-3
//spec:8613-4.2-4
//spec:8613-8.2-2
//spec:8613-8.4-2
func TestInnerDecides(t *testing.T) {
	for number, class := range figure5 {
		if number == optionOSCORE {
			continue
		}
		for _, inside := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d with inner %t", number, inside), func(t *testing.T) {
				c, s := pairFor(t)
				m := Message{Code: 5, Payload: []byte("p")}
				if inside {
					m.Options = []Option{{number, []byte{1}}}
				}
				// An inner instance of a Class U option comes of no honest endpoint.
				p, x := forgeRequest(t, c, m)
				p = tamper(t, p, Option{number, []byte{0}})
				got, y, err := s.VerifyRequest(p)
				if err != nil {
					t.Fatal(err)
				}
				want := m
				if class == "U" && !inside {
					want.Options = []Option{{number, []byte{0}}}
				}
				assertMessage(t, got, want)

				if number == optionObserve {
					return // notifications are tested elsewhere
				}
				m.Code, want.Code = 0x45, 0x45
				got, err = x.VerifyResponse(tamper(t, forgeResponse(t, y, m), Option{number, []byte{0}}))
				if err != nil {
					t.Fatal(err)
				}
				assertMessage(t, got, want)
			})
		}
	}
}

// tamper changes the outer Code, and adds an outer option.
func tamper(t *testing.T, p Protected, o Option) Protected {
	t.Helper()
	m, err := p.Message()
	if err != nil {
		t.Fatal(err)
	}
	m = m.Clone()
	m.Code = 0x1f
	at := 0
	for at < len(m.Options) && m.Options[at].Number < o.Number {
		at++
	}
	if at < len(m.Options) && m.Options[at].Number == o.Number {
		m.Options[at] = o
	} else {
		m.Options = append(m.Options[:at], append([]Option{o}, m.Options[at:]...)...)
	}
	if p, err = ParseProtected(m); err != nil {
		t.Fatal(err)
	}
	return p
}

// forgeRequest encrypts all options of m, of whatever class.
func forgeRequest(t *testing.T, c *Context, m Message) (Protected, *ClientExchange) {
	t.Helper()
	p, x, err := c.ProtectRequest(Message{Code: 1})
	if err != nil {
		t.Fatal(err)
	}
	p.payload = forge(t, c, &c.sender.base, x.piv.number(), x.piv, c.sender.id.bytes(), m)
	return p, x
}

func forgeResponse(t *testing.T, y *ServerExchange, m Message) Protected {
	t.Helper()
	p := respond(t, y, Message{Code: 0x45})
	c := y.context
	p.payload = forge(t, c, &c.recipient.base, y.piv.number(), y.piv, c.recipient.id.bytes(), m)
	return p
}

func forge(t *testing.T, c *Context, base *nonceBase, number uint64, piv partialIV, kid []byte, m Message) []byte {
	t.Helper()
	plaintext := []byte{byte(m.Code)}
	var last uint16
	for _, o := range m.Options {
		plaintext, last = appendOption(plaintext, o.Number-last, o.Value), o.Number
	}
	if len(m.Payload) > 0 {
		plaintext = append(append(plaintext, payloadMarker), m.Payload...)
	}
	return sealRaw(t, c, base, number, piv, kid, plaintext)
}

func sealRaw(t *testing.T, c *Context, base *nonceBase, number uint64, piv partialIV, kid, plaintext []byte) []byte {
	t.Helper()
	keys, err := c.keys.use(c.common.settings)
	if err != nil {
		t.Fatal(err)
	}
	var n [maxNonce]byte
	return keys.sender.Seal(nil, base.nonce(&n, int(c.common.nonceSize), number), plaintext, appendAAD(nil, c.common.alg, kid, piv.bytes()))
}

// TestVerifiedNonsense is plaintext that only a peer that has the key could send.
//
//spec:8613-4.1.3.7-1
func TestVerifiedNonsense(t *testing.T) {
	for name, m := range map[string]Message{
		"OSCORE option inside": {Code: 1, Options: []Option{{optionOSCORE, []byte{1}}}},
		"empty message":        {Code: 0},
		"response in request":  {Code: 0x45},
		"signaling":            {Code: 0xe2},
	} {
		c, s := pairFor(t)
		p, _ := forgeRequest(t, c, m)
		if _, _, err := s.VerifyRequest(p); err != error(errPlaintext) {
			t.Errorf("%s: %v, want %v", name, err, errPlaintext)
		}
	}
	c, s := pairFor(t)
	x, y := request(t, c, s, getRequest)
	if _, err := x.VerifyResponse(forgeResponse(t, y, Message{Code: 1})); err == nil {
		t.Error("a request as response: error is nil")
	}
}

// TestProtectRefuses is what cannot be protected.
//
//spec:8613-4.1.3.7-1
//spec:8613-4.3-7
func TestProtectRefuses(t *testing.T) {
	for name, v := range map[string]struct {
		m    Message
		want error
	}{
		"empty message":            {Message{Code: 0}, errCode},
		"signaling message":        {Message{Code: 0xe2}, errCode},
		"OSCORE option":            {Message{Code: 1, Options: []Option{{optionOSCORE, nil}}}, errNested},
		"options out of order":     {Message{Code: 1, Options: []Option{{12, nil}, {11, nil}}}, errOptions},
		"Observe of 4 bytes":       {Message{Code: 1, Options: []Option{{optionObserve, make([]byte, 4)}}}, errObserve},
		"too large for one":        {Message{Code: 1, Payload: make([]byte, 4096)}, ErrTooLarge},
		"option longer than 65535": {Message{Code: 1, Options: []Option{{11, make([]byte, 65536)}}}, errOptions},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := pairFor(t)
			if p, x, err := c.ProtectRequest(v.m); !is(err, v.want) || x != nil {
				t.Errorf("ProtectRequest = %v, want %v", err, v.want)
			} else if _, err := p.Message(); err != ErrUnprotected {
				t.Errorf("Message = %v, want %v", err, ErrUnprotected)
			}
			_, y := request(t, c, s, getRequest)
			if v.m.Code == 1 {
				v.m.Code = 0x45
			}
			if p, err := y.ProtectResponse(v.m); !is(err, v.want) {
				t.Errorf("ProtectResponse = %v, want %v", err, v.want)
			} else if _, err := p.Message(); err != ErrUnprotected {
				t.Errorf("Message = %v, want %v", err, ErrUnprotected)
			}
		})
	}
	c, s := pairFor(t)
	for _, value := range [][]byte{{2}, {1, 0}} {
		m := Message{Code: 1, Options: []Option{{optionObserve, value}}}
		if _, _, err := c.ProtectRequest(m); !is(err, errObserve) {
			t.Errorf("request with Observe %x: %v, want %v", value, err, errObserve)
		}
	}
	_, y := request(t, c, s, getRequest)
	m := Message{Code: 0x45, Options: []Option{{optionObserve, nil}}}
	if _, err := y.ProtectResponse(m); !is(err, errObserve) {
		t.Errorf("notification without registration: %v, want %v", err, errObserve)
	}
}

// TestSizeLimit is a message at the limit and one byte above.
func TestSizeLimit(t *testing.T) {
	c, s := pairFor(t)
	payload := make([]byte, 4096-8-2) // tag, code and payload marker
	x, y := request(t, c, s, Message{Code: 2, Payload: payload})
	verify(t, x, respond(t, y, Message{Code: 0x44, Payload: payload}))
	if _, _, err := c.ProtectRequest(Message{Code: 2, Payload: append(payload, 1)}); !is(err, ErrTooLarge) {
		t.Errorf("one byte more: %v, want %v", err, ErrTooLarge)
	}
}

// TestOuterCode is what proxies see of a message.
//
//spec:8613-4.1.3.5-2
//spec:8613-4.1.3.5-5
//spec:8613-4.2-3
//spec:8613-2-3
func TestOuterCode(t *testing.T) {
	for code := Code(1); code < 32; code++ {
		for _, observe := range []bool{false, true} {
			c, s := pairFor(t)
			m, answer := Message{Code: code}, Message{Code: 0x45}
			wantRequest, wantResponse := Code(0x02), Code(0x44)
			if observe {
				m.Options = []Option{{optionObserve, nil}}
				answer.Options = []Option{{optionObserve, []byte{7}}}
				wantRequest, wantResponse = 0x05, 0x45
			}
			p, _, err := c.ProtectRequest(m)
			if err != nil {
				t.Fatal(err)
			}
			out, _ := p.Message()
			if _, has := out.option(optionObserve); out.Code != wantRequest || has != observe {
				t.Errorf("%v: outer Code %v, Observe %t, want %v, %t", code, out.Code, has, wantRequest, observe)
			}
			_, y, err := s.VerifyRequest(wire(t, p))
			if err != nil {
				t.Fatal(err)
			}
			out, _ = respond(t, y, answer).Message()
			value, has := out.option(optionObserve)
			if out.Code != wantResponse || has != observe || observe && !bytes.Equal(value, []byte{7}) {
				t.Errorf("response: outer Code %v, Observe %x, want %v, %t", out.Code, value, wantResponse, observe)
			}
			if _, protected := out.option(optionOSCORE); !protected {
				t.Error("response without OSCORE option")
			}
		}
	}
}
