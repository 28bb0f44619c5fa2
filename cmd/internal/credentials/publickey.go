package credentials

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/internal/cborseq"
)

// maxPublicKey bounds the file of a public key in bytes.
const maxPublicKey = 64 << 10

// ReadPublicKey reads the public key that a device already has, as its credential
// for EDHOC: a CWT Claims Set with the key in 'cnf', a COSE_Key, which stands for
// the Claims Set with nothing else in it (RFC 9528, Section 3.5.2), both in CBOR or
// its hexadecimal, a SubjectPublicKeyInfo in PEM, which stands for the same without a
// kid, or an X.509 certificate, DER or PEM. The device must name the same bytes, which
// Credential.CRED has. The key is on one of curves, of which none stands for P-256.
func ReadPublicKey(path string, curves ...edhoc.Curve) (*edhoc.Credential, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxPublicKey+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	c, err := parsePublicKey(b, curves)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// errPrivate refuses a private key.
var errPrivate = errors.New("this holds a private key, which stays on its device alone: give the public one, such as of 'openssl pkey -in FILE -pubout'")

func parsePublicKey(b []byte, curves []edhoc.Curve) (*edhoc.Credential, error) {
	if len(b) > maxPublicKey {
		return nil, fmt.Errorf("longer than %d bytes", maxPublicKey)
	}
	text := bytes.TrimSpace(b)
	if block, more := pem.Decode(text); block != nil {
		return parsePEM(block, more, curves)
	}
	if decoded, err := hex.DecodeString(string(text)); err == nil {
		b = decoded
	}
	return ParseCredential(b, curves...)
}

// parsePEM reads a block, and looks for others in more: which of several is the device's
// nobody can say.
func parsePEM(block *pem.Block, more []byte, curves []edhoc.Curve) (*edhoc.Credential, error) {
	several := false
	for b := block; b != nil; b, more = pem.Decode(more) {
		if strings.HasSuffix(b.Type, "PRIVATE KEY") {
			return nil, errPrivate
		}
		several = several || b != block
	}
	switch {
	case several:
		return nil, errors.New("PEM of several: want one PUBLIC KEY or CERTIFICATE, that of the device")
	case block.Type == "CERTIFICATE":
		return ParseCredential(block.Bytes, curves...)
	case block.Type != "PUBLIC KEY":
		return nil, fmt.Errorf("PEM of a %s: want a PUBLIC KEY or a CERTIFICATE", block.Type)
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errors.New("PEM of a PUBLIC KEY that cannot be read: want one on P-256, X25519 or Ed25519")
	}
	key, err := publicKey(public)
	if err != nil {
		return nil, err
	}
	c, err := edhoc.NewCCS(key, "", nil)
	if err != nil {
		return nil, err
	}
	return on(c, curves)
}

// publicKey is a key of the standard library.
func publicKey(public any) (*edhoc.PublicKey, error) {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		if b, err := k.Bytes(); err == nil && k.Curve == elliptic.P256() {
			return edhoc.NewPublicKey(edhoc.P256, b[1:33], b[33:])
		}
	case ed25519.PublicKey:
		return edhoc.NewPublicKey(edhoc.Ed25519, k, nil)
	case *ecdh.PublicKey:
		return edhoc.NewPublicKey(edhoc.X25519, k.Bytes(), nil)
	}
	return nil, errors.New("PEM of another kind of PUBLIC KEY: want one on P-256, X25519 or Ed25519")
}

// derSequence is how a certificate begins, and no CBOR map.
const derSequence = 0x30

// ParseCredential reads the credential of a peer: a CWT Claims Set, a COSE_Key or an
// X.509 certificate, DER, or what Credential.CRED gives of one. Nobody vouches for
// it. Its key is on one of curves, of which none stands for P-256.
func ParseCredential(b []byte, curves ...edhoc.Curve) (*edhoc.Credential, error) {
	c, err := parseCredential(b)
	if err != nil {
		return nil, err
	}
	return on(c, curves)
}

func on(c *edhoc.Credential, curves []edhoc.Curve) (*edhoc.Credential, error) {
	if len(curves) == 0 {
		curves = []edhoc.Curve{edhoc.P256}
	}
	if !slices.Contains(curves, c.PublicKey().Curve()) {
		return nil, fmt.Errorf("key on %v: want one on %v", c.PublicKey().Curve(), join(curves))
	}
	return c, nil
}

func join(curves []edhoc.Curve) string {
	var names []string
	for _, c := range curves {
		names = append(names, c.String())
	}
	return strings.Join(names, " or ")
}

func parseCredential(b []byte) (*edhoc.Credential, error) {
	var der []byte
	if s := cborseq.String(b); s.ReadBytes(&der) && s.Empty() {
		return edhoc.ParseX509(der)
	}
	if len(b) > 0 && b[0] == derSequence {
		return edhoc.ParseX509(b)
	}
	if c, err := edhoc.ParseCCS(b); err == nil {
		return c, nil
	}
	if c, err := edhoc.ParseCCS(append([]byte{0xa1, 0x08, 0xa1, 0x01}, b...)); err == nil {
		return c, nil
	}
	if isPrivate(b) {
		return nil, errPrivate
	}
	return nil, errors.New("want a CWT Claims Set or a COSE_Key with a public key and no private one, in CBOR or its hexadecimal, or an X.509 certificate")
}

// isPrivate reports whether b is a COSE_Key with its private part, or a CWT Claims Set
// with one.
func isPrivate(b []byte) bool {
	if c, err := ace.ParseClaims(b); err == nil && c.Cnf != nil {
		return c.Cnf.HoldsSecret()
	}
	k, err := ace.ParseKey(b)
	return err == nil && k.Known() && k.IsSecret()
}
