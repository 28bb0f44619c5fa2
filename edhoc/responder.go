package edhoc

import (
	"errors"
	"slices"

	"github.com/ostiary/ostiary/internal/secret"
)

// A Responder answers handshakes (RFC 9528, Sections 5.2.3, 5.3.2, 5.4.3 and
// 5.5.2). It is immutable and safe for concurrent use; each handshake is a value of
// its own.
type Responder struct {
	settings *settings
	oscore   bool // see ForOSCORE
}

// NewResponder checks the Config.
func NewResponder(c Config) (*Responder, error) {
	s, err := newSettings(c, responder)
	if err != nil {
		return nil, err
	}
	return &Responder{settings: s}, nil
}

// ForOSCORE gives a Responder whose Sessions are for OSCORE: it refuses a C_I that is
// longer than a Sender ID may be (RFC 8613, Section 3.3), before it computes anything.
func (r *Responder) ForOSCORE() *Responder { return &Responder{settings: r.settings, oscore: true} }

// ProcessMessage1 is Responder Processing of Message 1 (RFC 9528, Section
// 5.2.3). On failure it returns an [*Error] whose ErrorMessage is to be sent, or, if
// an error message came instead, a [*PeerError].
//
//spec:9528-5.2.3-1
//spec:9528-5.1-2
func (r *Responder) ProcessMessage1(msg []byte) (*VerifiedMessage1, error) {
	if err := peerError(msg); err != nil {
		return nil, err
	}
	m, err := parseMessage1(msg)
	if err != nil {
		return nil, err
	}
	v, err := r.process(m, msg)
	var e *Error
	if errors.As(err, &e) {
		e.CI = &m.cI
	}
	return v, err
}

func (r *Responder) process(m *message1, msg []byte) (*VerifiedMessage1, error) {
	if !slices.Contains(r.settings.methods, m.method) {
		return nil, &Error{Code: CodeUnspecified, Section: "3.2", Reason: "method not supported", early: true}
	}
	//spec:9528-6.3-1
	//spec:9528-6.3-2
	//spec:9528-6.3-3
	//spec:9528-6.3.1-1
	//spec:9528-6.3.1-2
	supported := r.settings.suitesFor(m.method)
	supports := func(id SuiteID) bool { return slices.Contains(supported, id) }
	if !supports(m.selected) || slices.ContainsFunc(m.preferred, supports) {
		return nil, &Error{Code: CodeWrongCipherSuite, SuitesR: supported, Section: "6.3", Reason: "wrong selected cipher suite"}
	}
	suite := r.settings.suites[m.selected]
	st := &vrfdM1{hash1: suite.hash.sum(msg)}
	st.run = run{settings: r.settings, role: responder, method: m.method, suite: suite, oscore: r.oscore, cI: m.cI, gX: m.gX}
	//spec:9528-3.3.1-1
	if st.tooLong(m.cI) {
		return nil, &Error{Code: CodeUnspecified, Section: "3.3.1", Reason: "C_I too long for OSCORE", early: true}
	}
	if err := st.setPeer(m.gX, "5.2.3"); err != nil {
		return nil, err
	}
	known, unknown := recognize(m.ead1, r.settings.labels)
	if unknown != nil {
		return nil, unknown
	}
	v := &VerifiedMessage1{Exchange: st.exchange(), EAD1: known}
	v.SuitesI = append(slices.Clone(m.preferred), m.selected)
	v.state.put(st)
	//spec:9528-5.2.3-3
	return v, nil // the first value that could go on
}

// VerifiedMessage1 is VRFD_M1: message_1 makes sense. It came from anybody.
type VerifiedMessage1 struct {
	Exchange
	SuitesI []SuiteID // as offered
	EAD1    []EADItem // that Config.EADLabels knows

	state once[vrfdM1]
}

type vrfdM1 struct {
	run
	hash1 []byte // H(message_1)
}

// Discard ends the handshake without a message.
func (m *VerifiedMessage1) Discard() { discard(&m.state) }

// Refuse ends the handshake for a reason of the application. The error is for
// ErrorMessage; reason stays in the local log.
func (m *VerifiedMessage1) Refuse(reason string) error { return abort(&m.state, "5.2.3", reason) }

// ComposeMessage2 is Responder Composition of Message 2 (RFC 9528, Section 5.3.2).
// cR is not C_I, not used by another handshake or session of ours, and, for OSCORE,
// not the Recipient ID of another context (Section 3.3.3). EAD_2 can be read by
// anybody who sends a message_1. ComposeMessage2 fails with an [*Error] if G_X turns
// out to be of low order.
func (m *VerifiedMessage1) ComposeMessage2(cR ConnID, ead2 ...EADItem) ([]byte, *AwaitMessage3, error) {
	s, err := m.state.take()
	if err != nil {
		return nil, nil, err
	}
	msg, next, err := s.compose(cR, ead2)
	if err != nil {
		s.erase()
		return nil, nil, err
	}
	return msg, next, nil
}

//spec:9528-5.3.2-1
func (s *vrfdM1) compose(cR ConnID, ead2 []EADItem) ([]byte, *AwaitMessage3, error) {
	//spec:9528-3.3.1-1
	//spec:9528-3.3.3-1
	if cR == s.cI {
		return nil, nil, ErrConnID
	}
	if s.tooLong(cR) {
		return nil, nil, misuse("C_R of %d bytes for OSCORE", len(cR))
	}
	ead2, err := s.outgoing(ead2)
	if err != nil {
		return nil, nil, err
	}
	static := s.method.staticDH(responder)
	id, err := s.identity(s.suite, static)
	if err != nil {
		return nil, nil, err
	}
	if s.own, err = s.ephemeral(s.suite.Curve); err != nil {
		return nil, nil, err
	}
	s.cR, s.gY = cR, s.own.public
	gXY, err := s.ephemeralSecret()
	if err != nil {
		return nil, nil, err
	}
	th2 := transcript2(s.suite.hash, s.gY, s.hash1)
	key2e := newPRK2e(s.suite.hash, th2, gXY)
	gXY.Erase()
	defer key2e.erase()
	var gRX secret.Bytes
	if static {
		if gRX, err = s.ownSecret(id.Key); err != nil {
			return nil, nil, err
		}
	}
	key := key2e.prk3e2m(th2, gRX)
	gRX.Erase()
	claim := statement{
		label: labelMAC2, suite: s.suite, static: static, cR: cR.AppendCBOR(nil),
		idCred: id.ID, th: th2, cred: id.Credential, ead: appendEAD(nil, ead2),
	}
	proof, err := claim.prove(key.prk, id.Key, s.rand)
	if err != nil {
		key.erase()
		return nil, nil, err
	}
	plaintext := (&plaintext2{cR: cR, idCredR: id.ID, proof2: proof, ead2: ead2}).append(nil)
	ciphertext := xor(key2e.keystream2(th2, len(plaintext)), plaintext)
	if !s.method.staticDH(initiator) {
		s.own.erase() // no more ECDH to come
	}
	a := new(AwaitMessage3)
	a.state.put(&waitM3{run: s.run, ownCred: id.Credential, prk3e2m: key, th3: transcript(s.suite.hash, th2, plaintext, id.Credential.cred)})
	return (&message2{s.gY, ciphertext}).append(nil), a, nil
}

// AwaitMessage3 is WAIT_M3: message_2 was made, message_3 is due. It offers no error
// message: none is sent between two messages (RFC 9528, Section 5.1).
//
//spec:9528-5.1-3
type AwaitMessage3 struct{ state once[waitM3] }

type waitM3 struct {
	run
	ownCred *Credential
	th3     []byte
	prk3e2m prk3e2m
}

func (s *waitM3) erase() {
	s.run.erase()
	s.prk3e2m.erase()
}

// Discard ends the handshake without a message.
func (a *AwaitMessage3) Discard() { discard(&a.state) }

// ProcessMessage3 is the first half of Responder Processing of Message 3 (RFC 9528,
// Section 5.4.3): the message comes from whoever sent message_1, and has not been
// changed. On failure it returns an [*Error] whose ErrorMessage is to be sent, or a
// [*PeerError].
func (a *AwaitMessage3) ProcessMessage3(msg []byte) (*ReceivedMessage3, error) {
	s, err := a.state.take()
	if err != nil {
		return nil, err
	}
	r, err := s.process(msg)
	//spec:9528-5.4.3-3
	if err != nil {
		s.erase()
		return nil, err
	}
	return r, nil
}

//spec:9528-5.4.3-1
func (s *waitM3) process(msg []byte) (*ReceivedMessage3, error) {
	if err := peerError(msg); err != nil {
		return nil, err
	}
	m3, err := parseMessage3(msg)
	if err != nil {
		return nil, err
	}
	plaintext, err := newKeyed(s.suite, s.prk3e2m.prk, labelK3, labelIV3, s.th3).open(m3.ciphertext3)
	if err != nil {
		return nil, refuse("5.4.3", "message_3 does not verify", err)
	}
	m, err := parsePlaintext3(plaintext)
	if err != nil {
		return nil, err
	}
	if !s.suite.proofLength(len(m.proof3), s.method.staticDH(initiator)) {
		return nil, refuse("5.4.2", "length of Signature_or_MAC_3", nil)
	}
	known, unknown := recognize(m.ead3, s.labels)
	if unknown != nil {
		return nil, unknown
	}
	r := &ReceivedMessage3{Exchange: s.exchange(), IDCredI: m.idCredI, EAD3: known}
	r.state.put(&rcvdM3{waitM3: *s, plaintext: plaintext, m: *m})
	return r, nil
}

// ReceivedMessage3 is RCVD_M3: the Initiator has said who it is, in IDCredI, and
// has not proved it.
//
//spec:9528-3.5-1
type ReceivedMessage3 struct {
	Exchange
	IDCredI IDCred
	EAD3    []EADItem // that Config.EADLabels knows

	state once[rcvdM3]
}

type rcvdM3 struct {
	waitM3
	plaintext []byte // PLAINTEXT_3
	m         plaintext3
}

// Discard ends the handshake without a message.
func (m *ReceivedMessage3) Discard() { discard(&m.state) }

// Refuse ends the handshake for a reason of the application, such as an identity
// that is not wanted or an EAD item that cannot be processed. The error is for
// ErrorMessage; reason stays in the local log.
func (m *ReceivedMessage3) Refuse(reason string) error { return abort(&m.state, "5.4.3", reason) }

// Verify is the second half of Responder Processing of Message 3 (RFC 9528, Section
// 5.4.3). The candidates are the credentials that IDCredI may mean and that the
// application trusts for this peer and at this time (see ValidAt); the one that proves
// right is in the result. Each costs as much as the right one: keep them few.
// None at all says that IDCredI is unknown.
func (m *ReceivedMessage3) Verify(candidates ...*Credential) (*VerifiedMessage3, error) {
	s, err := m.state.take()
	if err != nil {
		return nil, err
	}
	defer s.erase()
	if len(candidates) == 0 {
		return nil, unknown(s.m.idCredI, "5.4.3")
	}
	return attempt(&s.run, candidates, s.method.staticDH(initiator), "5.4.3", s.verify)
}

// verify tries one credential; nil says that it does not prove right.
func (s *rcvdM3) verify(cred *Credential) *VerifiedMessage3 {
	static := s.method.staticDH(initiator)
	var gIY secret.Bytes
	if static {
		var err error
		if gIY, err = cred.key.point.ecdh(s.own.private); err != nil {
			return nil
		}
	}
	key := s.prk3e2m.prk4e3m(s.th3, gIY)
	gIY.Erase()
	claim := statement{
		label: labelMAC3, suite: s.suite, static: static, idCred: s.m.idCredI, th: s.th3, cred: cred, ead: appendEAD(nil, s.m.ead3),
	}
	if !claim.check(key.prk, s.m.proof3) {
		key.erase()
		return nil
	}
	v := &VerifiedMessage3{Exchange: s.exchange(), Credential: cred}
	v.state.put(newDone(&s.run, key, transcript(s.suite.hash, s.th3, s.plaintext, cred.cred), s.ownCred, cred))
	return v
}

// VerifiedMessage3 is COMPLETED: the Initiator owns Credential, and EAD_3 came from
// it.
type VerifiedMessage3 struct {
	Exchange
	Credential *Credential

	state once[done]
}

// Discard ends the handshake without a message.
func (m *VerifiedMessage3) Discard() { discard(&m.state) }

// Refuse ends the handshake for a reason of the application. Where message_4 is not
// used, the handshake is complete by now and the error is not to be sent (RFC 9528,
// Section 5.1).
func (m *VerifiedMessage3) Refuse(reason string) error { return abort(&m.state, "5.4.3", reason) }

// WithoutMessage4 gives the Session where message_4 is not used. The Responder then
// has to send a message protected with a key of the Session (RFC 9528, Section
// 5.5).
func (m *VerifiedMessage3) WithoutMessage4() (*Session, error) {
	s, err := m.state.take()
	if err != nil {
		return nil, err
	}
	s.prk4e3m.erase()
	s.session.confirmed = true
	return s.session, nil
}

// ComposeMessage4 is Responder Composition of Message 4 (RFC 9528, Section 5.5.2).
//
//spec:9528-5.5-1
//spec:9528-5.5-2
//spec:9528-5.5.2-1
func (m *VerifiedMessage3) ComposeMessage4(ead4 ...EADItem) ([]byte, *Session, error) {
	s, err := m.state.take()
	if err != nil {
		return nil, nil, err
	}
	msg, err := s.compose(ead4)
	if err != nil {
		s.erase()
		return nil, nil, err
	}
	s.prk4e3m.erase()
	s.session.confirmed = true
	return msg, s.session, nil
}

func (s *done) compose(ead4 []EADItem) ([]byte, error) {
	ead4, err := s.outgoing(ead4)
	if err != nil {
		return nil, err
	}
	ciphertext, err := newKeyed(s.suite, s.prk4e3m.prk, labelK4, labelIV4, s.th4).seal(appendEAD(nil, ead4))
	if err != nil {
		return nil, err
	}
	return (&message4{ciphertext}).append(nil), nil
}
