package oscore

import (
	"crypto"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/hkdf"
	"github.com/ostiary/ostiary/internal/secret"
)

// material is what security contexts are derived of: the input parameters without the
// ID Context, with HKDF-Extract done. The Master Secret itself is not kept.
type material struct {
	prk               secret.Bytes // HKDF-Extract(Master Salt, Master Secret)
	hash              crypto.Hash
	alg               cose.Algorithm
	sender, recipient id
}

// newMaterial extracts the PRK of p, whose fields are checked.
//
//spec:8613-3.2-1
//spec:8613-3.2.1-1
func newMaterial(p *Params, sender, recipient id) *material {
	hash := p.HKDF.Hash()
	return &material{
		prk:    hkdf.Extract(make([]byte, 0, hash.Size()), hash, p.MasterSalt, p.MasterSecret),
		hash:   hash,
		alg:    p.AEAD,
		sender: sender, recipient: recipient,
	}
}

// derived are the parameters that Section 3.2.1 derives.
type derived struct {
	keys     secret.Bytes // Sender Key || Recipient Key
	commonIV secret.Bytes
}

func (d *derived) senderKey() secret.Bytes    { return d.keys[: len(d.keys)/2 : len(d.keys)/2] }
func (d *derived) recipientKey() secret.Bytes { return d.keys[len(d.keys)/2:] }

// derive is the derivation of Sender Key, Recipient Key and Common IV (Section
// 3.2.1) for one ID Context, where nil is none.
//
//spec:8613-3.2.1-2
func (m *material) derive(idContext []byte) derived {
	size := m.alg.KeySize()
	info := make([]byte, 0, 32+len(idContext))
	keys := make([]byte, 0, 2*size)
	for _, i := range []*id{&m.sender, &m.recipient} {
		info = appendInfo(info[:0], i.bytes(), idContext, m.alg, "Key", size)
		keys = hkdf.Expand(keys, m.hash, m.prk, info, size)
	}
	size = m.alg.NonceSize()
	info = appendInfo(info[:0], nil, idContext, m.alg, "IV", size)
	return derived{keys: keys, commonIV: hkdf.Expand(make([]byte, 0, size), m.hash, m.prk, info, size)}
}

// appendInfo encodes what tells the derived parameters apart (Section 3.2.1):
//
//	info = [ id : bstr, id_context : bstr / nil, alg_aead : int, type : tstr, L : uint ]
func appendInfo(dst, id, idContext []byte, alg cose.Algorithm, kind string, size int) []byte {
	dst = cborseq.AppendArray(dst, 5)
	dst = cborseq.AppendBytes(dst, id)
	if idContext == nil {
		dst = cborseq.AppendNull(dst)
	} else {
		dst = cborseq.AppendBytes(dst, idContext)
	}
	dst = cborseq.AppendInt(dst, int64(alg))
	dst = cborseq.AppendText(dst, kind)
	return cborseq.AppendUint(dst, uint64(size))
}

// A fingerprint stands for one Sender Key: for the Master Secret, Master Salt, ID
// Context and Sender ID that must be unique (Section 3.3). It tells nothing about them.
// That two of a million peers have the same by chance happens once in 30 million tables.
type fingerprint [8]byte

// fingerprints returns those of the Sender and of the Recipient Key of p.
func fingerprints(p *Params, sender, recipient *id) (own, peer fingerprint) {
	prk := secret.Bytes(hkdf.Extract(nil, crypto.SHA256, p.MasterSalt, p.MasterSecret))
	defer prk.Erase()
	for _, f := range []struct {
		id  *id
		out *fingerprint
	}{{sender, &own}, {recipient, &peer}} {
		info := appendInfo(nil, f.id.bytes(), p.IDContext, 0, "fingerprint", len(f.out))
		copy(f.out[:], hkdf.Expand(nil, crypto.SHA256, prk, info, len(f.out)))
	}
	return own, peer
}
