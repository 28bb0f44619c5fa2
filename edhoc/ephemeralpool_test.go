package edhoc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
)

// A stock fills up to its size and no further, curve by curve, and gives each key once,
// the oldest first.
//
//spec:9528-9.2-2
//spec:9528-9.2-3
func TestEphemeralPool(t *testing.T) {
	p, err := NewEphemeralPool(poolConfig(t, nil, 160, 0, 2, 1, 3), 3)
	must(t, err)
	if n, err := p.Fill(2); n != 2 || err != nil || p.Len(X25519) != 1 || p.Len(P256) != 1 {
		t.Errorf("made %d, %v: %d and %d", n, err, p.Len(X25519), p.Len(P256))
	}
	first := p.keys[P256][0]
	if n, err := p.Fill(100); n != 4 || err != nil {
		t.Errorf("made %d, %v", n, err)
	}
	if n, err := p.Fill(1); n != 0 || err != nil {
		t.Errorf("a full stock: %d, %v", n, err)
	}
	select {
	case <-p.Low():
		t.Error("low before anything was taken")
	default:
	}
	if k := p.Take(P256); k != first || k.curve != P256 {
		t.Errorf("the first key taken is on %v", k.curve)
	}
	<-p.Low()
	seen := map[string]bool{}
	for range 2 {
		k := p.Take(P256)
		pair, err := k.state.take()
		must(t, err)
		if seen[string(pair.public)] {
			t.Error("a key twice")
		}
		seen[string(pair.public)] = true
	}
	if p.Take(P256) != nil || p.Take(P384) != nil || p.Len(X25519) != 3 {
		t.Error("a key that was not made")
	}
}

// Close erases what is there, and what is made meanwhile; a taken key belongs to whoever
// took it.
func TestEphemeralPoolClose(t *testing.T) {
	var p *EphemeralPool
	var late []byte // the last private key that was made
	p, err := NewEphemeralPool(poolConfig(t, readerFunc(func(b []byte) (int, error) {
		late = b
		for i := range b {
			b[i] = byte(i + 1)
		}
		if p.Len(X25519) == 2 {
			p.Close()
		}
		return len(b), nil
	}), 0), 3)
	must(t, err)
	if n, err := p.Fill(1); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	taken := p.Take(X25519)
	if n, err := p.Fill(2); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	pair := p.keys[X25519][0].state.v.Load()
	if n, err := p.Fill(2); n != 0 || !errors.Is(err, ErrSpent) {
		t.Errorf("while it is closed: %d, %v", n, err)
	}
	for _, private := range [][]byte{pair.private, late} {
		if !bytes.Equal(private, make([]byte, 32)) {
			t.Fatal("not erased")
		}
	}
	if p.Take(X25519) != nil || p.Len(X25519) != 0 {
		t.Error("a key after Close")
	}
	if n, err := p.Fill(1); n != 0 || !errors.Is(err, ErrSpent) {
		t.Errorf("after Close: %d, %v", n, err)
	}
	<-p.Low()
	if _, err := taken.state.take(); err != nil {
		t.Errorf("the key that was taken: %v", err)
	}
	p.Close()
}

// A key that was taken is not to be found in the memory of the stock.
func TestEphemeralPoolLetsGo(t *testing.T) {
	p, err := NewEphemeralPool(poolConfig(t, nil, 0), 2)
	must(t, err)
	if n, err := p.Fill(2); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	memory := p.keys[X25519]
	taken := p.Take(X25519)
	for _, k := range memory {
		if k == taken {
			t.Error("still there")
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// poolConfig has identities for every curve.
func poolConfig(t testing.TB, random io.Reader, suites ...SuiteID) Config {
	t.Helper()
	c := Config{Methods: []Method{StaticDHStaticDH}, Suites: suites, Rand: random}
	for _, curve := range []Curve{X25519, P256} {
		scalar := make([]byte, 32)
		scalar[31] = 7
		key, err := NewStaticDHKey(curve, scalar)
		must(t, err)
		cred, err := NewCCS(key.Public(), "pool", []byte{1})
		must(t, err)
		c.Identities = append(c.Identities, Identity{Credential: cred, ID: KID([]byte{1}), Key: key})
	}
	return c
}

// The randomness is that of the handshakes, augmented where none is given.
func TestEphemeralPoolRandomness(t *testing.T) {
	p, err := NewEphemeralPool(poolConfig(t, nil, 2), 1)
	must(t, err)
	if _, ok := p.random.(*augmented); !ok {
		t.Errorf("randomness of %T", p.random)
	}
}

func TestEphemeralPoolFails(t *testing.T) {
	if _, err := NewEphemeralPool(poolConfig(t, nil, 2), 0); !errors.Is(err, ErrConfig) {
		t.Errorf("no keys: %v", err)
	}
	if _, err := NewEphemeralPool(Config{}, 1); !errors.Is(err, ErrConfig) {
		t.Errorf("no Config: %v", err)
	}
	p, err := NewEphemeralPool(poolConfig(t, readerFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }), 2), 2)
	must(t, err)
	for range 3 { // a key that failed is owed no more
		if n, err := p.Fill(5); n != 0 || !errors.Is(err, io.ErrUnexpectedEOF) || p.owed[P256] != 0 {
			t.Errorf("made %d, %v", n, err)
		}
	}
}

// Many take and fill at once: no key goes to two handshakes, and there are never more
// than the stock is for.
func TestEphemeralPoolConcurrent(t *testing.T) {
	const size = 4
	p, err := NewEphemeralPool(poolConfig(t, nil, 0), size)
	must(t, err)
	var seen sync.Map
	var taken atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if _, err := p.Fill(2); err != nil {
					t.Error(err)
				}
				if n := p.Len(X25519); n > size {
					t.Errorf("%d keys", n)
				}
			}
		})
		wg.Go(func() {
			for range 50 {
				k := p.Take(X25519)
				if k == nil {
					continue
				}
				pair, err := k.state.take()
				if err != nil {
					t.Error(err)
					continue
				}
				taken.Add(1)
				if _, twice := seen.LoadOrStore(string(pair.public), true); twice {
					t.Error("a key twice")
				}
			}
		})
	}
	wg.Wait()
	if taken.Load() == 0 {
		t.Error("nothing was taken")
	}
}

// Handshakes use the keys of a stock while there are any, and make their own afterwards.
func TestEphemeralPoolInHandshakes(t *testing.T) {
	p := pair(t, StaticDHStaticDH, 0)
	pool, err := NewEphemeralPool(poolConfig(t, nil, 0), 2)
	must(t, err)
	if n, err := pool.Fill(2); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	public := map[string]bool{}
	for _, k := range pool.keys[X25519] {
		public[string(k.state.v.Load().public)] = true
	}
	p.r.settings.stock = pool.Take
	for n := range 3 {
		msg1, _, err := p.i.ComposeMessage1("\x01")
		must(t, err)
		v1, err := p.r.ProcessMessage1(msg1)
		must(t, err)
		msg2, _, err := v1.ComposeMessage2("\x02")
		must(t, err)
		m, err := parseMessage2(msg2, 32)
		must(t, err)
		if public[string(m.gY)] != (n < 2) {
			t.Errorf("handshake %d: from the stock %t", n, n >= 2)
		}
	}
}

// BenchmarkMessage2 is what a peer waits for, with a key from the stock and without.
func BenchmarkMessage2(b *testing.B) {
	for _, stocked := range []bool{false, true} {
		b.Run(fmt.Sprintf("stock=%t", stocked), func(b *testing.B) {
			p := pair(b, StaticDHStaticDH, 2)
			pool, err := NewEphemeralPool(poolConfig(b, nil, 2), 1)
			must(b, err)
			if stocked {
				p.r.settings.stock = pool.Take
			}
			msg1, _, err := p.i.ComposeMessage1("\x01")
			must(b, err)
			for b.Loop() {
				b.StopTimer()
				if stocked {
					_, err := pool.Fill(1)
					must(b, err)
				}
				b.StartTimer()
				v1, err := p.r.ProcessMessage1(msg1)
				must(b, err)
				_, _, err = v1.ComposeMessage2("\x02")
				must(b, err)
			}
		})
	}
}

// The Config of a Responder whose keys would not serve an Initiator will do.
func TestEphemeralPoolOfResponder(t *testing.T) {
	for _, m := range []Method{SignatureStaticDH, StaticDHSignature} {
		c := Config{Methods: []Method{m}, Suites: []SuiteID{2}, Identities: []Identity{testIdentity(t, P256, m.staticDH(responder), "responder")}}
		p, err := NewEphemeralPool(c, 1)
		must(t, err)
		if n, err := p.Fill(2); n != 1 || err != nil || p.Len(P256) != 1 {
			t.Errorf("method %v: made %d, %v", m, n, err)
		}
	}
}
