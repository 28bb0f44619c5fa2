package c509

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestPathLikeX509: the path validation of native certificates, given X.509 certificates
// for once, decides as crypto/x509 does.
func TestPathLikeX509(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	verdicts := map[bool]int{}
	rapid.Check(t, func(r *rapid.T) {
		// What is wrong here and there, mostly nothing.
		odd := func(name string) bool { return rapid.IntRange(0, 15).Draw(r, name) == 15 }
		key := func(name string) *ecdsa.PrivateKey {
			d := sha256.Sum256([]byte(name))
			k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d[:])
			if err != nil {
				r.Fatal(err)
			}
			return k
		}
		depth := rapid.IntRange(1, 5).Draw(r, "certificates")
		all := make([]*Certificate, depth) // the end entity first
		for i := range all {
			label := fmt.Sprint(i)
			above := min(i+1, depth-1)
			tmpl := &x509.Certificate{
				SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: label},
				NotBefore: now.AddDate(0, 0, -rapid.IntRange(0, 1).Draw(r, "from "+label)), NotAfter: now.AddDate(0, 0, rapid.IntRange(0, 1).Draw(r, "to "+label)),
				IsCA: i > 0 && !odd("no authority "+label), BasicConstraintsValid: i > 0 && !odd("no constraints "+label),
				MaxPathLen: -1, KeyUsage: x509.KeyUsageCertSign,
				ExtKeyUsage: rapid.SampledFrom([][]x509.ExtKeyUsage{
					nil, nil, nil, {x509.ExtKeyUsageAny}, {x509.ExtKeyUsageClientAuth}, {x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
				}).Draw(r, "purposes "+label),
			}
			if odd("unknown purpose " + label) {
				tmpl.UnknownExtKeyUsage = append(tmpl.UnknownExtKeyUsage, []int{1, 2, 3})
			}
			switch {
			case odd("no usage " + label):
				tmpl.KeyUsage = 0
			case odd("other usage " + label):
				tmpl.KeyUsage = x509.KeyUsageDigitalSignature
			}
			if tmpl.IsCA && rapid.Bool().Draw(r, "limit "+label) {
				tmpl.MaxPathLen = max(0, i-1-rapid.IntRange(-1, 1).Draw(r, "path length "+label)*rapid.IntRange(0, 1).Draw(r, "matters "+label))
				tmpl.MaxPathLenZero = true
			}
			if odd("expired " + label) {
				tmpl.NotAfter = now.Add(-time.Second)
			}
			if odd("critical " + label) {
				tmpl.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3}, Critical: rapid.Bool().Draw(r, "is critical "+label), Value: []byte{5, 0}}}
			}
			issuer, signer := fmt.Sprint(above), key(fmt.Sprint(above))
			if odd("other issuer " + label) {
				issuer = "other"
			}
			if odd("other key " + label) {
				signer = key("other")
			}
			parent := &x509.Certificate{Subject: pkix.Name{CommonName: issuer}}
			der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key(label).Public(), signer)
			if err != nil {
				r.Skip(err)
			}
			if all[i], err = FromX509(der); err != nil {
				r.Fatal(err)
			}
		}
		opts := &VerifyOptions{Roots: all[depth-1:], CurrentTime: now}
		if rapid.Bool().Draw(r, "purpose") {
			opts.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}
		chain := all[:max(1, depth-1)]
		if rapid.Bool().Draw(r, "intermediates apart") {
			chain, opts.Intermediates = all[:1], all[1:]
		}
		own, want := opts.verifyPath(chain), opts.verifyX509(chain)
		if (own == nil) != (want == nil) {
			r.Fatalf("%d certificates: %v, crypto/x509 says %v", depth, own, want)
		}
		verdicts[want == nil]++
	})
	if verdicts[true] == 0 || verdicts[false] == 0 {
		t.Errorf("verdicts %v", verdicts)
	}
}
