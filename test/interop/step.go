package interop

import (
	"bytes"
	"fmt"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/oscore"
)

// step tells what a request is in Appendix B.2.
type step struct {
	idContext     []byte
	first, second bool // request #1 or #2
	// odd is a request #2 whose ID Context is not R2 and 8 bytes. If it was the
	// server who began, Californium takes for R2 all but the last 8 bytes of R2
	// || ID1. Our clients send no such thing.
	odd bool
}

func (r *replay) step(p oscore.Protected) (step, error) {
	kidContext, ok := p.KIDContext()
	if !ok || bytes.Equal(kidContext, r.idContext) {
		return step{idContext: r.idContext}, nil
	}
	switch id, ok := unwrap(kidContext); {
	case ok && len(id) == 8: // R1
		return step{idContext: id, first: true}, nil
	case ok && len(id) >= 24: // R2 || R3
		return step{idContext: id, second: true, odd: len(id) > 24}, nil
	}
	return step{}, fmt.Errorf("kid context %x", kidContext)
}

// unwrap returns what is in a CBOR byte string.
func unwrap(kidContext []byte) (id []byte, ok bool) {
	s := cborseq.String(kidContext)
	return id, s.ReadBytes(&id) && s.Empty()
}

// clientRandom is what the client has read from its source of randomness: R1 and
// R3 of each run.
func clientRandom(t *Transcript) (random []byte) {
	for i := range t.Datagrams {
		w, err := parseWire(t.Datagrams[i].Bytes)
		if err != nil || t.Datagrams[i].From != FromClient {
			continue
		}
		p, err := oscore.ParseProtected(w.message)
		if err != nil {
			continue
		}
		kidContext, _ := p.KIDContext()
		if id, ok := unwrap(kidContext); ok && (len(id) == 8 || len(id) >= 24) {
			random = append(random, id[len(id)-8:]...)
		}
	}
	return random
}
