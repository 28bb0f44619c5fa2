package edhoc

import (
	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/secret"
)

// The info_label values of EDHOC_KDF, in the order of RFC 9528, Figure 6, and
// that of Appendix H.
const (
	labelKeystream2  = 0
	labelSalt3e2m    = 1
	labelMAC2        = 2
	labelK3          = 3
	labelIV3         = 4
	labelSalt4e3m    = 5
	labelMAC3        = 6
	labelPRKOut      = 7
	labelK4          = 8
	labelIV4         = 9
	labelPRKExporter = 10
	labelKeyUpdate   = 11
)

// prk is a pseudorandom key, with the hash that it came from.
type prk struct {
	hash hashAlg
	key  secret.Bytes
}

// Each key of the chain has its own type, so that none stands in for another.
type (
	prk2e       struct{ prk }
	prk3e2m     struct{ prk }
	prk4e3m     struct{ prk }
	prkOut      struct{ prk }
	prkExporter struct{ prk }
)

func (p prk) erase() { p.key.Erase() }

// kdf is EDHOC_KDF (RFC 9528, Section 4.1.2).
func (p prk) kdf(label int64, context []byte, n int) secret.Bytes {
	return p.hash.expand(p.key, info(label, context, n), n)
}

// info is the input of EDHOC_Expand beside the key:
//
//	info = ( info_label : int, context : bstr, length : uint )
func info(label int64, context []byte, n int) []byte {
	b := make([]byte, 0, 24+len(context))
	b = cborseq.AppendInt(b, label)
	b = cborseq.AppendBytes(b, context)
	return cborseq.AppendUint(b, uint64(n))
}

// newPRK2e extracts PRK_2e from G_XY (RFC 9528, Section 4.1.1.1).
func newPRK2e(h hashAlg, th2 []byte, gXY secret.Bytes) prk2e {
	//spec:9528-4.1.1.1-1
	//spec:9528-4.1.1.1-2
	return prk2e{prk{h, h.extract(th2, gXY)}}
}

// keystream2 is KEYSTREAM_2 of n bytes, in parts if one is not enough (RFC 9528,
// Appendix G).
func (p prk2e) keystream2(th2 []byte, n int) secret.Bytes {
	most := p.hash.maxExpand()
	if n <= most {
		return p.kdf(labelKeystream2, th2, n)
	}
	out := make(secret.Bytes, 0, n)
	for i := int64(0); n > 0; i++ {
		part := p.kdf(-i, th2, min(n, most))
		out = append(out, part...)
		part.Erase()
		n -= len(part)
	}
	return out
}

// prk3e2m is PRK_3e2m (RFC 9528, Section 4.1.1.2). gRX is nil if the Responder
// signs.
func (p prk2e) prk3e2m(th2 []byte, gRX secret.Bytes) prk3e2m {
	return prk3e2m{p.next(labelSalt3e2m, th2, gRX)}
}

// prk4e3m is PRK_4e3m (RFC 9528, Section 4.1.1.3). gIY is nil if the Initiator
// signs.
func (p prk3e2m) prk4e3m(th3 []byte, gIY secret.Bytes) prk4e3m {
	return prk4e3m{p.next(labelSalt4e3m, th3, gIY)}
}

func (p prk) next(label int64, th []byte, dh secret.Bytes) prk {
	if dh == nil {
		return prk{p.hash, p.key.Clone()}
	}
	salt := p.kdf(label, th, p.hash.size())
	key := p.hash.extract(salt, dh)
	salt.Erase()
	return prk{p.hash, key}
}

// prkOut is PRK_out (RFC 9528, Section 4.1.3).
func (p prk4e3m) prkOut(th4 []byte) prkOut {
	return prkOut{prk{p.hash, p.kdf(labelPRKOut, th4, p.hash.size())}}
}

// exporter is PRK_exporter.
func (p prkOut) exporter() prkExporter {
	return prkExporter{prk{p.hash, p.kdf(labelPRKExporter, nil, p.hash.size())}}
}

// update is the new PRK_out of EDHOC_KeyUpdate (RFC 9528, Appendix H).
func (p prkOut) update(context []byte) prkOut {
	return prkOut{prk{p.hash, p.kdf(labelKeyUpdate, context, p.hash.size())}}
}
