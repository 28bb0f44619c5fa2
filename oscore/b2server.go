package oscore

import (
	"bytes"
	"crypto"
	"time"

	"github.com/ostiary/ostiary/internal/hkdf"
	"github.com/ostiary/ostiary/internal/secret"
)

// serverRun is all that a server keeps of its runs of Appendix B.2, however many there
// are: the key K_HMAC by which it knows again the R2s it has made (Appendix B.2.1).
type serverRun struct {
	key     secret.Bytes // K_HMAC; nil: no run is open
	expires time.Time    // of key, with a clock
}

// lifetime of K_HMAC: a request #2 can be under way as long as an exchange takes (RFC
// 7252, Section 4.8.2, EXCHANGE_LIFETIME).
const lifetime = 247 * time.Second

// erase makes every R2 unknown: a request #2 that comes again is refused.
func (s *serverRun) erase() {
	s.key.Erase()
	s.key = nil
}

// newR2 is step 2 with Appendix B.2.1: R2 = S2 || HMAC(K_HMAC, S2), where S2 is random and
// the HMAC truncated to 8 bytes.
//
//spec:8613-B.2-3
func (b *b2) newR2() ([]byte, error) {
	s := &b.server
	b.expire()
	if s.key == nil {
		key, err := b.random(32)
		if err != nil {
			return nil, err
		}
		s.key = key
		if b.clock != nil {
			s.expires = b.clock().Add(lifetime)
		}
	}
	s2, err := b.random(sizeS2)
	if err != nil {
		return nil, err
	}
	return s.complete(s2), nil
}

func (b *b2) expire() {
	if s := &b.server; s.key != nil && b.clock != nil && !b.clock().Before(s.expires) {
		s.erase()
	}
}

// complete appends the HMAC to S2. HKDF-Extract is HMAC, with the salt as key.
func (s *serverRun) complete(s2 []byte) []byte {
	r2 := append(make([]byte, 0, sizeS2+crypto.SHA256.Size()), s2...)
	return hkdf.Extract(r2, crypto.SHA256, s.key, s2)[:sizeR2]
}

// made reports whether idContext begins with an R2 of an open run.
func (b *b2) made(idContext []byte) bool {
	b.expire()
	if b.server.key == nil || len(idContext) <= sizeR2 {
		return false
	}
	r2 := b.server.complete(idContext[:sizeS2])
	return secret.Bytes(r2).Equal(idContext[:sizeR2])
}

// verifyB2 verifies a request whose kid context is not that of the context in use. It
// is request #2 if its kid context begins with an R2 of ours, and else request #1.
func (a *Association) verifyB2(p *Protected) (Message, *ServerExchange, error) {
	if a.b2 == nil {
		return Message{}, nil, errNoContext
	}
	if !p.header.hasKIDContext {
		return Message{}, nil, a.response1(p, a.b2.base)
	}
	err := error(errNoContext)
	for _, id := range readings(p.header.kidContext) {
		m, x, r, err2 := a.request2(p, id)
		r.announce()
		if err2 == nil {
			return m, x, nil
		}
		if err = a.response1(p, bytes.Clone(id)); !refused(err) {
			break
		}
	}
	return Message{}, nil, err
}

// refused reports whether err is a refusal that another reading of the kid context
// might turn.
func refused(err error) bool {
	_, is := err.(*Error) //nolint:errorlint // of this package, and never wrapped
	return is
}

// response1 is step 2 of Appendix B.2: if the request verifies with ID Context = ID1, it
// is answered by a 4.01 under the second context, with ID Context = R2 || ID1. Nothing
// is kept of it. A replay is answered too: to know it would take memory.
//
// The nonce is that of the request, byte for byte: with the Common IV of the first
// context, under the key of the second, which protects nothing else. A Partial IV of its
// own would do as well, but Californium's clients take the nonce of the request in any
// case.
func (a *Association) response1(p *Protected, id1 []byte) error {
	first, err := a.derive(id1, stepFirst)
	if err != nil {
		return err
	}
	defer first.discard()
	if _, err := first.openRequest(p); err != nil {
		return errNoContext
	}
	second, r2, err := a.second(id1)
	if err != nil {
		return err
	}
	defer second.discard()
	v := cover{
		nonceBase: &first.recipient.base, noncePIV: p.header.piv.number(),
		requestKID: first.recipient.id.bytes(), requestPIV: p.header.piv,
		header: header{kidContext: wrap(r2), hasKIDContext: true},
	}
	w := works.Get().(*work)
	defer works.Put(w)
	answer, err := second.protect(w, new(buffer), &Message{Code: codeUnauthorized}, &v)
	if err != nil {
		return err
	}
	return &Challenge{Protected: answer, Section: "B.2"}
}

func (a *Association) second(id1 []byte) (c *Context, r2 []byte, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return nil, nil, ErrDiscarded
	}
	if r2, err = a.b2.newR2(); err != nil {
		return nil, nil, err
	}
	c, err = a.b2.derive(concat(r2, id1), stepSecond)
	return c, r2, err
}

// request2 is step 4 of Appendix B.2: if the ID Context begins with an R2 of ours, and the
// request verifies with the third context, that comes into use, and the R2s are
// forgotten. From then on this request #2 is an ordinary request that was received
// before.
func (a *Association) request2(p *Protected, id3 []byte) (Message, *ServerExchange, replacement, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone || !a.b2.made(id3) {
		return Message{}, nil, replacement{}, errNoContext
	}
	third, err := a.b2.derive(bytes.Clone(id3), stepThird)
	if err != nil {
		return Message{}, nil, replacement{}, err
	}
	m, x, err := third.verifyRequest(p, nil)
	if err == nil && a.waits() {
		err = errNoContext
	}
	if err != nil {
		third.discard()
		return Message{}, nil, replacement{}, err
	}
	return m, x, a.install(third), nil
}

// maxYield is how often a run of ours goes before one of the peer.
const maxYield = 2

// waits settles two runs at once, each endpoint being the client of one (Appendix
// B.2.1). If both were completed, each endpoint could end with the context of another
// run. So of two runs that have both come to request #2 the one whose client has the
// higher Sender ID is completed: that client answers the other's request #2 with a new
// response #1, and by the time of the next try there is a context. It does so a few
// times only, as its own run may have come to nothing.
func (a *Association) waits() bool {
	b := a.b2
	if b.third == nil || b.yielded == maxYield || bytes.Compare(b.material.sender.bytes(), b.material.recipient.bytes()) < 0 {
		return false
	}
	b.yielded++
	return true
}

// replaces reports whether c, which has just verified a request, should be replaced
// before it is used on: that was asked for, its Sender Key is spent, or its Recipient
// Key will be after a few more forgeries. Then the server begins the run. A client does
// so earlier: not every peer expects it of a server.
func (a *Association) replaces(c *Context) bool {
	return a.b2.asked.Load() || c.spent() || c.recipient.failed.Load() >= c.common.limits.Failures/4*3
}
