package oscore

import (
	"errors"
	"slices"
	"testing"
)

// A recorder is a gate that admits some associations and writes down what it is asked.
type recorder struct {
	closed []*Association
	asked  []*Association
	failed []*Association
}

func (r *recorder) Admit(a *Association) bool {
	r.asked = append(r.asked, a)
	return !slices.Contains(r.closed, a)
}

func (r *recorder) Failed(a *Association) { r.failed = append(r.failed, a) }

func (r *recorder) want(t *testing.T, asked, failed []*Association) {
	t.Helper()
	if !slices.Equal(r.asked, asked) || !slices.Equal(r.failed, failed) {
		t.Errorf("asked of %d, told of %d failures; want %d and %d", len(r.asked), len(r.failed), len(asked), len(failed))
	}
	r.asked, r.failed = nil, nil
}

// gated is a client and a table with its association, and others.
func gated(t *testing.T, mode B2Mode, others ...Params) (c, s *Association, table *Contexts) {
	t.Helper()
	params := testParams()
	c = mustAssociation(t, Config{Params: params, B2: mode})
	s = mustAssociation(t, Config{Params: params.mirror(), B2: mode})
	table = new(Contexts)
	mustAdd(t, table, s)
	for _, p := range others {
		mustAdd(t, table, mustAssociation(t, Config{Params: p, B2: mode}))
	}
	return c, s, table
}

func protectOne(t *testing.T, c *Association) Protected {
	t.Helper()
	p, _, err := c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	return wire(t, p)
}

// TestGate: what is not admitted is not decrypted, does not count and takes no place in
// the replay window; a replay is one before.
func TestGate(t *testing.T) {
	for _, uniform := range []bool{false, true} {
		c, s, table := gated(t, B2Off)
		table.Uniform = uniform
		all := []*Association{s}
		g := new(recorder)
		good, forged := protectOne(t, c), protectOne(t, c)
		forged.payload[0] ^= 1
		_, _, _, failure := table.VerifyRequestFrom(g, forged)
		g.want(t, all, all)
		if m := ErrorMessage(failure); uniform != (m.Code == codeUnauthorized && len(m.Payload) == 0) {
			t.Errorf("answer %v %q, uniform %t", m.Code, m.Payload, uniform)
		}

		g.closed = all
		for _, p := range []Protected{good, forged} {
			a, _, _, err := table.VerifyRequestFrom(g, p)
			if a != nil || !errors.Is(err, ErrThrottled) {
				t.Errorf("not admitted: %v, want %v", err, ErrThrottled)
			}
			got, want := ErrorMessage(err), ErrorMessage(failure)
			if got.Code != want.Code || string(got.Payload) != string(want.Payload) {
				t.Errorf("answer %v %q, want %v %q", got.Code, got.Payload, want.Code, want.Payload)
			}
			g.want(t, all, nil)
		}
		if got := s.Current().Usage().Failures; got != 1 {
			t.Errorf("failures = %d, want 1", got)
		}

		g.closed = nil
		if a, _, _, err := table.VerifyRequestFrom(g, good); a != s || err != nil {
			t.Fatalf("admitted: %v, %v", a, err)
		}
		g.want(t, all, nil)
		if _, _, _, err := table.VerifyRequestFrom(g, good); err == nil || errors.Is(err, ErrThrottled) {
			t.Errorf("replay: %v", err)
		}
		g.want(t, nil, nil)
	}
}

// TestGateAmong: of several associations with one kid, none is said to have failed if
// the request belongs to one of them, and else all that were tried.
func TestGateAmong(t *testing.T) {
	other := testParams().mirror()
	other.MasterSecret, other.IDContext = []byte("another master secret"), []byte{}
	c, s, table := gated(t, B2Off, other)
	x := table.byID[s.id]
	if x == s || x.next != s {
		t.Fatal("the table has another order")
	}
	both := []*Association{x, s}
	g := new(recorder)
	good, forged := protectOne(t, c), protectOne(t, c)
	if a, _, _, err := table.VerifyRequestFrom(g, good); a != s || err != nil {
		t.Fatalf("%v, %v", a, err)
	}
	g.want(t, both, nil)
	forged.payload[0] ^= 1
	if _, _, _, err := table.VerifyRequestFrom(g, forged); err != error(errDecrypt) {
		t.Errorf("forged: %v", err)
	}
	g.want(t, both, both)
	g.closed = []*Association{x}
	if a, _, _, err := table.VerifyRequestFrom(g, protectOne(t, c)); a != s || err != nil {
		t.Errorf("%v, %v", a, err)
	}
	g.want(t, both, nil)
}

// TestGateB2: the requests of Appendix B.2 come through the gate too.
func TestGateB2(t *testing.T) {
	c, s, table := gated(t, B2Allowed)
	if err := c.Rederive(); err != nil {
		t.Fatal(err)
	}
	all := []*Association{s}
	g := &recorder{closed: all}
	first, forged := protectOne(t, c), protectOne(t, c)
	forged.payload[0] ^= 1
	_, _, _, failure := table.VerifyRequest(forged)
	_, _, _, err := table.VerifyRequestFrom(g, first)
	got, want := ErrorMessage(err), ErrorMessage(failure)
	if !errors.Is(err, ErrThrottled) || got.Code != want.Code || string(got.Payload) != string(want.Payload) {
		t.Errorf("not admitted: %v %q, want %v %q", got.Code, got.Payload, want.Code, want.Payload)
	}
	g.want(t, all, nil)
	g.closed = nil
	if _, _, _, err := table.VerifyRequestFrom(g, forged); err != error(errNoContext) {
		t.Errorf("forged: %v", err)
	}
	g.want(t, all, all)
	var challenge *Challenge
	if _, _, _, err := table.VerifyRequestFrom(g, first); !errors.As(err, &challenge) {
		t.Errorf("request #1: %v, want a challenge", err)
	}
	g.want(t, all, nil)
}

// TestAttach keeps what was attached first.
func TestAttach(t *testing.T) {
	a := mustAssociation(t, Config{Params: testParams()})
	if got := a.Attached(); got != nil {
		t.Errorf("got %v before, want nil", got)
	}
	for i := range 3 {
		if got := a.Attach(i); got != 0 {
			t.Errorf("Attach(%d) = %v, want 0", i, got)
		}
	}
	if got := a.Attached(); got != 0 {
		t.Errorf("got %v, want 0", got)
	}
}
