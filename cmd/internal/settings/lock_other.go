//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package settings

import "os"

// lockFile locks nothing here: that there is one process is for the operator to see
// to.
func lockFile(path string, _ bool) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}
