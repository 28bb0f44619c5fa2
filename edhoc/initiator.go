package edhoc

import (
	"slices"

	"github.com/ostiary/ostiary/internal/secret"
)

// An Initiator starts handshakes (RFC 9528, Sections 5.2.2, 5.3.3, 5.4.2 and
// 5.5.3). It is immutable and safe for concurrent use; each handshake is a value
// of its own.
type Initiator struct {
	settings *settings
	selected int  // index in settings.offered
	oscore   bool // see ForOSCORE
}

// NewInitiator checks the Config. It selects the most preferred suite.
func NewInitiator(c Config) (*Initiator, error) {
	s, err := newSettings(c, initiator)
	if err != nil {
		return nil, err
	}
	i := &Initiator{settings: s}
	for s.suites[s.offered[i.selected]] == nil { // GREASE; there is another
		i.selected++
	}
	return i, nil
}

// ForOSCORE gives an Initiator whose Sessions are for OSCORE: it refuses a C_R that is
// longer than a Sender ID may be (RFC 8613, Section 3.3), before it authenticates the
// Responder.
func (i *Initiator) ForOSCORE() *Initiator {
	return &Initiator{settings: i.settings, selected: i.selected, oscore: true}
}

// Suite is the cipher suite that the Initiator selects.
func (i *Initiator) Suite() SuiteID { return i.settings.offered[i.selected] }

// Retry gives an Initiator that selects the most preferred of our suites which the
// Responder supports, by its error message of CodeWrongCipherSuite (RFC 9528,
// Section 6.3.1). The suites and their order stay. It may be kept for the next
// handshakes with the same Responder. ErrNoCommonSuite says that there is none or
// that the answer was to the very suite it asks for.
func (i *Initiator) Retry(e *PeerError) (*Initiator, error) {
	if e.Code != CodeWrongCipherSuite {
		return nil, misuse("retry after error code %d", e.Code)
	}
	//spec:9528-5.2.2-3
	for n, id := range i.settings.offered {
		if i.settings.suites[id] == nil || !slices.Contains(e.SuitesR, id) {
			continue
		}
		if n == i.selected {
			break
		}
		return &Initiator{settings: i.settings, selected: n, oscore: i.oscore}, nil
	}
	return nil, ErrNoCommonSuite
}

// ComposeMessage1 is Initiator Composition of Message 1 (RFC 9528, Section 5.2.2).
// cI is not used by another handshake or session of ours, and, for OSCORE, is not
// the Recipient ID of another context. EAD_1 goes unprotected.
//
//spec:9528-6.3.2-1
func (i *Initiator) ComposeMessage1(cI ConnID, ead1 ...EADItem) ([]byte, *AwaitMessage2, error) {
	s := i.settings
	ead1, err := s.outgoing(ead1)
	if err != nil {
		return nil, nil, err
	}
	suite := s.suites[i.Suite()]
	st := &waitM2{run: run{settings: s, role: initiator, method: s.methods[0], suite: suite, oscore: i.oscore, cI: cI}}
	if st.tooLong(cI) {
		return nil, nil, misuse("C_I of %d bytes for OSCORE", len(cI))
	}
	if st.own, err = s.ephemeral(suite.Curve); err != nil {
		return nil, nil, err
	}
	st.gX = st.own.public
	//spec:9528-5.2.2-1
	//spec:9528-5.2.2-2
	//spec:9528-5.2.2-4
	m := message1{
		method: st.method, preferred: s.offered[:i.selected], selected: suite.id,
		gX: st.gX, cI: cI, ead1: ead1,
	}
	msg := m.append(nil)
	st.hash1 = suite.hash.sum(msg)
	a := new(AwaitMessage2)
	a.state.put(st)
	return msg, a, nil
}

// AwaitMessage2 is WAIT_M2: message_1 was made, message_2 is due.
type AwaitMessage2 struct{ state once[waitM2] }

type waitM2 struct {
	run
	hash1 []byte // H(message_1)
}

// Discard ends the handshake without a message.
func (a *AwaitMessage2) Discard() { discard(&a.state) }

// ProcessMessage2 is the first half of Initiator Processing of Message 2 (RFC 9528,
// Section 5.3.3): decoding and decryption, which is no authentication. On failure it
// returns an [*Error] whose ErrorMessage is to be sent, or a [*PeerError].
func (a *AwaitMessage2) ProcessMessage2(msg []byte) (*ReceivedMessage2, error) {
	s, err := a.state.take()
	if err != nil {
		return nil, err
	}
	r, err := s.process(msg)
	//spec:9528-5.3.3-3
	if err != nil {
		s.erase()
		return nil, err
	}
	return r, nil
}

//spec:9528-5.3.3-1
func (s *waitM2) process(msg []byte) (*ReceivedMessage2, error) {
	if err := peerError(msg); err != nil {
		return nil, err
	}
	m, err := parseMessage2(msg, s.suite.group.size())
	if err != nil {
		return nil, err
	}
	if err := s.setPeer(m.gY, "5.3.3"); err != nil {
		return nil, err
	}
	gXY, err := s.ephemeralSecret()
	if err != nil {
		return nil, err
	}
	r := &rcvdM2{run: s.run}
	r.gY = m.gY
	r.th2 = transcript2(s.suite.hash, m.gY, s.hash1)
	r.prk2e = newPRK2e(s.suite.hash, r.th2, gXY)
	gXY.Erase()
	r.plaintext = xor(r.prk2e.keystream2(r.th2, len(m.ciphertext2)), m.ciphertext2)
	known, err := r.decode()
	if err != nil {
		r.prk2e.erase()
		return nil, err
	}
	out := &ReceivedMessage2{Exchange: r.exchange(), IDCredR: r.m.idCredR, EAD2: known}
	out.state.put(r)
	return out, nil
}

// ReceivedMessage2 is RCVD_M2: the Responder has said who it is, in IDCredR, and
// has not proved it. EAD2 is what anybody may have sent.
//
//spec:9528-3.5-1
type ReceivedMessage2 struct {
	Exchange
	IDCredR IDCred
	EAD2    []EADItem // that Config.EADLabels knows

	state once[rcvdM2]
}

type rcvdM2 struct {
	run
	th2       []byte
	prk2e     prk2e
	plaintext []byte // PLAINTEXT_2
	m         plaintext2
}

func (s *rcvdM2) erase() {
	s.run.erase()
	s.prk2e.erase()
}

// decode takes PLAINTEXT_2 apart, and gives the EAD items that are known.
func (s *rcvdM2) decode() ([]EADItem, error) {
	m, err := parsePlaintext2(s.plaintext)
	if err != nil {
		return nil, err
	}
	known, e := recognize(m.ead2, s.labels)
	switch {
	case !s.suite.proofLength(len(m.proof2), s.method.staticDH(responder)):
		e = refuse("5.3.2", "length of Signature_or_MAC_2", nil)
	//spec:9528-3.3.3-1
	//spec:9668-4.1.3-1
	case m.cR == s.cI:
		e = refuse("3.3.3", "C_R equals C_I", nil)
	//spec:9528-3.3.1-1
	case s.tooLong(m.cR):
		e = refuse("3.3.1", "C_R too long for OSCORE", nil)
	}
	if e != nil {
		e.CR = &m.cR
		return nil, e
	}
	s.m, s.cR = *m, m.cR
	return known, nil
}

// Discard ends the handshake without a message.
func (m *ReceivedMessage2) Discard() { discard(&m.state) }

// Refuse ends the handshake for a reason of the application, such as an identity
// that is not wanted or an EAD item that cannot be processed. The error is for
// ErrorMessage; reason stays in the local log.
func (m *ReceivedMessage2) Refuse(reason string) error { return abort(&m.state, "5.3.3", reason) }

// Verify is the second half of Initiator Processing of Message 2 (RFC 9528, Section
// 5.3.3). The candidates are the credentials that IDCredR may mean and that the
// application trusts for this peer and at this time (see ValidAt); the one that proves
// right is in the result. Each costs as much as the right one: keep them few.
// None at all says that IDCredR is unknown.
func (m *ReceivedMessage2) Verify(candidates ...*Credential) (*VerifiedMessage2, error) {
	s, err := m.state.take()
	if err != nil {
		return nil, err
	}
	defer s.erase()
	if len(candidates) == 0 {
		return nil, unknown(s.m.idCredR, "5.3.3")
	}
	return attempt(&s.run, candidates, s.method.staticDH(responder), "5.3.3", s.verify)
}

// verify tries one credential; nil says that it does not prove right.
func (s *rcvdM2) verify(cred *Credential) *VerifiedMessage2 {
	static := s.method.staticDH(responder)
	var gRX secret.Bytes
	if static {
		var err error
		if gRX, err = cred.key.point.ecdh(s.own.private); err != nil {
			return nil
		}
	}
	key := s.prk2e.prk3e2m(s.th2, gRX)
	gRX.Erase()
	claim := statement{
		label: labelMAC2, suite: s.suite, static: static, cR: s.cR.AppendCBOR(nil),
		idCred: s.m.idCredR, th: s.th2, cred: cred, ead: appendEAD(nil, s.m.ead2),
	}
	if !claim.check(key.prk, s.m.proof2) {
		key.erase()
		return nil
	}
	v := &VerifiedMessage2{Exchange: s.exchange(), Credential: cred}
	v.state.put(&vrfdM2{run: s.run, peerCred: cred, prk3e2m: key, th3: transcript(s.suite.hash, s.th2, s.plaintext, cred.cred)})
	return v
}

// VerifiedMessage2 is VRFD_M2: the Responder owns Credential, and EAD_2 came from
// it.
type VerifiedMessage2 struct {
	Exchange
	Credential *Credential

	state once[vrfdM2]
}

type vrfdM2 struct {
	run      // its ephemeral private key is erased already
	peerCred *Credential
	th3      []byte
	prk3e2m  prk3e2m
}

func (s *vrfdM2) erase() {
	s.run.erase()
	s.prk3e2m.erase()
}

// Discard ends the handshake without a message.
func (m *VerifiedMessage2) Discard() { discard(&m.state) }

// Refuse ends the handshake for a reason of the application.
func (m *VerifiedMessage2) Refuse(reason string) error { return abort(&m.state, "5.3.3", reason) }

// ComposeMessage3 is Initiator Composition of Message 3 (RFC 9528, Section 5.4.2).
// EAD_3 is for the authenticated Responder only.
func (m *VerifiedMessage2) ComposeMessage3(ead3 ...EADItem) ([]byte, *SentMessage3, error) {
	s, err := m.state.take()
	if err != nil {
		return nil, nil, err
	}
	defer s.erase()
	return s.compose(ead3)
}

//spec:9528-5.4.2-1
func (s *vrfdM2) compose(ead3 []EADItem) ([]byte, *SentMessage3, error) {
	ead3, err := s.outgoing(ead3)
	if err != nil {
		return nil, nil, err
	}
	static := s.method.staticDH(initiator)
	id, err := s.identity(s.suite, static)
	if err != nil {
		return nil, nil, err
	}
	var gIY secret.Bytes
	if static {
		if gIY, err = s.ownSecret(id.Key); err != nil {
			return nil, nil, err
		}
	}
	key := s.prk3e2m.prk4e3m(s.th3, gIY)
	gIY.Erase()
	claim := statement{
		label: labelMAC3, suite: s.suite, static: static, idCred: id.ID, th: s.th3, cred: id.Credential, ead: appendEAD(nil, ead3),
	}
	proof, err := claim.prove(key.prk, id.Key, s.rand)
	if err != nil {
		key.erase()
		return nil, nil, err
	}
	plaintext := (&plaintext3{idCredI: id.ID, proof3: proof, ead3: ead3}).append(nil)
	ciphertext, err := newKeyed(s.suite, s.prk3e2m.prk, labelK3, labelIV3, s.th3).seal(plaintext)
	if err != nil {
		key.erase()
		return nil, nil, err
	}
	out := new(SentMessage3)
	out.state.put(newDone(&s.run, key, transcript(s.suite.hash, s.th3, plaintext, id.Credential.cred), id.Credential, s.peerCred))
	return (&message3{ciphertext}).append(nil), out, nil
}

// SentMessage3 is COMPLETED, or WAIT_M4: message_3 was made. Whether message_4 is
// due is agreed beforehand (RFC 9528, Section 3.9).
type SentMessage3 struct{ state once[done] }

// Discard ends the handshake without a message.
func (m *SentMessage3) Discard() { discard(&m.state) }

// WithoutMessage4 gives the Session where message_4 is not used. Nothing of it is
// to be stored, nor is the peer known to have finished, until a message protected
// with a key of the Session has been verified (RFC 9528, Section 5.4.2).
func (m *SentMessage3) WithoutMessage4() (*Session, error) {
	s, err := m.state.take()
	if err != nil {
		return nil, err
	}
	s.prk4e3m.erase()
	return s.session, nil
}

// ProcessMessage4 is Initiator Processing of Message 4 (RFC 9528, Section 5.5.3).
// The EAD_4 items are authenticated. On failure it returns an [*Error] whose
// ErrorMessage is to be sent, or a [*PeerError].
func (m *SentMessage3) ProcessMessage4(msg []byte) (*Session, []EADItem, error) {
	s, err := m.state.take()
	if err != nil {
		return nil, nil, err
	}
	ead4, err := s.process(msg)
	//spec:9528-5.5.3-3
	if err != nil {
		s.erase()
		return nil, nil, err
	}
	s.prk4e3m.erase()
	s.session.confirmed = true
	return s.session, ead4, nil
}

//spec:9528-5.5.3-1
func (s *done) process(msg []byte) ([]EADItem, error) {
	if err := peerError(msg); err != nil {
		return nil, err
	}
	m, err := parseMessage4(msg)
	if err != nil {
		return nil, err
	}
	plaintext, err := newKeyed(s.suite, s.prk4e3m.prk, labelK4, labelIV4, s.th4).open(m.ciphertext4)
	if err != nil {
		return nil, refuse("5.5.3", "message_4 does not verify", err)
	}
	ead4, err := parsePlaintext4(plaintext)
	if err != nil {
		return nil, err
	}
	known, unknown := recognize(ead4, s.labels)
	if unknown != nil {
		return nil, unknown
	}
	return known, nil
}
