package oscore

import (
	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
)

// oscoreVersion is the version of this protocol in the AAD (Section 5.4).
const oscoreVersion = 1

// maxAAD bounds what appendAAD appends: 12 bytes of Enc_structure, 6 of array and
// algorithm, 8 and 6 for the byte strings of kid and Partial IV, 1 for the options.
const maxAAD = 40

// encStructure begins the Enc_structure of every OSCORE message: an array of 3, the
// text "Encrypt0", the empty protected header (RFC 9052, Section 5.3).
const encStructure = "\x83\x68Encrypt0\x40"

// appendAAD composes the additional authenticated data (Section 5.4):
//
//	Enc_structure = [ "Encrypt0", h'', bstr .cbor aad_array ]
//	aad_array = [ oscore_version, [ alg_aead ], request_kid, request_piv, options ]
//
// There are no Class I options. The array is shorter than 24 bytes whatever is in it,
// so that the head of its byte string is one byte.
//
//spec:8613-5.4-1
//spec:8613-5.4-2
func appendAAD(dst []byte, alg cose.Algorithm, requestKID, requestPIV []byte) []byte {
	dst = append(dst, encStructure...)
	at := len(dst)
	dst = append(dst, 0, 0x85, oscoreVersion, 0x81)
	dst = cborseq.AppendInt(dst, int64(alg))
	dst = cborseq.AppendBytes(dst, requestKID)
	dst = cborseq.AppendBytes(dst, requestPIV)
	dst = append(dst, 0x40)
	dst[at] = 0x40 | byte(len(dst)-at-1)
	return dst
}
