package edhoc

import (
	"bytes"
	"crypto/x509"
	"time"
)

// Details is what a credential states beside its key, for packages that decode a type
// of credential which this one does not.
type Details struct {
	Subject   string        // the name of the subject
	NotBefore time.Time     // the first moment of validity; zero: no limit
	NotAfter  time.Time     // the last moment, included; zero: no limit
	KeyUsage  x509.KeyUsage // what the key serves for (RFC 9528, Appendix D.1); zero: not said, anything
	ByValue   IDCred        // the ID_CRED that sends the credential along; zero: there is none
}

// With gives c, a Credential of NewCredential, with the details that were found in
// it. The caller vouches that they are in the bytes of c.
func (c *Credential) With(d Details) *Credential {
	with := &Credential{
		cred:      c.cred,
		cert:      c.cert,
		kid:       bytes.Clone(c.kid),
		key:       c.key.restrict(useX509(d.KeyUsage)),
		subject:   d.Subject,
		notBefore: d.NotBefore,
		value:     d.ByValue,
	}
	if !d.NotAfter.IsZero() {
		with.notAfter = d.NotAfter.Add(1)
	}
	return with
}
