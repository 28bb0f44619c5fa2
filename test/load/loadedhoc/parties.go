package loadedhoc

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/ostiary/ostiary/edhoc"
)

// batch is how many handshakes go step by step together, as on a busy server.
const batch = 16

// parties are the two sides, with their keys.
type parties struct {
	i            *edhoc.Initiator
	r            *edhoc.Responder
	responder    edhoc.Config
	credI, credR *edhoc.Credential
}

func newParties(cfg Config) (*parties, error) {
	staticI := cfg.Method == edhoc.StaticDHSignature || cfg.Method == edhoc.StaticDHStaticDH
	staticR := cfg.Method == edhoc.SignatureStaticDH || cfg.Method == edhoc.StaticDHStaticDH
	idI, err := identity(cfg.Suite, staticI, 'i')
	if err != nil {
		return nil, err
	}
	idR, err := identity(cfg.Suite, staticR, 'r')
	if err != nil {
		return nil, err
	}
	p := &parties{credI: idI.Credential, credR: idR.Credential}
	c := edhoc.Config{Methods: []edhoc.Method{cfg.Method}, Suites: []edhoc.SuiteID{cfg.Suite}, Identities: []edhoc.Identity{idI}}
	if p.i, err = edhoc.NewInitiator(c); err != nil {
		return nil, err
	}
	c.Identities = []edhoc.Identity{idR}
	p.responder = c
	p.r, err = edhoc.NewResponder(c)
	return p, err
}

// curves gives the curve of the ephemeral keys and that of signatures.
func curves(id edhoc.SuiteID) (dh, sign edhoc.Curve, err error) {
	switch id {
	case 0, 1, 4:
		return edhoc.X25519, edhoc.Ed25519, nil
	case 2, 3, 5:
		return edhoc.P256, edhoc.P256, nil
	case 6:
		return edhoc.X25519, edhoc.P256, nil
	}
	return 0, 0, fmt.Errorf("loadedhoc: no figures for suite %d", id)
}

func identity(suite edhoc.SuiteID, static bool, name byte) (edhoc.Identity, error) {
	dh, sign, err := curves(suite)
	if err != nil {
		return edhoc.Identity{}, err
	}
	curve, makeKey := sign, edhoc.NewSignatureKey
	if static {
		curve, makeKey = dh, edhoc.NewStaticDHKey
	}
	key, err := makeKey(curve, bytes.Repeat([]byte{name}, 32))
	if err != nil {
		return edhoc.Identity{}, err
	}
	cred, err := edhoc.NewCCS(key.Public(), string(rune(name)), []byte{name})
	return edhoc.Identity{Credential: cred, ID: edhoc.KID([]byte{name}), Key: key}, err
}

// A run is a handshake of both roles in the process.
type run struct {
	msg []byte
	a2  *edhoc.AwaitMessage2
	a3  *edhoc.AwaitMessage3
}

func (p *parties) initiate(h *run) (err error) {
	h.msg, h.a2, err = p.i.ComposeMessage1("\x01")
	return err
}

func (p *parties) respond(h *run) error {
	v1, err := p.r.ProcessMessage1(h.msg)
	if err != nil {
		return err
	}
	h.msg, h.a3, err = v1.ComposeMessage2("\x02")
	return err
}

func (p *parties) prove(h *run) error {
	r2, err := h.a2.ProcessMessage2(h.msg)
	if err != nil {
		return err
	}
	v2, err := r2.Verify(p.credR)
	if err != nil {
		return err
	}
	var sent *edhoc.SentMessage3
	if h.msg, sent, err = v2.ComposeMessage3(); err != nil {
		return err
	}
	_, err = sent.WithoutMessage4()
	return err
}

func (p *parties) verify(h *run) error {
	r3, err := h.a3.ProcessMessage3(h.msg)
	if err != nil {
		return err
	}
	v3, err := r3.Verify(p.credI)
	if err != nil {
		return err
	}
	_, err = v3.WithoutMessage4()
	return err
}

// responderBatch gives the time of the responder in a batch of handshakes.
func (p *parties) responderBatch() (spent time.Duration, err error) {
	var all [batch]run
	for n, step := range []func(*run) error{p.initiate, p.respond, p.prove, p.verify} {
		start := cpuClock()
		for i := range all {
			if err := step(&all[i]); err != nil {
				return 0, err
			}
		}
		if n%2 == 1 {
			spent += cpuClock() - start
		}
	}
	return spent, nil
}

// turn runs handshakes of both roles on all cores.
func (p *parties) turn(slice time.Duration) (turns, error) {
	return onAll(runtime.GOMAXPROCS(0), func(deadline time.Time) (n int, err error) {
		for more := true; more; more = time.Now().Before(deadline) {
			var h run
			for _, step := range []func(*run) error{p.initiate, p.respond, p.prove, p.verify} {
				if err := step(&h); err != nil {
					return n, err
				}
			}
			n++
		}
		return n, nil
	}, slice)
}

// onAll runs work in goroutines until the end of the slice, and what is under way to its
// end.
func onAll(n int, work func(deadline time.Time) (int, error), slice time.Duration) (turns, error) {
	var mu sync.Mutex // guards all and first
	var all turns
	var first error
	var wg sync.WaitGroup
	begin, cpu := time.Now(), processCPU()
	for range n {
		wg.Go(func() {
			done, err := work(begin.Add(slice))
			mu.Lock()
			defer mu.Unlock()
			all.done += done
			if first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	all.took, all.cpu = time.Since(begin), processCPU()-cpu
	return all, first
}
