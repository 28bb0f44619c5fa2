package settings

import (
	"errors"
	"os"
)

// ErrLocked says that another process has the lock.
var ErrLocked = errors.New("locked by another process")

// A Lock keeps other processes from a file. It ends with Unlock, and with the
// process.
type Lock struct{ file *os.File }

// TryLock takes the lock beside the file at path, or fails with ErrLocked.
func TryLock(path string) (*Lock, error) { return lock(path, false) }

// WaitLock takes the lock beside the file at path when it is free.
func WaitLock(path string) (*Lock, error) { return lock(path, true) }

func lock(path string, wait bool) (*Lock, error) {
	f, err := lockFile(path+".lock", wait)
	if err != nil {
		return nil, err
	}
	return &Lock{f}, nil
}

// Unlock gives the lock back. The file stays.
func (l *Lock) Unlock() error { return l.file.Close() }
