package c509

import (
	"time"

	"github.com/ostiary/ostiary/edhoc"
)

// Credential makes the EDHOC credential: CRED_x is C509Certificate, a CBOR item (RFC
// 9528, Sections 3.5.2 and 5.3.2), ByValue is c5c of the one certificate, and it matches
// c5t of ~C509Certificate. kid, which may be nil, names it besides. Nothing is checked:
// the certificate is trusted because the caller has it, as with a pinned one. The key usage
// and the validity are those of the certificate.
func (c *Certificate) Credential(kid []byte) (*edhoc.Credential, error) {
	key, err := c.PublicKey()
	if err != nil {
		return nil, err
	}
	if c.view == nil {
		return nil, invalid("certificate: %v", c.err)
	}
	if c.extension(extKeyUsage) != nil && c.view.KeyUsage == 0 {
		return nil, invalid("key usage allows nothing")
	}
	cred, err := edhoc.NewCredential(c.Item(), key, kid)
	if err != nil {
		return nil, invalid("credential: %v", err)
	}
	notBefore, notAfter := c.Validity()
	if c.notAfter == noExpiry {
		notAfter = time.Time{}
	}
	return cred.With(edhoc.Details{
		Subject:   c.subject.String(),
		NotBefore: notBefore,
		NotAfter:  notAfter,
		KeyUsage:  c.view.KeyUsage,
		ByValue:   edhoc.C5C(c.raw),
	}), nil
}

// extension gives the extension of that ID, in either form, or nil.
func (c *Certificate) extension(id int64) *Extension {
	for i := range c.extensions {
		if string(c.extensions[i].oid()) == extensionTypes.oids[id] {
			return &c.extensions[i]
		}
	}
	return nil
}
