package edhoc

import (
	"bytes"
	"slices"

	"github.com/ostiary/ostiary/internal/secret"
)

// Exchange is what both sides know of a handshake. Applications that process EAD
// items may need it (RFC 9528, Appendix E). Its slices are copies.
type Exchange struct {
	Method Method
	Suite  SuiteID // the selected one
	CI     ConnID
	CR     ConnID // from message_2 on
	GX     []byte // ephemeral public key of the Initiator
	GY     []byte // ephemeral public key of the Responder, from message_2 on
}

// run is a handshake that goes on, on either side. It moves from state to state;
// only the state that holds it uses it.
type run struct {
	*settings
	role   role
	method Method
	suite  *cipherSuite
	oscore bool // the Session is for OSCORE
	cI, cR ConnID
	gX, gY []byte
	own    *keyPair  // our ephemeral key
	peer   agreement // the peer's
}

// erase deletes what must not outlive the handshake.
//
//spec:9528-9.8-4
//spec:9528-6-1
func (r *run) erase() {
	if r.own != nil {
		r.own.erase()
	}
}

func (r *run) exchange() Exchange {
	return Exchange{r.method, r.suite.id, r.cI, r.cR, bytes.Clone(r.gX), bytes.Clone(r.gY)}
}

// tooLong says whether an identifier cannot be a Sender ID (RFC 8613, Section 3.3).
func (r *run) tooLong(id ConnID) bool { return r.oscore && len(id) > r.suite.AppAEAD.NonceSize()-6 }

// setPeer validates the ephemeral public key of the peer.
//
//spec:9528-9.8-6
//spec:9528-9.8-7
func (r *run) setPeer(x []byte, section string) error {
	p, err := r.suite.group.point(x)
	if err != nil {
		return &Error{Code: CodeUnspecified, Section: section, Reason: "invalid ephemeral public key", Err: err, early: r.role == responder}
	}
	r.peer = agreement{x: x, point: p}
	return nil
}

// ephemeralSecret is G_XY.
func (r *run) ephemeralSecret() (secret.Bytes, error) {
	z, err := r.peer.point.ecdh(r.own.private)
	if err != nil {
		return nil, refuse("9.2", "ECDH with the ephemeral key", err)
	}
	return z, nil
}

// ownSecret is the shared secret of our static key and the peer's ephemeral one.
func (r *run) ownSecret(key *PrivateKey) (secret.Bytes, error) {
	z, err := key.agree(r.peer)
	if err != nil {
		return nil, refuse("9.2", "ECDH with our static key", err)
	}
	return z, nil
}

// isOwn says whether cred is our own: the peer would be ourselves, or a mirror (RFC
// 9528, Section 9.2).
func (r *run) isOwn(cred *Credential) bool {
	return slices.ContainsFunc(r.identities, func(id Identity) bool { return cred.is(id.Credential) })
}

// attempt tries the candidates until one proves right. Our own credential is never
// tried: other peers may have its 'kid', but not its key.
//
//spec:9528-3.5.3-1
func attempt[V any](r *run, candidates []*Credential, static bool, section string, try func(*Credential) *V) (*V, error) {
	own := false
	for _, cred := range candidates {
		if r.isOwn(cred) {
			own = true
			continue
		}
		if !cred.key.serves(r.suite, static) {
			continue
		}
		if v := try(cred); v != nil {
			return v, nil
		}
	}
	if own {
		return nil, refuse("9.2", "our own credential came back", nil)
	}
	return nil, refuse(section, "Signature_or_MAC does not verify", nil)
}

// unknown is the error for an ID_CRED to which the application has no credential.
func unknown(id IDCred, section string) *Error {
	e := refuse(section, "no credential for ID_CRED", nil)
	//spec:9528-6.4-2
	if id.ByReference() {
		e.Code = CodeUnknownCredential
	}
	return e
}

// keyed is the COSE_Encrypt0 of message_3 or message_4, without the COSE around
// it (RFC 9528, Appendix C.3).
type keyed struct {
	suite   *cipherSuite
	key, iv secret.Bytes
	th      []byte
}

func newKeyed(c *cipherSuite, p prk, labelKey, labelIV int64, th []byte) *keyed {
	return &keyed{c, p.kdf(labelKey, th, c.AEAD.KeySize()), p.kdf(labelIV, th, c.AEAD.NonceSize()), th}
}

// seal uses the key up.
//
//spec:9528-9.2-1
func (k *keyed) seal(plaintext []byte) ([]byte, error) {
	defer k.erase()
	if len(plaintext) > k.suite.AEAD.MaxPlaintext() {
		return nil, misuse("message of %d bytes", len(plaintext))
	}
	a, err := k.suite.AEAD.NewAEAD(k.key)
	if err != nil {
		return nil, err
	}
	return a.Seal(nil, k.iv, plaintext, aad(k.th)), nil
}

// open uses the key up.
//
//spec:9528-9.2-1
func (k *keyed) open(ciphertext []byte) ([]byte, error) {
	defer k.erase()
	a, err := k.suite.AEAD.NewAEAD(k.key)
	if err != nil {
		return nil, err
	}
	return a.Open(nil, k.iv, ciphertext, aad(k.th))
}

func (k *keyed) erase() {
	k.key.Erase()
	k.iv.Erase()
}

// xor gives the data combined with the keystream, in the memory of the latter.
func xor(keystream, data []byte) []byte {
	for i := range keystream {
		keystream[i] ^= data[i]
	}
	return keystream
}
