//go:build !unix

package loadedhoc

import "time"

// processCPU is not known here: the figures of CPU are 0.
func processCPU() time.Duration { return 0 }

var begin = time.Now()

func cpuClock() time.Duration { return time.Since(begin) }
