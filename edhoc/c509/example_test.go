package c509_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log"
	"time"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/c509"
)

// An owner makes an authority and a certificate for a device. In a handshake, the
// server gets it in ID_CRED_I and validates it.
func Example() {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	signer, err := edhoc.NewSigner(authorityKey)
	if err != nil {
		log.Fatal(err)
	}
	root, err := c509.Create(nil, &c509.Template{
		Subject:   c509.CommonName("Owner"),
		NotBefore: start, // without NotAfter: no expiration
		PublicKey: signer.Public(),
		KeyUsage:  x509.KeyUsageCertSign,
		CA:        true,
	}, nil, authorityKey)
	if err != nil {
		log.Fatal(err)
	}

	private := make([]byte, 32) // of the device, which keeps it
	if _, err := rand.Read(private); err != nil {
		log.Fatal(err)
	}
	deviceKey, err := edhoc.NewStaticDHKey(edhoc.X25519, private)
	if err != nil {
		log.Fatal(err)
	}
	device, err := c509.Create(nil, &c509.Template{
		Subject:   c509.CommonName("01-23-45-FF-FE-67-89-AB"),
		NotBefore: start,
		NotAfter:  start.AddDate(10, 0, 0),
		PublicKey: deviceKey.Public(),
		KeyUsage:  x509.KeyUsageKeyAgreement,
	}, root, authorityKey)
	if err != nil {
		log.Fatal(err)
	}

	// The device gives this to NewInitiator or NewResponder.
	own, err := device.Credential(nil)
	if err != nil {
		log.Fatal(err)
	}
	identity := edhoc.Identity{Credential: own, ID: own.ByValue(), Key: deviceKey}

	// The peer finds the ID_CRED in a Received message.
	peer, err := c509.Verify(identity.ID.C5C, c509.VerifyOptions{
		Roots:       []*c509.Certificate{root},
		CurrentTime: start.AddDate(1, 0, 0),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(peer.Subject())
	fmt.Println(len(device.Sequence()) < 140)
	// Output:
	// CN=01-23-45-FF-FE-67-89-AB
	// true
}

// The first example of the draft: an X.509 certificate in less than half of its bytes, and
// back.
func ExampleFromX509() {
	der, err := hex.DecodeString(
		"308201383081dea003020102020301f50d300a06082a8648ce3d04030230163114301206035504030c0b5246432074657374204341301e17" +
			"0d3233303130313030303030305a170d3236303130313030303030305a30223120301e06035504030c1730312d32332d34352d46462d4645" +
			"2d36372d38392d41423059301306072a8648ce3d020106082a8648ce3d03010703420004b1216ab96e5b3b3340f5bdf02e693f16213a0452" +
			"5ed44450b1019c2dfd3838abac4e14d86c0983ed5e9eef2448c6861cc406547177e6026030d051f7792ac206a30f300d300b0603551d0f04" +
			"0403020780300a06082a8648ce3d0403020349003046022100d4320b1d6849e309219d30037e138166f2508247dddae76cceea55053c108e" +
			"90022100d551f6d60106f1abb484cfbe6256c178e4ac3314ea19191e8b607da5ae3bda16")
	if err != nil {
		log.Fatal(err)
	}
	cert, err := c509.FromX509(der)
	if err != nil {
		log.Fatal(err)
	}
	back, err := cert.ToX509()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(der), len(cert.Sequence()), bytes.Equal(back, der))
	fmt.Println(cert.Subject(), "by", cert.Issuer())
	// Output:
	// 316 140 true
	// CN=01-23-45-FF-FE-67-89-AB by CN=RFC test CA
}
