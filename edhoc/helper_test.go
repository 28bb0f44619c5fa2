package edhoc

import (
	"bytes"
	"crypto/sha512"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/internal/cborseq"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var keys sync.Map // of testKey, by name

// testKey makes a private key that depends on name only.
func testKey(t testing.TB, curve Curve, static bool, name string) *PrivateKey {
	t.Helper()
	type id struct {
		curve  Curve
		static bool
		name   string
	}
	if k, ok := keys.Load(id{curve, static, name}); ok {
		return k.(*PrivateKey)
	}
	seed := sha512.Sum512([]byte(name + curve.String()))
	size := map[Curve]int{P256: 32, P384: 48, X25519: 32, X448: 56, Ed25519: 32, Ed448: 57}[curve]
	make := NewSignatureKey
	if static {
		seed[0] &= 0x7f
		make = NewStaticDHKey
	}
	k, err := make(curve, seed[:size])
	must(t, err)
	keys.Store(id{curve, static, name}, k)
	return k
}

// ccs writes a CWT Claims Set for a public key.
func ccs(k *PublicKey, subject string, kid []byte) []byte {
	b := cborseq.AppendMap(nil, 2)
	b = cborseq.AppendText(cborseq.AppendInt(b, claimSub), subject)
	b = cborseq.AppendMap(cborseq.AppendInt(b, claimCnf), 1)
	n := 4
	kty := int64(ktyOKP)
	if k.y != nil {
		n, kty = 5, ktyEC2
	}
	b = cborseq.AppendMap(cborseq.AppendInt(b, cnfCOSEKey), n)
	b = cborseq.AppendInt(cborseq.AppendInt(b, keyKty), kty)
	b = cborseq.AppendBytes(cborseq.AppendInt(b, keyKID), kid)
	b = cborseq.AppendInt(cborseq.AppendInt(b, keyCrv), int64(k.curve))
	b = cborseq.AppendBytes(cborseq.AppendInt(b, keyX), k.x)
	if k.y != nil {
		b = cborseq.AppendBytes(cborseq.AppendInt(b, keyY), k.y)
	}
	return b
}

// testIdentity is a CCS by kid.
func testIdentity(t testing.TB, curve Curve, static bool, name string) Identity {
	t.Helper()
	k := testKey(t, curve, static, name)
	kid := []byte(name[:1])
	cred, err := ParseCCS(ccs(k.Public(), name, kid))
	must(t, err)
	return Identity{cred, KID(kid), k}
}

// parties are two honest sides that know each other.
type parties struct {
	i            *Initiator
	r            *Responder
	credI, credR *Credential
}

func curveFor(s SuiteID, static bool) Curve {
	if static {
		return suites[s].Curve
	}
	if s == 25 {
		return Ed448
	}
	return signatureCurves[suites[s].Signature][0]
}

// pair makes an Initiator and a Responder for one method and suite.
func pair(t testing.TB, m Method, s SuiteID, change ...func(i, r *Config)) *parties {
	t.Helper()
	idI := testIdentity(t, curveFor(s, m.staticDH(initiator)), m.staticDH(initiator), "initiator")
	idR := testIdentity(t, curveFor(s, m.staticDH(responder)), m.staticDH(responder), "responder")
	ci := Config{Methods: []Method{m}, Suites: []SuiteID{s}, Identities: []Identity{idI}}
	cr := Config{Methods: []Method{m}, Suites: []SuiteID{s}, Identities: []Identity{idR}}
	for _, f := range change {
		f(&ci, &cr)
	}
	i, err := NewInitiator(ci)
	must(t, err)
	r, err := NewResponder(cr)
	must(t, err)
	return &parties{i, r, ci.Identities[0].Credential, cr.Identities[0].Credential}
}

// handshake runs to the end, with message_4 or without.
func (p *parties) handshake(t testing.TB, message4 bool) (i, r *Session) {
	t.Helper()
	msg1, a2, err := p.i.ComposeMessage1("\x01")
	must(t, err)
	v1, err := p.r.ProcessMessage1(msg1)
	must(t, err)
	msg2, a3, err := v1.ComposeMessage2("\x02")
	must(t, err)
	r2, err := a2.ProcessMessage2(msg2)
	must(t, err)
	v2, err := r2.Verify(p.credR)
	must(t, err)
	msg3, sent, err := v2.ComposeMessage3()
	must(t, err)
	r3, err := a3.ProcessMessage3(msg3)
	must(t, err)
	v3, err := r3.Verify(p.credI)
	must(t, err)
	if !message4 {
		i, err = sent.WithoutMessage4()
		must(t, err)
		r, err = v3.WithoutMessage4()
		must(t, err)
		return i, r
	}
	msg4, r, err := v3.ComposeMessage4()
	must(t, err)
	i, _, err = sent.ProcessMessage4(msg4)
	must(t, err)
	return i, r
}

// agree fails the test unless both Sessions are two ends of one.
func agree(t testing.TB, i, r *Session) {
	t.Helper()
	if !i.Initiator || r.Initiator {
		t.Errorf("roles: Initiator %t and %t", i.Initiator, r.Initiator)
	}
	if i.CI != r.CI || i.CR != r.CR || i.Method != r.Method || i.Suite != r.Suite ||
		!bytes.Equal(i.GX, r.GX) || !bytes.Equal(i.GY, r.GY) {
		t.Errorf("Sessions differ: %v, %v", i, r)
	}
	if !bytes.Equal(i.Own.CRED(), r.Peer.CRED()) || !bytes.Equal(i.Peer.CRED(), r.Own.CRED()) {
		t.Error("credentials differ")
	}
	for label := range uint16(3) {
		a, err := i.Export(label, []byte("context"), 40)
		must(t, err)
		b, err := r.Export(label, []byte("context"), 40)
		must(t, err)
		if !a.Equal(b) {
			t.Errorf("exports of label %d differ", label)
		}
	}
}
