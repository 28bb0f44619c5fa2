package credentials

import (
	"bytes"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/ostiary/ostiary/edhoc"
)

// maxPublicKey bounds the file of a public key in bytes.
const maxPublicKey = 64 << 10

// ReadPublicKey reads the public key that a device already has, as its credential
// for EDHOC: a CWT Claims Set with the key in 'cnf', a COSE_Key, which stands for
// the Claims Set with nothing else in it (RFC 9528, Section 3.5.2), both in CBOR or
// its hexadecimal, or an X.509 certificate, DER or PEM. The device must name the same
// bytes, which Credential.CRED has.
func ReadPublicKey(path string) (*edhoc.Credential, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c, err := parsePublicKey(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func parsePublicKey(b []byte) (*edhoc.Credential, error) {
	if len(b) > maxPublicKey {
		return nil, fmt.Errorf("longer than %d bytes", maxPublicKey)
	}
	text := bytes.TrimSpace(b)
	if block, _ := pem.Decode(text); block != nil {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("PEM of a %s: want a CERTIFICATE", block.Type)
		}
		return ParseCredential(block.Bytes)
	}
	if decoded, err := hex.DecodeString(string(text)); err == nil {
		b = decoded
	}
	return ParseCredential(b)
}

// derSequence is how a certificate begins, and no CBOR map.
const derSequence = 0x30

// ParseCredential reads the credential of a peer: a CWT Claims Set, a COSE_Key or an
// X.509 certificate, DER. Nobody vouches for it. Its key is one on P-256.
func ParseCredential(b []byte) (*edhoc.Credential, error) {
	c, err := parseCredential(b)
	if err != nil {
		return nil, err
	}
	if c.PublicKey().Curve() != edhoc.P256 {
		return nil, fmt.Errorf("key on %v: want one on P-256", c.PublicKey().Curve())
	}
	return c, nil
}

func parseCredential(b []byte) (*edhoc.Credential, error) {
	if len(b) > 0 && b[0] == derSequence {
		return edhoc.ParseX509(b)
	}
	if c, err := edhoc.ParseCCS(b); err == nil {
		return c, nil
	}
	if c, err := edhoc.ParseCCS(append([]byte{0xa1, 0x08, 0xa1, 0x01}, b...)); err == nil {
		return c, nil
	}
	return nil, errors.New("want a CWT Claims Set or a COSE_Key with a public key and no private one, in CBOR or its hexadecimal, or an X.509 certificate")
}
