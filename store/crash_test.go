//go:build unix

package store

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ostiary/ostiary/idalloc"
)

var kills = flag.Int("store.kills", 20, "how often TestKill kills its child")

const crashDir = "OSTIARY_TEST_CRASH_DIR"

// TestMain is the child process when crashDir is set.
func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		if err := crashChild(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// crashChild issues and reserves until it is killed, and tells on stdout what
// was acknowledged to it.
func crashChild(dir string) error {
	s, err := Open(context.Background(), Config{Path: filepath.Join(dir, "state", "ostiary.db")})
	if err != nil {
		return err
	}
	if _, err := s.NewSequence(context.Background(), "ctx"); err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	j := s.Journal("as")
	held, err := j.Holdings(context.Background())
	if err != nil {
		return err
	}
	ids, err := idalloc.New(idalloc.Config{Now: time.Now, Lengths: []int{3}, Journal: j, Holdings: held})
	if err != nil {
		return err
	}
	var (
		wg   sync.WaitGroup
		errs = make(chan error, 16)
		mu   sync.Mutex
	)
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	work := func(do func() error) {
		wg.Go(func() {
			for {
				if err := do(); err != nil {
					say("E %v", err)
					if do() == nil {
						say("X")
					}
					errs <- err
					return
				}
			}
		})
	}
	for range 3 {
		work(func() error {
			n, err := s.NextSequence(context.Background(), "", 1)
			if err != nil {
				return err
			}
			if err := s.Record(context.Background(), issued(int64(n))); err != nil {
				return err
			}
			say("T %d", n)
			return nil
		})
		work(func() error {
			first, err := s.Sequence("ctx").Reserve(16)
			if err != nil {
				return err
			}
			say("S %d", first)
			return nil
		})
	}
	work(func() error {
		p, err := ids.Allocate(idalloc.Holder{Source: idalloc.SourceACE, Ref: "c"})
		if err != nil {
			return err
		}
		say("P %s", p.ID())
		l, err := p.Confirm()
		if err != nil {
			return err
		}
		say("L %s", l.ID())
		return nil
	})
	wg.Wait()
	return <-errs
}

// A record is what the children said.
type crashRecord struct {
	tokens, blocks map[uint64]bool
	given, live    map[string]bool
	errs           []string
}

func (r *crashRecord) line(t *testing.T, line string) {
	t.Helper()
	kind, rest, _ := strings.Cut(line, " ")
	number := func(seen map[uint64]bool) {
		var n uint64
		if _, err := fmt.Sscan(rest, &n); err != nil {
			return // the end of it was cut off by the kill
		}
		if seen[n] {
			t.Errorf("%s %d was given twice", kind, n)
		}
		seen[n] = true
	}
	switch kind {
	case "T":
		number(r.tokens)
	case "S":
		number(r.blocks)
	case "P":
		if len(rest) == 6 && r.given[rest] {
			t.Errorf("identifier %s was given twice", rest)
		}
		r.given[rest] = true
	case "L":
		if len(rest) == 6 {
			r.live[rest] = true
		}
	case "X":
		t.Error("the child worked on after an error")
	case "E":
		r.errs = append(r.errs, rest)
	}
}

// runChild runs the child under the command prefix until stop kills it or it ends.
func (r *crashRecord) runChild(t *testing.T, dir string, prefix []string, stop func(kill func(), line int)) {
	t.Helper()
	args := append(prefix, os.Args[0])
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // to kill what the prefix starts, too
	kill := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Whole lines only: what the kill cut off was not said.
	in := bufio.NewReader(out)
	for n := 0; ; n++ {
		line, err := in.ReadString('\n')
		if err != nil {
			break
		}
		r.line(t, strings.TrimSuffix(line, "\n"))
		stop(kill, n)
	}
	_ = cmd.Wait() // killed
	if s := stderr.String(); s != "" && len(r.errs) == 0 {
		t.Errorf("child: %s", s)
	}
}

func newCrashRecord() *crashRecord {
	return &crashRecord{tokens: map[uint64]bool{}, blocks: map[uint64]bool{}, given: map[string]bool{}, live: map[string]bool{}}
}

// audit opens what the children left behind and compares it with what they said.
func (r *crashRecord) audit(t *testing.T, dir string) {
	t.Helper()
	s := openAt(t, dir)
	if err := checkSQLite(t.Context(), s.readers); err != nil {
		t.Error(err)
	}
	if g := s.Generation(); g.Number != 1 {
		t.Errorf("a crash began generation %+v", g)
	}
	seq, _, err := s.VerifyAudit(t.Context())
	if err != nil {
		t.Error(err)
	}
	var tokens int64
	if err := s.readers.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM tokens").Scan(&tokens); err != nil || tokens != seq-1 {
		t.Errorf("%d tokens, %d events, %v: want one event each", tokens, seq-1, err)
	}
	last := uint64(0)
	for n := range r.tokens {
		i := issued(int64(n))
		if got, err := s.LiveToken(t.Context(), i.Client, "valve", i.KeyID, start); err != nil || string(got.CTI) != string(i.CTI) {
			t.Errorf("token %d was acknowledged: %v", n, err)
		}
		last = max(last, n)
	}
	if first, err := s.NextSequence(t.Context(), "", 1); err != nil || first <= last {
		t.Errorf("next number %d, %v, after %d", first, err, last)
	}
	top := uint64(0)
	for first := range r.blocks {
		if first%16 != 0 {
			t.Errorf("block at %d overlaps another", first)
		}
		top = max(top, first+16)
	}
	if first, err := s.Sequence("ctx").Reserve(1); err != nil || first < top {
		t.Errorf("next sequence number %d, %v, blocks reach to %d", first, err, top)
	}
	held, err := s.Journal("as").Holdings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	states := make(map[string]idalloc.State)
	for _, h := range held {
		states[h.ID.String()] = h.State
	}
	for id := range r.given {
		if states[id] == idalloc.StateFree {
			t.Errorf("identifier %s was given out and is free", id)
		}
	}
	for id := range r.live {
		if states[id] != idalloc.StateLive && states[id] != idalloc.StateQuarantined {
			t.Errorf("identifier %s was acknowledged as live and is %v", id, states[id])
		}
	}
}

// TestKill kills a process that issues tokens, reserves sequence numbers and
// gives out identifiers, again and again at random moments.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	n := *kills
	if testing.Short() {
		n = min(n, 3)
	}
	r := newCrashRecord()
	for range n {
		lines := 1 + rand.IntN(200)
		r.runChild(t, dir, nil, func(kill func(), line int) {
			if line == lines {
				kill()
			}
		})
	}
	if len(r.errs) != 0 {
		t.Errorf("errors in children: %q", r.errs)
	}
	if len(r.tokens) == 0 || len(r.blocks) == 0 || len(r.live) == 0 {
		t.Fatalf("%d tokens, %d blocks, %d identifiers: nothing was tested", len(r.tokens), len(r.blocks), len(r.live))
	}
	r.audit(t, dir)
	t.Logf("%d kills: %d tokens, %d blocks, %d identifiers acknowledged, none lost or doubled", n, len(r.tokens), len(r.blocks), len(r.live))
}

// TestSyncFails lets the kernel refuse one sync of the file, as a dying disk does.
// From then on nothing is acknowledged, though later syncs succeed (OSC-4). It
// also counts: there is no acknowledgement without a sync.
func TestSyncFails(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("no strace")
	}
	if err := exec.Command(strace, "-e", "inject=getppid:error=EIO", "true").Run(); err != nil {
		t.Skip("strace cannot trace here")
	}
	for _, fault := range []string{"error=EIO", "error=ENOSPC", "signal=KILL"} {
		for _, when := range []int{5, 20} { // of each thread
			t.Run(fmt.Sprintf("%s at %d", fault, when), func(t *testing.T) {
				dir := t.TempDir()
				openAt(t, dir) // made without faults
				r := newCrashRecord()
				log := filepath.Join(dir, "strace.log")
				r.runChild(t, dir, []string{
					strace, "-f", "-qq", "-o", log, "-e", "trace=fsync,fdatasync",
					"-e", fmt.Sprintf("inject=fsync,fdatasync:%s:when=%d", fault, when),
				},
					func(kill func(), line int) {
						if line == 20_000 {
							t.Error("the child works on after a sync has failed")
							kill()
						}
					})
				r.audit(t, dir)
				traced, err := os.ReadFile(log)
				if err != nil {
					t.Fatal(err)
				}
				// Each commit is of one change of each of the 7 workers at most.
				syncs := strings.Count(string(traced), "= 0\n")
				if acked := len(r.tokens) + len(r.blocks) + len(r.live); acked > 7*syncs {
					t.Errorf("%d changes acknowledged with %d syncs", acked, syncs)
				}
				t.Logf("%d tokens, %d blocks with %d syncs; %q", len(r.tokens), len(r.blocks), syncs, r.errs)
			})
		}
	}
}
