package acecoap_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
)

// TestUploadFlood: somebody who has seen one upload sends it again and again.
// Another client still gets in, because it can prove its address.
func TestUploadFlood(t *testing.T) {
	w := newWorld(t)
	_, n := w.open("alice")
	upload := uploadOf(t, n)
	var challenge *coap.Response
	for range 200 {
		if challenge = do(t, w.plain(), upload.Clone()); challenge.Options.Has(coap.Echo) {
			break
		}
	}
	if challenge.Code != coap.Unauthorized || !challenge.Options.Has(coap.Echo) {
		t.Fatalf("after the flood: got %v, want 4.01 with Echo", challenge.Code)
	}
	session, _ := w.open("bob")
	check(t, errOf(session.Do(t.Context(), get("/value"))))

	echo, _ := challenge.Options.Get(coap.Echo)
	for _, c := range []struct {
		name   string
		remote string
		value  []byte
		after  time.Duration
		want   coap.Code
	}{
		{"from another address", "192.0.2.99:5683", echo, 0, coap.Unauthorized},
		{"from another port", "192.0.2.1:5684", echo, 0, coap.Unauthorized},
		{"another value", "192.0.2.1:5683", append([]byte{1}, echo[1:]...), 0, coap.Unauthorized},
		{"a short value", "192.0.2.1:5683", echo[:8], 0, coap.Unauthorized},
		{"too late", "192.0.2.1:5683", echo, 61 * time.Second, coap.Unauthorized},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.advance(c.after)
			defer w.advance(-c.after)
			r := upload.Clone()
			r.Options.Set(coap.Echo, c.value)
			d := &coaptest.Direct{Handler: w.rs, RemoteAddr: netip.MustParseAddrPort(c.remote)}
			if got := do(t, d, r); got.Code != c.want {
				t.Errorf("got %v, want %v", got.Code, c.want)
			}
		})
	}
	r := upload.Clone()
	r.Options.Set(coap.Echo, echo)
	if got := do(t, w.plain(), r); got.Code != coap.Created {
		t.Errorf("with the proof: got %v, want 2.01", got.Code)
	}
}

// uploadOf returns the upload that a client has sent.
func uploadOf(t *testing.T, n *network) *coap.Request {
	t.Helper()
	for _, r := range n.rs.Requests() {
		if r.Path() == acecoap.AuthzInfoPath {
			return r
		}
	}
	t.Fatal("there was no upload")
	return nil
}
