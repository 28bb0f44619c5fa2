package edhoc

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// Several credentials under one kid are all tried, wherever the right one stands.
//
//spec:9528-3.5.3-1
//spec:9528-8-1
func TestOneKIDManyCredentials(t *testing.T) {
	for _, m := range allMethods {
		for _, s := range []SuiteID{0, 2} {
			p := pair(t, m, s)
			decoys := func(r role) []*Credential {
				static := m.staticDH(r)
				var out []*Credential
				for k := range 4 {
					name := map[role]string{initiator: "i", responder: "r"}[r] + fmt.Sprint("decoy", k)
					out = append(out, testIdentity(t, curveFor(s, static), static, name).Credential)
				}
				// One of the other use, one of another curve.
				out = append(out, testIdentity(t, curveFor(s, !static), !static, "other use").Credential)
				return append(out, testIdentity(t, P384, static, "other curve").Credential)
			}
			for at := range 7 {
				f := runFlow(t, p, 4)
				put := func(all []*Credential, c *Credential) []*Credential {
					return append(append(append([]*Credential{}, all[:at]...), c), all[at:]...)
				}
				v2, err := f.r2.Verify(put(decoys(responder), p.credR)...)
				must(t, err)
				if v2.Credential != p.credR {
					t.Error("another credential was verified")
				}
				f.v2 = v2
				must(t, steps[5].do(f))
				must(t, steps[6].do(f))
				v3, err := f.r3.Verify(put(decoys(initiator), p.credI)...)
				must(t, err)
				if v3.Credential != p.credI {
					t.Error("another credential was verified")
				}
			}
			f := runFlow(t, p, 4)
			if _, err := f.r2.Verify(decoys(responder)...); err == nil {
				t.Error("a decoy was verified")
			}
			f = runFlow(t, p, 7)
			_, err := f.r3.Verify(decoys(initiator)...)
			wantUnspecified(t, err)
		}
	}
}

// The same key under another name, or the same name with another key, is another
// credential: it is part of the transcript.
func TestCredentialIsBound(t *testing.T) {
	for _, m := range allMethods {
		p := pair(t, m, 2)
		key := p.credR.key
		renamed, err := ParseCCS(ccs(key, "somebody else", p.credR.KID()))
		must(t, err)
		f := runFlow(t, p, 4)
		_, err = f.r2.Verify(renamed)
		wantUnspecified(t, err)
		renamed, err = ParseCCS(ccs(p.credI.key, "somebody else", p.credI.KID()))
		must(t, err)
		f = runFlow(t, p, 7)
		_, err = f.r3.Verify(renamed)
		wantUnspecified(t, err)
	}
}

// No credential is code 3 for a reference, code 1 for what came by value or is of a
// type that is not known.
//
//spec:9528-6.4-1
//spec:9528-6.4-2
//spec:9528-3.5-1
func TestUnknownCredential(t *testing.T) {
	base := pair(t, SignatureSignature, 2)
	key := base.i.settings.identities[0].Key
	unknownType, err := ParseIDCred([]byte{0xa1, 0x18, 0x63, 0xf6})
	must(t, err)
	for _, c := range []struct {
		id   IDCred
		code ErrCode
	}{
		{KID([]byte("i")), CodeUnknownCredential},
		{X5U("coap://example.org/c"), CodeUnknownCredential},
		{C5U("coap://example.org/c"), CodeUnknownCredential},
		{base.credI.ByValue(), CodeUnspecified},
		{unknownType, CodeUnspecified},
	} {
		p := pair(t, SignatureSignature, 2)
		p.i.settings.identities[0] = Identity{base.credI, c.id, key} // as an odd peer has it
		f := runFlow(t, p, 7)
		if !bytes.Equal(f.r3.IDCredI.Header(), c.id.Header()) {
			t.Errorf("ID_CRED_I is %x, want %x", f.r3.IDCredI.Header(), c.id.Header())
		}
		_, err := f.r3.Verify()
		var e *Error
		if !errors.As(err, &e) || e.Code != c.code {
			t.Errorf("%x: %v, want code %d", c.id.Header(), err, c.code)
		}
	}
	f := runFlow(t, base, 4)
	_, err = f.r2.Verify()
	if m := ErrorMessage(err); !bytes.Equal(m, []byte{0x03, 0xf5}) {
		t.Errorf("unknown CRED_R: %v, %x", err, m)
	}
}

// Whoever shows us our own credential, or our key in another one, is ourselves or a
// mirror. Both roles refuse, even if it would prove right.
func TestReflection(t *testing.T) {
	for _, m := range []Method{SignatureSignature, StaticDHStaticDH} {
		static := m.staticDH(initiator)
		id := testIdentity(t, curveFor(2, static), static, "self")
		p := pair(t, m, 2, func(i, r *Config) { i.Identities[0], r.Identities[0] = id, id })
		f := runFlow(t, p, 4)
		_, err := f.r2.Verify(id.Credential)
		wantReflection(t, err)

		// Beside the credential of the peer it does no harm: they may have one kid.
		other := pair(t, m, 2, func(i, _ *Config) { i.Identities[0] = id })
		f = runFlow(t, other, 4)
		if v2, err := f.r2.Verify(id.Credential, other.credR); err != nil || v2.Credential != other.credR {
			t.Errorf("own credential among others: %v", err)
		}

		// The same key with other bytes around it.
		alias, err := ParseCCS(ccs(id.Key.Public(), "alias", []byte("a")))
		must(t, err)
		p = pair(t, m, 2, func(i, r *Config) {
			i.Identities[0], r.Identities[0] = id, Identity{alias, KID([]byte("a")), id.Key}
		})
		f = runFlow(t, p, 4)
		_, err = f.r2.Verify(alias)
		wantReflection(t, err)

		// The Responder, which has a second identity that the Initiator shows.
		p = pair(t, m, 2, func(i, r *Config) { i.Identities[0] = id; r.Identities = append(r.Identities, id) })
		f = runFlow(t, p, 7)
		_, err = f.r3.Verify(id.Credential)
		wantReflection(t, err)
	}
}

func wantReflection(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Section != "9.2" || e.Reason != "our own credential came back" {
		t.Errorf("got %v, want an *Error of Section 9.2", err)
	}
}

// C_R that equals C_I is neither made nor taken.
//
//spec:9528-3.3.1-1
//spec:9528-3.3.3-1
//spec:9668-4.1.3-1
func TestSameConnID(t *testing.T) {
	p := pair(t, StaticDHStaticDH, 2)
	f := runFlow(t, p, 2)
	if f.v1.CI != "\x01" {
		t.Fatalf("C_I = %v", f.v1.CI)
	}
	if _, _, err := f.v1.ComposeMessage2(f.v1.CI); !errors.Is(err, ErrConnID) {
		t.Errorf("got %v, want ErrConnID", err)
	}
	f = runFlow(t, p, 2)
	f.v1.state.v.Load().cI = "another" // a Responder without that check
	msg2, _, err := f.v1.ComposeMessage2("\x01")
	must(t, err)
	_, err = f.a2.ProcessMessage2(msg2)
	var e *Error
	if !errors.As(err, &e) || e.Section != "3.3.3" || e.Code != CodeUnspecified || e.CR == nil || *e.CR != "\x01" {
		t.Errorf("got %v, want an *Error of Section 3.3.3 and code 1, to be sent to C_R", err)
	}
}

// Identifiers of any kind and length.
func TestConnIDs(t *testing.T) {
	p := pair(t, StaticDHStaticDH, 2)
	all := []ConnID{"", "\x00", "\x18", "\x37", "\x38", "ab", "1234567", ConnID(bytes.Repeat([]byte{9}, 300))}
	for _, cI := range all {
		for _, cR := range all {
			if cI == cR {
				continue
			}
			msg1, a2, err := p.i.ComposeMessage1(cI)
			must(t, err)
			v1, err := p.r.ProcessMessage1(msg1)
			must(t, err)
			msg2, _, err := v1.ComposeMessage2(cR)
			must(t, err)
			r2, err := a2.ProcessMessage2(msg2)
			must(t, err)
			if v1.CI != cI || r2.CR != cR || r2.CI != cI {
				t.Errorf("C_I %v, C_R %v; want %v, %v", v1.CI, r2.CR, cI, cR)
			}
		}
	}
}

// Long credentials and EAD in message_2 need more keystream than one HKDF-Expand
// has (RFC 9528, Appendix G); message_3 has the limit of its AEAD.
func TestLongMessages(t *testing.T) {
	for _, s := range []SuiteID{2, 24, 25} {
		p := pair(t, SignatureSignature, s, func(i, r *Config) { i.EADLabels, r.EADLabels = []int64{1}, []int64{1} })
		most := p.r.settings.suites[s].hash.maxExpand()
		if s == 25 {
			most = 20000
		}
		for _, n := range []int{most - 200, most - 1, most, most + 1, 2*most + 7, 3 * most} {
			item := EADItem{Label: 1, Critical: true, Value: bytes.Repeat([]byte{7}, n)}
			for x := 1; x <= 4; x++ {
				got, err := exchangeEAD(p, x, item)
				if err != nil || len(got) != 1 || !bytes.Equal(got[0].Value, item.Value) {
					t.Errorf("suite %v, %d bytes in message_%d: %v", s, n, x, err)
				}
			}
		}
	}
	p := pair(t, SignatureSignature, 2)
	big := EADItem{Label: 1, Value: make([]byte, 65536)}
	for _, x := range []int{3, 4} {
		if _, err := exchangeEAD(p, x, big); !errors.Is(err, ErrConfig) {
			t.Errorf("message_%d longer than its AEAD: %v", x, err)
		}
	}
}

// Messages that are longer than their AEAD can open.
func TestTooLongToOpen(t *testing.T) {
	for _, s := range []SuiteID{2, 4, 6} {
		p := pair(t, SignatureSignature, s)
		for _, n := range []int{0, 7, 8, 15, 16, 65535 + 8, 65536 + 8, 70000, 1 << 20} {
			f := runFlow(t, p, 6)
			_, err := f.a3.ProcessMessage3((&message3{make([]byte, n)}).append(nil))
			wantUnspecified(t, err)
			_, _, err = f.sent.ProcessMessage4((&message4{make([]byte, n)}).append(nil))
			wantUnspecified(t, err)
		}
	}
}

// KEYSTREAM_2 in parts is that of Appendix G.
func TestLongKeystream(t *testing.T) {
	h := hashes[suites[2].Hash]
	p := newPRK2e(h, []byte("th"), []byte("gxy"))
	got := p.keystream2([]byte("th"), 2*8160+5)
	want := bytes.Join([][]byte{p.kdf(0, []byte("th"), 8160), p.kdf(-1, []byte("th"), 8160), p.kdf(-2, []byte("th"), 5)}, nil)
	if !got.Equal(want) {
		t.Error("the parts differ")
	}
}
