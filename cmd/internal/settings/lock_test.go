package settings

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	first, err := TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := TryLock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("second: got %v, want ErrLocked", err)
	}
	waited := make(chan error, 1)
	go func() {
		second, err := WaitLock(path)
		if err == nil {
			err = second.Unlock()
		}
		waited <- err
	}()
	if err := first.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Errorf("who has waited: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the lock makes the file that it is for")
	}
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path+".part", make([]byte, 100), 0o600); err != nil { // of a crash
		t.Fatal(err)
	}
	for _, text := range []string{"long text", "text"} {
		if err := Replace(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != text {
			t.Errorf("got %q, %v, want %q", b, err, text)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := Replace(filepath.Join(path, "x"), nil); err == nil {
		t.Error("a file that cannot be written is no error")
	}
}
