package ace

import (
	"fmt"
	"io"
	"slices"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/secret"
)

// The labels of an OSCORE_Input_Material (RFC 9203, Table 1).
const (
	oscID        = 0
	oscVersion   = 1
	oscMS        = 2
	oscHKDF      = 3
	oscAlg       = 4
	oscSalt      = 5
	oscContextID = 6
)

// Sizes in bytes. RFC 9203 names none; these refuse what no OSCORE endpoint could
// use, and secrets too short to be one.
const (
	minMasterSecret = 16
	maxMasterSecret = 64
	maxMaterialID   = 64
	maxSalt         = 255
	maxContextID    = 255 // kid context has a length of one byte (RFC 8613, Section 6.1)
)

// OSCOREVersion is the version of OSCORE (RFC 8613, Section 5.4).
const OSCOREVersion uint8 = 1

// An OSCOREInputMaterial is the OSCORE_Input_Material of RFC 9203, Section 3.2.1.
// Every member may be absent: byte strings are absent when nil, numbers when 0.
// Package oscoreprofile makes a security context of it.
type OSCOREInputMaterial struct {
	ID           []byte         // id, 1 to 64 bytes
	Version      uint8          // version; only OSCOREVersion is known
	MasterSecret secret.Bytes   // ms, 16 to 64 bytes
	HKDF         cose.Algorithm // hkdf: an HMAC, or direct+HKDF-SHA-256 or -512
	AEAD         cose.Algorithm // alg
	Salt         []byte         // salt, 0 to 255 bytes
	ContextID    []byte         // contextId, 0 to 255 bytes

	named [2]bool // HKDF, AEAD stand as text
}

// readMaterial takes an OSCORE_Input_Material. It refuses members that it does
// not know, as an RS must (RFC 9203, Section 4.2).
func (f *fields) readMaterial(out **OSCOREInputMaterial) bool {
	m := new(OSCOREInputMaterial)
	n := f.nested()
	for n.next() {
		switch n.key {
		case oscID:
			n.ok = n.readSized(&m.ID, 1, maxMaterialID)
		case oscVersion:
			var v uint64
			n.ok = n.s.ReadUint(&v) && v == uint64(OSCOREVersion)
			m.Version = OSCOREVersion
		case oscMS:
			n.ok = n.readSized((*[]byte)(&m.MasterSecret), minMasterSecret, maxMasterSecret)
		//spec:9203-3.2.1-2
		case oscHKDF:
			n.ok = n.readAlgorithm(&m.HKDF, &m.named[0]) && isHKDF(m.HKDF)
		//spec:9203-3.2.1-4
		case oscAlg:
			n.ok = n.readAlgorithm(&m.AEAD, &m.named[1]) && m.AEAD.IsAEAD()
		case oscSalt:
			n.ok = n.readSized(&m.Salt, 0, maxSalt)
		case oscContextID:
			n.ok = n.readSized(&m.ContextID, 0, maxContextID)
		default:
			return false
		}
	}
	*out = m
	return n.end()
}

// isHKDF takes both readings of RFC 9203, Section 3.2.1: the algorithm is the one
// of the HMAC, and must be an HKDF.
func isHKDF(a cose.Algorithm) bool {
	return a.IsHMAC() && a != cose.HMAC256_64 || a == cose.DirectHKDFSHA256 || a == cose.DirectHKDFSHA512
}

// algorithms are those that an OSCORE_Input_Material may name by text.
var algorithms = []cose.Algorithm{
	cose.A128GCM, cose.A192GCM, cose.A256GCM, cose.ChaCha20Poly1305,
	cose.AES_CCM_16_64_128, cose.AES_CCM_16_64_256, cose.AES_CCM_64_64_128, cose.AES_CCM_64_64_256,
	cose.AES_CCM_16_128_128, cose.AES_CCM_16_128_256, cose.AES_CCM_64_128_128, cose.AES_CCM_64_128_256,
	cose.HMAC256_256, cose.HMAC384_384, cose.HMAC512_512, cose.DirectHKDFSHA256, cose.DirectHKDFSHA512,
}

// readAlgorithm takes the number of an algorithm or its name.
//
//spec:9203-3.2.1-1
//spec:9203-3.2.1-3
func (f *fields) readAlgorithm(out *cose.Algorithm, named *bool) bool {
	if f.s.ReadInt((*int64)(out)) {
		return true
	}
	var name string
	if !f.s.ReadText(&name) {
		return false
	}
	for _, a := range algorithms {
		if a.String() == name {
			*out, *named = a, true
			return true
		}
	}
	return false
}

// Append appends the CBOR form to dst: the secret, in clear.
func (m *OSCOREInputMaterial) Append(dst []byte) []byte {
	w := writeFields(dst, nil)
	w.bytes(oscID, m.ID)
	w.int(oscVersion, int64(m.Version))
	w.bytes(oscMS, m.MasterSecret)
	w.algorithm(oscHKDF, m.HKDF, m.named[0])
	w.algorithm(oscAlg, m.AEAD, m.named[1])
	w.bytes(oscSalt, m.Salt)
	w.bytes(oscContextID, m.ContextID)
	return w.end()
}

// Format implements fmt.Formatter: without the secret, for verbs too with which
// fmt would not ask the secret itself.
func (m OSCOREInputMaterial) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, fmt.Sprintf("OSCORE_Input_Material{id %x, salt %x, contextId %x}", m.ID, m.Salt, m.ContextID)) // f keeps the text in memory
}

func (w *fieldWriter) algorithm(k int64, a cose.Algorithm, named bool) {
	if named && a != 0 {
		w.text(k, a.String())
		return
	}
	w.int(k, int64(a))
}

// ParseOSCOREInputMaterial decodes an OSCORE_Input_Material on its own.
func ParseOSCOREInputMaterial(b []byte) (*OSCOREInputMaterial, error) {
	var m *OSCOREInputMaterial
	n, err := cborseq.Normalize(b)
	if err != nil {
		return nil, malformed("RFC 9203, Section 3.2.1", "OSCORE_Input_Material")
	}
	f := fields{s: slices.Clone(n)}
	if !f.readMaterial(&m) || !f.s.Empty() {
		return nil, malformed("RFC 9203, Section 3.2.1", "OSCORE_Input_Material")
	}
	return m, nil
}
