package c509

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// ecdsa says whether the signature value of a is a pair of integers (Section 3.2.2).
func (a *algorithm) ecdsa() bool {
	return a.is(sigECDSASHA1, sigECDSASHA256, sigECDSASHA384, sigECDSASHA512, sigECDSASHAKE128, sigECDSASHAKE256, sigSM2)
}

// signatureToDER adds the content of the BIT STRING signatureValue.
func signatureToDER(b *cryptobyte.Builder, a *algorithm, sig []byte) {
	if !a.ecdsa() {
		b.AddBytes(sig)
		return
	}
	half := len(sig) / 2
	r, s := bytes.TrimLeft(sig[:half], "\x00"), bytes.TrimLeft(sig[half:], "\x00")
	if !need(b, len(sig) == 2*half && fits(half, max(len(r), len(s)))) {
		return
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addUint(b, r)
		addUint(b, s)
	})
}

// orderSizes are the lengths of the group orders of the registered curves.
var orderSizes = []int{32, 48, 64, 66}

// fits says whether half is a length that r and s of at most n bytes may be padded to. A
// certificate does not tell the curve of its issuer, but all but one in 2^100 signatures
// do; 64 and 66 are the exception, of one in 2^18.
func fits(half, n int) bool {
	least := leastHalf(n)
	return least > 0 && half == least || least == 64 && half == 66
}

// leastHalf is the least of orderSizes for n bytes, 0 if they are too many.
func leastHalf(n int) int {
	for _, size := range orderSizes {
		if n <= size {
			return size
		}
	}
	return 0
}

// signatureFromDER gives issuerSignatureValue. half is the length of r and s if it is
// known, else 0.
func signatureFromDER(a *algorithm, der []byte, half int) ([]byte, bool) {
	if !a.ecdsa() {
		return der, true
	}
	in := cryptobyte.String(der)
	var seq cryptobyte.String
	var r, s []byte
	if !in.ReadASN1(&seq, asn1.SEQUENCE) || !in.Empty() || !readUint(&seq, &r) || !readUint(&seq, &s) || !seq.Empty() {
		return nil, false
	}
	n := max(len(r), len(s))
	if half == 0 {
		half = leastHalf(n)
	}
	if !fits(half, n) {
		return nil, false
	}
	sig := make([]byte, 2*half)
	copy(sig[half-len(r):], r)
	copy(sig[2*half-len(s):], s)
	return sig, true
}
