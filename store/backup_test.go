package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A backup that is made while tokens are issued holds each of them wholly or
// not at all, and all that were acknowledged before it began.
func TestBackupUnderLoad(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	s := openAt(t, dir, c.use)
	for n := range int64(200) {
		if err := s.Record(t.Context(), issued(n)); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for w := range int64(4) {
		wg.Go(func() {
			for n := 1000 * (w + 1); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := s.Record(t.Context(), issued(n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	backup := filepath.Join(dir, "backup.db")
	err := s.Backup(t.Context(), backup)
	close(stop)
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(backup); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("backup: %v, %v, want mode 600", info.Mode(), err)
	}
	if left, _ := filepath.Glob(backup + "?*"); left != nil {
		t.Errorf("left behind: %v", left)
	}
	c.add(time.Minute)
	restored := filepath.Join(dir, "restored", "ostiary.db")
	if err := Restore(t.Context(), backup, restored); err != nil {
		t.Fatal(err)
	}
	r, err := Open(t.Context(), Config{Path: restored, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for n := range int64(200) {
		i := issued(n)
		if _, err := r.LiveToken(t.Context(), i.Client, "valve", i.KeyID, start); err != nil {
			t.Fatalf("token %d: %v", n, err)
		}
	}
	seq, _, err := r.VerifyAudit(t.Context())
	if err != nil {
		t.Error(err)
	}
	var tokens int64
	if err := r.readers.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM tokens").Scan(&tokens); err != nil || tokens != seq-2 {
		t.Errorf("%d tokens for %d events, %v, want 2 less", tokens, seq, err)
	}
}

func TestBackupDoesNotOverwrite(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	path := filepath.Join(dir, "precious")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(t.Context(), path); !errors.Is(err, ErrExists) {
		t.Errorf("Backup onto a file: %v, want ErrExists", err)
	}
	if err := s.Backup(t.Context(), filepath.Join(dir, "nowhere", "x")); err == nil {
		t.Error("Backup into no folder succeeded")
	}
	backup := filepath.Join(dir, "backup.db")
	if err := s.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	if err := Restore(t.Context(), backup, path); !errors.Is(err, ErrExists) {
		t.Errorf("Restore onto a file: %v, want ErrExists", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "x" {
		t.Errorf("the file: %q, %v", b, err)
	}
	if err := Restore(t.Context(), filepath.Join(dir, "state", "ostiary.db"), filepath.Join(dir, "y")); err == nil {
		t.Error("Restore of a file that is no backup succeeded")
	}
}

func TestRestoreRefusesDamage(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	for n := range int64(100) {
		if err := s.Record(t.Context(), issued(n)); err != nil {
			t.Fatal(err)
		}
	}
	backup := filepath.Join(dir, "backup.db")
	if err := s.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func([]byte) []byte{
		"cut":     func(b []byte) []byte { return b[:len(b)/2] },
		"zeroed":  func(b []byte) []byte { clear(b[len(b)/3 : 2*len(b)/3]); return b },
		"no head": func(b []byte) []byte { return b[100:] },
		"empty":   func([]byte) []byte { return nil },
	} {
		bad := filepath.Join(dir, "bad-"+name)
		if err := os.WriteFile(bad, damage(bytes.Clone(whole)), 0o600); err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, "to-"+name)
		if err := Restore(t.Context(), bad, to); err == nil {
			t.Errorf("%s: Restore succeeded", name)
		}
		if left, _ := filepath.Glob(to + "*"); left != nil {
			t.Errorf("%s: left behind: %v", name, left)
		}
	}
}
