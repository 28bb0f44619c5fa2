package edhoc

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkResponder runs the Responder's side of whole handshakes without
// message_4, and in the same run the curve operations that it cannot do without:
// key generation, as nothing is taken from a stock, decoding G_X, G_XY, and one
// operation for each authentication.
// The figure that matters is run/curve. Each of the steps of the Responder goes over a
// batch of handshakes, as on a busy server; of all batches the lower quartile counts, as
// the machine may have other things to do.
func BenchmarkResponder(b *testing.B) {
	for _, c := range []struct {
		m Method
		s SuiteID
	}{{StaticDHStaticDH, 2}, {SignatureSignature, 2}, {SignatureSignature, 0}} {
		b.Run(fmt.Sprintf("method=%d/suite=%d", int64(c.m), c.s), func(b *testing.B) {
			p := pair(b, c.m, c.s)
			const batch = 8
			var runs, curves []time.Duration
			for b.Loop() {
				runs = append(runs, responderBatch(b, p, batch))
				curves = append(curves, curveBatch(b, p, c.m, c.s, batch))
			}
			quartile := func(d []time.Duration) float64 {
				slices.Sort(d)
				return float64(d[len(d)/4].Nanoseconds()) / batch
			}
			run, curve := quartile(runs), quartile(curves)
			b.ReportMetric(run, "run-ns")
			b.ReportMetric(curve, "curve-ns")
			b.ReportMetric(run/curve, "run/curve")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// responderBatch gives the time of the Responder in n handshakes.
func responderBatch(b *testing.B, p *parties, n int) (spent time.Duration) {
	type handshake struct {
		msg []byte
		a2  *AwaitMessage2
		a3  *AwaitMessage3
	}
	all := make([]handshake, n)
	for i := range all {
		h := &all[i]
		var err error
		h.msg, h.a2, err = p.i.ComposeMessage1("\x01")
		must(b, err)
	}
	start := time.Now()
	for i := range all {
		h := &all[i]
		v1, err := p.r.ProcessMessage1(h.msg)
		must(b, err)
		h.msg, h.a3, err = v1.ComposeMessage2("\x02")
		must(b, err)
	}
	spent = time.Since(start)
	for i := range all {
		h := &all[i]
		r2, err := h.a2.ProcessMessage2(h.msg)
		must(b, err)
		v2, err := r2.Verify(p.credR)
		must(b, err)
		h.msg, _, err = v2.ComposeMessage3()
		must(b, err)
	}
	start = time.Now()
	for i := range all {
		h := &all[i]
		r3, err := h.a3.ProcessMessage3(h.msg)
		must(b, err)
		v3, err := r3.Verify(p.credI)
		must(b, err)
		_, err = v3.WithoutMessage4()
		must(b, err)
	}
	return spent + time.Since(start)
}

// curveBatch gives the time of the curve operations of n Responders.
func curveBatch(b *testing.B, p *parties, m Method, s SuiteID, n int) time.Duration {
	msg := make([]byte, 250) // about as long as a Sig_structure
	g := groups[suites[s].Curve]
	own, peer := p.r.settings.identities[0].Key, p.i.settings.identities[0].Key
	rand := p.r.settings.rand
	_, gX, err := g.generate(rand)
	must(b, err)
	var sig []byte
	if !m.staticDH(initiator) {
		sig, err = peer.sign(rand, msg)
		must(b, err)
	}
	start := time.Now()
	for range n {
		y, _, err := g.generate(rand)
		must(b, err)
		x, err := g.point(gX)
		must(b, err)
		_, err = x.ecdh(y)
		must(b, err)
		if m.staticDH(responder) {
			_, err = own.agree(agreement{gX, x})
		} else {
			_, err = own.sign(rand, msg)
		}
		must(b, err)
		if m.staticDH(initiator) {
			_, err = p.credI.key.point.ecdh(y)
			must(b, err)
		} else if !p.credI.key.check(msg, sig) {
			b.Fatal("signature")
		}
	}
	return time.Since(start)
}
