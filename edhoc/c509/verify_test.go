package c509_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/c509"
)

// A chain is root, sub, device, with one thing wrong or nothing.
type chain struct {
	root, sub, device func(*c509.Template)
	chain             func(root, sub *authority, device *c509.Certificate) [][]byte
	opts              func(*c509.VerifyOptions)
	want              string // in the error; "" if there is none
}

func (c *chain) run(t *testing.T) (*edhoc.Credential, error) {
	t.Helper()
	nothing := func(*c509.Template) {}
	for _, f := range []*func(*c509.Template){&c.root, &c.sub, &c.device} {
		if *f == nil {
			*f = nothing
		}
	}
	root := newAuthority(t, "P-256", "root", nil, c.root)
	sub := newAuthority(t, "P-384", "sub", root, c.sub)
	key := device(t, edhoc.P256, false, "device").Public()
	dev := sub.issue(t, "device", key, x509.KeyUsageDigitalSignature, c.device)
	certs := [][]byte{dev.Sequence(), sub.cert.Sequence()}
	if c.chain != nil {
		certs = c.chain(root, sub, dev)
	}
	opts := c509.VerifyOptions{Roots: []*c509.Certificate{root.cert}, CurrentTime: now}
	if c.opts != nil {
		c.opts(&opts)
	}
	return c509.Verify(certs, opts)
}

func extension(critical bool, id int64, value ...byte) func(*c509.Template) {
	return func(m *c509.Template) {
		m.Extensions = append(m.Extensions, c509.Extension{ID: id, Critical: critical, Value: value})
	}
}

func private(critical bool) func(*c509.Template) {
	return func(m *c509.Template) {
		m.Extensions = append(m.Extensions, c509.Extension{OID: []byte{0x2a, 3, 4}, Critical: critical, Value: []byte{5, 0}})
	}
}

func at(when time.Time) func(*c509.VerifyOptions) {
	return func(o *c509.VerifyOptions) { o.CurrentTime = when }
}

func called(name string) func(*c509.Template) {
	return func(m *c509.Template) { m.Subject = c509.CommonName(name) }
}

func usages(u ...x509.ExtKeyUsage) func(*c509.VerifyOptions) {
	return func(o *c509.VerifyOptions) { o.KeyUsages = u }
}

func TestVerifyNative(t *testing.T) {
	first, last := now.AddDate(0, -1, 0), now.AddDate(0, 1, 0)
	impostor := newAuthority(t, "P-384", "impostor", nil, called("sub"))
	constraints := []byte{0x82, 0x82, 2, 0x61, 'x', 0xf6}
	for name, c := range map[string]chain{
		"good":         {},
		"first second": {opts: at(first)},
		"last second":  {opts: at(last)},
		"root at the end": {chain: func(r, s *authority, d *c509.Certificate) [][]byte {
			return [][]byte{d.Sequence(), s.cert.Sequence(), r.cert.Sequence()}
		}},
		"intermediate by options": {chain: func(_, _ *authority, d *c509.Certificate) [][]byte { return [][]byte{d.Sequence()} }, opts: func(o *c509.VerifyOptions) { o.Intermediates = []*c509.Certificate{impostor.cert, sub(t, o)} }},
		"no root needed below it": {opts: func(o *c509.VerifyOptions) { o.Roots = []*c509.Certificate{sub(t, o)} }},
		"path length of 1":        {root: func(m *c509.Template) { m.PathLen = 1 }, sub: func(m *c509.Template) { m.PathLen = 0 }},
		"purpose":                 {device: extension(false, 8, 2), opts: usages(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)},
		"purpose of both":         {sub: extension(false, 8, 0), device: extension(false, 8, 2), opts: usages(x509.ExtKeyUsageClientAuth)},
		"any purpose asked":       {device: extension(false, 8, 2), opts: usages(x509.ExtKeyUsageAny)},
		"extension not critical":  {device: private(false)},
		"subject directory, not":  {device: extension(false, 24, 0x82, 8, 0x81, 0x61, 'x')},
		"no issuer key usage":     {device: func(m *c509.Template) { m.KeyUsage = 0 }},
		"critical alternative":    {device: func(m *c509.Template) { m.Subject, m.DNSNames = nil, []string{"d.example.org"} }},
		"expired":                 {opts: at(last.Add(time.Second)), want: "expired"},
		"not yet valid":           {opts: at(first.Add(-time.Second)), want: "not valid before"},
		"authority expired":       {sub: func(m *c509.Template) { m.NotAfter = now.Add(-time.Second) }, want: `"CN=sub" expired`},
		"root expired":            {root: func(m *c509.Template) { m.NotAfter = now.Add(-time.Second) }, want: `"CN=root" expired`},
		"path length of 0":        {root: func(m *c509.Template) { m.PathLen = 0 }, want: "too long"},
		"critical extension":      {device: private(true), want: "not understood"},
		"critical in authority":   {sub: private(true), want: "not understood"},
		"critical in root":        {root: private(true), want: "not understood"},
		"critical constraints":    {sub: extension(true, 28, 0x82, 0, 0xf6), want: "not understood"},
		"critical directory":      {device: extension(true, 24, 0x82, 8, 0x81, 0x61, 'x'), want: "not understood"},
		"critical, of no known name": {device: func(m *c509.Template) {
			m.Subject = nil
			extension(true, 3, 0x82, 0x20, 0x82, 0x42, 0x2a, 3, 0x41, 1)(m)
		}, want: "not understood"},
		"name constraints":     {sub: extension(false, 26, constraints...), want: "name constraints"},
		"critical names":       {sub: extension(true, 26, constraints...), want: "not understood"},
		"other purpose":        {device: extension(false, 8, 1), opts: usages(x509.ExtKeyUsageClientAuth), want: "extended key usage"},
		"purposes do not meet": {sub: extension(false, 8, 1), device: extension(false, 8, 2), opts: usages(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth), want: "extended key usage"},
		"another chain's sub": {chain: func(_, _ *authority, d *c509.Certificate) [][]byte {
			return [][]byte{d.Sequence(), impostor.cert.Sequence()}
		}, want: "does not verify"},
		"name mismatch": {chain: func(r, _ *authority, d *c509.Certificate) [][]byte { return [][]byte{d.Sequence(), r.cert.Sequence()} }, want: "no issuer"},
		"chain in disorder": {chain: func(r, s *authority, d *c509.Certificate) [][]byte {
			return [][]byte{d.Sequence(), r.cert.Sequence(), s.cert.Sequence()}
		}, want: "no issuer"},
		"chain without authority": {chain: func(_, _ *authority, d *c509.Certificate) [][]byte { return [][]byte{d.Sequence()} }, want: "no issuer"},
		"another root":            {opts: func(o *c509.VerifyOptions) { o.Roots = []*c509.Certificate{impostor.cert} }, want: "no issuer"},
		"root of the same name": {opts: func(o *c509.VerifyOptions) {
			o.Roots = []*c509.Certificate{newAuthority(t, "P-256", "false", nil, called("root")).cert}
		}, want: "does not verify"},
		"self-signed, not trusted": {chain: func(_, _ *authority, _ *c509.Certificate) [][]byte { return [][]byte{impostor.cert.Sequence()} }, want: "no issuer"},
		"no time":                  {opts: at(time.Time{}), want: "time"},
		"no roots":                 {opts: func(o *c509.VerifyOptions) { o.Roots = nil }, want: "roots"},
		"no chain":                 {chain: func(_, _ *authority, _ *c509.Certificate) [][]byte { return nil }, want: "chain"},
		"chain of 11":              {chain: func(_, _ *authority, _ *c509.Certificate) [][]byte { return make([][]byte, 11) }, want: "chain"},
	} {
		t.Run(name, func(t *testing.T) {
			cred, err := c.run(t)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("Verify: %v", err)
			case c.want == "":
				if err := cred.ValidAt(now); err != nil {
					t.Errorf("ValidAt: %v", err)
				}
			case !errors.Is(err, c509.ErrInvalid) || !strings.Contains(err.Error(), c.want):
				t.Errorf("Verify = %v, %v, want %q", cred, err, c.want)
			}
		})
	}
}

// sub is the authority of chain.run again: all but its serial number is the same.
func sub(t *testing.T, o *c509.VerifyOptions) *c509.Certificate {
	t.Helper()
	return newAuthority(t, "P-384", "sub", &authority{cert: o.Roots[0], key: newSigner(t, "P-256", "root")}).cert
}

// An issuer without a name is none (RFC 5280, Section 4.1.2.4).
func TestVerifyNamelessIssuer(t *testing.T) {
	root := newAuthority(t, "P-256", "root", nil, func(m *c509.Template) { m.Subject, m.DNSNames = nil, []string{"root"} })
	dev := root.issue(t, "device", device(t, edhoc.P256, false, "device").Public(), 0)
	must(t, dev.CheckSignature(root.key.Public()))
	opts := c509.VerifyOptions{Roots: []*c509.Certificate{root.cert}, CurrentTime: now}
	if _, err := c509.Verify([][]byte{dev.Sequence()}, opts); !errors.Is(err, c509.ErrInvalid) {
		t.Errorf("Verify: %v", err)
	}
}

// Paths are no longer than ten certificates below the root, and never go round.
func TestVerifyLongPath(t *testing.T) {
	root := newAuthority(t, "Ed25519", "root", nil)
	last := root
	var between []*c509.Certificate
	key := device(t, edhoc.P256, false, "device").Public()
	for i := range 11 {
		opts := c509.VerifyOptions{Roots: []*c509.Certificate{root.cert}, Intermediates: between, CurrentTime: now}
		_, err := c509.Verify([][]byte{last.issue(t, "device", key, 0).Sequence()}, opts)
		if i < 10 && err != nil || i == 10 && (!errors.Is(err, c509.ErrInvalid) || !strings.Contains(err.Error(), "path of more than 10")) {
			t.Errorf("%d authorities between: %v", i, err)
		}
		last = newAuthority(t, "Ed25519", fmt.Sprint("authority ", i), last)
		between = append(between, last.cert)
	}
	a := newAuthority(t, "Ed25519", "a", newAuthority(t, "Ed25519", "b", nil))
	b := newAuthority(t, "Ed25519", "b", a)
	opts := c509.VerifyOptions{Roots: []*c509.Certificate{root.cert}, Intermediates: []*c509.Certificate{a.cert, b.cert}, CurrentTime: now}
	_, err := c509.Verify([][]byte{a.issue(t, "device", key, 0).Sequence()}, opts)
	if !errors.Is(err, c509.ErrInvalid) || !strings.Contains(err.Error(), "no issuer") {
		t.Errorf("two authorities that certify each other: %v", err)
	}
}

// What is signed by a key that may not certify.
func TestVerifyNotAuthority(t *testing.T) {
	root := newAuthority(t, "P-256", "root", nil)
	leafKey := newSigner(t, "P-256", "leaf")
	device := device(t, edhoc.P256, false, "device").Public()
	victim := newAuthority(t, "P-256", "leaf", nil).issue(t, "device", device, 0) // of the key of leaf
	for name, c := range map[string]struct {
		change func(*c509.Template)
		want   string
	}{
		"no basic constraints": {func(*c509.Template) {}, "no certification authority"},
		"CA false":             {extension(true, 4, 0x21), "no certification authority"},
		"no CertSign": {func(m *c509.Template) {
			m.KeyUsage = x509.KeyUsageDigitalSignature
			m.Extensions = []c509.Extension{{ID: 4, Critical: true, Value: []byte{0x20}}}
		}, "does not allow it to certify"},
	} {
		leaf := root.issue(t, "leaf", public(t, leafKey), 0, c.change)
		_, err := c509.Verify([][]byte{victim.Sequence(), leaf.Sequence()}, c509.VerifyOptions{Roots: []*c509.Certificate{root.cert}, CurrentTime: now})
		if !errors.Is(err, c509.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		// Nor as a root.
		_, err = c509.Verify([][]byte{victim.Sequence()}, c509.VerifyOptions{Roots: []*c509.Certificate{leaf}, CurrentTime: now})
		if !errors.Is(err, c509.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, as a root: %v, want %q", name, err, c.want)
		}
		// As the peer itself it is welcome.
		if _, err = c509.Verify([][]byte{leaf.Sequence()}, c509.VerifyOptions{Roots: []*c509.Certificate{leaf}, CurrentTime: now}); err != nil {
			t.Errorf("%s, pinned: %v", name, err)
		}
	}
}

// issueX509 makes an X.509 certificate with crypto/x509, and its C509.
func issueX509(t *testing.T, tmpl, parent *x509.Certificate, name, issuer string) (*x509.Certificate, *c509.Certificate) {
	t.Helper()
	key := newSigner(t, "P-256", name)
	tmpl.Subject, tmpl.SerialNumber = pkix.Name{CommonName: name}, big.NewInt(7)
	if parent == nil {
		parent = tmpl
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), newSigner(t, "P-256", issuer))
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	c, err := c509.FromX509(der)
	must(t, err)
	return cert, c
}

func x509CA() *x509.Certificate {
	return &x509.Certificate{
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
}

// Re-encoded certificates are validated as X.509.
func TestVerifyReencoded(t *testing.T) {
	rootX, root := issueX509(t, x509CA(), nil, "xroot", "xroot")
	subX, sub := issueX509(t, x509CA(), rootX, "xsub", "xroot")
	leafX, leaf := issueX509(t, &x509.Certificate{NotBefore: now, NotAfter: now.AddDate(0, 1, 0), KeyUsage: x509.KeyUsageDigitalSignature}, subX, "xleaf", "xsub")
	_, critical := issueX509(t, &x509.Certificate{NotBefore: now, NotAfter: now.AddDate(0, 1, 0), ExtraExtensions: []pkix.Extension{
		{Id: []int{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}},
	}}, subX, "xcritical", "xsub")
	_, forged := issueX509(t, &x509.Certificate{NotBefore: now, NotAfter: now.AddDate(0, 1, 0)}, &x509.Certificate{Subject: subX.Subject}, "xforged", "xroot")
	opts := c509.VerifyOptions{Roots: []*c509.Certificate{root}, CurrentTime: now}
	chain := [][]byte{leaf.Sequence(), sub.Sequence()}
	cred, err := c509.Verify(chain, opts)
	must(t, err)
	if got, want := cred.Subject(), leafX.Subject.String(); got != want {
		t.Errorf("subject %q, want %q", got, want)
	}
	with := opts
	with.Intermediates = []*c509.Certificate{sub}
	_, err = c509.Verify(chain[:1], with)
	must(t, err)
	late, other, server := opts, opts, opts
	late.CurrentTime = now.AddDate(0, 2, 0)
	other.Roots = []*c509.Certificate{leaf}
	server.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for name, c := range map[string]struct {
		chain [][]byte
		opts  c509.VerifyOptions
		want  string
	}{
		"late":               {chain, late, "expired"},
		"another root":       {[][]byte{sub.Sequence()}, other, "unknown authority"},
		"no authority":       {chain[:1], opts, "unknown authority"},
		"critical extension": {[][]byte{critical.Sequence(), sub.Sequence()}, opts, "unhandled critical extension"},
		"wrong signature":    {[][]byte{forged.Sequence(), sub.Sequence()}, opts, "unknown authority"},
		"leaf as authority":  {[][]byte{sub.Sequence(), leaf.Sequence()}, c509.VerifyOptions{Roots: []*c509.Certificate{critical}, CurrentTime: now}, "unknown authority"},
	} {
		if _, err := c509.Verify(c.chain, c.opts); !errors.Is(err, c509.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := c509.Verify(chain, server); err != nil { // none is stated
		t.Error(err)
	}
}

// Native certificates of devices below an authority with an X.509 certificate.
func TestVerifyMixed(t *testing.T) {
	for _, kind := range []string{"P-256", "P-384", "P-521", "Ed25519"} {
		key := newSigner(t, kind, "xroot")
		tmpl := x509CA()
		tmpl.Subject, tmpl.SerialNumber = pkix.Name{CommonName: "xroot"}, big.NewInt(1)
		der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
		must(t, err)
		root, err := c509.FromX509(der)
		must(t, err)
		native := newAuthority(t, "Ed448", "native", &authority{cert: root, key: key})
		dev := native.issue(t, "device", device(t, edhoc.P256, false, "device").Public(), x509.KeyUsageDigitalSignature)
		opts := c509.VerifyOptions{Roots: []*c509.Certificate{root}, CurrentTime: now}
		cred, err := c509.Verify([][]byte{dev.Sequence(), native.cert.Sequence()}, opts)
		must(t, err)
		if cred.Subject() != "CN=device" || !bytes.Equal(cred.CRED(), dev.Item()) {
			t.Errorf("subject %q, CRED %x", cred.Subject(), cred.CRED())
		}
	}
}

// An authority whose name is a PrintableString issues to a device whose certificate
// knows but one string type.
func TestVerifyStringTypes(t *testing.T) {
	_, root := issueX509(t, x509CA(), nil, "xroot", "xroot")
	if n := root.Subject(); !n[0].Printable {
		t.Fatalf("subject %+v is no PrintableString", n)
	}
	dev := (&authority{cert: root, key: newSigner(t, "P-256", "xroot")}).issue(t, "device", device(t, edhoc.X25519, true, "device").Public(), 0)
	if n := dev.Issuer(); n[0].Printable {
		t.Errorf("issuer %+v of a native certificate is a PrintableString", n)
	}
	_, err := c509.Verify([][]byte{dev.Sequence()}, c509.VerifyOptions{Roots: []*c509.Certificate{root}, CurrentTime: now})
	must(t, err)
}
