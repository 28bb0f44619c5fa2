package c509_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/edhoc/c509"
	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/vector"
)

// FuzzParse: what is accepted is deterministic CBOR, is kept as it was, and goes to X.509
// and back.
func FuzzParse(f *testing.F) {
	e := load(f)
	f.Add([]byte(e.Native.C509))
	for _, r := range e.Reencoded {
		f.Add([]byte(r.C509))
	}
	for _, o := range vector.Load[opensslCertificates](f, "testdata/openssl.json").Expressible {
		c, err := c509.FromX509(o.DER)
		must(f, err)
		f.Add(c.Sequence())
	}
	f.Fuzz(parse)
}

// parse is what must hold for any bytes.
func parse(t *testing.T, b []byte) {
	c, err := c509.Parse(b)
	if err != nil {
		if !errors.Is(err, c509.ErrMalformed) {
			t.Errorf("%x: %v", b, err)
		}
		return
	}
	if !bytes.Equal(c.Sequence(), b) {
		t.Errorf("%x accepted, gives %x", b, c.Sequence())
	}
	n := 0
	for s := cborseq.String(b); !s.Empty() && s.Skip(); {
		n++
	}
	if n != 11 {
		t.Errorf("%x accepted, of %d elements", b, n)
	}
	_ = c.Subject().String()
	if cred, err := c.Credential(nil); err == nil && !cred.Matches(cred.ByValue()) {
		t.Errorf("%x does not match itself", b)
	}
	pinned := c509.VerifyOptions{Roots: []*c509.Certificate{c}, CurrentTime: now}
	if _, err := c509.Verify([][]byte{b}, pinned); err != nil && !errors.Is(err, c509.ErrInvalid) {
		t.Errorf("%x: %v", b, err)
	}
	if der, err := c.ToX509(); err == nil {
		again, err := c509.FromX509(der)
		if err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		if back, err := again.ToX509(); err != nil || !bytes.Equal(back, der) {
			t.Errorf("%x is %x in DER, then %x, %v", b, der, back, err)
		}
	}
}

// FuzzFromX509: what is accepted comes back byte for byte, and its encoding parses.
func FuzzFromX509(f *testing.F) {
	for _, r := range load(f).Reencoded {
		f.Add([]byte(r.DER))
	}
	v := vector.Load[opensslCertificates](f, "testdata/openssl.json")
	for _, o := range v.Expressible {
		f.Add([]byte(o.DER))
	}
	for _, o := range v.Inexpressible {
		f.Add([]byte(o.DER))
	}
	f.Fuzz(fromX509)
}

// fromX509 is what must hold for any bytes.
func fromX509(t *testing.T, der []byte) {
	c, err := c509.FromX509(der)
	if err != nil {
		if !errors.Is(err, c509.ErrInexpressible) && !errors.Is(err, c509.ErrMalformed) {
			t.Errorf("%x: %v", der, err)
		}
		return
	}
	if back, err := c.ToX509(); err != nil || !bytes.Equal(back, der) {
		t.Errorf("%x comes back as %x, %v", der, back, err)
	}
	if _, err := c509.Parse(c.Sequence()); err != nil {
		t.Errorf("%x is %x: %v", der, c.Sequence(), err)
	}
}

// FuzzField puts one field into good certificates, with the right lengths around it.
func FuzzField(f *testing.F) {
	e := load(f)
	for _, c := range append([]vector.Hex{e.Native.C509}, e.Reencoded[0].C509, e.Reencoded[1].C509, e.Reencoded[4].C509) {
		for i, item := range split(f, c) {
			f.Add(byte(i), item)
		}
	}
	v := vector.Load[opensslCertificates](f, "testdata/openssl.json")
	for _, o := range v.Expressible {
		cert := elements(f, o.DER)
		for i, field := range append(elements(f, cert[0]), cert[2]) {
			f.Add(byte(i), field)
		}
	}
	native, reencoded := split(f, e.Native.C509), split(f, e.Reencoded[0].C509)
	der := elements(f, e.Reencoded[0].DER)
	f.Fuzz(func(t *testing.T, which byte, value []byte) {
		for _, base := range [][][]byte{native, reencoded} {
			fields := slices.Clone(base)
			fields[int(which)%len(fields)] = value
			parse(t, slices.Concat(fields...))
		}
		cert, tbs := slices.Clone(der), elements(t, der[0])
		if n := int(which) % (len(tbs) + 1); n < len(tbs) {
			tbs[n] = value
		} else {
			cert[2] = value
		}
		fromX509(t, sequence(t, sequence(t, tbs...), cert[1], cert[2]))
	})
}

func FuzzParseCOSE(f *testing.F) {
	e := load(f)
	f.Add([]byte(e.Native.CertData))
	f.Add([]byte{0x82, 0x41, 1, 0x40})
	f.Fuzz(func(t *testing.T, b []byte) {
		chain, err := c509.ParseCOSE(b)
		if err != nil {
			return
		}
		var again []byte
		if len(chain) != 1 {
			again = cborseq.AppendArray(nil, len(chain))
		}
		for _, c := range chain {
			again = cborseq.AppendBytes(again, c)
		}
		if !bytes.Equal(again, b) {
			t.Errorf("%x accepted, writes %x", b, again)
		}
	})
}
