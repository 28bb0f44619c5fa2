package cose

import "github.com/ostiary/ostiary/internal/cborseq"

// AppendEncStructure appends the Enc_structure (RFC 9052, Section 5.3) to dst: the
// additional data of the AEAD. context is "Encrypt0" for a COSE_Encrypt0. protected is what the protected
// bucket's byte string holds; nil, empty and the empty map h'a0' all stand for no
// protected parameters. It allocates nothing but the growth of dst, which must not
// overlap the inputs.
func AppendEncStructure(dst []byte, context string, protected, externalAAD []byte) []byte {
	//spec:9052-9-1
	dst = cborseq.AppendArray(dst, 3)
	dst = cborseq.AppendText(dst, context)
	dst = cborseq.AppendBytes(dst, serialized(protected))
	return cborseq.AppendBytes(dst, externalAAD)
}

// AppendMACStructure appends the MAC_structure (RFC 9052, Section 6.3) to dst.
// context is "MAC0" for a COSE_Mac0; the rest is as for AppendEncStructure.
func AppendMACStructure(dst []byte, context string, protected, externalAAD, payload []byte) []byte {
	dst = cborseq.AppendArray(dst, 4)
	dst = cborseq.AppendText(dst, context)
	dst = cborseq.AppendBytes(dst, serialized(protected))
	dst = cborseq.AppendBytes(dst, externalAAD)
	return cborseq.AppendBytes(dst, payload)
}

// serialized is the protected bucket as it goes into a structure: empty for the
// empty map.
func serialized(protected []byte) []byte {
	if len(protected) == 1 && protected[0] == 0xa0 {
		return nil
	}
	return protected
}
