package gocoap

import "time"

// A cache remembers requests by their Message IDs, so that a duplicate gets
// the bytes that its original got (RFC 7252, Section 4.2). The endpoint's
// mutex guards it.
type cache struct {
	limit       int // bytes
	bytes       int
	entries     map[messageKey]*exchange
	first, last *exchange // oldest and newest
}

func (c *cache) add(x *exchange, now time.Time) {
	c.expire(now)
	x.expires = now.Add(exchangeLifetime)
	c.entries[x.key] = x
	if c.last == nil {
		c.first = x
	} else {
		c.last.next = x
	}
	c.last = x
	c.grow(x, exchangeSize)
}

// grow accounts for n more bytes of x and lets the oldest exchanges go that
// no longer fit, but none whose request is still being handled: those are
// bounded elsewhere.
func (c *cache) grow(x *exchange, n int) {
	if c.entries[x.key] != x {
		return // it has gone already
	}
	x.size += n
	c.bytes += n
	for range len(c.entries) {
		switch {
		case c.bytes <= c.limit || c.first == nil:
			return
		case c.first.settled:
			c.removeFirst()
		default:
			c.toBack()
		}
	}
}

// toBack makes the oldest exchange the newest.
func (c *cache) toBack() {
	x := c.first
	if x == c.last {
		return
	}
	x.expires = c.last.expires
	c.first, x.next = x.next, nil
	c.last.next = x
	c.last = x
}

func (c *cache) expire(now time.Time) {
	for c.first != nil && now.After(c.first.expires) {
		c.removeFirst()
	}
}

func (c *cache) removeFirst() {
	x := c.first
	c.first = x.next
	if c.first == nil {
		c.last = nil
	}
	c.bytes -= x.size
	if c.entries[x.key] == x {
		delete(c.entries, x.key)
	}
	x.next = nil
}
