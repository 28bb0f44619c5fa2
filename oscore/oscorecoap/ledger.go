package oscorecoap

import (
	"sync"
	"sync/atomic"

	"github.com/ostiary/ostiary/oscore"
)

// A ledger is what is known of the sources of one association, and lives as long
// as that. Times are nanoseconds since 1970.
type ledger struct {
	home  atomic.Uint64 // a hint of where a request has verified from last
	until atomic.Int64  // when nothing will be left to know of failures; 0: there were none

	mu    sync.Mutex      // guards what follows, and changes of the above
	known [2]source       // that a request has verified from, the newest first
	debts [kinds]int64    // when the failures of a kind will have been paid for
	told  *oscore.Context // of which Observer.Worn was told
}

// kind is the relation of a source to an association.
type kind int

const (
	peers kind = iota
	neighbours
	ofStrangers
	kinds
)

// ledgerOf returns the ledger of sec; nil if there is none.
func ledgerOf(sec *oscore.Association) *ledger {
	l, _ := sec.Attached().(*ledger)
	return l
}

// keepLedger returns the ledger of sec, and makes one if there is none.
func keepLedger(sec *oscore.Association) *ledger {
	if l := ledgerOf(sec); l != nil {
		return l
	}
	return sec.Attach(new(ledger)).(*ledger) //nolint:forcetypeassert // nothing else is attached
}

// calm reports that no decryption has failed lately.
func (l *ledger) calm() bool { return l.until.Load() == 0 }

// kindOf says what from is to the association of l, whose mu is held. Until a request
// has verified anybody may be the peer.
func (l *ledger) kindOf(from source) kind {
	if l.known[0].endpoint == 0 {
		return peers
	}
	of := ofStrangers
	for _, k := range l.known {
		switch {
		case k.endpoint == from.endpoint:
			return peers
		case k.endpoint != 0 && k.prefix == from.prefix:
			of = neighbours
		}
	}
	return of
}

// admits reports whether a request that came from there may be decrypted.
func (t *throttle) admits(l *ledger, sec *oscore.Association, from source, now int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now >= l.until.Load() {
		l.until.Store(0)
		return true
	}
	of := l.kindOf(from)
	if !t.budgets[of].allows(l.debts[of], now) {
		return false
	}
	return of != ofStrangers || t.strangers.admits(sec, from.prefix, now)
}

// failed enters a failed decryption.
func (t *throttle) failed(l *ledger, sec *oscore.Association, from source, now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.kindOf(from)
	l.debts[of] = t.budgets[of].charge(l.debts[of], now, t.random())
	until := l.debts[of]
	if of == ofStrangers {
		until = max(until, t.strangers.failed(sec, from.prefix, now, t.random()))
	}
	l.until.Store(max(l.until.Load(), until))
}

// verified makes from one of the known sources.
func (t *throttle) verified(l *ledger, sec *oscore.Association, from source) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch from.endpoint {
	case l.known[0].endpoint:
		return
	case l.known[1].endpoint:
	default:
		if !l.calm() {
			t.strangers.forget(sec, from.prefix)
		}
	}
	l.known = [2]source{from, l.known[0]}
}

// worn reports, once for each security context, that its failures have come to
// half of what they may.
func (l *ledger) worn(sec *oscore.Association) bool {
	c := sec.Current()
	if c == nil || c.Usage().Failures < c.Limits().Failures/2 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.told != c
	l.told = c
	return first
}
