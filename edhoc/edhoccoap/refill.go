package edhoccoap

import (
	"context"
	"errors"

	"github.com/ostiary/ostiary/edhoc"
)

// Refill keeps a stock of ephemeral keys full, until ctx is done or the stock is closed:
// then it returns nil. Another error is one of the source of randomness. It is run in a
// goroutine for which its owner waits, beside the workers that answer handshakes.
func Refill(ctx context.Context, p *edhoc.EphemeralPool) error {
	for ctx.Err() == nil {
		switch n, err := p.Fill(1); {
		case errors.Is(err, edhoc.ErrSpent):
			return nil
		case err != nil:
			return err
		case n > 0:
			continue
		}
		select {
		case <-ctx.Done():
		case <-p.Low():
		}
	}
	return nil
}
