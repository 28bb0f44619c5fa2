package c509

import (
	"encoding/hex"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// An algorithm is an AlgorithmIdentifier (Section 3.1): an integer of a registry, or an
// OID with or without parameters.
type algorithm struct {
	id     int64 // if oid is nil
	oid    []byte
	params []byte // DER, or nil
}

// Signature algorithms (Section 9.13) that have something of their own.
const (
	sigRSASHA1       = -256
	sigECDSASHA1     = -255
	sigECDSASHA256   = 0
	sigECDSASHA384   = 1
	sigECDSASHA512   = 2
	sigECDSASHAKE128 = 3
	sigECDSASHAKE256 = 4
	sigSM2           = 8
	sigEd25519       = 12
	sigEd448         = 13
)

// Public key algorithms (Section 9.14), likewise.
const (
	keyRSA     = 0
	keyP256    = 1
	keyP384    = 2
	keyP521    = 3
	keySM2     = 6
	keyX25519  = 8
	keyX448    = 9
	keyEd25519 = 12
	keyEd448   = 13
	keyBP256   = 24
	keyBP384   = 25
	keyBP512   = 26
	keyFRP256  = 27
)

// algorithms is a registry of AlgorithmIdentifiers, DER.
type algorithms map[int64]string

// The C509 Signature Algorithms registry. The DER of 23 to 25 there has a wrong length
// octet: 0b for 0d.
var signatureAlgorithms = algorithms{
	sigRSASHA1:       unhex("300d06092a864886f70d0101050500"),
	sigECDSASHA1:     unhex("300906072a8648ce3d0401"),
	sigECDSASHA256:   unhex("300a06082a8648ce3d040302"),
	sigECDSASHA384:   unhex("300a06082a8648ce3d040303"),
	sigECDSASHA512:   unhex("300a06082a8648ce3d040304"),
	sigECDSASHAKE128: unhex("300a06082b06010505070620"),
	sigECDSASHAKE256: unhex("300a06082b06010505070621"),
	5:                unhex("300a06082b06010505070624"),
	sigSM2:           unhex("300a06082a811ccf55018375"),
	sigEd25519:       unhex("300506032b6570"),
	sigEd448:         unhex("300506032b6571"),
	14:               unhex("300a06082b0601050507061a"),
	15:               unhex("300a06082b0601050507061b"),
	16:               unhex("300a06082b0601050507061c"),
	23:               unhex("300d06092a864886f70d01010b0500"),
	24:               unhex("300d06092a864886f70d01010c0500"),
	25:               unhex("300d06092a864886f70d01010d0500"),
	26:               unhex("304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120"),
	27:               unhex("304106092a864886f70d01010a3034a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d06096086480165030402020500a203020130"),
	28:               unhex("304106092a864886f70d01010a3034a00f300d06096086480165030402030500a11c301a06092a864886f70d010108300d06096086480165030402030500a203020140"),
	29:               unhex("300a06082b0601050507061e"),
	30:               unhex("300a06082b0601050507061f"),
}

// The C509 Public Key Algorithms registry.
var keyAlgorithms = algorithms{
	keyRSA:     unhex("300d06092a864886f70d0101010500"),
	keyP256:    unhex("301306072a8648ce3d020106082a8648ce3d030107"),
	keyP384:    unhex("301006072a8648ce3d020106052b81040022"),
	keyP521:    unhex("301006072a8648ce3d020106052b81040023"),
	keySM2:     unhex("301306072a8648ce3d020106082a811ccf5501822d"),
	keyX25519:  unhex("300506032b656e"),
	keyX448:    unhex("300506032b656f"),
	keyEd25519: unhex("300506032b6570"),
	keyEd448:   unhex("300506032b6571"),
	keyBP256:   unhex("301406072a8648ce3d020106092b2403030208010107"),
	keyBP384:   unhex("301406072a8648ce3d020106092b240303020801010b"),
	keyBP512:   unhex("301406072a8648ce3d020106092b240303020801010d"),
	keyFRP256:  unhex("301506072a8648ce3d0201060a2a817a01815f65820001"),
}

func unhex(s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err) // Broken invariant: the tables above are hexadecimal.
	}
	return string(b)
}

// is says whether a is one of the registered algorithms ids.
func (a *algorithm) is(ids ...int64) bool { return a.oid == nil && slices.Contains(ids, a.id) }

// read reads an AlgorithmIdentifier.
func (a *algorithm) read(s *cborseq.String, known algorithms) bool {
	m, _ := s.PeekMajor()
	switch m {
	case cborseq.Bytes:
		return s.ReadBytes(&a.oid) && a.generic(known)
	case cborseq.Array:
		var n int
		return s.ReadArray(&n) && n == 2 && s.ReadBytes(&a.oid) && s.ReadBytes(&a.params) && oneElement(a.params) && a.generic(known)
	}
	if !s.ReadInt(&a.id) {
		return false
	}
	_, ok := known[a.id]
	return ok
}

// generic says whether a may be written with its OID: it is not registered.
func (a *algorithm) generic(known algorithms) bool {
	var b cryptobyte.Builder
	a.addDER(&b, known)
	der, err := b.Bytes()
	return err == nil && validOID(a.oid) && known.find(der) == nil
}

func (known algorithms) find(der []byte) *int64 {
	for id, k := range known {
		if k == string(der) {
			return &id
		}
	}
	return nil
}

// append appends what read reads.
func (a *algorithm) append(dst []byte) []byte {
	switch {
	case a.oid == nil:
		return cborseq.AppendInt(dst, a.id)
	case a.params == nil:
		return cborseq.AppendBytes(dst, a.oid)
	}
	return cborseq.AppendBytes(cborseq.AppendBytes(cborseq.AppendArray(dst, 2), a.oid), a.params)
}

// addDER adds the AlgorithmIdentifier of X.509 (RFC 5280, Section 4.1.1.2).
func (a *algorithm) addDER(b *cryptobyte.Builder, known algorithms) {
	if a.oid == nil {
		b.AddBytes([]byte(known[a.id]))
		return
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addOID(b, a.oid)
		b.AddBytes(a.params)
	})
}

func (a *algorithm) readDER(s *cryptobyte.String, known algorithms) bool {
	var der, seq cryptobyte.String
	if !s.ReadASN1Element(&der, asn1.SEQUENCE) {
		return false
	}
	if id := known.find(der); id != nil {
		*a = algorithm{id: *id}
		return true
	}
	if !der.ReadASN1(&seq, asn1.SEQUENCE) || !readDEROID(&seq, &a.oid) {
		return false
	}
	if !seq.Empty() {
		a.params = seq
		return oneElement(a.params)
	}
	return true
}
