package edhocrunner

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/ostiary/ostiary/edhoc"
)

// The runner and package edhoc complete handshakes: each method and suite, both roles,
// credentials by 'kid' and by value, with message_4 and without, with EAD and without.
// They then have the same keys, also after EDHOC_KeyUpdate.
func TestGoodHandshakes(t *testing.T) {
	for _, suite := range Suites {
		for method := range int64(4) {
			for _, byValue := range []bool{false, true} {
				for _, initiator := range []bool{false, true} {
					s := setting{method, suite.ID, byValue}
					t.Run(fmt.Sprintf("suite %d/method %d/by value %t/runner initiates %t", suite.ID, method, byValue, initiator), func(t *testing.T) {
						p := s.peer(t, initiator)
						if byValue {
							talk(p)
						}
						var session *edhoc.Session
						if initiator {
							r, err := edhoc.NewResponder(s.config(t, false))
							must(t, err)
							session = runInitiator(t, s, p, r, byValue)
						} else {
							i, err := edhoc.NewInitiator(s.config(t, true))
							must(t, err)
							session = runResponder(t, s, p, i, byValue)
						}
						agree(t, p, session)
						must(t, p.KeyUpdate([]byte("again")))
						must(t, session.KeyUpdate([]byte("again")))
						agree(t, p, session)
					})
				}
			}
		}
	}
}

// runInitiator runs a good handshake of a runner that initiates it. With more, there are
// EAD items, and a message_4.
func runInitiator(t testing.TB, s setting, p *Peer, r *edhoc.Responder, more bool) *edhoc.Session {
	t.Helper()
	msg1, err := p.WriteMessage1()
	must(t, err)
	v1, err := r.ProcessMessage1(msg1)
	must(t, err)
	msg2, a3, err := v1.ComposeMessage2("\x05", eadItems(2, more)...)
	must(t, err)
	must(t, p.ReadMessage2(msg2))
	wantEAD(t, p, 2, more)
	msg3, err := p.WriteMessage3()
	must(t, err)
	r3, err := a3.ProcessMessage3(msg3)
	must(t, err)
	v3, err := r3.Verify(s.trusted(t, r3.IDCredI)...)
	must(t, err)
	if !more {
		session, err := v3.WithoutMessage4()
		must(t, err)
		return session
	}
	if len(v1.EAD1) != 1 || len(r3.EAD3) != 1 || string(v1.EAD1[0].Value)+string(r3.EAD3[0].Value) != "itemitem" {
		t.Errorf("EAD_1 %v, EAD_3 %v", v1.EAD1, r3.EAD3)
	}
	msg4, session, err := v3.ComposeMessage4(eadItems(4, true)...)
	must(t, err)
	must(t, p.ReadMessage4(msg4))
	wantEAD(t, p, 4, true)
	return session
}

// runResponder runs a good handshake of a runner that responds.
func runResponder(t testing.TB, s setting, p *Peer, i *edhoc.Initiator, more bool) *edhoc.Session {
	t.Helper()
	msg1, a2, err := i.ComposeMessage1("\x05", eadItems(1, more)...)
	must(t, err)
	must(t, p.ReadMessage1(msg1))
	wantEAD(t, p, 1, more)
	msg2, err := p.WriteMessage2()
	must(t, err)
	r2, err := a2.ProcessMessage2(msg2)
	must(t, err)
	v2, err := r2.Verify(s.trusted(t, r2.IDCredR)...)
	must(t, err)
	msg3, sent, err := v2.ComposeMessage3(eadItems(3, more)...)
	must(t, err)
	must(t, p.ReadMessage3(msg3))
	wantEAD(t, p, 3, more)
	if !more {
		session, err := sent.WithoutMessage4()
		must(t, err)
		return session
	}
	msg4, err := p.WriteMessage4()
	must(t, err)
	session, ead4, err := sent.ProcessMessage4(msg4)
	must(t, err)
	if len(r2.EAD2) != 1 || len(ead4) != 1 || string(r2.EAD2[0].Value)+string(ead4[0].Value) != "itemitem" {
		t.Errorf("EAD_2 %v, EAD_4 %v", r2.EAD2, ead4)
	}
	return session
}

// talk has the runner send an EAD item in each message.
func talk(p *Peer) {
	for n := range p.EAD {
		p.EAD[n] = [][]byte{Int(int64(n)), Bytes([]byte("item"))}
	}
}

// eadItems are EAD items of package edhoc: one that is critical, and one without a value.
func eadItems(n int, more bool) []edhoc.EADItem {
	if !more {
		return nil
	}
	return []edhoc.EADItem{{Label: int64(n), Critical: true, Value: []byte{}}, {Label: 300}}
}

func wantEAD(t testing.TB, p *Peer, n int, more bool) {
	t.Helper()
	var want [][]byte
	if more {
		want = [][]byte{Int(int64(-n)), Bytes(nil), Int(300)}
	}
	if got := Sequence(p.OtherEAD[n]...); !bytes.Equal(got, Sequence(want...)) {
		t.Errorf("EAD_%d is %x, want %x", n, got, Sequence(want...))
	}
}
