package rs

import "time"

// uptime is a clock that only goes forward, made of one that may be set: time
// that now goes back by does not count. A clock that jumps forward ends things
// early, never late. The zero value begins at the first call.
type uptime struct {
	total time.Duration
	last  time.Time
}

// at returns how long the clock has run at now.
func (u *uptime) at(now time.Time) time.Duration {
	switch d := now.Sub(u.last); {
	case u.last.IsZero():
		u.last = now
	case d > 0:
		u.total += d
		u.last = now
	case d < -time.Second: // less is another caller that was overtaken
		u.last = now
	}
	return u.total
}
