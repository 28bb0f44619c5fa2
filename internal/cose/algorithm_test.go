package cose_test

import (
	"bytes"
	"crypto"
	"testing"

	"github.com/ostiary/ostiary/internal/cose"
)

// TestAlgorithms compares with RFC 9053, Tables 3, 5, 6, 7 and 12.
func TestAlgorithms(t *testing.T) {
	for _, c := range []struct {
		alg             cose.Algorithm
		value           int64
		name            string
		key, nonce, tag int
		hash            crypto.Hash
		aead, hmac      bool
	}{
		{cose.A128GCM, 1, "A128GCM", 16, 12, 16, 0, true, false},
		{cose.A192GCM, 2, "A192GCM", 24, 12, 16, 0, true, false},
		{cose.A256GCM, 3, "A256GCM", 32, 12, 16, 0, true, false},
		{cose.AES_CCM_16_64_128, 10, "AES-CCM-16-64-128", 16, 13, 8, 0, true, false},
		{cose.AES_CCM_16_64_256, 11, "AES-CCM-16-64-256", 32, 13, 8, 0, true, false},
		{cose.AES_CCM_64_64_128, 12, "AES-CCM-64-64-128", 16, 7, 8, 0, true, false},
		{cose.AES_CCM_64_64_256, 13, "AES-CCM-64-64-256", 32, 7, 8, 0, true, false},
		{cose.ChaCha20Poly1305, 24, "ChaCha20/Poly1305", 32, 12, 16, 0, true, false},
		{cose.AES_CCM_16_128_128, 30, "AES-CCM-16-128-128", 16, 13, 16, 0, true, false},
		{cose.AES_CCM_16_128_256, 31, "AES-CCM-16-128-256", 32, 13, 16, 0, true, false},
		{cose.AES_CCM_64_128_128, 32, "AES-CCM-64-128-128", 16, 7, 16, 0, true, false},
		{cose.AES_CCM_64_128_256, 33, "AES-CCM-64-128-256", 32, 7, 16, 0, true, false},
		{cose.HMAC256_64, 4, "HMAC 256/64", 32, 0, 8, crypto.SHA256, false, true},
		{cose.HMAC256_256, 5, "HMAC 256/256", 32, 0, 32, crypto.SHA256, false, true},
		{cose.HMAC384_384, 6, "HMAC 384/384", 48, 0, 48, crypto.SHA384, false, true},
		{cose.HMAC512_512, 7, "HMAC 512/512", 64, 0, 64, crypto.SHA512, false, true},
		{cose.DirectHKDFSHA256, -10, "direct+HKDF-SHA-256", 0, 0, 0, crypto.SHA256, false, false},
		{cose.DirectHKDFSHA512, -11, "direct+HKDF-SHA-512", 0, 0, 0, crypto.SHA512, false, false},
		{cose.ES256, -7, "ES256", 0, 0, 0, crypto.SHA256, false, false},
		{cose.EdDSA, -8, "EdDSA", 0, 0, 0, 0, false, false},
		{cose.ESP256, -9, "ESP256", 0, 0, 0, crypto.SHA256, false, false},
		{cose.SHA256_64, -15, "SHA-256/64", 0, 0, 0, crypto.SHA256, false, false},
		{cose.SHA256, -16, "SHA-256", 0, 0, 0, crypto.SHA256, false, false},
		{cose.SHAKE128, -18, "SHAKE128", 0, 0, 0, 0, false, false},
		{cose.Ed25519, -19, "Ed25519", 0, 0, 0, 0, false, false},
		{cose.ES384, -35, "ES384", 0, 0, 0, crypto.SHA384, false, false},
		{cose.ES512, -36, "ES512", 0, 0, 0, crypto.SHA512, false, false},
		{cose.SHA384, -43, "SHA-384", 0, 0, 0, crypto.SHA384, false, false},
		{cose.SHA512, -44, "SHA-512", 0, 0, 0, crypto.SHA512, false, false},
		{cose.SHAKE256, -45, "SHAKE256", 0, 0, 0, 0, false, false},
		{cose.ESP384, -51, "ESP384", 0, 0, 0, crypto.SHA384, false, false},
		{cose.ESP512, -52, "ESP512", 0, 0, 0, crypto.SHA512, false, false},
		{cose.Ed448, -53, "Ed448", 0, 0, 0, 0, false, false},
		{cose.Algorithm(0), 0, "COSE algorithm 0", 0, 0, 0, 0, false, false},
		{cose.Algorithm(-999), -999, "COSE algorithm -999", 0, 0, 0, 0, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := c.alg
			if int64(a) != c.value || a.String() != c.name {
				t.Errorf("%d %q, want %d %q", int64(a), a, c.value, c.name)
			}
			if a.KeySize() != c.key || a.NonceSize() != c.nonce || a.TagSize() != c.tag {
				t.Errorf("sizes %d, %d, %d, want %d, %d, %d", a.KeySize(), a.NonceSize(), a.TagSize(), c.key, c.nonce, c.tag)
			}
			if a.Hash() != c.hash || a.IsAEAD() != c.aead || a.IsHMAC() != c.hmac {
				t.Errorf("%v, AEAD %t, HMAC %t, want %v, %t, %t", a.Hash(), a.IsAEAD(), a.IsHMAC(), c.hash, c.aead, c.hmac)
			}
			if c.hash != 0 && !c.hash.Available() {
				t.Errorf("%v is not linked in", c.hash)
			}
			if got := a.MaxPlaintext() > 0; got != c.aead {
				t.Errorf("MaxPlaintext = %d", a.MaxPlaintext())
			}
		})
	}
	if got, want := cose.AES_CCM_16_64_128.MaxPlaintext(), 65535; got != want {
		t.Errorf("MaxPlaintext = %d, want %d", got, want)
	}
}

// TestNewAEAD tries every key size with every algorithm.
//
//spec:9053-4.1-1
//spec:9053-4.2-1
//spec:9053-4.3-1
func TestNewAEAD(t *testing.T) {
	for a := cose.Algorithm(-60); a < 60; a++ {
		for size := range 70 {
			aead, err := a.NewAEAD(make([]byte, size))
			if got, want := err == nil, a.IsAEAD() && size == a.KeySize(); got != want {
				t.Errorf("%v with a key of %d bytes: %v", a, size, err)
			}
			if err != nil {
				continue
			}
			if aead.NonceSize() != a.NonceSize() || aead.Overhead() != a.TagSize() {
				t.Errorf("%v has sizes %d, %d", a, aead.NonceSize(), aead.Overhead())
			}
			nonce, plain := make([]byte, a.NonceSize()), []byte("plaintext")
			if got, err := aead.Open(nil, nonce, aead.Seal(nil, nonce, plain, nil), nil); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%v: Open = %q, %v", a, got, err)
			}
		}
	}
}

// TestNewMACKey tries every key size with every algorithm.
//
//spec:9053-3.1-6
func TestNewMACKey(t *testing.T) {
	for a := cose.Algorithm(-60); a < 60; a++ {
		for size := range 70 {
			k, err := cose.NewMACKey(a, make([]byte, size))
			if got, want := err == nil, a.IsHMAC() && size >= a.KeySize(); got != want {
				t.Errorf("%v with a key of %d bytes: %v", a, size, err)
			}
			if err == nil && k.Algorithm() != a {
				t.Errorf("Algorithm = %v, want %v", k.Algorithm(), a)
			}
		}
	}
}
