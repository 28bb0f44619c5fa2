package edhoc

import (
	"bytes"
	"fmt"
	"math"
	"time"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/secret"
)

// A Credential is an authentication credential, CRED_I or CRED_R: its bytes, which
// both sides must have alike, and the authentication key in it (RFC 9528, Section
// 3.5.2). It is immutable.
//
// Making a Credential says nothing about trust, except with VerifyX509 and
// ParseCWT, which check who issued it. Whoever hands one to Verify trusts it.
type Credential struct {
	cred      []byte // CRED_x, as it goes into the MACs
	key       *PublicKey
	kid       []byte
	subject   string
	notBefore time.Time // zero: no limit
	notAfter  time.Time
	value     IDCred // that brings the credential along; zero if there is none
	cert      []byte // what x5t or c5t is the hash of, or nil
}

// NewCredential makes a Credential of any type, for peers that treat certificates
// as bytes and for types that this package does not decode: cred is CRED_x as it
// goes into the computations, CBOR; kid, which may be nil, names it. The caller
// vouches that key is the key in cred.
//
//spec:9528-3.5.2-2
func NewCredential(cred []byte, key *PublicKey, kid []byte) (*Credential, error) {
	s := cborseq.String(cred)
	if s.Empty() || key == nil {
		return nil, unusable("credential without bytes or key")
	}
	c := &Credential{cred: bytes.Clone(cred), key: key, kid: bytes.Clone(kid)}
	var n int
	switch {
	case s.ReadArray(&n):
		c.cert = c.cred[len(cred)-len(s):] // of a C509Certificate, ~C509Certificate
	case s.ReadBytes(&c.cert): // DER
		c.cert = c.cred[len(cred)-len(c.cert):]
	}
	return c, nil
}

// CRED gives the bytes of the credential, CRED_x, one CBOR item.
func (c *Credential) CRED() []byte { return bytes.Clone(c.cred) }

// PublicKey gives the authentication key.
func (c *Credential) PublicKey() *PublicKey { return c.key }

// KID gives the key identifier, or nil.
func (c *Credential) KID() []byte { return bytes.Clone(c.kid) }

// Subject gives the name that the credential states: the 'sub' claim, or the
// subject of a certificate as RFC 2253 writes it. It may be empty.
func (c *Credential) Subject() string { return c.subject }

// ByValue gives the ID_CRED that sends the credential along. It is the zero IDCred
// for a Credential of NewCredential, and for a CCS or CWT that is not deterministic
// CBOR, which a message may not hold.
func (c *Credential) ByValue() IDCred { return c.value }

// ValidAt checks the time limits of the credential (RFC 9528, Appendix D.1). One
// without limits is always valid.
func (c *Credential) ValidAt(t time.Time) error {
	if !c.notBefore.IsZero() && t.Before(c.notBefore) {
		return fmt.Errorf("edhoc: credential is not valid before %v", c.notBefore)
	}
	if !c.notAfter.IsZero() && !t.Before(c.notAfter) {
		return fmt.Errorf("edhoc: credential expired at %v", c.notAfter)
	}
	return nil
}

// Matches reports whether id names or brings along c. Every parameter of id that
// identifies a credential must fit, other than a URI, which does not tell; a 'kid'
// alone fits many credentials. All that match are to be given to Verify.
func (c *Credential) Matches(id IDCred) bool {
	fits := false
	for _, p := range []struct{ there, fits bool }{
		{id.KID != nil, bytes.Equal(id.KID, c.kid) && c.kid != nil},
		{id.KCCS != nil, bytes.Equal(id.KCCS, c.cred)},
		{id.KCWT != nil, bytes.Equal(untagged(id.KCWT), c.cred)},
		{id.X5T != nil, c.hashedBy(id.X5T)},
		{id.C5T != nil, c.hashedBy(id.C5T)},
		{id.X5Chain != nil, c.begins(id.X5Chain)},
		{id.C5C != nil, c.begins(id.C5C)},
	} {
		if p.there && !p.fits {
			return false
		}
		fits = fits || p.there
	}
	return fits
}

func (c *Credential) hashedBy(h *CertHash) bool {
	if h == nil || c.cert == nil {
		return false
	}
	got := certHash(h.Algorithm, c.cert)
	return got != nil && bytes.Equal(got, h.Value)
}

func (c *Credential) begins(chain [][]byte) bool {
	return len(chain) > 0 && c.cert != nil && bytes.Equal(chain[0], c.cert)
}

// is says whether c is the same credential as other, or another with its key: the
// peer then is the owner of other.
func (c *Credential) is(other *Credential) bool {
	return secret.Bytes(c.cred).Equal(other.cred) || c.key.Equal(other.key)
}

// The claims of a CWT Claims Set (RFC 8392, Section 4; RFC 8747, Section 3.1).
const (
	claimSub = 2
	claimExp = 4
	claimNbf = 5
	claimCnf = 8

	cnfCOSEKey = 1
)

// ParseCCS decodes a CWT Claims Set with a COSE_Key in its 'cnf' claim, which is
// also how a raw public key is written (RFC 9528, Section 3.5.2). The bytes are
// kept as they are. Nobody signed it.
//
//spec:9528-3.5.2-4
func ParseCCS(ccs []byte) (*Credential, error) {
	c := &Credential{cred: bytes.Clone(ccs)}
	if err := c.claims(c.cred); err != nil {
		return nil, err
	}
	c.value = mustIDCred(paramKCCS, c.cred)
	return c, nil
}

// claims reads the claims that matter for EDHOC.
//
//spec:9528-3.5.3.1-1
func (c *Credential) claims(b []byte) error {
	s := cborseq.String(b)
	err := readMap(&s, func(label int64) bool {
		switch label {
		case claimSub:
			return s.ReadText(&c.subject)
		case claimNbf:
			return readTime(&s, &c.notBefore)
		case claimExp:
			return readTime(&s, &c.notAfter)
		case claimCnf:
			return c.readCnf(&s)
		}
		return s.Skip()
	})
	if err != nil || !s.Empty() {
		return unusable("not a CWT Claims Set")
	}
	if c.key == nil {
		return unusable("no COSE_Key in a 'cnf' claim")
	}
	return nil
}

func (c *Credential) readCnf(s *cborseq.String) bool {
	err := readMap(s, func(label int64) bool {
		if label != cnfCOSEKey {
			return s.Skip()
		}
		k, kid, ok := readCOSEKey(s)
		c.key, c.kid = k, kid
		return ok
	})
	return err == nil
}

// readMap reads a map of any order, each key once, and calls value for each with
// an integer key to read its value. Values of other keys are skipped.
func readMap(s *cborseq.String, value func(label int64) bool) error {
	var n int
	if !s.ReadMap(&n) {
		return unusable("not a map")
	}
	seen := make(map[string]bool, n)
	for range n {
		var key []byte
		var label int64
		if !s.ReadRaw(&key) || seen[string(key)] {
			return unusable("key of a map")
		}
		seen[string(key)] = true
		k := cborseq.String(key)
		if ok := k.ReadInt(&label); ok && !value(label) || !ok && !s.Skip() {
			return unusable("value of a map")
		}
	}
	return nil
}

// readTime reads a NumericDate (RFC 8392, Section 2).
func readTime(s *cborseq.String, out *time.Time) bool {
	var raw []byte
	var v float64
	if m, ok := s.PeekMajor(); !ok || m != cborseq.Uint && m != cborseq.Nint && m != cborseq.Simple {
		return false
	}
	if !s.ReadRaw(&raw) || cborseq.Unmarshal(raw, &v) != nil || math.Abs(v) > 1<<40 || math.IsNaN(v) {
		return false
	}
	whole, part := math.Modf(v)
	*out = time.Unix(int64(whole), int64(part*1e9))
	return true
}
