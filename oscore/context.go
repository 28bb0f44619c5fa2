package oscore

import (
	"crypto/cipher"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/ostiary/ostiary/internal/secret"
)

// A Context is a security context (Section 3.1): the Common, the Sender and the
// Recipient Context. It is safe for concurrent use.
type Context struct {
	common    *commonContext
	sender    senderContext
	recipient recipientContext
	keys      keyring
	step      step // stepNone: of the Params, or resumed
}

// A step is the part of a context in a run of Appendix B.2, for which it was derived.
type step uint8

const (
	stepNone   step = iota
	stepFirst       // ID Context = ID1: for requests #1
	stepSecond      // ID Context = R2 || ID1: for one response #1
	stepThird       // ID Context = R2 || R3: for requests #2, and in use once one is answered
)

// commonContext is the Common Context, which is immutable. What the contexts of an
// association share, such as the algorithm, is in the settings; the Common IV is in the
// two nonce bases. The Master Secret and Master Salt are not kept.
type commonContext struct {
	*settings
	idContext []byte // nil is none
}

// newCommonContext keeps idContext. The common context that most peers have exists
// once.
func newCommonContext(set *settings, idContext []byte) *commonContext {
	if set == &defaultSettings && idContext == nil {
		return &defaultCommonContext
	}
	return &commonContext{set, idContext}
}

var defaultCommonContext = commonContext{settings: &defaultSettings}

// senderContext is the Sender Context. Its key is in the keyring.
type senderContext struct {
	id       id
	base     nonceBase // of nonces with the Partial IVs of this endpoint
	sequence sequence
	used     atomic.Uint64 // messages protected
	echo     pendingEcho   // what the peer asked for
}

// recipientContext is the Recipient Context. Its key is in the keyring.
type recipientContext struct {
	id     id
	base   nonceBase // of nonces with the Partial IVs of the peer
	window window
	failed atomic.Uint64  // messages that did not verify
	echo   *echoChallenge // of a window that was lost (Appendix B.1.2), else nil
}

// NewContext derives the security context of cfg (Section 3.2). B2 must be B2Off and
// Resume nil: Appendix B.2 and Suspend are about an [Association].
func NewContext(cfg Config) (*Context, error) {
	if cfg.B2 != B2Off || len(cfg.Resume) > 0 {
		return nil, fmt.Errorf("%w: B2 and Resume need an Association", errConfig)
	}
	set, err := cfg.settings()
	if err != nil {
		return nil, err
	}
	m := newMaterial(&set.params, set.sender, set.recipient)
	defer m.prk.Erase()
	c, err := newContext(m, set.shared(), set.params.IDContext)
	if err != nil {
		return nil, err
	}
	return c, c.begin(&cfg, set.rand)
}

// newContext derives a context with a fresh Sender Sequence Number and Replay Window
// (Section 3.2.2). It keeps idContext.
//
//spec:8613-3.1-1
func newContext(m *material, set *settings, idContext []byte) (*Context, error) {
	d := m.derive(idContext)
	c := &Context{common: newCommonContext(set, idContext)}
	c.sender.id, c.recipient.id = m.sender, m.recipient
	c.sender.base = newNonceBase(d.commonIV, &m.sender)
	c.recipient.base = newNonceBase(d.commonIV, &m.recipient)
	d.commonIV.Erase()
	c.sender.sequence.init(nil)
	c.recipient.window.init(int(set.window))
	c.keys.raw = d.keys
	return c, c.keys.expand(set)
}

// begin says what c has done before, as far as cfg knows.
func (c *Context) begin(cfg *Config, rand io.Reader) error {
	c.sender.sequence.init(cfg.Sequence)
	c.sender.used.Store(cfg.Used.Protected)
	c.recipient.failed.Store(cfg.Used.Failures)
	if !cfg.RecoverWindow {
		return nil
	}
	echo, err := newEchoChallenge(rand)
	if err != nil {
		return err
	}
	c.recipient.window.lost, c.recipient.echo = true, echo
	return nil
}

// SenderID returns the Sender ID. The caller must not change it.
func (c *Context) SenderID() []byte { return c.sender.id.bytes() }

// RecipientID returns the Recipient ID. The caller must not change it.
func (c *Context) RecipientID() []byte { return c.recipient.id.bytes() }

// IDContext returns the ID Context, nil if there is none. The caller must not
// change it.
func (c *Context) IDContext() []byte { return c.common.idContext }

// Usage returns what the keys have done until now.
func (c *Context) Usage() Usage {
	return Usage{Protected: c.sender.used.Load(), Failures: c.recipient.failed.Load()}
}

// Limits returns the limits of the keys, with the defaults filled in.
func (c *Context) Limits() Limits { return c.common.limits }

// Format implements fmt.Formatter, for every verb: it shows the IDs and no secret.
func (c *Context) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "oscore.Context{SenderID: %x, RecipientID: %x, IDContext: %x}",
		c.SenderID(), c.RecipientID(), c.common.idContext)
}

// discard erases the keys: from now on everything returns ErrDiscarded.
func (c *Context) discard() {
	c.keys.mu.Lock()
	defer c.keys.mu.Unlock()
	c.keys.raw.Erase()
	c.keys.raw = nil
	c.keys.live.Store(nil)
}

// worn reports whether c should be replaced soon: a key has done half of what it may,
// or half of the numbers are used.
func (c *Context) worn() bool {
	return c.sender.used.Load() >= c.common.limits.Protected/2 ||
		c.recipient.failed.Load() >= c.common.limits.Failures/2 ||
		c.sender.sequence.position() > maxSequence/2
}

// spent reports whether the Sender Key may not be used any more.
func (c *Context) spent() bool {
	return c.sender.used.Load() >= c.common.limits.Protected || c.sender.sequence.exhausted()
}

// keyring holds the Sender and Recipient Key: as they are, and expanded while they are
// in use, which takes twenty times the memory.
type keyring struct {
	live    atomic.Pointer[aeads] // nil: at rest or erased
	touched atomic.Bool           // used since the last rest
	mu      sync.Mutex            // guards raw, and live while it is made
	raw     secret.Bytes          // Sender Key || Recipient Key; nil: erased
}

// aeads are the AEAD Algorithm under the two keys.
type aeads struct{ sender, recipient cipher.AEAD }

// use returns the keys, or ErrDiscarded.
func (k *keyring) use(set *settings) (*aeads, error) {
	if !k.touched.Load() {
		k.touched.Store(true)
	}
	if a := k.live.Load(); a != nil {
		return a, nil
	}
	if err := k.expand(set); err != nil {
		return nil, err
	}
	if a := k.live.Load(); a != nil {
		return a, nil
	}
	return nil, ErrDiscarded
}

func (k *keyring) expand(set *settings) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.raw == nil || k.live.Load() != nil {
		return nil
	}
	half := len(k.raw) / 2
	sender, err := set.newAEAD(set.alg, k.raw[:half])
	if err != nil {
		return fmt.Errorf("oscore: make the sender key: %w", err)
	}
	recipient, err := set.newAEAD(set.alg, k.raw[half:])
	if err != nil {
		return fmt.Errorf("oscore: make the recipient key: %w", err)
	}
	k.live.Store(&aeads{sender, recipient})
	return nil
}

// rest drops the expanded keys if they were not used since the last call.
func (k *keyring) rest() {
	if !k.touched.Swap(false) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.live.Store(nil)
	}
}
