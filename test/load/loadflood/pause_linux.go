package loadflood

import (
	"syscall"
	"time"
)

// pause sleeps for less than the millisecond that is the shortest time the
// scheduler of an idle program sleeps for.
func pause(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil)
}
