package edhoccoap

import "sync/atomic"

// counting counts the ephemeral keys that are asked for, before each is made.
type counting struct{ keys atomic.Int64 }
