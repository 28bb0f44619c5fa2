package oscore

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/secret"
)

// Params are the input parameters of a security context (Section 3.2). Both
// endpoints have the same, but for the two IDs, which are swapped.
type Params struct {
	MasterSecret secret.Bytes // any length but 0
	MasterSalt   []byte       // nil is the empty salt, the default
	IDContext    []byte       // at most 128 bytes; nil is none, which is not the empty string
	SenderID     []byte       // 0 to NonceSize-6 bytes, 7 for the default AEAD; nil is the empty string
	RecipientID  []byte       // as SenderID, and different from it

	// AEAD is the AEAD Algorithm. 0 is the default, AES-CCM-16-64-128.
	AEAD cose.Algorithm
	// HKDF is named by its HMAC or direct+HKDF algorithm. 0 is the default, HKDF
	// SHA-256.
	HKDF cose.Algorithm
}

// Config says what an association is made of. Only the Params are needed, for
// input parameters that were never used before.
type Config struct {
	Params

	// Subject names the peer to the authorization that follows, see
	// Association.Subject.
	Subject string

	// ReplayWindow is the size of the replay window, 1 to 4096. 0 is the default,
	// 32 (Section 3.2.2).
	ReplayWindow int

	// Sequence keeps the Sender Sequence Number across restarts (Appendix B.1.1).
	// nil starts at 0 and forgets: for fresh input parameters, and with B2Required.
	Sequence SequenceStore

	// RecoverWindow says that the parameters were in use before and the replay
	// window is lost: the first request is answered with an Echo challenge (Appendix
	// B.1.2). It needs a Sequence. Do not set it for a peer that ignores Echo, such as a
	// Californium client; use B2Required or Resume there. With false, Resume nil
	// and another B2 than B2Required, every request that verifies is accepted once:
	// right for fresh parameters only.
	RecoverWindow bool

	// Resume is what Suspend returned when the association was last in use. It goes
	// before RecoverWindow.
	Resume []byte

	// B2 says what part the protocol of Appendix B.2 plays. It must be on or off in both
	// endpoints alike, and if it is on, both must have a good source of randomness.
	// The numbers of a context that comes of it begin at 0 and are not those of
	// Sequence: after a restart without Resume, B2Required derives another.
	B2 B2Mode

	// OwnPartialIV has every response carry a Partial IV of its own, for servers of
	// which a predecessor may still be answering the same requests (Appendix D.4, B).
	OwnPartialIV bool

	// OmitKIDContext leaves the ID Context out of requests (Section 5.1), for peers
	// that know which it is. By default it is sent when there is one.
	OmitKIDContext bool

	// Limits bound what one key may do; zero fields have defaults by the algorithm.
	Limits Limits

	// Used is what the keys have done before, as far as it is known.
	Used Usage

	// Clock lets K_HMAC expire (Appendix B.2.1). nil: it lives until a run
	// completes.
	Clock func() time.Time

	// Rand is the source of randomness; nil means crypto/rand.Reader.
	Rand io.Reader

	// OnReplaced is called after the protocol of Appendix B.2 has replaced the
	// context old by new, and with a nil new after Discard and Suspend. Observations
	// under old have ended. old is nil if there was none.
	OnReplaced func(old, new *Context)

	// DangerNewAEAD replaces the algorithms, for tests that watch the nonces.
	DangerNewAEAD func(a cose.Algorithm, key []byte) (cipher.AEAD, error)
}

// A B2Mode says how an association uses Appendix B.2.
type B2Mode uint8

const (
	// B2Off refuses the protocol.
	B2Off B2Mode = iota
	// B2Allowed begins with the context of the Params, which are fresh, and replaces
	// it when either side asks.
	B2Allowed
	// B2Required protects nothing with the context of the Params: for an endpoint
	// that has lost the mutable part of a context or has never had one. As client it
	// begins a run with its first request; as server it answers the first request
	// with the second message of one.
	B2Required
)

// Limits bound the use of an AEAD key (draft-ietf-core-oscore-key-limits, Section
// 2.1.1). At the limit a key is not used any more. A client with B.2 asks for a new
// one at half of it.
type Limits struct {
	Protected uint64 // messages under the Sender Key; 0: 2^20
	Failures  uint64 // failed decryptions under the Recipient Key; 0: 2^14 for tags of 8 bytes, else 2^20
	Size      int    // bytes of a plaintext with its tag; 0: 4096 for tags of 8 bytes, else 16384
}

// Usage is what the keys of a context have done.
type Usage struct {
	Protected uint64 // messages under the Sender Key
	Failures  uint64 // failed decryptions under the Recipient Key
}

// A SequenceStore hands out Sender Sequence Numbers that survive a restart (RFC
// 8613, Appendix B.1.1).
type SequenceStore interface {
	// Reserve returns the first of n numbers that no call, in this process or any
	// other, has returned before, and never less than before. It returns only after
	// that is durable: if there is doubt, it returns an error, and so do all later
	// calls whose durability would rest on the one that failed. Calls of one context
	// do not overlap.
	Reserve(n uint64) (first uint64, err error)
}

var errConfig = errors.New("oscore: bad configuration")

// settings are what the contexts of an association have in common.
type settings struct {
	alg                    cose.Algorithm
	limits                 Limits
	window                 uint16
	nonceSize, tagSize     uint8
	ownPartialIV, omitKIDC bool
	newAEAD                func(cose.Algorithm, []byte) (cipher.AEAD, error)
}

// defaultSettings are those of a Config that says nothing but the Params.
var defaultSettings = settings{
	alg: cose.AES_CCM_16_64_128, limits: Limits{}.defaults(cose.AES_CCM_16_64_128), window: defaultWindow,
	nonceSize: 13, tagSize: 8, newAEAD: cose.Algorithm.NewAEAD,
}

// checked is a Config that was checked, with its defaults.
type checked struct {
	settings
	isDefault         bool   // settings are the defaultSettings
	params            Params // without slices of the caller
	sender, recipient id
	rand              io.Reader
}

// Sizes of what comes from a Config or, in Appendix B.2, from the peer: it has to fit in
// an OSCORE option of 255 bytes, with R2 before it.
const maxIDContext = 128

// settings checks cfg and fills in the defaults of Section 3.2.
func (cfg *Config) settings() (*checked, error) {
	c := &checked{params: cfg.Params, rand: cfg.Rand}
	if c.rand == nil {
		c.rand = rand.Reader
	}
	p := &c.params
	if p.AEAD == 0 {
		p.AEAD = cose.AES_CCM_16_64_128
	}
	if p.HKDF == 0 {
		p.HKDF = cose.HMAC256_256
	}
	if err := c.ids(); err != nil {
		return nil, err
	}
	switch n := p.AEAD.NonceSize(); {
	case len(p.MasterSecret) == 0:
		return nil, fmt.Errorf("%w: no Master Secret", errConfig)
	case len(p.IDContext) > maxIDContext:
		return nil, fmt.Errorf("%w: ID Context of %d bytes", errConfig, len(p.IDContext))
	case !p.AEAD.IsAEAD() || n < minNonce || n > maxNonce:
		return nil, fmt.Errorf("%w: AEAD Algorithm %v", errConfig, p.AEAD)
	case !isHKDF(p.HKDF):
		return nil, fmt.Errorf("%w: HKDF Algorithm %v", errConfig, p.HKDF)
	case cfg.ReplayWindow < 0 || cfg.ReplayWindow > maxWindow:
		return nil, fmt.Errorf("%w: replay window of %d", errConfig, cfg.ReplayWindow)
	case cfg.RecoverWindow && cfg.Sequence == nil && len(cfg.Resume) == 0:
		return nil, fmt.Errorf("%w: RecoverWindow without Sequence", errConfig)
	case cfg.B2 > B2Required:
		return nil, fmt.Errorf("%w: B2 mode %d", errConfig, cfg.B2)
	case cfg.Limits.Size < 0:
		return nil, fmt.Errorf("%w: size limit %d", errConfig, cfg.Limits.Size)
	}
	p.IDContext = slices.Clone(p.IDContext)
	c.settings = settings{
		alg: p.AEAD, limits: cfg.Limits.defaults(p.AEAD), window: uint16(cfg.ReplayWindow),
		nonceSize: uint8(p.AEAD.NonceSize()), tagSize: uint8(p.AEAD.TagSize()),
		ownPartialIV: cfg.OwnPartialIV, omitKIDC: cfg.OmitKIDContext,
		newAEAD: cfg.DangerNewAEAD,
	}
	if c.window == 0 {
		c.window = defaultWindow
	}
	if c.newAEAD == nil {
		c.newAEAD = cose.Algorithm.NewAEAD
		d := &defaultSettings
		c.isDefault = c.alg == d.alg && c.limits == d.limits && c.window == d.window && !c.ownPartialIV && !c.omitKIDC
	}
	return c, nil
}

// shared returns the settings for contexts to keep, without the rest.
func (c *checked) shared() *settings {
	if c.isDefault {
		return &defaultSettings
	}
	set := c.settings
	return &set
}

// ids checks the Sender and the Recipient ID (Section 3.3). That they differ is not
// said there, but the nonces of Appendix D.4 rest on it.
func (c *checked) ids() error {
	var ok [2]bool
	c.sender, ok[0] = newID(c.params.SenderID)
	c.recipient, ok[1] = newID(c.params.RecipientID)
	if n := c.params.AEAD.NonceSize() - 6; !ok[0] || !ok[1] || int(max(c.sender.n, c.recipient.n)) > n {
		return fmt.Errorf("%w: Sender or Recipient ID longer than %d bytes", errConfig, n)
	}
	if c.sender == c.recipient {
		return fmt.Errorf("%w: Sender ID and Recipient ID are equal", errConfig)
	}
	return nil
}

// isHKDF reports whether a is an HKDF algorithm of COSE, by its own number or by that
// of its HMAC (RFC 9203, Section 3.2.1).
//
//spec:8613-3.2.1-1
func isHKDF(a cose.Algorithm) bool {
	switch a {
	case cose.HMAC256_256, cose.HMAC384_384, cose.HMAC512_512, cose.DirectHKDFSHA256, cose.DirectHKDFSHA512:
		return true
	default:
		return false
	}
}

// defaults fills in the values of draft-ietf-core-oscore-key-limits, Section 2.1.1.
// No limit goes beyond what the algorithm can do.
func (l Limits) defaults(alg cose.Algorithm) Limits {
	const q, v, v8, size, size8 = 1 << 20, 1 << 20, 1 << 14, 1 << 14, 1 << 12
	short := alg.TagSize() <= 8
	if l.Protected == 0 {
		l.Protected = q
	}
	if l.Failures == 0 {
		l.Failures = v
		if short {
			l.Failures = v8
		}
	}
	if l.Size == 0 {
		l.Size = size
		if short {
			l.Size = size8
		}
	}
	l.Size = min(l.Size, alg.MaxPlaintext())
	return l
}
