package edhoc

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// genEAD draws items that may be sent and, if critical, are understood.
func genEAD(labels []int64) *rapid.Generator[[]EADItem] {
	item := rapid.Custom(func(t *rapid.T) EADItem {
		it := EADItem{Label: rapid.Int64Range(0, 65535).Filter(func(l int64) bool { return l != 23 }).Draw(t, "label")}
		if rapid.Bool().Draw(t, "known") {
			it.Label = rapid.SampledFrom(labels).Draw(t, "label")
			it.Critical = rapid.Bool().Draw(t, "critical")
		}
		if rapid.Bool().Draw(t, "has value") {
			it.Value = rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "value")
		}
		return it
	})
	return rapid.SliceOfN(item, 0, 4)
}

// Two honest sides agree, whatever they choose.
func TestHonestPartiesAgree(tt *testing.T) {
	labels := []int64{1, 24, 300}
	rapid.Check(tt, func(t *rapid.T) {
		m := rapid.SampledFrom(allMethods).Draw(t, "method")
		s := rapid.SampledFrom(allSuites).Draw(t, "suite")
		p := pair(rapidTB{tt, t}, m, s, func(i, r *Config) {
			i.EADLabels, r.EADLabels = labels, labels
			i.GREASE, r.GREASE = rapid.Bool().Draw(t, "grease i"), rapid.Bool().Draw(t, "grease r")
			for _, c := range []*Config{i, r} {
				id := &c.Identities[0]
				switch rapid.IntRange(0, 2).Draw(t, "ID_CRED") {
				case 0:
					id.ID = id.Credential.ByValue()
				case 1:
					id.ID = KID(rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(t, "kid"))
				}
			}
		})
		ids := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) ConnID {
			return ConnID(rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "id"))
		}), 2, 2, rapid.ID[ConnID]).Draw(t, "ids")
		ead := genEAD(labels)

		e1, e2, e3, e4 := ead.Draw(t, "EAD_1"), ead.Draw(t, "EAD_2"), ead.Draw(t, "EAD_3"), ead.Draw(t, "EAD_4")
		ok := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		msg1, a2, err := p.i.ComposeMessage1(ids[0], e1...)
		ok(err)
		v1, err := p.r.ProcessMessage1(msg1)
		ok(err)
		msg2, a3, err := v1.ComposeMessage2(ids[1], e2...)
		ok(err)
		r2, err := a2.ProcessMessage2(msg2)
		ok(err)
		v2, err := r2.Verify(p.credR)
		ok(err)
		msg3, sent, err := v2.ComposeMessage3(e3...)
		ok(err)
		r3, err := a3.ProcessMessage3(msg3)
		ok(err)
		v3, err := r3.Verify(p.credI)
		ok(err)
		msg4, r, err := v3.ComposeMessage4(e4...)
		ok(err)
		i, ead4, err := sent.ProcessMessage4(msg4)
		ok(err)
		agree(rapidTB{tt, t}, i, r)
		for n, x := range []struct{ sent, got []EADItem }{{e1, v1.EAD1}, {e2, r2.EAD2}, {e3, r3.EAD3}, {e4, ead4}} {
			known, unknown := recognize(x.sent, labels)
			if unknown != nil {
				t.Fatal(unknown)
			}
			if !bytes.Equal(appendEAD(nil, known), appendEAD(nil, x.got)) {
				t.Errorf("EAD_%d: got %+v, want %+v", n+1, x.got, known)
			}
		}
		if i.CI != ids[0] || i.CR != ids[1] {
			t.Errorf("C_I %v, C_R %v; want %v", i.CI, i.CR, ids)
		}
		if p.credR.Matches(r2.IDCredR) != (r2.IDCredR.KID == nil || bytes.Equal(r2.IDCredR.KID, p.credR.KID())) {
			t.Error("Matches")
		}
	})
}

// What an honest side sends and one changed byte makes is not accepted.
func TestChangedByte(tt *testing.T) {
	rapid.Check(tt, func(t *rapid.T) {
		m := rapid.SampledFrom(allMethods).Draw(t, "method")
		s := rapid.SampledFrom(allSuites).Draw(t, "suite")
		n := rapid.IntRange(1, 4).Draw(t, "message")
		p := pair(rapidTB{tt, t}, m, s)
		i, r := deliver(p, n, func(b []byte) []byte {
			b = bytes.Clone(b)
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= rapid.ByteRange(1, 255).Draw(t, "change")
			return b
		})
		if i != nil || r != nil && n < 4 {
			t.Errorf("message_%d was changed: Sessions %v, %v", n, i, r)
		}
	})
}

// rapidTB lets the helpers of testing.TB fail a property.
type rapidTB struct {
	testing.TB
	t *rapid.T
}

func (r rapidTB) Helper()                   { r.t.Helper() }
func (r rapidTB) Fatal(args ...any)         { r.t.Fatal(args...) }
func (r rapidTB) Error(args ...any)         { r.t.Error(args...) }
func (r rapidTB) Errorf(f string, a ...any) { r.t.Errorf(f, a...) }
