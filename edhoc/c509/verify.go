package c509

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"slices"
	"time"

	"github.com/ostiary/ostiary/edhoc"
)

// VerifyOptions is whom to trust, when, and for what.
type VerifyOptions struct {
	// Roots are the trust anchors, at least one. A path ends at one of them; the
	// certificate itself may be one.
	Roots []*Certificate
	// Intermediates are further certificates of authorities that a path may use, behind
	// those of the chain. They are not trusted.
	Intermediates []*Certificate
	// CurrentTime must be set.
	CurrentTime time.Time
	// KeyUsages are extended key usages, one of which all certificates of the path must
	// allow. None stands for any.
	KeyUsages []x509.ExtKeyUsage
}

const (
	maxPath = 10   // the greatest number of certificates below a root
	maxRSA  = 8192 // bits of a key in a chain: to try a longer one takes seconds
)

// Verify validates a chain of certificates, each ~C509Certificate, the end entity's first
// and each certified by the next, as edhoc.IDCred.C5C has it, and gives the credential of
// the end entity. The caller decides whether it wants to talk to the subject, and whether
// the certificate was revoked. Nothing in the chain is trusted, and nothing of it becomes a
// trust anchor (Section 3.4).
//
// If all of the chain is of type FromX509DER, crypto/x509 validates it, with the roots of
// that type. Else the rules are those of crypto/x509 on one path: signatures, names,
// validity, basic constraints and path length, key usage, extended key usage, and no
// critical extension that is not understood; policy constraints, and name constraints of an
// authority, are refused.
func Verify(chain [][]byte, opts VerifyOptions) (*edhoc.Credential, error) {
	if len(chain) == 0 || len(chain) > maxPath || len(opts.Roots) == 0 || opts.CurrentTime.IsZero() {
		return nil, invalid("no chain, roots or time, or a chain of more than %d", maxPath)
	}
	certs := make([]*Certificate, len(chain))
	native := false
	for i, b := range chain {
		c, err := Parse(b)
		if err != nil {
			return nil, err
		}
		if c.view == nil {
			return nil, invalid("certificate %d of the chain: %v", i, c.err)
		}
		if key, ok := c.view.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSA {
			return nil, invalid("certificate %d of the chain: RSA key of %d bits", i, key.N.BitLen())
		}
		certs[i] = c
		native = native || c.typ == Native
	}
	verify := opts.verifyX509
	if native {
		verify = opts.verifyPath
	}
	if err := verify(certs); err != nil {
		return nil, err
	}
	return certs[0].Credential(nil)
}

func (o *VerifyOptions) verifyX509(chain []*Certificate) error {
	pool := func(all []*Certificate) *x509.CertPool {
		p := x509.NewCertPool()
		for _, c := range all {
			if c.typ == FromX509DER && c.view != nil {
				p.AddCert(c.view)
			}
		}
		return p
	}
	opts := x509.VerifyOptions{
		Roots:         pool(o.Roots),
		Intermediates: pool(slices.Concat(chain[1:], o.Intermediates)),
		CurrentTime:   o.CurrentTime,
		KeyUsages:     o.KeyUsages,
	}
	if len(opts.KeyUsages) == 0 {
		opts.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	}
	if _, err := chain[0].view.Verify(opts); err != nil {
		return invalid("certificate: %v", err)
	}
	return nil
}

// verifyPath goes up from the end entity: to a root where one certified the last
// certificate, else to the next of the chain, else to an intermediate.
func (o *VerifyOptions) verifyPath(chain []*Certificate) error {
	path := chain[:1:1]
	for len(path) <= maxPath {
		last := path[len(path)-1]
		if err := o.check(last, len(path)-1); err != nil {
			return err
		}
		if slices.ContainsFunc(o.Roots, func(r *Certificate) bool { return bytes.Equal(r.raw, last.raw) }) {
			return o.checkPurpose(path)
		}
		root, failure := o.issuer(o.Roots, path)
		if root != nil {
			return o.checkPurpose(append(path, root))
		}
		above := o.Intermediates
		if len(path) < len(chain) {
			above = chain[len(path) : len(path)+1]
		}
		next, err := o.issuer(above, path)
		if next == nil {
			if failure == nil || err != nil && len(path) < len(chain) {
				failure = err
			}
			if failure == nil {
				failure = invalid("no issuer of %q", last.subject)
			}
			return failure
		}
		path = append(path, next)
	}
	return invalid("path of more than %d certificates", maxPath)
}

// issuer finds who certified the last certificate of the path. Without one, the error says
// why the last that has the name of the issuer is not it, if there is one.
func (o *VerifyOptions) issuer(among, path []*Certificate) (*Certificate, error) {
	last := path[len(path)-1]
	var failure error
	for _, c := range among {
		if len(last.issuer) == 0 || !last.issuer.equal(c.subject) || slices.Contains(path, c) {
			continue
		}
		if failure = o.check(c, len(path)); failure != nil {
			continue
		}
		if failure = last.CheckSignature(c.signer()); failure == nil {
			return c, nil
		}
	}
	return nil, failure
}

// handled are the extensions that may be critical: those that check looks at or that
// demand nothing of a path (RFC 5280, Section 4.2).
var handled = []int64{extSubjectKeyID, extKeyUsage, extSubjectAltName, extBasicConstraints, extPolicies, extAuthorityKeyID, extExtKeyUsage}

// check checks a certificate with below others below it.
func (o *VerifyOptions) check(c *Certificate, below int) error {
	if c.view == nil {
		return invalid("certificate: %v", c.err)
	}
	notBefore, notAfter := c.Validity()
	switch {
	case o.CurrentTime.Before(notBefore):
		return invalid("%q is not valid before %v", c.subject, notBefore)
	case o.CurrentTime.After(notAfter):
		return invalid("%q expired at %v", c.subject, notAfter)
	case len(c.view.UnhandledCriticalExtensions) > 0:
		return invalid("%q has a critical extension that is not understood", c.subject)
	}
	for _, e := range c.extensions {
		known := slices.ContainsFunc(handled, func(id int64) bool { return extensionTypes.oids[id] == string(e.oid()) })
		if e.Critical && !known {
			return invalid("%q has a critical extension that is not understood", c.subject)
		}
	}
	// What crypto/x509 demands for these, a native certificate in the chain must not undo.
	if c.extension(extPolicyConstraints) != nil {
		return invalid("policy constraints of %q are not supported", c.subject)
	}
	if below == 0 {
		return nil
	}
	switch {
	case !c.view.BasicConstraintsValid || !c.view.IsCA:
		return invalid("%q is no certification authority", c.subject)
	case c.view.MaxPathLen >= 0 && below-1 > c.view.MaxPathLen:
		return invalid("path below %q is too long", c.subject)
	case c.extension(extKeyUsage) != nil && c.view.KeyUsage&x509.KeyUsageCertSign == 0:
		return invalid("key usage of %q does not allow it to certify", c.subject)
	case c.extension(extNameConstraints) != nil:
		return invalid("name constraints of %q are not supported", c.subject)
	}
	return nil
}

// checkPurpose checks the extended key usages of a whole path.
func (o *VerifyOptions) checkPurpose(path []*Certificate) error {
	if len(o.KeyUsages) == 0 || slices.Contains(o.KeyUsages, x509.ExtKeyUsageAny) {
		return nil
	}
	allowed := func(usage x509.ExtKeyUsage) bool {
		return !slices.ContainsFunc(path, func(c *Certificate) bool {
			says := len(c.view.ExtKeyUsage)+len(c.view.UnknownExtKeyUsage) > 0
			return says && !slices.Contains(c.view.ExtKeyUsage, usage) && !slices.Contains(c.view.ExtKeyUsage, x509.ExtKeyUsageAny)
		})
	}
	if !slices.ContainsFunc(o.KeyUsages, allowed) {
		return invalid("extended key usage of %q", path[0].subject)
	}
	return nil
}
