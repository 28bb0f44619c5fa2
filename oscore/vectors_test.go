package oscore

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/internal/vector"
)

// appendixC is one test vector of RFC 8613, Appendix C; C.1 to C.3 derive a context,
// C.4 to C.8 use one.
type appendixC struct {
	ID             string      `json:"id"`
	MasterSecret   vector.Hex  `json:"master_secret"`
	MasterSalt     vector.Hex  `json:"master_salt"`
	IDContext      *vector.Hex `json:"id_context"`
	SenderID       vector.Hex  `json:"sender_id"`
	RecipientID    vector.Hex  `json:"recipient_id"`
	InfoSender     vector.Hex  `json:"info_sender_key"`
	InfoRecipient  vector.Hex  `json:"info_recipient_key"`
	InfoCommonIV   vector.Hex  `json:"info_common_iv"`
	SenderKey      vector.Hex  `json:"sender_key"`
	RecipientKey   vector.Hex  `json:"recipient_key"`
	CommonIV       vector.Hex  `json:"common_iv"`
	SenderNonce    vector.Hex  `json:"sender_nonce_piv0"`
	RecipientNonce vector.Hex  `json:"recipient_nonce_piv0"`

	Number      uint64      `json:"sender_sequence_number"`
	PartialIV   *vector.Hex `json:"partial_iv"`
	KID         *vector.Hex `json:"kid"`
	KIDContext  *vector.Hex `json:"kid_context"`
	AADArray    vector.Hex  `json:"aad_array"`
	AAD         vector.Hex  `json:"aad"`
	Plaintext   vector.Hex  `json:"plaintext"`
	Key         vector.Hex  `json:"encryption_key"`
	Nonce       vector.Hex  `json:"nonce"`
	Option      vector.Hex  `json:"oscore_option"`
	Ciphertext  vector.Hex  `json:"ciphertext"`
	Protected   vector.Hex  `json:"protected_message"`
	Unprotected vector.Hex  `json:"unprotected_message"`
}

func appendixCVectors(t *testing.T) map[string]*appendixC {
	t.Helper()
	file := vector.Load[struct {
		Vectors []*appendixC `json:"vectors"`
	}](t, "testdata/rfc8613/appendix-c.json")
	all := map[string]*appendixC{}
	for _, v := range file.Vectors {
		all[v.ID] = v
	}
	return all
}

func (v *appendixC) params() Params {
	p := Params{
		MasterSecret: secret.Bytes(v.MasterSecret), MasterSalt: v.MasterSalt,
		SenderID: v.SenderID, RecipientID: v.RecipientID,
	}
	if v.IDContext != nil {
		p.IDContext = *v.IDContext
	}
	return p
}

// equal compares one intermediate value with that of the RFC.
func equal(t *testing.T, name string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s = %x, want %x", name, got, want)
	}
}

//spec:8613-3.2-1
//spec:8613-3.2.1-1
//spec:8613-3.2.1-2
//spec:8613-4-1
//spec:8613-4.1.2-1
//spec:8613-4.1.2-2
//spec:8613-4.2-1
//spec:8613-4.2-2
//spec:8613-4.2-7
//spec:8613-5-1
//spec:8613-5-5
//spec:8613-5.4-1
//spec:8613-5.4-2
//spec:8613-6.1-1
//spec:8613-6.2-1
//spec:8613-8.1-1
//spec:8613-8.2-1
//spec:8613-8.3-1
//spec:8613-8.4-1
func TestVectors(t *testing.T) {
	all := appendixCVectors(t)
	for _, id := range []string{"C.1.1", "C.1.2", "C.2.1", "C.2.2", "C.3.1", "C.3.2"} {
		t.Run(id, func(t *testing.T) { testDerivation(t, all[id]) })
	}
	// Which derivations the messages use: RFC 8613, Appendix C.4 to C.8.
	for _, v := range [][3]string{{"C.4", "C.1.1", "C.1.2"}, {"C.5", "C.2.1", "C.2.2"}, {"C.6", "C.3.1", "C.3.2"}} {
		t.Run(v[0], func(t *testing.T) { testRequest(t, all[v[0]], all[v[1]], all[v[2]]) })
	}
	for _, id := range []string{"C.7", "C.8"} {
		t.Run(id, func(t *testing.T) { testResponse(t, all[id], all["C.4"], all["C.1.1"], all["C.1.2"]) })
	}
}

// testDerivation is the key derivation of Section 3.2.1, and nonces with Partial IV 0.
func testDerivation(t *testing.T, v *appendixC) {
	set, err := (&Config{Params: v.params()}).settings()
	if err != nil {
		t.Fatal(err)
	}
	idContext := set.params.IDContext
	equal(t, "info of the Sender Key", appendInfo(nil, v.SenderID, idContext, set.alg, "Key", 16), v.InfoSender)
	equal(t, "info of the Recipient Key", appendInfo(nil, v.RecipientID, idContext, set.alg, "Key", 16), v.InfoRecipient)
	equal(t, "info of the Common IV", appendInfo(nil, nil, idContext, set.alg, "IV", 13), v.InfoCommonIV)
	d := newMaterial(&set.params, set.sender, set.recipient).derive(idContext)
	equal(t, "Sender Key", d.senderKey(), v.SenderKey)
	equal(t, "Recipient Key", d.recipientKey(), v.RecipientKey)
	equal(t, "Common IV", d.commonIV, v.CommonIV)

	c, err := NewContext(Config{Params: v.params()})
	if err != nil {
		t.Fatal(err)
	}
	var n [maxNonce]byte
	equal(t, "sender nonce", c.sender.base.nonce(&n, 13, 0), v.SenderNonce)
	equal(t, "recipient nonce", c.recipient.base.nonce(&n, 13, 0), v.RecipientNonce)
	equal(t, "Sender ID", c.SenderID(), v.SenderID)
	equal(t, "Recipient ID", c.RecipientID(), v.RecipientID)
	equal(t, "ID Context", c.IDContext(), idContext)
}

// watched is a context that protects as number n, and what its AEAD is given.
func watched(t *testing.T, v *appendixC, n uint64) (*Context, *aeadCall) {
	t.Helper()
	call := &aeadCall{}
	c, err := NewContext(Config{Params: v.params(), DangerNewAEAD: call.newAEAD})
	if err != nil {
		t.Fatal(err)
	}
	c.sender.sequence.next = n
	return c, call
}

func testRequest(t *testing.T, v, client, server *appendixC) {
	head, m := splitCoAP(t, v.Unprotected)
	c, call := watched(t, client, v.Number)
	p, x, err := c.ProtectRequest(m)
	if err != nil {
		t.Fatal(err)
	}
	testSealed(t, v, call)
	equal(t, "AAD", appendAAD(nil, cose.AES_CCM_16_64_128, *v.KID, *v.PartialIV), v.AAD)
	piv := newPartialIV(v.Number)
	equal(t, "Partial IV", piv.bytes(), *v.PartialIV)
	equal(t, "Partial IV of the exchange", x.piv.bytes(), *v.PartialIV)
	kid, _ := p.KID()
	equal(t, "kid", kid, *v.KID)
	if v.KIDContext != nil {
		kidContext, _ := p.KIDContext()
		equal(t, "kid context", kidContext, *v.KIDContext)
	}
	testOnTheWire(t, v, head, p)

	s, _ := watched(t, server, 0)
	got, _, err := s.VerifyRequest(parseMessage(t, v.Protected))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "verified request", joinCoAP(head, got), v.Unprotected)
}

func testResponse(t *testing.T, v, request, client, server *appendixC) {
	head, m := splitCoAP(t, v.Unprotected)
	s, call := watched(t, server, v.Number)
	s.common.ownPartialIV = v.PartialIV != nil
	_, x, err := s.VerifyRequest(parseMessage(t, request.Protected))
	if err != nil {
		t.Fatal(err)
	}
	p, err := x.ProtectResponse(m)
	if err != nil {
		t.Fatal(err)
	}
	testSealed(t, v, call)
	testOnTheWire(t, v, head, p)

	c, _ := watched(t, client, request.Number)
	_, asked := splitCoAP(t, request.Unprotected)
	_, exchange, err := c.ProtectRequest(asked)
	if err != nil {
		t.Fatal(err)
	}
	got, err := exchange.VerifyResponse(parseMessage(t, v.Protected))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "verified response", joinCoAP(head, got), v.Unprotected)
}

// testSealed compares what went into and came out of the AEAD.
func testSealed(t *testing.T, v *appendixC, call *aeadCall) {
	t.Helper()
	if want := len(v.AAD) - len(v.AADArray); !strings.HasPrefix(string(v.AAD), encStructure) || want != 12 {
		t.Errorf("aad_array begins at %d, want 12", want)
	}
	equal(t, "aad_array", call.aad[12:], v.AADArray)
	equal(t, "AAD of the AEAD", call.aad, v.AAD)
	equal(t, "encryption key", call.key, v.Key)
	equal(t, "nonce", call.nonce, v.Nonce)
	equal(t, "plaintext", call.plaintext, v.Plaintext)
	equal(t, "ciphertext", call.ciphertext, v.Ciphertext)
}

func testOnTheWire(t *testing.T, v *appendixC, head []byte, p Protected) {
	t.Helper()
	m, err := p.Message()
	if err != nil {
		t.Fatal(err)
	}
	option, ok := m.option(optionOSCORE)
	if !ok {
		t.Fatal("no OSCORE option")
	}
	equal(t, "OSCORE option", option, v.Option)
	equal(t, "payload", m.Payload, v.Ciphertext)
	equal(t, "protected message", joinCoAP(head, m), v.Protected)
}
