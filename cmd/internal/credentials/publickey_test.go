package credentials

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/edhoc"
)

// certificate makes a self-signed one, DER.
func certificate(t *testing.T, curve elliptic.Curve) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestReadPublicKey(t *testing.T) {
	pair, err := NewEDHOC("pump", []byte{5})
	if err != nil {
		t.Fatal(err)
	}
	ccs := []byte(pair.Credential)
	full, err := parseCCS("credential", ccs)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := edhoc.NewCCS(full.PublicKey(), "", full.KID())
	if err != nil {
		t.Fatal(err)
	}
	key := bare.CRED()[4:]
	private := slices.Concat([]byte{key[0] + 1}, key[1:], []byte{0x23, 0x58, 32}, pair.PrivateKey.Bytes)
	der := certificate(t, elliptic.P256())
	cert, err := edhoc.ParseX509(der)
	if err != nil {
		t.Fatal(err)
	}
	spki := func(public any) []byte {
		b, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	ec, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, full.PublicKey().X(), full.PublicKey().Y()))
	if err != nil {
		t.Fatal(err)
	}
	nameless, err := edhoc.NewCCS(full.PublicKey(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	inHex := func(b []byte) []byte { return []byte(hex.EncodeToString(b) + "\n") }
	inPEM := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	for _, c := range []struct {
		name string
		file []byte
		want []byte // nil: refused
	}{
		{"CCS", ccs, ccs},
		{"CCS in hexadecimal", inHex(ccs), ccs},
		{"COSE_Key", key, bare.CRED()},
		{"COSE_Key in hexadecimal", inHex(key), bare.CRED()},
		{"certificate", der, cert.CRED()},
		{"certificate as CRED_x", cert.CRED(), cert.CRED()},
		{"certificate in PEM", inPEM("CERTIFICATE", der), cert.CRED()},
		{"public key in PEM", inPEM("PUBLIC KEY", spki(ec)), nameless.CRED()},
		{"public key on another curve in PEM", inPEM("PUBLIC KEY", spki(&other.PublicKey)), nil},
		{"damaged public key in PEM", inPEM("PUBLIC KEY", spki(ec)[1:]), nil},
		{"private key as PKCS #8 in PEM", inPEM("PRIVATE KEY", der), nil},
		{"private COSE_Key", private, nil},
		{"CCS with a private key", slices.Concat([]byte{0xa1, 8, 0xa1, 1}, private), nil},
		{"private key in PEM", inPEM("EC PRIVATE KEY", der), nil},
		{"certificate and its private key in PEM", slices.Concat(inPEM("CERTIFICATE", der), inPEM("PRIVATE KEY", der)), nil},
		{"two certificates in PEM", slices.Concat(inPEM("CERTIFICATE", certificate(t, elliptic.P256())), inPEM("CERTIFICATE", der)), nil},
		{"another curve", certificate(t, elliptic.P384()), nil},
		{"CCS and more", append(slices.Clone(ccs), 0), nil},
		{"nothing", nil, nil},
		{"text", []byte("a key"), nil},
		{"with space, as long as it may be", slices.Concat(inHex(ccs), bytes.Repeat([]byte(" "), maxPublicKey-2*len(ccs)-1)), ccs},
		{"with space, too long", slices.Concat(inHex(ccs), bytes.Repeat([]byte(" "), maxPublicKey-2*len(ccs))), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, c.file, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := ReadPublicKey(path)
			switch {
			case c.want == nil && (err == nil || !strings.Contains(err.Error(), path)):
				t.Errorf("got %v, want an error that names the file", err)
			case c.want == nil && strings.Contains(c.name, "private") != strings.Contains(err.Error(), "stays on its device"):
				t.Errorf("got %v; of a private key, and of nothing else, it says where it stays", err)
			case c.want != nil && err != nil:
				t.Error(err)
			case c.want != nil && !bytes.Equal(got.CRED(), c.want):
				t.Errorf("got %x, want %x", got.CRED(), c.want)
			}
		})
	}
	for _, kind := range []KeyType{X25519, Ed25519, P256Sign} {
		pair, err := NewKeyPair(kind, "pump", nil)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, inHex(pair.Credential), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := ReadPublicKey(path, edhoc.P256, edhoc.X25519, edhoc.Ed25519); err != nil || !bytes.Equal(c.CRED(), pair.Credential) {
			t.Errorf("%s: %v", kind, err)
		}
		if _, err := ReadPublicKey(path); (err == nil) != (kind == P256Sign) {
			t.Errorf("%s, where P-256 is wanted: %v", kind, err)
		}
	}
	if _, err := ReadPublicKey(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error without a file")
	}
}
