package acecoap

import (
	"net/netip"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
)

// TestAddressProofLife: an Echo value proves an address for a minute, and not before it
// was made.
func TestAddressProofLife(t *testing.T) {
	now := time.Unix(2_000_000_000, 0)
	p, err := newAddressProof(nil, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	r := coap.NewRequest(coap.POST, AuthzInfoPath)
	r.RemoteAddr = netip.MustParseAddrPort("192.0.2.1:5683")
	r.Options.Set(coap.Echo, p.value(r, p.seconds()))
	for after, want := range map[time.Duration]bool{-time.Second: false, 0: true, proofLife: true, proofLife + time.Second: false, 1000 * time.Hour: false} {
		now = time.Unix(2_000_000_000, 0).Add(after)
		if got := p.given(r); got != want {
			t.Errorf("after %v: got %v, want %v", after, got, want)
		}
	}
}
