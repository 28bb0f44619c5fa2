package oscore

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/internal/nonceoracle"
)

// A peering is two endpoints, each client and server of the other, and the messages
// under way between them.
type peering struct {
	t      rapid.TB
	ends   [2]*Association
	make   [2]func() *Association
	flight []flying
	// accepted counts how often each protected request was accepted.
	accepted map[*ClientExchange]int
	served   [2]int
}

// flying is a request to ends[to], or with response set the answer for x to it.
type flying struct {
	to       int
	p        Protected
	x        *ClientExchange
	response bool
}

func newPeering(t rapid.TB, mode B2Mode, oracle *nonceoracle.Oracle) *peering {
	n := &peering{t: t, accepted: map[*ClientExchange]int{}}
	for i := range n.ends {
		build := func(mode B2Mode) *Association {
			cfg := b2Config(mode, i == 1)
			cfg.DangerNewAEAD = oracle.NewAEAD
			a, err := NewAssociation(cfg)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		n.ends[i] = build(mode)
		// The context of the Params is fresh once; after a reboot there is a run.
		n.make[i] = func() *Association { return build(B2Required) }
	}
	return n
}

// ask has ends[from] send a request.
func (n *peering) ask(from int) {
	p, x, err := n.ends[from].ProtectRequest(getRequest)
	if err != nil {
		n.t.Fatalf("protect the request: %v", err)
	}
	n.flight = append(n.flight, flying{to: 1 - from, p: p, x: x})
}

// arrive delivers f, and asks again if the client is told to. It reports whether a
// request was served.
func (n *peering) arrive(f flying) bool {
	a := n.ends[f.to]
	if f.response {
		_, err := f.x.VerifyResponse(f.p)
		var retry *Retry
		if errors.As(err, &retry) && a == f.x.association {
			n.ask(f.to)
		}
		if err == nil {
			n.served[f.to]++
		}
		return err == nil
	}
	_, y, err := a.VerifyRequest(f.p)
	answer := flying{to: 1 - f.to, x: f.x, response: true}
	var challenge *Challenge
	switch {
	case errors.As(err, &challenge):
		answer.p = challenge.Protected
	case err != nil:
		return false // an unprotected error, which the client ignores
	default:
		if n.accepted[f.x]++; n.accepted[f.x] > 1 {
			n.t.Fatalf("a request was accepted %d times", n.accepted[f.x])
		}
		if answer.p, err = y.ProtectResponse(content); err != nil {
			n.t.Fatalf("protect the response: %v", err)
		}
	}
	n.flight = append(n.flight, answer)
	return false
}

// inStep lets both endpoints act at the same times: what is under way arrives together.
func (n *peering) inStep() {
	now := n.flight
	n.flight = nil
	for _, f := range now {
		n.arrive(f)
	}
}

// settle has both endpoints ask at the same times until both are served, and checks that
// they use the same context then.
func (n *peering) settle(rounds int) {
	n.served = [2]int{}
	n.flight = nil
	for range rounds {
		for i := range n.ends {
			if n.served[i] == 0 {
				n.ask(i)
			}
		}
		for len(n.flight) > 0 {
			n.inStep()
		}
		a, b := n.ends[0].Current(), n.ends[1].Current()
		if n.served[0] > 0 && n.served[1] > 0 && a != nil && b != nil && string(a.IDContext()) == string(b.IDContext()) {
			return
		}
	}
	n.t.Fatalf("no common context after %d rounds: served %v, contexts %v and %v", rounds, n.served, n.ends[0].Current(), n.ends[1].Current())
}

// TestBothBegin: after a power outage on both sides, both begin a run at the same time, in
// step with each other, and all goes well.
func TestBothBegin(t *testing.T) {
	n := newPeering(t, B2Required, nonceoracle.New(t))
	for range 10 {
		n.settle(2)
		for i := range n.ends {
			n.ends[i] = n.make[i]() // both reboot
		}
	}
	// And while the context in use is good.
	n = newPeering(t, B2Allowed, nonceoracle.New(t))
	for range 10 {
		n.settle(2)
		for _, a := range n.ends {
			if err := a.Rederive(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestConverge loses, repeats and reorders messages, reboots endpoints and asks for new
// contexts, and then gives them a few rounds without that.
//
//spec:8613-7.2-1
//spec:8613-B.2-1
//spec:8613-B.2-4
func TestConverge(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		mode := rapid.SampledFrom([]B2Mode{B2Allowed, B2Required}).Draw(r, "mode")
		n := newPeering(r, mode, nonceoracle.New(t))
		for range rapid.IntRange(0, 60).Draw(r, "steps") {
			i := rapid.IntRange(0, 1).Draw(r, "endpoint")
			switch rapid.IntRange(0, 9).Draw(r, "step") {
			case 0, 1, 2:
				if len(n.flight) < 8 {
					n.ask(i)
				}
			case 3:
				_ = n.ends[i].Rederive()
			case 4:
				n.ends[i] = n.make[i]() // reboots
			default:
				if len(n.flight) == 0 {
					continue
				}
				at := rapid.IntRange(0, len(n.flight)-1).Draw(r, "message")
				f := n.flight[at]
				if !rapid.Bool().Draw(r, "again later") {
					n.flight = append(n.flight[:at:at], n.flight[at+1:]...)
				}
				if rapid.IntRange(0, 4).Draw(r, "lost") > 0 {
					n.arrive(f)
				}
			}
		}
		n.settle(5)
		n.settle(1)
	})
}

// TestAbandonedRun: the run that goes before another may have come to nothing. Then the
// other waits for it a few times only.
func TestAbandonedRun(t *testing.T) {
	for _, first := range []int{0, 1} {
		c, s := b2Pair(t, B2Required, B2Required)
		ends := [2]*Association{c, s}
		gone, other := ends[first], ends[1-first]
		p, x, err := gone.ProtectRequest(getRequest)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = other.VerifyRequest(wire(t, p))
		assertRetry(t, x, err)
		if _, _, err := gone.ProtectRequest(getRequest); err != nil { // request #2, which is lost
			t.Fatal(err)
		}
		_, x, y, rounds := retried(t, other, gone, getRequest)
		if rounds > 2+maxYield {
			t.Errorf("served after %d exchanges, want %d or fewer", rounds, 2+maxYield)
		}
		finish(t, x, y)
		assertSame(t, c, s)
		roundTrip(t, gone, other)
		roundTrip(t, other, gone)
	}
}
