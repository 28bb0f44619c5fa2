package edhocrunner

import "crypto/sha512"

// An Identity is a credential with its key and the name that it goes by. Of the other
// peer, Key has no private part.
type Identity struct {
	CRED []byte // CRED_x, one CBOR item
	ID   []byte // ID_CRED_x, the whole map
	Key  Key
}

// NewIdentity makes a CWT Claims Set by 'kid' whose key depends on curve, use and name
// only.
func NewIdentity(curve int64, static bool, name string, kid []byte) (Identity, error) {
	use := "signature"
	if static {
		use = "static DH"
	}
	seed := sha512.Sum512([]byte(name + use))
	seed[0] &= 0x7f // below the orders of the curves
	size := map[int64]int{P256: 32, P384: 48, X25519: 32, X448: 56, Ed25519: 32, Ed448: 57}[curve]
	k, err := NewKey(curve, seed[:size])
	if err != nil {
		return Identity{}, err
	}
	return Identity{CRED: CCS(k, name, kid), ID: Map(Int(4), Bytes(kid)), Key: k}, nil
}

// ByValue is the same Identity with a 'kccs' that brings the credential along.
func (id Identity) ByValue() Identity {
	id.ID = Map(Int(14), id.CRED)
	return id
}

// CCS writes the CWT Claims Set of a public key (RFC 9528, Section 3.5.2).
func CCS(k Key, subject string, kid []byte) []byte {
	kty := int64(1) // OKP
	if k.Y != nil {
		kty = 2 // EC2
	}
	key := [][]byte{Int(1), Int(kty), Int(2), Bytes(kid), Int(-1), Int(k.Curve), Int(-2), Bytes(k.X)}
	if k.Y != nil {
		key = append(key, Int(-3), Bytes(k.Y))
	}
	return Map(Int(2), Text(subject), Int(8), Map(Int(1), Map(key...)))
}

// field is ID_CRED_x as a plaintext has it: a 'kid' alone without its map (RFC 9528,
// Section 3.5.3.2).
func (id Identity) field() []byte {
	items, err := Split(id.ID)
	if err != nil || len(items) != 1 {
		return id.ID
	}
	_, count, rest, err := readHead(id.ID)
	if err != nil || count != 1 {
		return id.ID
	}
	pair, err := Split(rest)
	if err != nil || len(pair) != 2 || string(pair[0]) != string(Int(4)) {
		return id.ID
	}
	kid, err := content(pair[1], majorBytes)
	if err != nil {
		return id.ID
	}
	return Identifier(kid)
}
