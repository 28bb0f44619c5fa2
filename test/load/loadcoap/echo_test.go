package loadcoap

import (
	"testing"
	"time"
)

// TestEcho runs the comparison for a moment: every server answers.
func TestEcho(t *testing.T) {
	r, err := Echo(EchoConfig{Rounds: 1, Slice: 20 * time.Millisecond, Payload: 30})
	if err != nil {
		t.Fatal(err)
	}
	if r.RawUDP <= 0 || r.GoCoAP <= 0 || r.CoAP <= 0 || r.CoAPOSCORE <= 0 {
		t.Errorf("got %+v", r)
	}
}
