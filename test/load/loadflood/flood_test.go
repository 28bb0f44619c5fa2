package loadflood

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// TestMain is also what the processes of the tool begin with.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "flood" {
		if _, err := Command(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestFlood measures for a moment: every request of the well-behaved peer has its
// answer, whatever the others do. How soon, and what the flood amounts to, is what
// the tool measures, and no matter of right and wrong.
func TestFlood(t *testing.T) {
	cfg := Config{Peers: 100_000, Rate: 5000, Rounds: 2, Slice: 50 * time.Millisecond, Interval: time.Millisecond, Slow: 40}
	r, err := Flood(cfg, os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if r.IdleP50 <= 0 || r.FloodP50 <= 0 || r.SlowP50 <= 0 || r.SinkP99 <= 0 || r.Capacity <= 0 || r.FloodRate <= 0 {
		t.Errorf("got %+v", r)
	}
}

// TestTurns: quantiles of the turns, and the noise between them.
func TestTurns(t *testing.T) {
	us := time.Microsecond
	all := turns{{1 * us, 2 * us, 3 * us}, {4 * us, 10 * us}, {6 * us}, {8 * us}, {9 * us}}
	if got := all.at(0.99); got != 6 {
		t.Errorf("median %v, want 6", got)
	}
	if got := all.noise(); got != (8.0-4)/6 {
		t.Errorf("noise %v, want %v", got, (8.0-4)/6)
	}
	if got := turns(nil).at(0.99); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}
