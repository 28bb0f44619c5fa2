package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// certified is a key pair with a certificate.
type certified struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	der  []byte
}

// issue makes one; by nil makes it self-signed, and an authority.
func issue(t *testing.T, by *certified, ca bool, until time.Time, name pkix.Name) *certified {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: name, NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true, IsCA: ca,
	}
	if ca {
		template.KeyUsage = x509.KeyUsageCertSign
	}
	c := &certified{key: key}
	signer, parent := key, template
	if by != nil {
		signer, parent = by.key, by.cert
	}
	if c.der, err = x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer); err != nil {
		t.Fatal(err)
	}
	if c.cert, err = x509.ParseCertificate(c.der); err != nil {
		t.Fatal(err)
	}
	return c
}

// open runs a handshake of who has a certificate, which is sent along with more.
func (w *edhocWorld) open(c *certified, more ...[]byte) (coap.Doer, error) {
	w.t.Helper()
	credential, err := edhoc.ParseX509(c.der)
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := edhoc.NewSigner(c.key)
	if err != nil {
		w.t.Fatal(err)
	}
	server, err := edhoc.ParseCCS(w.own.Credential)
	if err != nil {
		w.t.Fatal(err)
	}
	network := &coaptest.Direct{Handler: w.a.handler}
	initiator, err := initiatorOf(w.t.Context(), edhoc.Config{
		Methods: []edhoc.Method{edhoc.SignatureStaticDH}, Suites: []edhoc.SuiteID{2},
		Identities: []edhoc.Identity{{Credential: credential, ID: edhoc.X5Chain(append([][]byte{c.der}, more...)...), Key: key}},
	}, []*edhoc.Credential{server}, "coap://192.0.2.2", network, w.newIDs())
	if err != nil {
		w.t.Fatal(err)
	}
	session, _, err := initiator.Establish(w.t.Context())
	if err != nil {
		return nil, err
	}
	association, err := associationOf(session)
	if err != nil {
		w.t.Fatal(err)
	}
	return oscorecoap.NewClient(network, association, oscorecoap.ClientConfig{}), nil
}

// TestCertificates: a device with a certificate of an authority is who is registered with
// the subject, as long as it is, and nobody else is.
func TestCertificates(t *testing.T) {
	later := time.Now().Add(48 * time.Hour)
	root := issue(t, nil, true, later, pkix.Name{CommonName: "root"})
	between := issue(t, root, true, later, pkix.Name{CommonName: "between"})
	w := newEDHOCWorldIn(t, func(c *config, dir string) {
		c.EDHOCRoots = []string{"ca.pem"}
		c.Limits.EDHOCLifetime *= 10
		b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.der})
		if err := os.WriteFile(filepath.Join(dir, "ca.pem"), b, 0o600); err != nil {
			t.Fatal(err)
		}
	})
	w.now = time.Now()
	w.a.now = func() time.Time { return w.now }
	pumpName := pkix.Name{CommonName: "pump 7", Organization: []string{"Example"}}
	register := func(name, subject string) error {
		key, err := (&keyFlags{Certified: subject}).key(name)
		if err != nil {
			return err
		}
		file, err := addEDHOCClient(t.Context(), w.a.store, w.a.cfg, w.keys, newClient{name: name}, key)
		if err == nil && (len(file.EDHOC.Peer) == 0 || len(file.EDHOC.Credential) != 0) {
			t.Errorf("the file of %s has %+v", name, file.EDHOC)
		}
		return err
	}
	pump := issue(t, root, false, later, pumpName)
	subject := pump.cert.Subject.String()
	if err := register("pump", subject); err != nil {
		t.Fatal(err)
	}
	var usage *cli.UsageError
	if err := register("other", subject); !errors.As(err, &usage) || !strings.Contains(err.Error(), `registered already, for "pump"`) {
		t.Errorf("the same subject for another: %v", err)
	}
	viaBetween := issue(t, between, false, later, pumpName)
	for name, c := range map[string]struct {
		device *certified
		more   [][]byte
		good   bool
	}{
		"issued by the root":          {pump, nil, true},
		"issued by one in between":    {viaBetween, [][]byte{between.der}, true},
		"without the one in between":  {viaBetween, nil, false},
		"issued by itself":            {issue(t, nil, false, later, pumpName), nil, false},
		"issued by another authority": {issue(t, issue(t, nil, true, later, pkix.Name{CommonName: "root"}), false, later, pumpName), nil, false},
		"issued by a device":          {issue(t, pump, false, later, pumpName), [][]byte{pump.der}, false},
		"expired":                     {issue(t, root, false, time.Now().Add(-time.Minute), pumpName), nil, false},
		"of somebody else":            {issue(t, root, false, later, pkix.Name{CommonName: "pump 8", Organization: []string{"Example"}}), nil, false},
		"of a part of the subject":    {issue(t, root, false, later, pkix.Name{CommonName: "pump 7"}), nil, false},
	} {
		d, err := w.open(c.device, c.more...)
		if (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && errorCode(t, post(t, d, "/token", []byte{0xa0})) != ace.InvalidRequest { // and not invalid_client
			t.Errorf("%s: it is not the client pump", name)
		}
	}

	d, err := w.open(pump)
	if err != nil {
		t.Fatal(err)
	}
	w.sync()
	if !w.alive(d) {
		t.Error("the session has ended before its time")
	}
	w.remove("pump")
	w.sync()
	if w.alive(d) {
		t.Error("the session of a removed client works")
	}
	if _, err := w.open(pump); err == nil {
		t.Error("a removed client is let in")
	}
	if err := register("pump 7", subject); err != nil {
		t.Fatal(err)
	}
	if d, err = w.open(pump); err != nil || !w.alive(d) {
		t.Fatalf("registered again under another name: %v", err)
	}
	w.now = later.Add(-time.Minute)
	w.sync()
	if !w.alive(d) {
		t.Error("the session has ended before the certificate")
	}
	w.now = later.Add(time.Minute)
	w.sync()
	if w.alive(d) {
		t.Error("the session outlives the certificate")
	}
}

// TestCertifiedKinds: who has the certificate of a resource server is that, and not the
// client of its name; and a subject is of one of the two only.
func TestCertifiedKinds(t *testing.T) {
	later := time.Now().Add(time.Hour)
	root := issue(t, nil, true, later, pkix.Name{CommonName: "root"})
	w := newEDHOCWorldIn(t, func(c *config, dir string) {
		c.EDHOCRoots = []string{"ca.pem"}
		b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.der})
		if err := os.WriteFile(filepath.Join(dir, "ca.pem"), b, 0o600); err != nil {
			t.Fatal(err)
		}
	})
	w.permitAll()
	client := func(name, subject string) error {
		key := newKey{certified: subject}
		_, err := addEDHOCClient(t.Context(), w.a.store, w.a.cfg, w.keys, newClient{name: name}, key)
		return err
	}
	server := func(name, subject string) error {
		_, err := addResourceServer(t.Context(), w.a.store, w.a.cfg, w.keys, newResourceServer{
			name: name, algorithm: "AES-CCM-16-64-128", introspection: as.WithClaims, key: newKey{certified: subject},
		})
		return err
	}
	if err := errors.Join(client("pump", "CN=pump client"), server("pump", "CN=pump server")); err != nil {
		t.Fatal(err)
	}
	if err := server("other", "CN=pump client"); err == nil || !strings.Contains(err.Error(), `registered already, for "pump"`) {
		t.Errorf("the subject of a client for a resource server: %v", err)
	}
	if err := client("other", "CN=pump server"); err == nil || !strings.Contains(err.Error(), `"resource server pump"`) {
		t.Errorf("the subject of a resource server for a client: %v", err)
	}
	// Two registrations at the same time.
	key := newKey{certified: "CN=pump client"}
	if err := key.alone(t.Context(), w.a.store, "pump"); err != nil {
		t.Errorf("alone: %v", err)
	}
	if key.alone(t.Context(), w.a.store, as.ResourceServerSubject("pump")) == nil {
		t.Error("a second registration does not see the first")
	}
	scope := ace.AIFScope(ace.AIF{{Path: "/a", Methods: ace.GET}})
	request := (&ace.TokenRequest{Audience: "pump", Scope: scope}).Append(nil)
	question := (&ace.IntrospectionRequest{Token: []byte("token")}).Append(nil)
	for name, want := range map[string]struct{ token, introspection coap.Code }{
		"pump client": {coap.Created, coap.Forbidden}, "pump server": {coap.BadRequest, coap.Created},
	} {
		d, err := w.open(issue(t, root, false, later, pkix.Name{CommonName: name}))
		if err != nil {
			t.Fatal(err)
		}
		if r := post(t, d, "/token", request); r.Code != want.token {
			t.Errorf("%s for a token: got %v, want %v", name, r.Code, want.token)
		}
		if r := post(t, d, "/introspect", question); r.Code != want.introspection {
			t.Errorf("%s for introspection: got %v, want %v", name, r.Code, want.introspection)
		}
	}
}

// TestInitiatorFinds: an initiator believes the peer that is named, while its credential
// is valid.
func TestInitiatorFinds(t *testing.T) {
	w := newEDHOCWorld(t, nil)
	cfg, err := w.register("alice").EDHOC.Initiator()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		until time.Time
		want  int
	}{"valid": {time.Now().Add(time.Hour), 1}, "expired": {time.Now().Add(-time.Minute), 0}} {
		device := issue(t, nil, false, c.until, pkix.Name{CommonName: "valve"})
		pinned, err := edhoc.ParseX509(device.der)
		if err != nil {
			t.Fatal(err)
		}
		initiator, err := initiatorOf(t.Context(), cfg, []*edhoc.Credential{pinned}, "coap://192.0.2.2", nil, w.newIDs())
		if err != nil {
			t.Fatal(err)
		}
		if found, err := initiator.Find(t.Context(), edhoc.X5T(device.der), nil); err != nil || len(found) != c.want {
			t.Errorf("%s: got %d, %v, want %d", name, len(found), err, c.want)
		}
		if found, err := initiator.Find(t.Context(), edhoc.KID([]byte{1}), nil); err != nil || len(found) != 0 {
			t.Errorf("%s, another is named: got %d, %v, want 0", name, len(found), err)
		}
	}
}

// TestCertificatesWithoutRoots: nobody is believed without an authority.
func TestCertificatesWithoutRoots(t *testing.T) {
	w := newEDHOCWorld(t, nil)
	key, err := (&keyFlags{Certified: "CN=pump"}).key("pump")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := addEDHOCClient(t.Context(), w.a.store, w.a.cfg, w.keys, newClient{name: "pump"}, key); err == nil || !strings.Contains(err.Error(), "edhoc_roots") {
		t.Errorf("registered without edhoc_roots: %v", err)
	}
	if _, err := w.open(issue(t, nil, false, time.Now().Add(time.Hour), pkix.Name{CommonName: "pump"})); err == nil {
		t.Error("a certificate is believed")
	}
	for _, text := range []string{"", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"} {
		path := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readRoots("as.toml", config{EDHOCRoots: []string{path}}); err == nil || !strings.Contains(err.Error(), "no certificate") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := readRoots("as.toml", config{EDHOCRoots: []string{"/nowhere/ca.pem"}}); err == nil {
		t.Error("a file that is not there: no error")
	}
}
