package edhoc

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/vector"
)

// oddInitiator makes a message_3 like ComposeMessage3, with its parts open to
// mistakes. The handshake is up to VRFD_M2.
type oddInitiator struct {
	claim     statement
	key       prk4e3m
	proof     []byte // if not nil, instead of the right one
	plaintext func(p *plaintext3) []byte
	seal      *keyed
}

func oddMessage3(t *testing.T, f *flow, change func(o *oddInitiator)) []byte {
	t.Helper()
	s, err := f.v2.state.take()
	must(t, err)
	static := s.method.staticDH(initiator)
	id, err := s.identity(s.suite, static)
	must(t, err)
	var gIY []byte
	if static {
		gIY, err = s.ownSecret(id.Key)
		must(t, err)
	}
	o := &oddInitiator{
		key:       s.prk3e2m.prk4e3m(s.th3, gIY),
		claim:     statement{label: labelMAC3, suite: s.suite, static: static, idCred: id.ID, th: s.th3, cred: id.Credential},
		plaintext: func(p *plaintext3) []byte { return p.append(nil) },
		seal:      newKeyed(s.suite, s.prk3e2m.prk, labelK3, labelIV3, s.th3),
	}
	change(o)
	proof := o.proof
	if proof == nil {
		proof, err = o.claim.prove(o.key.prk, id.Key, s.rand)
		must(t, err)
	}
	b := o.plaintext(&plaintext3{idCredI: id.ID, proof3: proof})
	ciphertext, err := o.seal.seal(b)
	must(t, err)
	return (&message3{ciphertext}).append(nil)
}

// The mistakes that an Initiator can make in message_3, each with the section that
// refuses it. None gives a Session.
func TestOddMessage3(t *testing.T) {
	for _, m := range []Method{SignatureSignature, StaticDHStaticDH} {
		p := pair(t, m, 2)
		for _, c := range []struct {
			name    string
			section string
			change  func(o *oddInitiator)
		}{
			{"none", "", func(*oddInitiator) {}},
			{"label of MAC_2", "5.4.3", func(o *oddInitiator) { o.claim.label = labelMAC2 }},
			{"C_R in context_3", "5.4.3", func(o *oddInitiator) { o.claim.cR = []byte{2} }},
			{"other TH_3 in the MAC", "5.4.3", func(o *oddInitiator) { o.claim.th = make([]byte, 32) }},
			{"other ID_CRED_I in the MAC", "5.4.3", func(o *oddInitiator) { o.claim.idCred = KID([]byte("x")) }},
			{"other CRED_I in the MAC", "5.4.3", func(o *oddInitiator) { o.claim.cred = p.credR }},
			{"EAD_3 in the MAC only", "5.4.3", func(o *oddInitiator) { o.claim.ead = []byte{1} }},
			{"EAD_3 in the message only", "5.4.3", func(o *oddInitiator) {
				o.plaintext = func(p *plaintext3) []byte { p.ead3 = []EADItem{{Label: 1}}; return p.append(nil) }
			}},
			{"padding not in the MAC", "5.4.3", func(o *oddInitiator) {
				o.plaintext = func(p *plaintext3) []byte { p.ead3 = []EADItem{{}}; return p.append(nil) }
			}},
			{"MAC under PRK_out", "5.4.3", func(o *oddInitiator) { o.key = prk4e3m{o.key.prkOut(o.claim.th).prk} }},
			{"the other kind of proof", "5.4.2", func(o *oddInitiator) { o.proof = make([]byte, map[bool]int{true: 64, false: 8}[o.claim.static]) }},
			{"MAC of full length", "5.4.2", func(o *oddInitiator) { o.proof = make([]byte, 32) }},
			{"proof of zeros", "5.4.3", func(o *oddInitiator) { o.proof = make([]byte, map[bool]int{true: 8, false: 64}[o.claim.static]) }},
			{"no proof", "5.4.2", func(o *oddInitiator) { o.proof = []byte{} }},
			{"empty PLAINTEXT_3", "5.4.2", func(o *oddInitiator) { o.plaintext = func(*plaintext3) []byte { return nil } }},
			{"kid as a map", "5.4.2", func(o *oddInitiator) {
				o.plaintext = func(p *plaintext3) []byte {
					return append(p.idCredI.Header(), cborseq.AppendBytes(nil, p.proof3)...)
				}
			}},
			{"C_R in PLAINTEXT_3", "5.4.2", func(o *oddInitiator) {
				o.plaintext = func(p *plaintext3) []byte { return append([]byte{2}, p.append(nil)...) }
			}},
			{"proof as a text", "5.4.2", func(o *oddInitiator) {
				o.plaintext = func(p *plaintext3) []byte {
					return cborseq.AppendText(p.idCredI.append(nil), string(bytes.Repeat([]byte("a"), len(p.proof3))))
				}
			}},
			{"ead_value without label", "5.4.2", func(o *oddInitiator) {
				o.plaintext = func(p *plaintext3) []byte { return append(p.append(nil), 0x40) }
			}},
			{"critical unknown EAD item", "3.8", func(o *oddInitiator) {
				o.claim.ead = []byte{0x28}
				o.plaintext = func(p *plaintext3) []byte { p.ead3 = []EADItem{{Label: 9, Critical: true}}; return p.append(nil) }
			}},
			{"K_4 and IV_4", "5.4.3", func(o *oddInitiator) {
				o.seal = newKeyed(o.claim.suite, o.key.prk, labelK4, labelIV4, o.claim.th)
			}},
			{"external_aad of another TH", "5.4.3", func(o *oddInitiator) { o.seal.th = make([]byte, 32) }},
			{"IV of zeros", "5.4.3", func(o *oddInitiator) { o.seal.iv.Erase() }},
		} {
			t.Run(fmt.Sprintf("method %d/%s", int64(m), c.name), func(t *testing.T) {
				f := runFlow(t, p, 5)
				f.msg3 = oddMessage3(t, f, c.change)
				err := steps[6].do(f)
				if err == nil {
					err = steps[7].do(f)
				}
				if c.section == "" {
					must(t, err)
					return
				}
				var e *Error
				if !errors.As(err, &e) || e.Section != c.section || e.Code != CodeUnspecified {
					t.Errorf("got %v, want an *Error of Section %s", err, c.section)
				}
				if f.v3 != nil {
					t.Error("verified")
				}
				if text := ErrorMessage(err); !bytes.Equal(text, ErrorMessage(refuse("", "", nil))) {
					t.Errorf("the peer is told %x", text)
				}
			})
		}
	}
}

// The same for message_4: what stands behind the encryption must be EAD.
func TestOddMessage4(t *testing.T) {
	p := pair(t, SignatureSignature, 0)
	for name, c := range map[string]struct {
		plaintext []byte
		key       int64
		iv        int64
		ok        bool
	}{
		"none": {nil, labelK4, labelIV4, true}, "padding": {[]byte{0x00, 0x41, 0x07}, labelK4, labelIV4, true},
		"no EAD": {[]byte{0x40}, labelK4, labelIV4, false}, "critical": {[]byte{0x28}, labelK4, labelIV4, false},
		"K_3": {nil, labelK3, labelIV3, false}, "K_4 with IV_3": {nil, labelK4, labelIV3, false},
	} {
		f := runFlow(t, p, 8)
		d := f.v3.state.v.Load()
		b, err := newKeyed(d.suite, d.prk4e3m.prk, c.key, c.iv, d.th4).seal(c.plaintext)
		must(t, err)
		s, _, err := f.sent.ProcessMessage4((&message4{b}).append(nil))
		if (err == nil) != c.ok || (s != nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Wrong lengths of Signature_or_MAC_2 by method and suite.
//
//spec:9528-9.8-7
func TestProofLength(t *testing.T) {
	for suite, want := range map[SuiteID]struct{ mac, sig []int }{
		0: {[]int{8}, []int{64, 114}}, 1: {[]int{16}, []int{64, 114}}, 2: {[]int{8}, []int{64}}, 3: {[]int{16}, []int{64}},
		4: {[]int{16}, []int{64, 114}}, 5: {[]int{16}, []int{64}}, 6: {[]int{16}, []int{64}}, 24: {[]int{16}, []int{96}}, 25: {[]int{16}, []int{64, 114}},
	} {
		c, err := newSuite(suite, suites[suite])
		must(t, err)
		for n := range 130 {
			if c.proofLength(n, true) != slices.Contains(want.mac, n) || c.proofLength(n, false) != slices.Contains(want.sig, n) {
				t.Errorf("suite %v: length %d", suite, n)
			}
		}
	}
}

// A credential whose key is of low order proves nothing.
//
//spec:9528-9.2-4
//spec:9528-9.8-6
func TestLowOrderCredential(t *testing.T) {
	for name, x := range badPoints[X25519] {
		b := vector.Bytes(t, x)
		if len(b) != 32 {
			continue
		}
		key, err := NewPublicKey(X25519, b, nil)
		must(t, err)
		cred, err := NewCCS(key, "anybody", []byte("r"))
		must(t, err)
		p := pair(t, StaticDHStaticDH, 0)
		f := runFlow(t, p, 4)
		_, err = f.r2.Verify(cred)
		wantUnspecified(t, err)
		f = runFlow(t, p, 7)
		_, err = f.r3.Verify(cred)
		wantUnspecified(t, err)
		// Beside the right one it does no harm.
		f = runFlow(t, p, 4)
		if _, err = f.r2.Verify(cred, p.credR); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// signer answers as told.
type signer struct {
	crypto.Signer
	sign func() ([]byte, error)
}

func (s signer) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return s.sign() }

// A key that cannot sign ends the handshake, on our side, without secrets left.
func TestSignerFails(t *testing.T) {
	_, inner, err := ed25519.GenerateKey(nil)
	must(t, err)
	key, err := NewSigner(signer{inner, func() ([]byte, error) { return nil, errors.New("gone") }})
	must(t, err)
	cred, err := NewCCS(key.Public(), "broken", []byte("b"))
	must(t, err)
	id := Identity{cred, KID([]byte("b")), key}
	p := pair(t, SignatureSignature, 0, func(i, r *Config) { r.Identities[0], r.Rand = id, rand.Reader })
	f := runFlow(t, p, 2)
	state := f.v1.state.v.Load()
	if err := steps[2].do(f); err == nil || !erased(secretsOf(state)) {
		t.Errorf("Responder: %v, erased %t", err, erased(secretsOf(state)))
	}
	p = pair(t, SignatureSignature, 0, func(i, r *Config) { i.Identities[0], i.Rand = id, rand.Reader })
	f = runFlow(t, p, 5)
	held := secretsOf(f.v2.state.v.Load())
	if err := steps[5].do(f); err == nil || !erased(held) {
		t.Errorf("Initiator: %v, erased %t", err, erased(held))
	}
	// Without Rand it is found out at once.
	if _, err := NewResponder(Config{Methods: []Method{SignatureSignature}, Suites: []SuiteID{0}, Identities: []Identity{id}}); err == nil {
		t.Error("NewResponder: took a key that cannot sign")
	}
	// Signatures of ECDSA that are none.
	good := testKey(t, P256, false, "x")
	for _, der := range []string{"", "00", "3006020100020100" + "00", "300602017f0201ff", "3027" + "022100ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" + "020101"} {
		b := vector.Bytes(t, der)
		if _, err := signECDSA(signer{nil, func() ([]byte, error) { return b, nil }}, P256, nil, nil); err == nil {
			t.Errorf("signature %s was taken", der)
		}
	}
	if good.Public().check([]byte("m"), make([]byte, 10)) || good.Public().check([]byte("m"), make([]byte, 63)) || good.Public().check([]byte("m"), make([]byte, 64)) {
		t.Error("a signature of zeros verifies")
	}
	if _, err := NewSigner(signer{other{}, nil}); !errors.Is(err, ErrConfig) {
		t.Errorf("signer of another kind: %v", err)
	}
}

type other struct{ crypto.Signer }

func (other) Public() crypto.PublicKey { return "a key" }

// x5t with the hash algorithms that COSE has for it, and those it does not.
//
//spec:9528-9.3-2
func TestCertHash(t *testing.T) {
	c, err := NewCredential(cborseq.AppendBytes(nil, []byte("abc")), testKey(t, P256, false, "x").Public(), nil)
	must(t, err)
	for alg, want := range map[int64]string{
		-16: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		-15: "ba7816bf8f01cfea",
		-43: "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
		-14: "a9993e364706816aba3e25717850c26c9cd0d89d", // SHA-1, not supported
		0:   "",
	} {
		h := &CertHash{Algorithm: alg, Value: vector.Bytes(t, want)}
		if got := c.hashedBy(h); got != (alg < -14) {
			t.Errorf("algorithm %d: %t", alg, got)
		}
		if len(h.Value) > 0 {
			h.Value[0] ^= 1
		}
		if c.hashedBy(h) || c.hashedBy(&CertHash{Algorithm: alg}) {
			t.Errorf("algorithm %d: another hash fits", alg)
		}
	}
}
