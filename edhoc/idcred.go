package edhoc

import (
	"bytes"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
)

// IDCred is ID_CRED_I or ID_CRED_R: a COSE header map that names a credential or
// brings it along (RFC 9528, Section 3.5.3). As received, it is a claim, and its
// content is untrusted. Fields of parameters that are not there are nil or zero.
// An IDCred is made by the functions below or received, never written by hand;
// it is immutable.
type IDCred struct {
	KID        []byte    // 4: not nil if there, and not unique
	KIDContext []byte    // 10
	KCWT       []byte    // 13: a CWT, tagged or not
	KCCS       []byte    // 14: a CWT Claims Set
	C5T        *CertHash // 22
	C5U        string    // 23
	C5C        [][]byte  // 25: the end entity's C509 certificate first
	X5Chain    [][]byte  // 33: the end entity's certificate first, DER
	X5T        *CertHash // 34
	X5U        string    // 35

	header []byte // the whole map
}

// CertHash is COSE_CertHash (RFC 9360, Section 2): a hash of a certificate.
type CertHash struct {
	Algorithm int64 // -16 SHA-256, -15 SHA-256 of 64 bits, ...; 0 if it is named by a text
	Value     []byte
}

// The labels of the COSE header parameters that an ID_CRED may have.
const (
	paramKID        = 4
	paramKIDContext = 10
	paramKCWT       = 13
	paramKCCS       = 14
	paramC5T        = 22
	paramC5U        = 23
	paramC5C        = 25
	paramX5Chain    = 33
	paramX5T        = 34
	paramX5U        = 35

	tagURI = 32
)

// KID names a credential by a key identifier of any length. One that is the
// one-byte encoding of an integer of -24..23 is the shortest in a message.
//
//spec:9528-8-1
func KID(kid []byte) IDCred {
	return mustIDCred(paramKID, cborseq.AppendBytes(nil, kid))
}

// X5T names an X.509 certificate by SHA-256 of its DER encoding, cut to 64 bits
// as RFC 9528, Section 9.3 recommends.
func X5T(der []byte) IDCred {
	return mustIDCred(paramX5T, appendCertHash(nil, shortHash, der))
}

// C5T names a C509 certificate by SHA-256, cut to 64 bits, of the CBOR sequence
// that it consists of (draft-ietf-cose-cbor-encoded-cert).
func C5T(sequence []byte) IDCred {
	return mustIDCred(paramC5T, appendCertHash(nil, shortHash, sequence))
}

// X5Chain sends X.509 certificates, DER, the end entity's first. There is at least
// one.
func X5Chain(chain ...[]byte) IDCred { return mustIDCred(paramX5Chain, appendChain(nil, chain)) }

// C5C sends C509 certificates as X5Chain does X.509 ones; each is the CBOR sequence
// that it consists of.
func C5C(chain ...[]byte) IDCred { return mustIDCred(paramC5C, appendChain(nil, chain)) }

// X5U names an X.509 certificate by a URI, from which the application of the peer
// fetches it.
func X5U(uri string) IDCred {
	return mustIDCred(paramX5U, cborseq.AppendText(cborseq.AppendTag(nil, tagURI), uri))
}

// C5U names a C509 certificate by a URI.
func C5U(uri string) IDCred {
	return mustIDCred(paramC5U, cborseq.AppendText(cborseq.AppendTag(nil, tagURI), uri))
}

// ParseIDCred decodes a whole ID_CRED map, for parameters or combinations of them
// that the functions above do not make.
func ParseIDCred(header []byte) (IDCred, error) {
	s := cborseq.String(bytes.Clone(header))
	var id IDCred
	if !id.read(&s) || !s.Empty() {
		return IDCred{}, misuse("ID_CRED is not a COSE header map")
	}
	return id, nil
}

// mustIDCred makes the map { label : value }. The callers give values that are
// well-formed, unless they were given CBOR that is not: that makes the zero
// IDCred, which NewInitiator and NewResponder refuse.
func mustIDCred(label int64, value []byte) IDCred {
	b := cborseq.AppendInt(cborseq.AppendMap(nil, 1), label)
	id, err := ParseIDCred(append(b, value...))
	if err != nil {
		return IDCred{}
	}
	return id
}

// Header gives the whole COSE header map.
func (id IDCred) Header() []byte { return bytes.Clone(id.header) }

// ByReference says whether id names a credential that the receiver must have or
// fetch, rather than bringing it along.
func (id IDCred) ByReference() bool {
	return id.KCWT == nil && id.KCCS == nil && id.C5C == nil && id.X5Chain == nil && id.known()
}

// known says whether there is a parameter that identifies a credential.
func (id IDCred) known() bool {
	return id.KID != nil || id.KCWT != nil || id.KCCS != nil || id.C5T != nil || id.C5U != "" ||
		id.C5C != nil || id.X5Chain != nil || id.X5T != nil || id.X5U != ""
}

// compact says whether id is { 4 : kid } alone.
func (id IDCred) compact() bool {
	s := cborseq.String(id.header)
	var n int
	return id.KID != nil && s.ReadMap(&n) && n == 1
}

// append appends id as PLAINTEXT_2 and PLAINTEXT_3 have it (RFC 9528, Section
// 3.5.3.2).
func (id IDCred) append(dst []byte) []byte {
	//spec:9528-3.5.3.2-1
	if id.compact() {
		return appendIdentifier(dst, id.KID)
	}
	return append(dst, id.header...)
}

// readIDCred reads an ID_CRED field of PLAINTEXT_2 or PLAINTEXT_3.
func readIDCred(s *cborseq.String, out *IDCred) bool {
	if m, ok := s.PeekMajor(); !ok || m != cborseq.Map {
		var kid []byte
		if !readIdentifier(s, &kid) {
			return false
		}
		header := cborseq.AppendInt(cborseq.AppendMap(nil, 1), paramKID)
		*out = IDCred{KID: kid, header: cborseq.AppendBytes(header, kid)}
		return true
	}
	//spec:9528-3.5.3.2-1
	return out.read(s) && !out.compact()
}

// read reads a COSE header map. Its labels need not be sorted (RFC 9528, Section
// 3.5.3); each may be there once.
func (id *IDCred) read(s *cborseq.String) bool {
	start := *s
	var n int
	if !s.ReadMap(&n) || n == 0 {
		return false
	}
	seen := make(map[string]bool, n)
	for range n {
		var key []byte
		if !s.ReadRaw(&key) || seen[string(key)] || !id.readParam(key, s) {
			return false
		}
		seen[string(key)] = true
	}
	size := len(start) - len(*s)
	id.header = start[:size:size]
	return true
}

// readParam reads the value of the parameter whose label is the item key.
func (id *IDCred) readParam(key []byte, s *cborseq.String) bool {
	var label int64
	k := cborseq.String(key)
	if !k.ReadInt(&label) {
		var name string
		return k.ReadText(&name) && s.Skip()
	}
	switch label {
	case paramKID:
		return s.ReadBytes(&id.KID)
	case paramKIDContext:
		return s.ReadBytes(&id.KIDContext)
	case paramKCWT:
		return s.ReadRaw(&id.KCWT)
	case paramKCCS:
		m, ok := s.PeekMajor()
		return ok && m == cborseq.Map && s.ReadRaw(&id.KCCS)
	case paramC5T:
		return readCertHash(s, &id.C5T)
	case paramC5U:
		return readURI(s, &id.C5U)
	case paramC5C:
		return readChain(s, &id.C5C)
	case paramX5Chain:
		return readChain(s, &id.X5Chain)
	case paramX5T:
		return readCertHash(s, &id.X5T)
	case paramX5U:
		return readURI(s, &id.X5U)
	}
	return s.Skip()
}

// appendChain appends COSE_X509 = bstr / [ 2* certs : bstr ] (RFC 9360, Section 2).
func appendChain(dst []byte, chain [][]byte) []byte {
	if len(chain) != 1 {
		dst = cborseq.AppendArray(dst, len(chain))
	}
	for _, c := range chain {
		dst = cborseq.AppendBytes(dst, c)
	}
	return dst
}

func readChain(s *cborseq.String, out *[][]byte) bool {
	n := 1
	if m, ok := s.PeekMajor(); ok && m == cborseq.Array {
		if !s.ReadArray(&n) || n < 2 {
			return false
		}
	}
	chain := make([][]byte, n)
	for i := range chain {
		if !s.ReadBytes(&chain[i]) {
			return false
		}
	}
	*out = chain
	return true
}

// shortHash is SHA-256/64, for identifying certificates only (RFC 9528, Section
// 9.3).
const shortHash cose.Algorithm = -15

// certHash hashes a certificate with a COSE hash algorithm; nil if it is not one
// of those that identify certificates here.
func certHash(alg int64, cert []byte) []byte {
	if alg == int64(shortHash) {
		return hashes[cose.SHA256].sum(cert)[:8]
	}
	if h := hashes[cose.Algorithm(alg)]; h != nil {
		return h.sum(cert)
	}
	return nil
}

func appendCertHash(dst []byte, alg cose.Algorithm, cert []byte) []byte {
	dst = cborseq.AppendArray(dst, 2)
	dst = cborseq.AppendInt(dst, int64(alg))
	return cborseq.AppendBytes(dst, certHash(int64(alg), cert))
}

func readCertHash(s *cborseq.String, out **CertHash) bool {
	var n int
	var h CertHash
	if !s.ReadArray(&n) || n != 2 {
		return false
	}
	if !s.ReadInt(&h.Algorithm) {
		var name string
		if !s.ReadText(&name) {
			return false
		}
	}
	if !s.ReadBytes(&h.Value) {
		return false
	}
	*out = &h
	return true
}

// readURI reads a uri of CDDL: text with tag 32.
func readURI(s *cborseq.String, out *string) bool {
	var tag uint64
	return s.ReadTag(&tag) && tag == tagURI && s.ReadText(out) && *out != ""
}
