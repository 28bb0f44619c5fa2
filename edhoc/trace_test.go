package edhoc

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/vector"
)

// traces are the vectors of RFC 9529.
type traces struct {
	Trace1  map[string]any `json:"trace_1"`
	Trace2  map[string]any `json:"trace_2"`
	First   map[string]any `json:"trace_2_first_attempt"`
	Invalid []struct {
		Section, Title, What, Reason string
		Hex                          vector.Hex
	} `json:"invalid"`
}

// trace is one run of RFC 9529, with the names of its values.
type trace struct {
	t      *testing.T
	values map[string]any
	seen   map[string]bool
}

func newTrace(t *testing.T, values map[string]any) *trace {
	return &trace{t, values, map[string]bool{
		"title": true, "method": true, "selected_suite": true,
		"G_X_y_raw": true, "G_Y_y_raw": true, // of points sent without them
	}}
}

func (tr *trace) get(name string) []byte {
	tr.t.Helper()
	s, ok := tr.values[name].(string)
	if !ok {
		tr.t.Fatalf("no %s in the trace", name)
	}
	tr.seen[name] = true
	return vector.Bytes(tr.t, s)
}

// want compares got with the value of each name.
func (tr *trace) want(got []byte, names ...string) {
	tr.t.Helper()
	for _, name := range names {
		if want := tr.get(name); !bytes.Equal(got, want) {
			tr.t.Errorf("%s = %x, want %x", name, got, want)
		}
	}
}

// bstr compares a byte string, raw and as a CBOR item.
func (tr *trace) bstr(got []byte, name string) {
	tr.t.Helper()
	tr.want(got, name+"_raw")
	tr.want(cborseq.AppendBytes(nil, got), name+"_cbor")
}

// complete fails for each value of the trace that no test looked at.
func (tr *trace) complete() {
	tr.t.Helper()
	for name := range tr.values {
		if !tr.seen[name] {
			tr.t.Errorf("value %s of the trace is not tested", name)
		}
	}
}

// trace1 makes both sides of RFC 9529, Section 2.
func trace1(tr *trace) (*Initiator, *Responder, *Credential, *Credential) {
	t := tr.t
	return traceRoles(tr, SignatureSignature, []SuiteID{0}, []SuiteID{0}, func(x string) Identity {
		cred, err := ParseX509(tr.get("CRED_" + x + "_raw"))
		must(t, err)
		tr.want(cred.CRED(), "CRED_"+x+"_cbor")
		key, err := NewSignatureKey(Ed25519, tr.get("SK_"+x+"_raw"))
		must(t, err)
		tr.want(key.Public().x, "PK_"+x+"_raw")
		id := X5T(tr.get("CRED_" + x + "_raw"))
		tr.want(id.Header(), "ID_CRED_"+x+"_cbor")
		return Identity{cred, id, key}
	})
}

// trace2 makes both sides of RFC 9529, Section 3. Its Initiator prefers suite 6, for
// which the RFC shows no identity; it has one here to be allowed to.
func trace2(tr *trace) (*Initiator, *Responder, *Credential, *Credential) {
	t := tr.t
	return traceRoles(tr, StaticDHStaticDH, []SuiteID{6, 2}, []SuiteID{2}, func(x string) Identity {
		cred, err := ParseCCS(tr.get("CRED_" + x + "_cbor"))
		must(t, err)
		key, err := NewStaticDHKey(P256, tr.get("SK_"+x+"_raw"))
		must(t, err)
		tr.want(key.Public().x, "PK_"+x+"_x_raw")
		tr.want(key.Public().y, "PK_"+x+"_y_raw")
		id := KID(cred.KID())
		tr.want(id.Header(), "ID_CRED_"+x+"_cbor")
		return Identity{cred, id, key}
	})
}

func traceRoles(tr *trace, m Method, suitesI, suitesR []SuiteID, identity func(x string) Identity) (*Initiator, *Responder, *Credential, *Credential) {
	t := tr.t
	idI, idR := identity("I"), identity("R")
	ids := []Identity{idI}
	if suitesI[0] == 6 {
		ids = append(ids, testIdentity(t, X25519, true, "other"))
	}
	i, err := NewInitiator(Config{Methods: []Method{m}, Suites: suitesI, Identities: ids, Rand: bytes.NewReader(tr.get("X_raw"))})
	must(t, err)
	r, err := NewResponder(Config{Methods: []Method{m}, Suites: suitesR, Identities: []Identity{idR}, Rand: bytes.NewReader(tr.get("Y_raw"))})
	must(t, err)
	return i, r, idI.Credential, idR.Credential
}

//spec:9528-5.2.1-1
//spec:9528-5.3.1-1
//spec:9528-5.3.2-1
//spec:9528-5.4.1-1
//spec:9528-5.4.2-1
//spec:9528-5.5.1-1
//spec:9528-5.5.2-1
//spec:9528-4.1.1.1-1
//spec:9528-4.1.1.1-2
//spec:9528-8-1
//spec:9528-8-2
func TestRFC9529Traces(t *testing.T) {
	v := vector.Load[traces](t, "testdata/rfc9529/traces.json")
	t.Run("Section 2", func(t *testing.T) {
		tr := newTrace(t, v.Trace1)
		i, r, credI, credR := trace1(tr)
		testTrace(tr, i, r, credI, credR)
		tr.get("root_certificate_public_key_raw") // TestRFC9529Certificates
		tr.complete()
	})
	t.Run("Section 3", func(t *testing.T) {
		tr := newTrace(t, v.Trace2)
		i, r, credI, credR := trace2(tr)
		i, err := i.Retry(&PeerError{Code: CodeWrongCipherSuite, SuitesR: []SuiteID{2}})
		must(t, err)
		testTrace(tr, i, r, credI, credR)
		tr.complete()
	})
}

func testTrace(tr *trace, i *Initiator, r *Responder, credI, credR *Credential) {
	t := tr.t
	cI, _, _ := ReadConnID(tr.get("C_I_cbor"))
	cR, _, _ := ReadConnID(tr.get("C_R_cbor"))
	tr.want([]byte(cI), "C_I_raw", "server_OSCORE_sender_id")
	tr.want([]byte(cR), "C_R_raw", "client_OSCORE_sender_id")
	for _, name := range []string{"EAD_1", "EAD_2", "EAD_3", "EAD_4", "PLAINTEXT_4"} {
		tr.want(nil, name)
	}

	// message_1
	msg1, a2, err := i.ComposeMessage1(cI)
	must(t, err)
	tr.want(msg1, "message_1")
	m1, err := parseMessage1(msg1)
	must(t, err)
	tr.want(cborseq.AppendInt(nil, int64(m1.method)), "METHOD_cbor")
	tr.want(appendSuites(nil, append(m1.preferred, m1.selected)), "SUITES_I_cbor")
	tr.bstr(m1.gX, "G_X")
	w2 := a2.state.v.Load()
	tr.bstr(w2.hash1, "H(message_1)")
	x := w2.own.private.Clone()
	tr.want(x, "X_raw")

	// message_2, the Responder
	v1, err := r.ProcessMessage1(msg1)
	must(t, err)
	tr.want(v1.state.v.Load().hash1, "H(message_1)_raw")
	pX := v1.state.v.Load().peer.point
	msg2, a3, err := v1.ComposeMessage2(cR)
	must(t, err)
	tr.want(msg2, "message_2")
	w3 := a3.state.v.Load()
	tr.bstr(w3.gY, "G_Y")
	gXY, err := pX.ecdh(tr.get("Y_raw"))
	must(t, err)
	tr.want(gXY, "G_XY_raw")
	tr.want(w3.prk3e2m.key, "PRK_3e2m_raw")
	tr.bstr(w3.th3, "TH_3")

	// message_2, the Initiator
	r2, err := a2.ProcessMessage2(msg2)
	must(t, err)
	s2 := r2.state.v.Load()
	tr.bstr(s2.th2, "TH_2")
	tr.want(s2.th2, "salt_raw")
	tr.input(s2.th2, "input_TH_2")
	tr.want(s2.prk2e.key, "PRK_2e_raw")
	tr.want(s2.plaintext, "PLAINTEXT_2")
	tr.want(r2.IDCredR.Header(), "ID_CRED_R_cbor")
	tr.bstr(s2.m.proof2, "Signature_or_MAC_2")
	n := len(s2.plaintext)
	tr.want(info(labelKeystream2, s2.th2, n), "info_KEYSTREAM_2")
	tr.want(s2.prk2e.keystream2(s2.th2, n), "KEYSTREAM_2_raw")
	m2, err := parseMessage2(msg2, len(m1.gX))
	must(t, err)
	tr.want(m2.ciphertext2, "CIPHERTEXT_2_raw")
	static := i.settings.methods[0] == StaticDHStaticDH
	if static {
		h := s2.suite.hash.size()
		tr.want(info(labelSalt3e2m, s2.th2, h), "info_SALT_3e2m")
		tr.want(s2.prk2e.kdf(labelSalt3e2m, s2.th2, h), "SALT_3e2m_raw")
		gRX, err := credR.key.point.ecdh(x)
		must(t, err)
		tr.want(gRX, "G_RX_raw")
	}
	tr.claim("2", &statement{
		label: labelMAC2, suite: s2.suite, static: static, cR: cR.AppendCBOR(nil), idCred: r2.IDCredR, th: s2.th2, cred: credR,
	}, w3.prk3e2m.prk)
	v2, err := r2.Verify(credR)
	must(t, err)
	s3 := v2.state.v.Load()
	tr.want(s3.prk3e2m.key, "PRK_3e2m_raw")
	tr.want(s3.th3, "TH_3_raw")
	tr.input(s3.th3, "input_TH_3")
	th3, key3 := s3.th3, prk{s3.prk3e2m.hash, s3.prk3e2m.key.Clone()}
	pY := s3.peer.point

	// message_3
	msg3, sent, err := v2.ComposeMessage3()
	must(t, err)
	tr.want(msg3, "message_3")
	d := sent.state.v.Load()
	tr.want(d.prk4e3m.key, "PRK_4e3m_raw")
	tr.bstr(d.th4, "TH_4")
	tr.input(d.th4, "input_TH_4")
	if static {
		h := d.suite.hash.size()
		tr.want(info(labelSalt4e3m, th3, h), "info_SALT_4e3m")
		tr.want(key3.kdf(labelSalt4e3m, th3, h), "SALT_4e3m_raw")
		gIY, err := pY.ecdh(tr.get("SK_I_raw"))
		must(t, err)
		tr.want(gIY, "G_IY_raw")
	}
	tr.keyed("3", newKeyed(d.suite, key3, labelK3, labelIV3, th3), labelK3, labelIV3)
	m3, err := parseMessage3(msg3)
	must(t, err)
	tr.want(m3.ciphertext3, "CIPHERTEXT_3_raw")
	r3, err := a3.ProcessMessage3(msg3)
	must(t, err)
	s4 := r3.state.v.Load()
	tr.want(s4.plaintext, "PLAINTEXT_3")
	tr.want(r3.IDCredI.Header(), "ID_CRED_I_cbor")
	tr.bstr(s4.m.proof3, "Signature_or_MAC_3")
	tr.claim("3", &statement{
		label: labelMAC3, suite: d.suite, static: static, idCred: r3.IDCredI, th: th3, cred: credI,
	}, d.prk4e3m.prk)
	v3, err := r3.Verify(credI)
	must(t, err)
	tr.want(v3.state.v.Load().prk4e3m.key, "PRK_4e3m_raw")
	tr.want(v3.state.v.Load().th4, "TH_4_raw")

	// message_4
	tr.keyed("4", newKeyed(d.suite, d.prk4e3m.prk, labelK4, labelIV4, d.th4), labelK4, labelIV4)
	tr.want(info(labelPRKOut, d.th4, d.suite.hash.size()), "info_PRK_out")
	msg4, sessionR, err := v3.ComposeMessage4()
	must(t, err)
	tr.want(msg4, "message_4")
	m4, err := parseMessage4(msg4)
	must(t, err)
	tr.want(m4.ciphertext4, "CIPHERTEXT_4_raw")
	sessionI, _, err := sent.ProcessMessage4(msg4)
	must(t, err)

	// the Sessions
	update := tr.get("key_update_context_raw")
	tr.want(cborseq.AppendBytes(nil, update), "key_update_context_cbor")
	size := d.suite.hash.size()
	tr.want(info(labelPRKExporter, nil, size), "info_PRK_exporter")
	tr.want(info(labelKeyUpdate, update, size), "info_KeyUpdate")
	tr.want(info(0, nil, 16), "info_OSCORE_master_secret")
	tr.want(info(1, nil, 8), "info_OSCORE_master_salt")
	for _, s := range []*Session{sessionI, sessionR} {
		tr.session(s, "")
		must(t, s.KeyUpdate(update))
		tr.session(s, "_after_KeyUpdate")
	}
}

// input checks a transcript hash against the input that the RFC prints.
func (tr *trace) input(th []byte, name string) {
	tr.t.Helper()
	if h := sha256.Sum256(tr.get(name)); !bytes.Equal(th, h[:]) {
		tr.t.Errorf("transcript hash %x is not that of %s", th, name)
	}
}

func (tr *trace) claim(n string, s *statement, key prk) {
	tr.t.Helper()
	tr.want(s.context(), "context_"+n)
	tr.want(cborseq.AppendBytes(nil, s.context()), "context_"+n+"_bstr")
	tr.want(info(s.label, s.context(), s.suite.macLength(s.static)), "info_MAC_"+n)
	mac := s.mac(key)
	tr.bstr(mac, "MAC_"+n)
	tr.want(s.cred.CRED(), map[string]string{"2": "CRED_R_cbor", "3": "CRED_I_cbor"}[n])
	if !s.static {
		tr.want(sigStructure(s.idCred.header, s.externalAAD(), mac), "M_"+n+"_cbor")
	}
}

func (tr *trace) keyed(n string, k *keyed, labelKey, labelIV int64) {
	tr.t.Helper()
	tr.want(k.key, "K_"+n+"_raw")
	tr.want(k.iv, "IV_"+n+"_raw")
	tr.want(aad(k.th), "A_"+n+"_cbor")
	tr.want(info(labelKey, k.th, len(k.key)), "info_K_"+n)
	tr.want(info(labelIV, k.th, len(k.iv)), "info_IV_"+n)
}

func (tr *trace) session(s *Session, suffix string) {
	tr.t.Helper()
	tr.want(s.prkOut.key, "PRK_out"+suffix+"_raw")
	tr.want(s.exporter.key, "PRK_exporter"+suffix+"_raw")
	secret, err := s.Export(0, nil, 16)
	must(tr.t, err)
	tr.want(secret, "OSCORE_master_secret"+suffix+"_raw")
	salt, err := s.Export(1, nil, 8)
	must(tr.t, err)
	tr.want(salt, "OSCORE_master_salt"+suffix+"_raw")
}

// The first message_1 of RFC 9529, Section 3.1, and the error that answers it.
//
//spec:9528-6.3-1
//spec:9528-6.3-2
func TestRFC9529FirstAttempt(t *testing.T) {
	v := vector.Load[traces](t, "testdata/rfc9529/traces.json")
	tr := newTrace(t, v.First)
	ids := newTrace(t, v.Trace2)
	i, r, _, _ := trace2(ids)
	cI, _, _ := ReadConnID(tr.get("C_I_cbor"))
	msg1, a2, err := i.ComposeMessage1(cI)
	must(t, err)
	// The RFC has a G_X of P-256 here, though suite 6 has X25519.
	m, err := parseMessage1(msg1)
	must(t, err)
	m.gX = tr.get("G_X_raw")
	tr.want(m.append(nil), "message_1")
	_, err = r.ProcessMessage1(tr.get("message_1"))
	tr.want(ErrorMessage(err), "error")
	_, err = r.ProcessMessage1(msg1)
	msg := ErrorMessage(err)
	tr.want(msg, "error")
	_, err = a2.ProcessMessage2(msg)
	i, err = i.Retry(err.(*PeerError))
	must(t, err)
	if i.Suite() != 2 {
		t.Errorf("retry with suite %v, want 2", i.Suite())
	}
	if _, err := i.Retry(&PeerError{Code: CodeWrongCipherSuite, SuitesR: []SuiteID{2}}); err != ErrNoCommonSuite {
		t.Errorf("retry with the same suite: %v, want %v", err, ErrNoCommonSuite)
	}
}
