package edhoc

import (
	"io"
	"slices"
)

// Config is what an Initiator or a Responder is made of. It is copied; the keys
// and credentials in it are shared.
type Config struct {
	// Methods that a Responder accepts; an Initiator uses the first. At least one.
	Methods []Method
	// Suites that are supported; of an Initiator all, by falling preference, and the
	// GREASE values may stand among them. None stands for suites 2 and 3.
	Suites []SuiteID
	// Identities are our own credentials. For each method and suite the first whose
	// key fits is used. An Initiator needs one for each; a Responder one for each method
	// and one for each suite, and refuses a suite in a method for which it has none.
	Identities []Identity
	// EADLabels are the EAD items that the application understands, by label without
	// sign. Other items do not reach it; if they are critical, the handshake ends.
	EADLabels []int64
	// GREASE adds meaningless EAD items to one message of 64.
	GREASE bool
	// PrivateSuites defines suites for private use, -24..-21, if Suites has any.
	PrivateSuites map[SuiteID]Suite
	// Ephemeral gives a key that NewEphemeralKey made ahead of time, or nil to have one
	// generated. It must be safe for concurrent use. It may be nil.
	Ephemeral func(Curve) *EphemeralKey
	// Rand must be safe for concurrent use. Nil is crypto/rand.Reader, augmented with the
	// private key of the first identity (RFC 8937), which is used once for that.
	Rand io.Reader
}

// Identity is one of our own credentials: how we name it to the peer, and the
// private key to it.
type Identity struct {
	Credential *Credential
	ID         IDCred // ID_CRED_I or ID_CRED_R
	Key        *PrivateKey
}

// greaseSuites are never supported (draft-ietf-lake-edhoc-grease, Section 3).
var greaseSuites = []SuiteID{160, 41120, -41121, 43690}

// settings is a Config that has been checked. It does not change.
type settings struct {
	methods    []Method
	offered    []SuiteID
	suites     map[SuiteID]*cipherSuite
	identities []Identity
	labels     []int64
	grease     bool
	stock      func(Curve) *EphemeralKey
	rand       io.Reader
}

func newSettings(c Config, r role) (*settings, error) {
	s := &settings{
		methods:    slices.Clone(c.Methods),
		offered:    slices.Clone(c.Suites),
		suites:     map[SuiteID]*cipherSuite{},
		identities: slices.Clone(c.Identities),
		labels:     slices.Clone(c.EADLabels),
		grease:     c.GREASE,
		stock:      c.Ephemeral,
	}
	if len(s.offered) == 0 {
		s.offered = []SuiteID{2, 3}
	}
	if err := s.addSuites(c.PrivateSuites, r); err != nil {
		return nil, err
	}
	if len(s.methods) == 0 {
		return nil, misuse("no method")
	}
	if r == initiator {
		s.methods = s.methods[:1]
	}
	if err := s.checkIdentities(); err != nil {
		return nil, err
	}
	var err error
	if s.rand, err = c.randomness(); err != nil {
		return nil, err
	}
	return s, s.checkMethods(r)
}

// checkMethods refuses a method or suite for which there is no identity. A
// Responder may have one for some pairs of method and suite only.
func (s *settings) checkMethods(r role) error {
	used := map[SuiteID]bool{}
	var missing error
	for _, m := range s.methods {
		if !m.known() {
			return misuse("method %v", m)
		}
		works := false
		for id, suite := range s.suites {
			if _, err := s.identity(suite, m.staticDH(r)); err != nil {
				missing = err
				continue
			}
			works, used[id] = true, true
		}
		if !works {
			return missing
		}
	}
	if r == initiator && missing != nil || len(used) < len(s.suites) {
		return missing
	}
	return nil
}

// suitesFor gives the suites that a Responder supports with a method, in the order
// of the Config.
func (s *settings) suitesFor(m Method) []SuiteID {
	var ids []SuiteID
	for _, id := range s.offered {
		if _, err := s.identity(s.suites[id], m.staticDH(responder)); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

func (s *settings) addSuites(private map[SuiteID]Suite, r role) error {
	for i, id := range s.offered {
		if slices.Contains(s.offered[:i], id) {
			return misuse("suite %d twice", id)
		}
		suite, ok := suites[id]
		if !ok && id >= -24 && id <= -21 {
			suite, ok = private[id]
		}
		if !ok {
			if r == initiator && slices.Contains(greaseSuites, id) {
				continue
			}
			return misuse("suite %d is not known", id)
		}
		c, err := newSuite(id, suite)
		if err != nil {
			return err
		}
		s.suites[id] = c
	}
	if len(s.suites) == 0 {
		return misuse("no cipher suite")
	}
	return nil
}

// checkIdentities refuses what could not work, and a key that would serve for
// signatures and for static Diffie-Hellman (RFC 9528, Section 9.2).
//
//spec:9528-3.5-2
//spec:9528-3.5.1-1
func (s *settings) checkIdentities() error {
	for i, id := range s.identities {
		switch {
		case id.Credential == nil || id.Key == nil || !id.ID.known():
			return misuse("identity without credential, key or ID_CRED")
		case !id.Credential.key.Equal(id.Key.public) || !id.Credential.key.use.allows(id.Key.static()):
			return misuse("credential of an identity is for another key or use")
		case id.ID.KID == nil && id.ID.X5U == "" && id.ID.C5U == "" && !id.Credential.Matches(id.ID):
			return misuse("ID_CRED of an identity is for another credential")
		}
		for _, other := range s.identities[:i] {
			if id.Key.static() != other.Key.static() && id.Key.public.Equal(other.Key.public) {
				return misuse("one key for signatures and static Diffie-Hellman")
			}
		}
	}
	return nil
}

// identity picks our credential.
func (s *settings) identity(c *cipherSuite, static bool) (*Identity, error) {
	// Signature keys in the order of preference of the suite do not matter: the
	// application orders its identities.
	for i := range s.identities {
		id := &s.identities[i]
		if id.Key.static() == static && c.fits(id.Key.public.curve, static) {
			return id, nil
		}
	}
	use := "signatures"
	if static {
		use = "static Diffie-Hellman"
	}
	return nil, misuse("no identity for %s in suite %d", use, c.id)
}

// outgoing checks the EAD items to send and adds GREASE.
func (s *settings) outgoing(items []EADItem) ([]EADItem, error) {
	if err := checkEAD(items); err != nil {
		return nil, err
	}
	if !s.grease {
		return items, nil
	}
	return grease(items, s.rand)
}
