package ace

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/secret"
)

func BenchmarkEncryptCWT(b *testing.B) {
	for _, alg := range []cose.Algorithm{cose.AES_CCM_16_64_128, cose.A128GCM} {
		b.Run(alg.String(), func(b *testing.B) {
			k := tokenKey(b, TokenKeyConfig{ID: []byte("rs1"), Algorithm: alg, Secret: make(secret.Bytes, 16)})
			claims := someClaims()
			claims.Issuer, claims.CWTID = "coap://as.example.com", bytes.Repeat([]byte{1}, 12)
			dst := make([]byte, 0, 512)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := EncryptCWT(dst, claims, k, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpenCWT(b *testing.B) {
	k := tokenKey(b, TokenKeyConfig{ID: []byte("rs1"), Secret: make(secret.Bytes, 16)})
	token := protect(b, someClaims(), k)
	keys := []*TokenKey{k}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := OpenCWT(token, func([]byte) []*TokenKey { return keys }); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSignCWT is to be compared with the bare signature.
func BenchmarkSignCWT(b *testing.B) {
	s, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	k := tokenKey(b, TokenKeyConfig{Algorithm: cose.ES256, Signer: s})
	claims := publicClaims()
	b.Run("ES256", func(b *testing.B) {
		for b.Loop() {
			if _, err := SignCWT(nil, claims, k, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		digest := sha256.Sum256(claims.Append(nil))
		for b.Loop() {
			if _, err := ecdsa.SignASN1(rand.Reader, s, digest[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkParseTokenRequest(b *testing.B) {
	payload := (&TokenRequest{Audience: "rs1", Scope: AIFScope(table1)}).Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseTokenRequest(payload); err != nil {
			b.Fatal(err)
		}
	}
}
