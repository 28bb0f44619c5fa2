package cose_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cloudflare/circl/sign/ed448"

	"github.com/ostiary/ostiary/internal/cose"
)

func TestCheckUse(t *testing.T) {
	symmetric := func(size int, alg cose.Algorithm, ops ...cose.KeyOp) *cose.Key {
		return &cose.Key{Type: cose.Symmetric, K: make([]byte, size), Algorithm: alg, Ops: ops}
	}
	keys := allKeys(t)
	for _, c := range []struct {
		name string
		key  *cose.Key
		alg  cose.Algorithm
		op   cose.KeyOp
		want bool
	}{
		{"any use", symmetric(16, 0), cose.AES_CCM_16_64_128, cose.OpEncrypt, true},
		{"its alg", symmetric(16, cose.A128GCM), cose.A128GCM, cose.OpEncrypt, true},
		{"other alg", symmetric(16, cose.A128GCM), cose.AES_CCM_16_64_128, cose.OpEncrypt, false},            //spec:9052-7.1-4
		{"other GCM", symmetric(16, cose.AES_CCM_16_64_128), cose.A128GCM, cose.OpEncrypt, false},            //spec:9053-4.1-3
		{"other CCM", symmetric(16, cose.AES_CCM_16_64_128), cose.AES_CCM_16_128_128, cose.OpEncrypt, false}, //spec:9053-4.2-3
		{"other than ChaCha", symmetric(32, cose.ChaCha20Poly1305), cose.A256GCM, cose.OpEncrypt, false},     //spec:9052-7.1-5
		{"ChaCha with other", symmetric(32, cose.A256GCM), cose.ChaCha20Poly1305, cose.OpEncrypt, false},     //spec:9053-4.3-3
		{"other HMAC", symmetric(32, cose.HMAC256_64), cose.HMAC256_256, cose.OpMACVerify, false},            //spec:9053-3.1-3
		{"key too short", symmetric(16, 0), cose.A256GCM, cose.OpEncrypt, false},
		{"key too long", symmetric(32, 0), cose.A128GCM, cose.OpEncrypt, false},
		{"HMAC key too short", symmetric(31, 0), cose.HMAC256_64, cose.OpMACCreate, false},
		{"HMAC key longer", symmetric(64, 0), cose.HMAC256_64, cose.OpMACCreate, true},
		{"EC2 for HMAC", keys["P256"], cose.HMAC256_64, cose.OpMACCreate, false},         //spec:9053-3.1-2
		{"EC2 for GCM", keys["P256"], cose.A128GCM, cose.OpEncrypt, false},               //spec:9053-4.1-2
		{"EC2 for CCM", keys["P256"], cose.AES_CCM_16_64_128, cose.OpEncrypt, false},     //spec:9053-4.2-2
		{"OKP for ChaCha", keys["X25519"], cose.ChaCha20Poly1305, cose.OpEncrypt, false}, //spec:9053-4.3-2
		{"symmetric for ES256", symmetric(32, 0), cose.ES256, cose.OpVerify, false},      //spec:9052-7.1-2
		{"symmetric for HKDF", symmetric(32, 0), cose.DirectHKDFSHA256, cose.OpDeriveKey, true},
		{"EC2 for HKDF", keys["P256"], cose.DirectHKDFSHA256, cose.OpDeriveKey, false}, //spec:9052-7.1-3
		{"P256 for ES256", keys["P256"], cose.ES256, cose.OpVerify, true},
		{"P521 for ES256", keys["P521"], cose.ES256, cose.OpVerify, true},
		{"P256 for ESP256", keys["P256"], cose.ESP256, cose.OpVerify, true},
		{"P384 for ESP256", keys["P384"], cose.ESP256, cose.OpVerify, false},
		{"P384 for ESP384", keys["P384"], cose.ESP384, cose.OpVerify, true},
		{"P521 for ESP384", keys["P521"], cose.ESP384, cose.OpVerify, false},
		{"P521 for ESP512", keys["P521"], cose.ESP512, cose.OpVerify, true},
		{"P256 for ESP512", keys["P256"], cose.ESP512, cose.OpVerify, false},
		{"Ed25519 for EdDSA", keys["Ed25519"], cose.EdDSA, cose.OpVerify, true},
		{"Ed448 for EdDSA", keys["Ed448"], cose.EdDSA, cose.OpVerify, true},
		{"X25519 for EdDSA", keys["X25519"], cose.EdDSA, cose.OpVerify, false},
		{"Ed25519 for Ed25519", keys["Ed25519"], cose.Ed25519, cose.OpVerify, true},
		{"Ed448 for Ed25519", keys["Ed448"], cose.Ed25519, cose.OpVerify, false},
		{"Ed448 for Ed448", keys["Ed448"], cose.Ed448, cose.OpVerify, true},
		{"Ed25519 for Ed448", keys["Ed25519"], cose.Ed448, cose.OpVerify, false},
		{"unknown algorithm", symmetric(16, 0), -999, cose.OpVerify, false},
		{"algorithm without key", symmetric(16, 0), cose.SHA256, cose.OpVerify, false},
		{"encrypt listed", symmetric(16, 0, cose.OpEncrypt), cose.A128GCM, cose.OpEncrypt, true},
		{"wrap key listed", symmetric(16, 0, cose.OpWrapKey), cose.A128GCM, cose.OpEncrypt, true},
		{"decrypt listed", symmetric(16, 0, cose.OpDecrypt), cose.A128GCM, cose.OpEncrypt, false},                //spec:9053-4.1-4
		{"unwrap key listed", symmetric(16, 0, cose.OpUnwrapKey), cose.AES_CCM_16_64_128, cose.OpEncrypt, false}, //spec:9053-4.2-4
		{"encrypt not listed", symmetric(32, 0, cose.OpMACCreate), cose.ChaCha20Poly1305, cose.OpEncrypt, false}, //spec:9053-4.3-4
		{"unwrap key, decrypt", symmetric(16, 0, cose.OpUnwrapKey), cose.A128GCM, cose.OpDecrypt, true},
		{"only encrypt, GCM", symmetric(16, 0, cose.OpEncrypt), cose.A128GCM, cose.OpDecrypt, false},             //spec:9053-4.1-5
		{"only encrypt, CCM", symmetric(16, 0, cose.OpEncrypt), cose.AES_CCM_16_64_128, cose.OpDecrypt, false},   //spec:9053-4.2-5
		{"only encrypt, ChaCha", symmetric(32, 0, cose.OpEncrypt), cose.ChaCha20Poly1305, cose.OpDecrypt, false}, //spec:9053-4.3-5
		{"MAC create listed", symmetric(32, 0, cose.OpMACCreate), cose.HMAC256_64, cose.OpMACCreate, true},
		{"MAC verify only", symmetric(32, 0, cose.OpMACVerify), cose.HMAC256_64, cose.OpMACCreate, false}, //spec:9053-3.1-4
		{"MAC create only", symmetric(32, 0, cose.OpMACCreate), cose.HMAC256_64, cose.OpMACVerify, false}, //spec:9053-3.1-5
		{"nothing allowed", &cose.Key{Type: cose.Symmetric, K: make([]byte, 16), Ops: []cose.KeyOp{}}, cose.A128GCM, cose.OpEncrypt, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.key.CheckUse(c.alg, c.op)
			if got := err == nil; got != c.want || err != nil && !errors.Is(err, cose.ErrKey) {
				t.Errorf("CheckUse = %v, want %t", err, c.want)
			}
		})
	}
}

func TestPublicKey(t *testing.T) {
	for name, k := range allKeys(t) {
		public, err := k.PublicKey()
		var got []byte
		switch p := public.(type) {
		case *ecdsa.PublicKey:
			if got, err = p.Bytes(); err == nil {
				got = got[1 : 1+len(k.X)]
			}
		case ed25519.PublicKey:
			got = p
		case ed448.PublicKey:
			got = p
		}
		if signs := name != "Symmetric" && name[0] != 'X'; signs != (err == nil) || signs && !bytes.Equal(got, k.X) {
			t.Errorf("PublicKey of %s = %x, %v", name, got, err)
		}
	}
}

func TestKeyShowsNoSecret(t *testing.T) {
	for name, k := range allKeys(t) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
			shown := fmt.Sprintf(verb, k)
			hidden := append(bytes.Clone(k.D), k.K...)
			for _, form := range []string{fmt.Sprintf("%x", hidden), fmt.Sprint(hidden), fmt.Sprintf("%#v", hidden)} {
				if strings.Contains(shown, strings.Trim(form, "[]")) {
					t.Errorf("%s of a %s key is %s", verb, name, shown)
				}
			}
		}
	}
}
