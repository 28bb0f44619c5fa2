package store

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace/as"
)

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// use gives numbers and a sequence to a store, and returns the highest number.
func use(t *testing.T, s *Store) uint64 {
	t.Helper()
	if _, err := s.NewSequence(t.Context(), "ctx"); err != nil && !errors.Is(err, ErrExists) {
		t.Fatal(err)
	}
	first, err := s.NextSequence(t.Context(), "", 64)
	if err != nil {
		t.Fatal(err)
	}
	return first + 63
}

// wantOld fails t unless s is a later generation that uses nothing again.
func wantOld(t *testing.T, s *Store, generation int64, reason string, last uint64) {
	t.Helper()
	if g := s.Generation(); g.Number != generation || g.Reason != reason {
		t.Errorf("generation %+v, want %d, %s", g, generation, reason)
	}
	if first, err := s.Sequence("ctx").Reserve(1); !errors.Is(err, ErrOldGeneration) {
		t.Errorf("Reserve in the new generation: %d, %v, want ErrOldGeneration", first, err)
	}
	if _, err := s.NewSequence(t.Context(), "ctx"); !errors.Is(err, ErrExists) {
		t.Errorf("NewSequence of the old name: %v, want ErrExists", err)
	}
	for _, rs := range []string{"", "never used before"} {
		if first, err := s.NextSequence(t.Context(), rs, 1); err != nil || first <= last {
			t.Errorf("NextSequence(%q) = %d, %v, want more than %d", rs, first, err, last)
		}
	}
	if _, err := s.NewSequence(t.Context(), "fresh"); err != nil {
		t.Error(err)
	}
	if first, err := s.Sequence("fresh").Reserve(1); first != 0 || err != nil {
		t.Errorf("fresh context: %d, %v", first, err)
	}
}

func TestGenerationStays(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	s := openAt(t, dir, c.use)
	if g := s.Generation(); g.Number != 1 || g.Reason != "created" || !g.Started.Equal(c.t) {
		t.Errorf("first generation %+v", g)
	}
	use(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// A rename is a move.
	if err := os.Rename(filepath.Join(dir, "state"), filepath.Join(dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Config{Path: filepath.Join(dir, "elsewhere", "ostiary.db"), Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if g := s.Generation(); g.Number != 1 {
		t.Errorf("after a rename: generation %+v", g)
	}
	if _, err := s.Sequence("ctx").Reserve(1); err != nil {
		t.Error(err)
	}
}

// A restored backup may not protect a message with an old key, nor give a number
// that the store gave after the backup (I8, I13, behaviour 11).
func TestRestoreBeginsGeneration(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	s := openAt(t, dir, c.use)
	use(t, s)
	backup := filepath.Join(dir, "backup.db")
	if err := s.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	var last uint64
	for range 100 {
		last = use(t, s) // after the backup
	}
	if _, err := s.Sequence("ctx").Reserve(1000); err != nil {
		t.Fatal(err)
	}
	c.add(time.Minute)
	restored := filepath.Join(dir, "restored", "ostiary.db")
	if err := Restore(t.Context(), backup, restored); err != nil {
		t.Fatal(err)
	}
	var told []Generation
	r, err := Open(t.Context(), Config{Path: restored, Now: c.now, Observer: Observer{Generation: func(g Generation) { told = append(told, g) }}})
	if err != nil {
		t.Fatal(err)
	}
	wantOld(t, r, 2, "restored", last)
	if len(told) != 1 || told[0] != r.Generation() {
		t.Errorf("observer was told %+v", told)
	}
	if events, err := r.Events(t.Context(), 0, 100); err != nil || events[len(events)-1].Kind != "store.generation" {
		t.Errorf("audit log %+v, %v", events, err)
	}
	after := use(t, r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err = Open(t.Context(), Config{Path: restored, Now: c.now}); err != nil {
		t.Fatal(err)
	}
	if g := r.Generation(); g.Number != 2 {
		t.Errorf("opened again: generation %+v, want the same", g)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}

	// The same backup again: nothing of the first restored copy comes back.
	c.add(time.Second)
	second := filepath.Join(dir, "second", "ostiary.db")
	if err := Restore(t.Context(), backup, second); err != nil {
		t.Fatal(err)
	}
	if r, err = Open(t.Context(), Config{Path: second, Now: c.now}); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	wantOld(t, r, 2, "restored", after)
}

// Whoever copies a backup into place, without Restore, is no worse off.
func TestBackupOpenedDirectly(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	s := openAt(t, dir, c.use)
	backup := filepath.Join(dir, "b", "backup.db")
	if err := os.Mkdir(filepath.Dir(backup), 0o700); err != nil {
		t.Fatal(err)
	}
	last := use(t, s)
	if err := s.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	c.add(time.Minute)
	r, err := Open(t.Context(), Config{Path: backup, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	wantOld(t, r, 2, "restored", last)
}

func TestCopyBeginsGeneration(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	s := openAt(t, dir, c.use)
	last := use(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c.add(time.Minute)
	cp := filepath.Join(dir, "copy", "ostiary.db")
	copyFile(t, filepath.Join(dir, "state", "ostiary.db"), cp)
	r, err := Open(t.Context(), Config{Path: cp, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	wantOld(t, r, 2, "copied", last)

	kept := filepath.Join(dir, "kept", "ostiary.db")
	copyFile(t, filepath.Join(dir, "state", "ostiary.db"), kept)
	k, err := Open(t.Context(), Config{Path: kept, Now: c.now, DangerKeepGeneration: true})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if g := k.Generation(); g.Number != 1 {
		t.Errorf("DangerKeepGeneration: %+v", g)
	}
}

// A clock that is wrong would make numbers that were given before.
func TestRestoreWantsTheRightTime(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	s := openAt(t, dir, c.use)
	token := issued(1)
	token.IssuedAt = c.t.Add(time.Hour)
	if err := s.Record(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(dir, "backup.db")
	if err := s.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	restored := filepath.Join(dir, "restored", "ostiary.db")
	if err := Restore(t.Context(), backup, restored); err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{c.t, time.Unix(0, 0), c.t.Add(time.Hour - 1)} {
		if _, err := Open(t.Context(), Config{Path: restored, Now: func() time.Time { return at }}); err == nil || !strings.Contains(err.Error(), "clock") {
			t.Errorf("Open at %v: %v, want an error about the clock", at, err)
		}
	}
	c.add(2 * time.Hour)
	r, err := Open(t.Context(), Config{Path: restored, Now: c.now})
	if err != nil {
		t.Fatalf("at the right time: %v", err)
	}
	defer r.Close()
	if _, err := r.LiveToken(t.Context(), token.Client, "valve", token.KeyID, start); err != nil {
		t.Errorf("token in the backup: %v", err)
	}
	if err := r.Record(t.Context(), token); !errors.Is(err, as.ErrDuplicate) {
		t.Errorf("Record of it again: %v, want ErrDuplicate", err)
	}
}
