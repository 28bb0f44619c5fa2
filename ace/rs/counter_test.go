package rs

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
)

// memoryCounters is a CounterStore.
type memoryCounters struct {
	list     []Counter
	saves    int
	failLoad error
	failSave error
}

func (m *memoryCounters) Load() ([]Counter, error) { return m.list, m.failLoad }

func (m *memoryCounters) Save(list []Counter) error {
	if m.failSave != nil {
		return m.failSave
	}
	m.list = slices.Clone(list)
	m.saves++
	return nil
}

// exi makes a token that lives some seconds from its first verification.
func exi(number uint64, seconds uint32) claimsOption {
	return func(c *ace.Claims) {
		c.Expiration = ace.NumericDate{}
		c.ExpiresIn = seconds
		c.CWTID = ace.ExpiresInID(audience, number)
	}
}

//spec:9200-5.10.1.1-16
//spec:9200-5.10.3-1
//spec:9200-5.10.3-4
func TestExpiresIn(t *testing.T) {
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

	t.Run("counts from the first sight", func(t *testing.T) {
		s := newServer(t, nil)
		if _, err := s.Verify(encrypt(t, s.key, goodClaims("c1", exi(5, 60))), at(0)); err != nil {
			t.Fatal(err)
		}
		s.mustPost("a", goodClaims("c1", exi(5, 60)), at(10), true)
		if _, err := s.Authorize("a", 1, "/s/temp", at(69)); err != nil {
			t.Errorf("59 s after the post: %v", err)
		}
		_, err := s.Authorize("a", 1, "/s/temp", at(70))
		if e := wantCode(t, err, Unauthorized); !e.Discarded {
			t.Error("the association is not discarded")
		}
	})

	t.Run("29 posting again does not prolong it", func(t *testing.T) {
		s := newServer(t, nil)
		s.mustPost("a", goodClaims("c1", exi(5, 60)), at(0), true)
		s.mustPost("b", goodClaims("c1", exi(5, 60)), at(50), true)
		_, err := s.Authorize("b", 1, "/s/temp", at(60))
		wantCode(t, err, Unauthorized)
		wantCode(t, s.post("c", goodClaims("c1", exi(5, 60)), at(61)), Unauthorized)
	})

	t.Run("29 sequence below the highest seen", func(t *testing.T) {
		s := newServer(t, nil)
		s.mustPost("a", goodClaims("c1", exi(5, 10)), at(0), true)
		s.mustPost("b", goodClaims("c2", exi(7, 60)), at(0), true)
		s.mustPost("c", goodClaims("c3", exi(4, 600)), at(0), true)
		if n, err := s.Expire(at(10)); n != 2 || err != nil {
			t.Errorf("Expire = %d, %v, want 2: purging 5 drops 4", n, err)
		}
		if s.Contains("a") || s.Contains("c") || !s.Contains("b") {
			t.Errorf("table: %s", s.snapshot())
		}
		for _, number := range []uint64{3, 5} {
			wantCode(t, s.post("d", goodClaims("c4", exi(number, 60)), at(11)), Unauthorized)
		}
		s.mustPost("e", goodClaims("c5", exi(6, 60)), at(11), true)
	})

	t.Run("cti that is no number of this RS", func(t *testing.T) {
		s := newServer(t, nil)
		for _, id := range []string{"rs2\x01", "rs1", "rs1123456789"} {
			wantCode(t, s.post("a", goodClaims("c1", exi(1, 60), cti(id)), at(0)), Unauthorized)
		}
		wantCode(t, s.post("a", goodClaims("c1", exi(1, 60), func(c *ace.Claims) { c.CWTID = nil }), at(0)), Unauthorized)
	})

	t.Run("AC-8 clock jumps", func(t *testing.T) {
		years := 10 * 365 * 24 * 60 * 60
		s := newServer(t, nil)
		s.mustPost("a", goodClaims("c1", exi(1, 60)), at(0), true)
		for _, now := range []int{30, -years, -years + 29} {
			if _, err := s.Authorize("a", 1, "/s/temp", at(now)); err != nil {
				t.Fatalf("at %d: %v", now, err)
			}
		}
		_, err := s.Authorize("a", 1, "/s/temp", at(-years+30))
		wantCode(t, err, Unauthorized)
		s.mustPost("b", goodClaims("c1", exi(2, 60)), at(0), true)
		_, err = s.Authorize("b", 1, "/s/temp", at(years))
		wantCode(t, err, Unauthorized)
	})
}

// TestExpiresInRestarts: a token dies after its lifetime of running time and at most
// one step for each crash.
func TestExpiresInRestarts(t *testing.T) {
	store := new(memoryCounters)
	boot := func() *server {
		return newServer(t, func(c *Config) { c.Counters, c.CounterStep = store, 10*time.Second })
	}
	c := goodClaims("c1", exi(9, 60))
	now := start
	ran := time.Duration(0)
	for range 100 {
		s := boot()
		if s.post("a", c, now) != nil {
			break
		}
		for range 12 { // runs 12 s, loses less than a step
			now, ran = now.Add(time.Second), ran+time.Second
			if _, err := s.Expire(now); err != nil {
				t.Fatal(err)
			}
		}
		now = now.Add(-time.Hour) // the clock is set at every boot
	}
	if ran < 60*time.Second || ran > 90*time.Second {
		t.Errorf("the token lived for %v of running time, want 60 s to 90 s", ran)
	}
	wantCode(t, boot().post("a", goodClaims("c2", exi(8, 60)), now), Unauthorized)
	if _, err := boot().Verify(encrypt(t, newKey(t, issuer, "k1", 1), goodClaims("c2", exi(10, 60))), now); err != nil {
		t.Errorf("the next token: %v", err)
	}
}

func TestCounterStoreFails(t *testing.T) {
	store := &memoryCounters{failSave: errors.New("disk")}
	s := newServer(t, func(c *Config) { c.Counters = store })
	for range 2 { // nothing remains of the first time
		wantCode(t, s.post("a", goodClaims("c1", exi(1, 60)), start), ServiceUnavailable)
	}
	if got := s.snapshot(); got != "" {
		t.Errorf("table holds %s", got)
	}
	store.failSave = nil
	s.mustPost("a", goodClaims("c1", exi(1, 60)), start, true)
	store.failSave = errors.New("disk")
	if _, err := s.Expire(start.Add(time.Minute)); !errors.Is(err, store.failSave) {
		t.Errorf("Expire = %v, want the error of the store", err)
	}
	if s.Contains("a") {
		t.Error("the token did not expire")
	}
	store.failSave = nil
	if _, err := s.Expire(start.Add(time.Minute)); err != nil {
		t.Error(err)
	}
	if want := []Counter{{Issuer: issuer, Sequence: 1}}; !slices.Equal(store.list, want) {
		t.Errorf("store holds %v, want %v", store.list, want)
	}
}

func TestCountersAreBounded(t *testing.T) {
	s := newServer(t, func(c *Config) { c.MaxTokens = 1 })
	for n := range uint64(4) {
		s.mustPost("a", goodClaims("c1", exi(n+1, 60)), start, false)
		s.Remove("a")
	}
	wantCode(t, s.post("a", goodClaims("c1", exi(9, 60)), start), ServiceUnavailable)
}
