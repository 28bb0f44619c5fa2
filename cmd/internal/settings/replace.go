package settings

import (
	"errors"
	"os"
)

// Replace writes a file at path with mode 0600 in the place of the one that may
// be there, in one step, and durably: whoever reads it sees the old one or the
// new one. Two at once must not replace the same file, see Lock.
func Replace(path string, b []byte) error {
	part := path + ".part" // one name, so that crashes leave one file at most
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		_ = os.Remove(part)
		return err
	}
	return SyncFolder(path)
}
