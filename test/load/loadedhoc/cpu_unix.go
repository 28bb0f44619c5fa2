//go:build unix

package loadedhoc

import (
	"syscall"
	"time"
)

// processCPU is the time that the process has used on all cores.
func processCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpuClock measures what one goroutine does while the others are idle, whatever else the
// machine has to do.
func cpuClock() time.Duration { return processCPU() }
