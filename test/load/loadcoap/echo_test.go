package loadcoap

import (
	"testing"
	"time"
)

// TestEcho runs the comparison for a moment: every server answers, one peer and
// several.
func TestEcho(t *testing.T) {
	for _, peers := range []int{1, 8} {
		r, err := Echo(EchoConfig{Rounds: 1, Slice: 20 * time.Millisecond, Payload: 30, Peers: peers})
		if err != nil {
			t.Fatal(err)
		}
		if r.RawUDP <= 0 || r.GoCoAP <= 0 || r.CoAP <= 0 || r.CoAPOSCORE <= 0 {
			t.Errorf("%d peers: got %+v", peers, r)
		}
	}
}
