package loadedhoc

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
)

// TestHandshakes measures for a moment: each handshake succeeds, and leaves an association
// that gives its identifier back.
func TestHandshakes(t *testing.T) {
	for _, c := range []Config{
		{Method: edhoc.StaticDHStaticDH, Suite: 2},
		{Method: edhoc.StaticDHStaticDH, Suite: 0, Combined: true},
		{Method: edhoc.SignatureSignature, Suite: 0, Message4: true},
		{Method: edhoc.SignatureStaticDH, Suite: 2, Stock: 8},
		{Method: edhoc.StaticDHSignature, Suite: 6, Combined: true},
	} {
		t.Run(fmt.Sprintf("method %d suite %d combined %t", int64(c.Method), int64(c.Suite), c.Combined), func(t *testing.T) {
			c.Clients, c.Contexts, c.IDBytes, c.Rounds, c.Slice = 4, 8, 3, 1, 30*time.Millisecond
			r, err := Handshakes(c)
			if err != nil {
				t.Fatal(err)
			}
			if r.Handshakes == 0 || r.Failed != 0 || r.PerSecond <= 0 || r.InProcess <= 0 || r.CurveSum <= 0 || r.Responder <= 0 {
				t.Errorf("got %+v", *r)
			}
			live, resting := uint64(0), uint64(0)
			for i := range r.IDs.Live {
				live += r.IDs.Live[i]
				resting += r.IDs.Resting[i]
			}
			// Those of the turns that do not count are there, too.
			if live != min(8, live+resting) || live+resting < uint64(r.Handshakes) || r.IDs.Exhausted != 0 {
				t.Errorf("identifiers %+v after %d handshakes", r.IDs, r.Handshakes)
			}
		})
	}
}

// When all identifiers are in use or rest, handshakes are refused, and none is reused.
func TestExhausted(t *testing.T) {
	r, err := Handshakes(Config{Method: edhoc.StaticDHStaticDH, Clients: 2, Contexts: 4, IDBytes: 1, Rounds: 1, Slice: 200 * time.Millisecond})
	var refused *edhoccoap.AnswerError
	switch {
	case err == nil && r.IDs.Live[0]+r.IDs.Resting[0] > 256: // the machine was slow
		t.Errorf("got %+v", *r)
	case err != nil && (!errors.As(err, &refused) || refused.Code != coap.ServiceUnavailable):
		t.Error(err)
	}
}
