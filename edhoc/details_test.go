package edhoc

import (
	"crypto/x509"
	"testing"
	"time"
)

// What another package found in a credential counts like what this one finds.
func TestDetails(t *testing.T) {
	k := testKey(t, P256, false, "details")
	inner := []byte{0x03, 0x42, 1, 2}
	key, err := NewPublicKey(P256, k.Public().X(), k.Public().Y())
	must(t, err)
	bare, err := NewCredential(append([]byte{0x82}, inner...), key, []byte("d"))
	must(t, err)
	last := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	c := bare.With(Details{
		Subject: "CN=d", NotBefore: last.Add(-time.Hour), NotAfter: last, KeyUsage: x509.KeyUsageDigitalSignature, ByValue: C5C(inner),
	})
	if c.Subject() != "CN=d" || string(c.CRED()) != string(bare.CRED()) || string(c.KID()) != "d" {
		t.Errorf("subject %q, CRED %x, kid %x", c.Subject(), c.CRED(), c.KID())
	}
	if !c.Matches(c.ByValue()) || !c.Matches(C5T(inner)) || c.Matches(C5T(nil)) {
		t.Error("does not match its own names alone")
	}
	for at, ok := range map[time.Duration]bool{-2 * time.Hour: false, -time.Hour: true, 0: true, 1: false} {
		if err := c.ValidAt(last.Add(at)); (err == nil) != ok {
			t.Errorf("%v after the end: %v", at, err)
		}
	}
	if !c.key.use.allows(false) || c.key.use.allows(true) || !bare.key.use.allows(true) {
		t.Error("key usage digitalSignature allows static Diffie-Hellman, or changed what it was taken from")
	}
	for _, u := range []x509.KeyUsage{0, x509.KeyUsageKeyAgreement} {
		if !bare.With(Details{KeyUsage: u}).key.use.allows(true) {
			t.Errorf("key usage %d does not allow static Diffie-Hellman", u)
		}
	}
	if err := bare.With(Details{}).ValidAt(last.AddDate(1000, 0, 0)); err != nil {
		t.Errorf("without limits: %v", err)
	}
}
