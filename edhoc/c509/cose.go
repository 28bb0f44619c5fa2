package c509

import "github.com/ostiary/ostiary/internal/cborseq"

// COSE writes COSE_C509, the value of the COSE header parameters c5c and c5b and what a
// c5u points to: one C509CertData, or an array of two or more (Section 3.4). There is at
// least one certificate; in a chain the end entity's is the first.
func COSE(certs ...*Certificate) []byte {
	var b []byte
	if len(certs) != 1 {
		b = cborseq.AppendArray(nil, len(certs))
	}
	for _, c := range certs {
		b = cborseq.AppendBytes(b, c.raw)
	}
	return b
}

// ParseCOSE reads a COSE_C509 and gives the certificates in it, each ~C509Certificate,
// for Verify or Parse. All of it is untrusted.
func ParseCOSE(b []byte) ([][]byte, error) {
	s := cborseq.String(b)
	n := 1
	if m, ok := s.PeekMajor(); ok && m == cborseq.Array && (!s.ReadArray(&n) || n < 2) {
		return nil, malformed("COSE_C509")
	}
	certs := make([][]byte, n)
	for i := range certs {
		if !s.ReadBytes(&certs[i]) {
			return nil, malformed("COSE_C509")
		}
	}
	if !s.Empty() {
		return nil, malformed("%d bytes behind COSE_C509", len(s))
	}
	return certs, nil
}
