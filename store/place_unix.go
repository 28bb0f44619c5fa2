//go:build unix

package store

import (
	"io/fs"
	"strconv"
	"syscall"
)

// placeOf is the inode of a file: a rename keeps it and a copy does not. The
// device is left out, because its number may change at a reboot.
func placeOf(info fs.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return strconv.FormatUint(uint64(st.Ino), 10)
	}
	return ""
}
