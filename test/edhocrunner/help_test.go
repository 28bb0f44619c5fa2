package edhocrunner

import (
	"bytes"
	"testing"

	"github.com/ostiary/ostiary/edhoc"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// setting is what the two sides of a handshake agree on beforehand.
type setting struct {
	method  int64
	suite   int64
	byValue bool
}

func (s setting) static(initiator bool) bool {
	p := Peer{Method: s.method}
	return p.static(initiator)
}

// testIdentity is that of the Initiator, or of the Responder.
func (s setting) identity(t testing.TB, initiator bool) Identity {
	t.Helper()
	suite, ok := suiteOf(s.suite)
	if !ok {
		t.Fatalf("suite %d", s.suite)
	}
	name, kid := "initiator", []byte{0x2b}
	if !initiator {
		name, kid = "responder", []byte("r")
	}
	id, err := NewIdentity(suite.Curve(s.static(initiator)), s.static(initiator), name, kid)
	must(t, err)
	if s.byValue {
		id = id.ByValue()
	}
	return id
}

// peer is the runner's side.
func (s setting) peer(t testing.TB, initiator bool) *Peer {
	t.Helper()
	p := &Peer{Initiator: initiator, Method: s.method, SuitesI: []int64{s.suite}, Own: s.identity(t, initiator), Other: s.identity(t, !initiator)}
	p.C = []byte{0x37}
	if !initiator {
		p.C = []byte{0x18, 0x19}
	}
	return p
}

// ours makes the Identity of package edhoc.
func (id Identity) ours(t testing.TB) edhoc.Identity {
	t.Helper()
	own := edhoc.Identity{Credential: id.credential(t)}
	var err error
	own.ID, err = edhoc.ParseIDCred(id.ID)
	must(t, err)
	return own
}

func (id Identity) credential(t testing.TB) *edhoc.Credential {
	t.Helper()
	c, err := edhoc.ParseCCS(id.CRED)
	must(t, err)
	return c
}

// config is that of package edhoc's side.
func (s setting) config(t testing.TB, initiator bool) edhoc.Config {
	t.Helper()
	id := s.identity(t, initiator)
	own := id.ours(t)
	makeKey := edhoc.NewSignatureKey
	if s.static(initiator) {
		makeKey = edhoc.NewStaticDHKey
	}
	var err error
	own.Key, err = makeKey(edhoc.Curve(id.Key.Curve), id.Key.Private)
	must(t, err)
	return edhoc.Config{
		Methods: []edhoc.Method{edhoc.Method(s.method)}, Suites: []edhoc.SuiteID{edhoc.SuiteID(s.suite)},
		Identities: []edhoc.Identity{own}, EADLabels: []int64{1, 2, 3, 4},
	}
}

// trusted are the credentials that package edhoc knows for a name: the other peer's,
// and its own, which a peer that is a mirror would use.
func (s setting) trusted(t testing.TB, id edhoc.IDCred) (found []*edhoc.Credential) {
	t.Helper()
	for _, initiator := range []bool{true, false} {
		if c := s.identity(t, initiator).credential(t); c.Matches(id) {
			found = append(found, c)
		}
	}
	return found
}

// agree fails the test unless both have the same keys.
func agree(t testing.TB, p *Peer, s *edhoc.Session) {
	t.Helper()
	for _, label := range []uint16{0, 1, 65535} {
		for _, context := range [][]byte{nil, {}, []byte("context")} {
			for _, n := range []int{0, 1, 16, 255} {
				got, err := s.Export(label, context, n)
				must(t, err)
				want, err := p.Export(int64(label), context, n)
				must(t, err)
				if !bytes.Equal(got, want) {
					t.Fatalf("export of label %d, %d bytes: %x, want %x", label, n, got, want)
				}
			}
		}
	}
}
