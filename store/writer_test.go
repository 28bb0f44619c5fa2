package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// put is a change that leaves a mark.
func put(name string) func(*tx) error {
	return func(t *tx) error {
		_, err := t.exec("INSERT INTO meta (name, value) VALUES ($1, 'x')", name)
		return err
	}
}

func has(t *testing.T, s *Store, name string) bool {
	t.Helper()
	var value string
	err := s.readers.QueryRowContext(t.Context(), "SELECT value FROM meta WHERE name = $1", name).Scan(&value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Fatal(err)
	}
	return err == nil
}

// group hands changes over so that they share a transaction, and returns their
// results. The first one holds the writer until the others wait. It runs in a
// bubble of synctest.
func group(t *testing.T, s *Store, changes ...func(*tx) error) []error {
	t.Helper()
	var (
		wg      sync.WaitGroup
		errs    = make([]error, len(changes))
		started = make(chan struct{})
		release = make(chan struct{})
		once    sync.Once
	)
	wg.Go(func() {
		errs[0] = s.write(t.Context(), func(t *tx) error {
			once.Do(func() { close(started); <-release })
			return changes[0](t)
		})
	})
	<-started
	for i, change := range changes[1:] {
		wg.Go(func() { errs[i+1] = s.write(t.Context(), change) })
	}
	synctest.Wait() // all wait to hand over
	close(release)
	wg.Wait()
	return errs
}

var errRefused = errors.New("refused")

func refuse(t *tx) error {
	return errors.Join(put("refused")(t), errRefused)
}

func TestGroupSharesACommit(t *testing.T) { synctest.Test(t, groupSharesACommit) }

func groupSharesACommit(t *testing.T) {
	var groups []int
	s := openAt(t, t.TempDir(), func(c *Config) {
		c.Observer.Commit = func(n int, _ time.Duration, _ error) { groups = append(groups, n) }
	})
	errs := group(t, s, put("a"), put("b"), refuse, put("c"), func(t *tx) error {
		_, err := t.exec("INSERT INTO meta (name, value) VALUES ('a', 'y')") // the database refuses
		return err
	}, put("d"))
	for i, want := range []bool{true, true, false, true, false, true} {
		if (errs[i] == nil) != want {
			t.Errorf("change %d: %v, want success: %v", i, errs[i], want)
		}
	}
	if !errors.Is(errs[2], errRefused) {
		t.Errorf("got %v, want %v", errs[2], errRefused)
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		if !has(t, s, name) {
			t.Errorf("%s is not there", name)
		}
	}
	if has(t, s, "refused") {
		t.Error("a refused change left something behind")
	}
	if len(groups) != 1 || groups[0] != 4 {
		t.Errorf("groups %v, want one of 4", groups)
	}
}

func TestGroupIsBounded(t *testing.T) { synctest.Test(t, groupIsBounded) }

func groupIsBounded(t *testing.T) {
	var groups []int
	s := openAt(t, t.TempDir(), func(c *Config) {
		c.MaxGroup = 2
		c.Observer.Commit = func(n int, _ time.Duration, _ error) { groups = append(groups, n) }
	})
	for i, err := range group(t, s, put("a"), put("b"), put("c"), put("d"), put("e")) {
		if err != nil {
			t.Errorf("change %d: %v", i, err)
		}
	}
	for _, n := range groups {
		if n > 2 {
			t.Errorf("groups %v, want at most 2 in each", groups)
		}
	}
}

func testReadersSeeCommittedOnly(t *testing.T, open opener) {
	s := open(t, t.TempDir())
	err := s.write(t.Context(), func(x *tx) error {
		if err := put("a")(x); err != nil {
			return err
		}
		if has(t, s, "a") {
			t.Error("visible before the commit")
		}
		return nil
	})
	if err != nil || !has(t, s, "a") {
		t.Errorf("after the commit: %v, %v", err, has(t, s, "a"))
	}
	if _, err := s.readers.ExecContext(t.Context(), "DELETE FROM meta"); err == nil {
		t.Error("a reader can write")
	}
}

func TestCancelledWhileWaiting(t *testing.T) { synctest.Test(t, cancelledWhileWaiting) }

func cancelledWhileWaiting(t *testing.T) {
	s := openAt(t, t.TempDir())
	started, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	var once sync.Once
	wg.Go(func() {
		err := s.write(t.Context(), func(*tx) error {
			once.Do(func() { close(started); <-release })
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-started
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() {
		if err := s.write(ctx, put("late")); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want Canceled", err)
		}
	})
	synctest.Wait()
	cancel()
	close(release)
	wg.Wait()
	if has(t, s, "late") {
		t.Error("a change was made whose caller was told that it was not")
	}

	// Begun already: the caller learns the outcome, whatever its context says.
	ctx, cancel = context.WithCancel(t.Context())
	err := s.write(ctx, func(t *tx) error { cancel(); return put("begun")(t) })
	if err != nil || !has(t, s, "begun") {
		t.Errorf("begun: %v, there: %v", err, has(t, s, "begun"))
	}
}

func testClosed(t *testing.T, open opener) {
	s := open(t, t.TempDir())
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := s.write(t.Context(), put(fmt.Sprint(i))); err != nil && !errors.Is(err, ErrClosed) {
				t.Errorf("while closing: %v", err)
			}
		})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if err := s.write(t.Context(), put("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v, want ErrClosed", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// What COMMIT answers is not always what happened (T7).
func TestCommitFails(t *testing.T) { synctest.Test(t, commitFails) }

func commitFails(t *testing.T) {
	for _, happened := range []bool{false, true} {
		s, f := openFaulty(t, false)
		if happened {
			f.set(&f.after, failing("COMMIT", 1))
		} else {
			f.set(&f.before, failing("COMMIT", 1))
		}
		for i, err := range group(t, s, put("a"), put("b")) {
			if !errors.Is(err, ErrUnknownOutcome) || !errors.Is(err, errFault) {
				t.Errorf("happened %v, change %d: %v, want ErrUnknownOutcome", happened, i, err)
			}
		}
		if has(t, s, "a") != happened || has(t, s, "b") != happened {
			t.Errorf("happened %v: there: %v, %v", happened, has(t, s, "a"), has(t, s, "b"))
		}
		if err := s.write(t.Context(), put("next")); err != nil { // this fault does not shake the trust
			t.Errorf("happened %v: next change: %v", happened, err)
		}
	}
}

// After an error of the disk nothing more is promised (OSC-4).
//
//spec:8613-B.1.1-2
func TestFailsClosed(t *testing.T) {
	for _, statement := range []string{"COMMIT", "INSERT", "SAVEPOINT", "RELEASE", "BEGIN"} {
		t.Run(statement, func(t *testing.T) {
			s, f := openFaulty(t, true)
			q, err := s.NewSequence(t.Context(), "ctx")
			if err != nil {
				t.Fatal(err)
			}
			f.set(&f.before, failing(statement, 1))
			if err := s.write(t.Context(), put("a")); !errors.Is(err, errFault) {
				t.Errorf("got %v, want the fault", err)
			}
			if err := s.Err(); !errors.Is(err, ErrFailed) || !errors.Is(err, errFault) {
				t.Errorf("Err = %v, want ErrFailed and the fault", err)
			}
			if _, err := q.Reserve(1); !errors.Is(err, ErrFailed) {
				t.Errorf("Reserve = %v, want ErrFailed", err)
			}
			if err := s.write(t.Context(), put("b")); !errors.Is(err, ErrFailed) || has(t, s, "b") {
				t.Errorf("next change: %v, there: %v", err, has(t, s, "b"))
			}
		})
	}
}

// The error of the disk that one change of a group meets ends the group: what
// was in it before is not committed, and what comes after is not begun.
//
//spec:8613-B.1.1-2
func TestFailureEndsItsGroup(t *testing.T) { synctest.Test(t, failureEndsItsGroup) }

func failureEndsItsGroup(t *testing.T) {
	s, f := openFaulty(t, true)
	f.set(&f.before, failing("INSERT", 2))
	errs := group(t, s, put("a"), put("b"), put("c"))
	met := 0 // the fault itself; the others are told of it
	for i, err := range errs {
		switch {
		case errors.Is(err, ErrFailed):
		case errors.Is(err, errFault):
			met++
		default:
			t.Errorf("change %d: %v, want ErrFailed", i, err)
		}
	}
	if met != 1 {
		t.Errorf("%d changes met the fault, want 1: %v", met, errs)
	}
	for _, name := range []string{"a", "b", "c"} {
		if has(t, s, name) {
			t.Errorf("%s is there", name)
		}
	}
}

// The database may throw away the whole transaction because of one change; the
// others do not notice.
func TestTransactionLost(t *testing.T) { synctest.Test(t, transactionLost) }

func transactionLost(t *testing.T) {
	for _, after := range [][]string{{}, {"b", "c"}} { // a alone suffers as little as several
		s, f := openFaulty(t, false)
		f.set(&f.before, failing("ROLLBACK TO", 1))
		changes := []func(*tx) error{put("a"), refuse}
		for _, name := range after {
			changes = append(changes, put(name))
		}
		for i, err := range group(t, s, changes...) {
			if want := i == 1; want != errors.Is(err, errRefused) || !want && err != nil {
				t.Errorf("change %d of %d: %v", i, len(changes), err)
			}
		}
		for _, name := range append(after, "a") {
			if !has(t, s, name) {
				t.Errorf("%s is not there", name)
			}
		}
	}
}

func TestDiskFull(t *testing.T) {
	s := openAt(t, t.TempDir())
	pages := func(n string) {
		t.Helper()
		if err := s.write(t.Context(), func(x *tx) error {
			var got int64
			_, err := x.row("PRAGMA max_page_count = "+n, nil, &got)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	pages("60")
	acked := int64(0)
	var err error
	for n := int64(1); err == nil && n < 2000; n++ {
		if err = s.Record(t.Context(), issued(n)); err == nil {
			acked = n
		}
	}
	if err == nil || acked == 0 {
		t.Fatalf("%d tokens recorded, error %v: the disk is not full", acked, err)
	}
	if s.Err() != nil {
		t.Errorf("a full disk is not a broken one: %v", s.Err())
	}
	pages("100000")
	if err := s.Record(t.Context(), issued(acked+1)); err != nil {
		t.Errorf("after there is room again: %v", err)
	}
	for n := int64(1); n <= acked+1; n++ {
		i := issued(n)
		if _, err := s.LiveToken(t.Context(), i.Client, "valve", i.KeyID, start); err != nil {
			t.Fatalf("token %d: %v", n, err)
		}
	}
	if seq, _, err := s.VerifyAudit(t.Context()); err != nil || seq != acked+2 {
		t.Errorf("audit log: %d events, %v, want %d", seq, err, acked+2)
	}
}

func testConcurrentChanges(t *testing.T, open opener) {
	s := open(t, t.TempDir())
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := range 20 {
				n := int64(w*100 + i)
				if err := s.Record(t.Context(), issued(n)); err != nil {
					t.Error(err)
				}
				i := issued(n)
				if _, err := s.LiveToken(t.Context(), i.Client, "valve", i.KeyID, start); err != nil {
					t.Errorf("token %d is not there after Record: %v", n, err)
				}
			}
		})
	}
	wg.Wait()
	if seq, _, err := s.VerifyAudit(t.Context()); err != nil || seq != 321 {
		t.Errorf("audit log: %d events, %v, want 321", seq, err)
	}
}

// Another process may use the database at the same time.
func testTwoStores(t *testing.T, open opener) {
	dir := t.TempDir()
	stores := []*Store{open(t, dir), open(t, dir)}
	var wg sync.WaitGroup
	for w, s := range stores {
		for k := range 4 {
			wg.Go(func() {
				for i := range 20 {
					if err := s.Record(t.Context(), issued(int64(w*1000+k*100+i))); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	if seq, _, err := stores[0].VerifyAudit(t.Context()); err != nil || seq != 161 {
		t.Errorf("audit log: %d events, %v, want 161", seq, err)
	}
}
