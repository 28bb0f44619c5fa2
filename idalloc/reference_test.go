package idalloc

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The reference is the allocator as one would explain it: a map that is
// scanned, with a timer for every identifier.
type reference struct {
	now            time.Time
	ids            map[ID]*refID
	maxUnvalidated int
	ttl            time.Duration
}

type refID struct {
	state       State
	holder      Holder
	until       time.Time
	notBefore   time.Time
	unvalidated bool
}

func (r *reference) settle() {
	for {
		due := false
		for _, i := range r.ids {
			switch {
			case i.state == StatePending && !r.now.Before(i.until):
				i.rest(i.until)
				due = true
			case i.state == StateQuarantined && !r.now.Before(i.until):
				*i = refID{}
				due = true
			}
		}
		if !due {
			return
		}
	}
}

func (i *refID) rest(from time.Time) {
	i.state = StateQuarantined
	i.until = from.Add(q)
	if i.notBefore.After(i.until) {
		i.until = i.notBefore
	}
}

func (r *reference) count(f func(*refID) bool) int {
	n := 0
	for _, i := range r.ids {
		if f(i) {
			n++
		}
	}
	return n
}

func (r *reference) unvalidated() int {
	return r.count(func(i *refID) bool { return i.unvalidated })
}

// TestAgainstReference drives the allocator and the reference with the same
// random calls (I1 to I4).
func TestAgainstReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newClock()
		const n = 5
		cfg := onlyIDs(n, c)
		cfg.PendingTTL = time.Duration(rapid.SampledFrom([]int{20, 247, 500}).Draw(t, "ttl")) * time.Second
		cfg.MaxUnvalidated = 2
		cfg.Rand = seeded(rapid.Byte().Draw(t, "seed"))
		a := mustNew(t, cfg)
		ref := &reference{now: c.t, ids: make(map[ID]*refID), maxUnvalidated: 2, ttl: cfg.PendingTTL}
		for v := range byte(n) {
			ref.ids[ID([]byte{v})] = &refID{}
		}
		var (
			pendings []*Pending
			lives    []*Live
			anyID    = rapid.Custom(func(t *rapid.T) ID { return ID([]byte{rapid.ByteRange(0, n-1).Draw(t, "id")}) })
		)
		allocate := func(t *rapid.T, unvalidated bool) {
			h := Holder{SourceACE, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "ref")}
			avoid := rapid.SliceOfN(anyID, 0, 2).Draw(t, "avoid")
			call := a.Allocate
			if unvalidated {
				call = a.AllocateUnvalidated
			}
			p, err := call(h, avoid...)
			allowed := func(id ID) bool {
				for _, x := range avoid {
					if x == id {
						return false
					}
				}
				return ref.ids[id] != nil && ref.ids[id].state == StateFree
			}
			switch {
			case errors.Is(err, ErrUnvalidated):
				if !unvalidated || ref.unvalidated() < ref.maxUnvalidated {
					t.Fatalf("refused with %d unvalidated", ref.unvalidated())
				}
			case errors.Is(err, ErrExhausted):
				for id := range ref.ids {
					if allowed(id) {
						t.Fatalf("exhausted, but %v is free", id)
					}
				}
			case err != nil:
				t.Fatal(err)
			default:
				if !allowed(p.ID()) || unvalidated && ref.unvalidated() >= ref.maxUnvalidated {
					t.Fatalf("given %v, which is %v", p.ID(), ref.ids[p.ID()].state)
				}
				*ref.ids[p.ID()] = refID{state: StatePending, holder: h, until: c.t.Add(ref.ttl), unvalidated: unvalidated}
				pendings = append(pendings, p)
			}
		}
		pending := func(t *rapid.T) *Pending {
			if len(pendings) == 0 {
				t.Skip("none pending")
			}
			i := rapid.IntRange(0, len(pendings)-1).Draw(t, "handle")
			p := pendings[i]
			pendings = append(pendings[:i:i], pendings[i+1:]...)
			return p
		}
		// mine reports whether the pending handle still has its identifier.
		mine := func(p *Pending) bool {
			e := p.held.v.Load()
			return e != nil && ref.ids[p.ID()].state == StatePending && a.entries[e.key] == e
		}
		t.Repeat(map[string]func(*rapid.T){
			"allocate":            func(t *rapid.T) { allocate(t, false) },
			"allocateUnvalidated": func(t *rapid.T) { allocate(t, true) },
			"confirm": func(t *rapid.T) {
				p := pending(t)
				want := mine(p)
				l, err := p.Confirm()
				if want != (err == nil) || err != nil && !errors.Is(err, ErrExpired) {
					t.Fatalf("Confirm = %v, want success: %v", err, want)
				}
				if want {
					ref.ids[p.ID()].state = StateLive
					ref.ids[p.ID()].unvalidated = false
					lives = append(lives, l)
				}
			},
			"abort": func(t *rapid.T) {
				p := pending(t)
				if mine(p) {
					ref.ids[p.ID()].rest(c.t)
				}
				if err := p.Abort(); err != nil {
					t.Fatal(err)
				}
			},
			"validate": func(t *rapid.T) {
				p := pending(t)
				if mine(p) {
					ref.ids[p.ID()].unvalidated = false
				}
				p.Validate()
				pendings = append(pendings, p)
			},
			"claim": func(t *rapid.T) {
				id, h := anyID.Draw(t, "id"), Holder{SourceOCF, "x"}
				free := ref.ids[id].state == StateFree
				l, err := a.Claim(id, h)
				var conflict *ConflictError
				switch {
				case free && err != nil:
					t.Fatal(err)
				case free:
					*ref.ids[id] = refID{state: StateLive, holder: h}
					lives = append(lives, l)
				case !errors.As(err, &conflict) || conflict.Holder != ref.ids[id].holder || conflict.State != ref.ids[id].state:
					t.Fatalf("got %v, want a conflict with %+v", err, ref.ids[id])
				}
			},
			"restUntil": func(t *rapid.T) {
				if len(lives) == 0 {
					t.Skip("none live")
				}
				l := rapid.SampledFrom(lives).Draw(t, "live")
				until := c.t.Add(time.Duration(rapid.IntRange(-100, 1000).Draw(t, "s")) * time.Second)
				if err := l.RestUntil(until); err != nil {
					t.Fatal(err)
				}
				if i := ref.ids[l.ID()]; until.After(i.notBefore) {
					i.notBefore = until
				}
			},
			"release": func(t *rapid.T) {
				if len(lives) == 0 {
					t.Skip("none live")
				}
				i := rapid.IntRange(0, len(lives)-1).Draw(t, "handle")
				l := lives[i]
				lives = append(lives[:i:i], lives[i+1:]...)
				if err := l.Release(); err != nil {
					t.Fatal(err)
				}
				ref.ids[l.ID()].rest(c.t)
			},
			"wait": func(t *rapid.T) {
				c.advance(time.Duration(rapid.SampledFrom([]int{1, 20, 123, 246, 247, 1000}).Draw(t, "s")) * time.Second)
				ref.now = c.t
				ref.settle()
			},
			"": func(t *rapid.T) {
				if err := verify(a); err != nil {
					t.Fatal(err)
				}
				if rapid.Bool().Draw(t, "look") { // looking settles, so not always
					for id, want := range ref.ids {
						if got, h := a.Lookup(id); got != want.state || h != want.holder {
							t.Fatalf("%v is %v of %v, want %v of %v", id, got, h, want.state, want.holder)
						}
					}
					if got, want := a.Stats().Unvalidated, ref.unvalidated(); got != want {
						t.Fatalf("%d unvalidated, want %d", got, want)
					}
				}
			},
		})
	})
}
