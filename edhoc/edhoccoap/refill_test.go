package edhoccoap

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/ostiary/ostiary/edhoc"
)

// The stock is full again after each handshake, and the server uses it.
func TestRefill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := edhoc.Config{Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{0}, Identities: []edhoc.Identity{identity(t, 'r')}}
		pool, err := edhoc.NewEphemeralPool(cfg, 3)
		must(t, err)
		var result error
		go func() { result = Refill(t.Context(), pool) }()
		random := new(counting)
		w := newWorld(t, func(w *world) {
			cfg.Ephemeral, cfg.Rand = pool.Take, random
			w.cfg.Responder, err = edhoc.NewResponder(cfg)
			must(t, err)
		})
		for range 10 {
			synctest.Wait()
			if n := pool.Len(edhoc.X25519); n != 3 {
				t.Fatalf("%d keys", n)
			}
			_, _, err := w.client.Establish(t.Context())
			must(t, err)
		}
		if n := random.reads.Load(); n != 0 {
			t.Errorf("%d keys were made by the handshakes", n)
		}
		pool.Close()
		synctest.Wait()
		if result != nil || pool.Len(edhoc.X25519) != 0 {
			t.Errorf("got %v, %d keys", result, pool.Len(edhoc.X25519))
		}
		_, _, err = w.client.Establish(t.Context())
		must(t, err)
		if n := random.reads.Load(); n == 0 {
			t.Error("no key was made by the handshake")
		}
	})
}

func TestRefillEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cfg := edhoc.Config{Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{0}, Identities: []edhoc.Identity{identity(t, 'r')}}
		pool, err := edhoc.NewEphemeralPool(cfg, 1)
		must(t, err)
		result := errors.New("still running")
		go func() { result = Refill(ctx, pool) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if result != nil {
			t.Errorf("after the end of its context: %v", result)
		}
		cfg.Rand = iotest.ErrReader(io.ErrNoProgress)
		pool, err = edhoc.NewEphemeralPool(cfg, 1)
		must(t, err)
		if err := Refill(t.Context(), pool); !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("without randomness: %v", err)
		}
	})
}
