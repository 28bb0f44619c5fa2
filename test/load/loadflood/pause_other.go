//go:build !linux

package loadflood

import "time"

func pause(d time.Duration) { time.Sleep(d) }
