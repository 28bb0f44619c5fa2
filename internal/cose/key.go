package cose

import (
	"slices"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/secret"
)

// Key is a COSE_Key (RFC 9052, Section 7), of the key types OKP, EC2 and Symmetric
// (RFC 9053, Section 7). Byte strings are absent when nil. Printing one shows no
// secret.
type Key struct {
	Type      KeyType
	ID        []byte    // kid
	Algorithm Algorithm // alg; 0 is absent
	Ops       []KeyOp   // key_ops; nil is absent. Unknown ones are left out.
	BaseIV    []byte

	Curve Curve        // OKP and EC2
	X     []byte       // OKP: the public key. EC2: the coordinate, padded
	Y     []byte       // EC2: the coordinate, padded
	D     secret.Bytes // OKP and EC2: the private key
	K     secret.Bytes // Symmetric

	Others []Param
}

// KeyType is a kty.
type KeyType int64

// The key types of RFC 9053, Table 17.
const (
	OKP       KeyType = 1
	EC2       KeyType = 2
	Symmetric KeyType = 4
)

// Curve is a crv.
type Curve int64

// The curves of RFC 9053, Table 18. P256 to P521 are for EC2 keys, the others for
// OKP.
const (
	P256         Curve = 1
	P384         Curve = 2
	P521         Curve = 3
	X25519       Curve = 4
	X448         Curve = 5
	CurveEd25519 Curve = 6
	CurveEd448   Curve = 7
)

// KeyOp is a value of key_ops (RFC 9052, Table 5).
type KeyOp int64

// The key operations.
const (
	OpSign       KeyOp = 1
	OpVerify     KeyOp = 2
	OpEncrypt    KeyOp = 3
	OpDecrypt    KeyOp = 4
	OpWrapKey    KeyOp = 5
	OpUnwrapKey  KeyOp = 6
	OpDeriveKey  KeyOp = 7
	OpDeriveBits KeyOp = 8
	OpMACCreate  KeyOp = 9
	OpMACVerify  KeyOp = 10
)

// The labels of RFC 9052, Table 4, and RFC 9053, Tables 19, 20 and 21.
const (
	keyLabelType   = 1
	keyLabelID     = 2
	keyLabelAlg    = 3
	keyLabelOps    = 4
	keyLabelBaseIV = 5
	keyLabelCurve  = -1 // Symmetric: k
	keyLabelX      = -2
	keyLabelY      = -3
	keyLabelD      = -4
)

// ParseKey decodes b, one whole COSE_Key, and validates it as Validate does. It
// decompresses the point of an EC2 key, and makes the public part of a private key
// that came without. The key keeps no part of b.
func ParseKey(b []byte) (*Key, error) {
	//spec:9052-9-3
	normal, err := cborseq.Normalize(b)
	if err != nil {
		return nil, fault(ErrMalformed, "Section 9", "CBOR")
	}
	s := cborseq.String(slices.Clone(normal))
	k, err := readKey(&s)
	if err != nil {
		return nil, err
	}
	if err := k.complete(); err != nil {
		return nil, err
	}
	if err := k.Validate(); err != nil {
		return nil, err
	}
	return k, nil
}

// readKey decodes a key that is deterministic: its kty, label 1, comes first.
func readKey(s *cborseq.String) (*Key, error) {
	var k Key
	var n int
	var first, kty int64
	//spec:9052-7.1-1
	if !s.ReadMap(&n) || n == 0 || !s.ReadInt(&first) || first != keyLabelType {
		return nil, fault(ErrMalformed, "Section 7", "not a map with a kty")
	}
	if !s.ReadInt(&kty) {
		return nil, fault(ErrKey, "Section 7.1", "unknown kty")
	}
	k.Type = KeyType(kty)
	if k.Type != OKP && k.Type != EC2 && k.Type != Symmetric {
		return nil, fault(ErrKey, "Section 7.1", "unknown kty")
	}
	for range n - 1 {
		var l Label
		if !readLabel(s, &l) || !k.readParam(s, l) {
			return nil, fault(ErrMalformed, "Section 7.1", "key parameter")
		}
	}
	return &k, nil
}

// readParam decodes the value of the parameter l.
func (k *Key) readParam(s *cborseq.String, l Label) bool {
	if l.Text == "" {
		switch l.Int {
		case keyLabelID:
			return s.ReadBytes(&k.ID)
		case keyLabelAlg:
			return s.ReadInt((*int64)(&k.Algorithm)) && k.Algorithm != 0
		case keyLabelOps:
			return k.readOps(s)
		case keyLabelBaseIV:
			return s.ReadBytes(&k.BaseIV)
		case keyLabelCurve:
			if k.Type == Symmetric {
				return s.ReadBytes((*[]byte)(&k.K))
			}
			return s.ReadInt((*int64)(&k.Curve))
		}
		if k.Type != Symmetric {
			switch l.Int {
			case keyLabelX:
				return s.ReadBytes(&k.X)
			case keyLabelD:
				return s.ReadBytes((*[]byte)(&k.D))
			}
		}
		if k.Type == EC2 && l.Int == keyLabelY {
			return k.readY(s)
		}
	}
	p := Param{Label: l}
	if !s.ReadRaw(&p.Value) {
		return false
	}
	k.Others = append(k.Others, p)
	return true
}

// readY decodes the y-coordinate. In place of one it leaves, for complete, the
// first byte of a compressed point (SEC 1, Section 2.3.3).
func (k *Key) readY(s *cborseq.String) bool {
	var sign bool
	if s.ReadBool(&sign) {
		k.Y = []byte{2}
		if sign {
			k.Y[0] = 3
		}
		return true
	}
	return s.ReadBytes(&k.Y) && len(k.Y) > 1
}

func (k *Key) readOps(s *cborseq.String) bool {
	var n int
	if !s.ReadArray(&n) {
		return false
	}
	k.Ops = make([]KeyOp, 0, n)
	for range n {
		var op int64
		var text string
		switch {
		case s.ReadInt(&op):
			k.Ops = append(k.Ops, KeyOp(op))
		case !s.ReadText(&text):
			return false
		}
	}
	return true
}

// Append appends the deterministic encoding of the key to dst, which includes its
// secrets. The key must be valid.
func (k *Key) Append(dst []byte) []byte {
	type param struct {
		label  Label
		append func(dst []byte) []byte
	}
	var params []param
	add := func(present bool, label int64, f func(dst []byte) []byte) {
		if present {
			params = append(params, param{Label{Int: label}, f})
		}
	}
	number := func(v int64) func([]byte) []byte {
		return func(dst []byte) []byte { return cborseq.AppendInt(dst, v) }
	}
	bytes := func(v []byte) func([]byte) []byte {
		return func(dst []byte) []byte { return cborseq.AppendBytes(dst, v) }
	}
	add(true, keyLabelType, number(int64(k.Type)))
	add(k.ID != nil, keyLabelID, bytes(k.ID))
	add(k.Algorithm != 0, keyLabelAlg, number(int64(k.Algorithm)))
	add(k.Ops != nil, keyLabelOps, k.appendOps)
	add(k.BaseIV != nil, keyLabelBaseIV, bytes(k.BaseIV))
	if k.Type == Symmetric {
		add(true, keyLabelCurve, bytes(k.K))
	} else {
		add(true, keyLabelCurve, number(int64(k.Curve)))
		add(k.X != nil, keyLabelX, bytes(k.X))
		add(k.Y != nil, keyLabelY, bytes(k.Y))
		add(k.D != nil, keyLabelD, bytes(k.D))
	}
	for _, p := range k.Others {
		params = append(params, param{p.Label, func(dst []byte) []byte { return append(dst, p.Value...) }})
	}
	slices.SortFunc(params, func(a, b param) int { return compareLabels(a.label, b.label) })
	dst = cborseq.AppendMap(dst, len(params))
	for _, p := range params {
		dst = p.append(p.label.appendTo(dst))
	}
	return dst
}

func (k *Key) appendOps(dst []byte) []byte {
	dst = cborseq.AppendArray(dst, len(k.Ops))
	for _, op := range k.Ops {
		dst = cborseq.AppendInt(dst, int64(op))
	}
	return dst
}
