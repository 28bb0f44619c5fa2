package edhocservice

import (
	"context"
	"log/slog"
	"sync"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
)

// stockSize is how many ephemeral keys of each curve lie ready: enough for the
// handshakes of a moment, and few to lose with a copy of the memory.
const stockSize = 32

// A stock of ephemeral keys, made while there is time.
type stock struct {
	keys   *edhoc.EphemeralPool
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func newStock(own edhoc.Config, log *slog.Logger) (*stock, error) {
	keys, err := edhoc.NewEphemeralPool(own, stockSize)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &stock{keys: keys, cancel: cancel}
	s.done.Go(func() {
		if err := edhoccoap.Refill(ctx, keys); err != nil {
			log.Error("no ephemeral keys ahead of time", "error", err) // handshakes make their own
		}
	})
	return s, nil
}

func (s *stock) close() {
	s.cancel()
	s.done.Wait()
	s.keys.Close()
}
