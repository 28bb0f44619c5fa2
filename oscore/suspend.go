package oscore

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// What Suspend returns is a CBOR sequence of the mutable part of a context and of its ID
// Context, which a run of Appendix B.2 may have changed:
//
//	( version, id_context / nil, third, next, end, used, failed, lost, begun, top, bits )
const suspendVersion = 1

var errResume = errors.New("oscore: Resume is not what Suspend returned for this configuration")

// Suspend takes the association out of use and returns its mutable state, for
// Config.Resume, so that a clean restart shows nowhere (Section 12.8). It holds no
// secret, but it must be used once at most: whoever reads it from storage deletes it
// durably before the new Association protects a message. It is nil if no context is in
// use. A run of Appendix B.2 that was under way is given up.
func (a *Association) Suspend() ([]byte, error) {
	r, ok := a.discard()
	if !ok {
		return nil, ErrDiscarded
	}
	defer r.announce()
	if r.old == nil {
		return nil, nil
	}
	return r.old.suspend(), nil
}

// suspend encodes the mutable part of a context that is discarded. What was begun
// before and goes on in another goroutine comes to nothing: it finds no key, or no
// window.
func (c *Context) suspend() []byte {
	b := cborseq.AppendUint(nil, suspendVersion)
	if c.common.idContext == nil {
		b = cborseq.AppendNull(b)
	} else {
		b = cborseq.AppendBytes(b, c.common.idContext)
	}
	b = cborseq.AppendBool(b, c.step == stepThird)
	b = c.sender.sequence.suspend(b)
	b = cborseq.AppendUint(b, c.sender.used.Load())
	b = cborseq.AppendUint(b, c.recipient.failed.Load())
	return c.recipient.window.suspend(b)
}

func (s *sequence) suspend(b []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	b = cborseq.AppendUint(b, s.next)
	return cborseq.AppendUint(b, s.end)
}

func (w *window) suspend(b []byte) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	b = cborseq.AppendBool(b, w.lost)
	b = cborseq.AppendBool(b, w.begun)
	b = cborseq.AppendUint(b, w.top)
	var bits []byte
	w.each(func(word *uint64) { bits = binary.BigEndian.AppendUint64(bits, *word) })
	return cborseq.AppendBytes(b, bits)
}

// suspended is what Suspend returned.
type suspended struct {
	idContext    []byte
	third        bool // the context came of a run of Appendix B.2
	next, end    uint64
	used, failed uint64
	lost, begun  bool
	top          uint64
	bits         []byte
}

func parseSuspended(b []byte) (*suspended, error) {
	var version uint64
	var x suspended
	s := cborseq.String(b)
	ok := s.ReadUint(&version) && version == suspendVersion &&
		(s.ReadNull() || s.ReadBytes(&x.idContext)) && s.ReadBool(&x.third) &&
		s.ReadUint(&x.next) && s.ReadUint(&x.end) && s.ReadUint(&x.used) && s.ReadUint(&x.failed) &&
		s.ReadBool(&x.lost) && s.ReadBool(&x.begun) && s.ReadUint(&x.top) && s.ReadBytes(&x.bits) && s.Empty()
	if !ok || x.next > x.end || x.end > maxSequence+1 || x.top > maxSequence {
		return nil, errResume
	}
	return &x, nil
}

// resume installs the context that was in use when the association was suspended.
func (a *Association) resume(m *material, shared *settings, cfg *Config, set *checked) error {
	x, err := parseSuspended(cfg.Resume)
	if err != nil {
		return err
	}
	if !x.third && !sameBytes(x.idContext, set.params.IDContext) || x.third && a.b2 == nil {
		return errResume
	}
	if !x.third && cfg.Sequence != nil && x.end > maxSequence {
		return errResume // the numbers were not those of a store, which would give them out again
	}
	c, err := newContext(m, shared, bytes.Clone(x.idContext))
	if err != nil {
		return err
	}
	if x.third {
		c.step = stepThird
	} else {
		c.sender.sequence.init(cfg.Sequence)
	}
	c.sender.sequence.resume(x)
	c.sender.used.Store(max(x.used, cfg.Used.Protected))
	c.recipient.failed.Store(max(x.failed, cfg.Used.Failures))
	c.recipient.window.resume(x)
	if x.lost {
		if c.recipient.echo, err = newEchoChallenge(set.rand); err != nil {
			return err
		}
	}
	a.current.Store(c)
	return nil
}

func (s *sequence) resume(x *suspended) {
	s.next, s.end = x.next, x.end
	if s.store != nil {
		s.store.granted = x.end > 0
	}
	s.dry.Store(s.next > maxSequence)
}

// resume takes up the window. If it has become wider or narrower than its ring, everything
// up to its top counts as received.
func (w *window) resume(x *suspended) {
	w.lost, w.begun, w.top = x.lost, x.begun, x.top
	switch {
	case !x.begun:
	case uint64(len(x.bits)) != 8*w.ring():
		w.fill(x.top)
	default:
		bits := x.bits
		w.each(func(word *uint64) {
			*word, bits = binary.BigEndian.Uint64(bits), bits[8:]
		})
	}
}
