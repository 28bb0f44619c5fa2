package oscore

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ostiary/ostiary/internal/cose"
)

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
