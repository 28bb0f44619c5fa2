package c509_test

import (
	"crypto/x509"
	"testing"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/c509"
)

func BenchmarkParse(b *testing.B) {
	e := load(b)
	for _, c := range []struct {
		name string
		raw  []byte
	}{{"native", e.Native.C509}, {"re-encoded", e.Reencoded[0].C509}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c509.Parse(c.raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	root := newAuthority(b, "P-256", "root", nil)
	dev := root.issue(b, "device", device(b, edhoc.P256, false, "device").Public(), x509.KeyUsageDigitalSignature).Sequence()
	opts := c509.VerifyOptions{Roots: []*c509.Certificate{root.cert}, CurrentTime: now}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c509.Verify([][]byte{dev}, opts); err != nil {
			b.Fatal(err)
		}
	}
}
