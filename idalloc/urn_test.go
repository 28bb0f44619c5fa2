package idalloc

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestUrnAgainstSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 40).Draw(t, "n")
		u := newUrn(n)
		var taken []uint64
		t.Repeat(map[string]func(*rapid.T){
			"draw": func(t *rapid.T) {
				if u.left() == 0 {
					t.Skip("empty")
				}
				got := u.draw(rapid.Uint64Range(0, u.left()-1).Draw(t, "r"))
				if got >= n || slices.Contains(taken, got) {
					t.Fatalf("drew %d, taken %v", got, taken)
				}
				taken = append(taken, got)
			},
			"take": func(t *rapid.T) {
				number := rapid.Uint64Range(0, n+1).Draw(t, "number")
				want := number < n && !slices.Contains(taken, number)
				if got := u.take(number); got != want {
					t.Fatalf("take(%d) = %v, want %v", number, got, want)
				}
				if want {
					taken = append(taken, number)
				}
			},
			"put": func(t *rapid.T) {
				if len(taken) == 0 {
					t.Skip("full")
				}
				i := rapid.IntRange(0, len(taken)-1).Draw(t, "i")
				u.put(taken[i])
				taken = slices.Delete(taken, i, i+1)
			},
			"": func(t *rapid.T) {
				if u.left() != n-uint64(len(taken)) {
					t.Fatalf("left %d, want %d", u.left(), n-uint64(len(taken)))
				}
				if len(u.swapped) > 2*len(taken) {
					t.Fatalf("remembers %d words for %d taken", len(u.swapped), len(taken))
				}
				for p, s := range u.swapped {
					if (p < u.taken) == (s < u.taken) || u.swapped[s] != p {
						t.Fatalf("stranger %d at %d, taken %d", s, p, u.taken)
					}
				}
			},
		})
	})
}

func TestUrnDrawsUniformly(t *testing.T) {
	const n, rounds = 5, 60000
	a := mustNew(t, Config{Now: newClock().now, Rand: seeded(1)})
	var count [n][n]int // number, place in the order of drawing
	for range rounds {
		u := newUrn(n)
		u.take(3) // some history
		u.put(3)
		for place := range n {
			r, err := a.random(u.left())
			if err != nil {
				t.Fatal(err)
			}
			count[u.draw(r)][place]++
		}
	}
	for number, places := range count {
		for place, got := range places {
			if want := rounds / n; got < want*95/100 || got > want*105/100 { // 5 sigma is 4 %
				t.Errorf("number %d drawn at place %d: %d times, want about %d", number, place, got, want)
			}
		}
	}
}

func TestSpaceNumbering(t *testing.T) {
	reserved := []span{{0x05, 0x06}, {0x17, 0x21}, {0xf0, 0xff}}
	seen := make(map[uint64]bool)
	for _, s := range spaces(1, reserved) {
		for i := range s.n {
			v := s.at(i)
			if j, ok := s.number(v); !ok || j != i || seen[v] {
				t.Fatalf("at(%d) = %#x, number = %d, %v, seen %v", i, v, j, ok, seen[v])
			}
			seen[v] = true
		}
	}
	for v := range uint64(256) {
		hole := v == 5 || v == 6 || v >= 0x17 && v <= 0x21 || v >= 0xf0
		if seen[v] == hole {
			t.Errorf("%#x: in space %v, want %v", v, seen[v], !hole)
		}
	}
}

func TestKeyOfEveryLength(t *testing.T) {
	seen := make(map[key]ID)
	for _, id := range []ID{"", "\x00", "\x00\x00", "\x01", "\x00\x01", "\xff\xff\xff\xff\xff\xff\xff", "\x00\x00\x00\x00\x00\x00\x01", "abc"} {
		k := keyOf(id)
		if other, dup := seen[k]; dup {
			t.Errorf("%q and %q have one key", id, other)
		}
		seen[k] = id
		if got := k.id(); got != id {
			t.Errorf("id of key of %q = %q", id, got)
		}
	}
}
