package edhoccoap

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"github.com/ostiary/ostiary/edhoc"
)

// hints are the Initiators that peers have asked for, by the cipher suites in their
// error messages. They are bounded in number and time. It is safe for concurrent use.
type hints struct {
	max  int
	life time.Duration

	mu     sync.Mutex // guards all below
	byPeer map[netip.AddrPort]*list.Element
	order  *list.List // of hint, the oldest first
}

type hint struct {
	peer      netip.AddrPort
	since     time.Time
	initiator *edhoc.Initiator
}

func newHints(most int, life time.Duration) *hints {
	return &hints{max: most, life: life, byPeer: map[netip.AddrPort]*list.Element{}, order: list.New()}
}

// get gives the Initiator for a peer, or nil.
func (h *hints) get(peer netip.AddrPort, now time.Time) *edhoc.Initiator {
	h.mu.Lock()
	defer h.mu.Unlock()
	el := h.byPeer[peer]
	if el == nil || now.Sub(el.Value.(hint).since) >= h.life {
		return nil
	}
	return el.Value.(hint).initiator
}

func (h *hints) put(peer netip.AddrPort, i *edhoc.Initiator, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(h.byPeer[peer])
	for h.order.Len() >= h.max {
		h.drop(h.order.Front())
	}
	h.byPeer[peer] = h.order.PushBack(hint{peer, now, i})
}

func (h *hints) drop(el *list.Element) {
	if el != nil {
		delete(h.byPeer, h.order.Remove(el).(hint).peer)
	}
}
