package trust

import (
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/internal/cborseq"
)

// keys gives what a credential is found by, one for each parameter of id.
func keys(id edhoc.IDCred) []string {
	var list []string
	add := func(name string, value []byte) { list = append(list, name+string(value)) }
	if id.KID != nil {
		add("kid ", id.KID)
	}
	if id.KCCS != nil {
		add("kccs ", id.KCCS)
	}
	if id.KCWT != nil {
		add("kcwt ", untagged(id.KCWT))
	}
	if id.X5T != nil {
		add("x5t ", hashKey(id.X5T))
	}
	if id.C5T != nil {
		add("c5t ", hashKey(id.C5T))
	}
	if len(id.X5Chain) > 0 {
		add("x5chain ", id.X5Chain[0])
	}
	if len(id.C5C) > 0 {
		add("c5c ", id.C5C[0])
	}
	return list
}

func hashKey(h *edhoc.CertHash) []byte {
	return append(cborseq.AppendInt(nil, h.Algorithm), h.Value...)
}

// untagged drops the tags in front of a CWT: CRED_x is without (RFC 9528, Section
// 3.5.2).
func untagged(b []byte) []byte {
	for s := cborseq.String(b); ; b = s {
		var tag uint64
		if !s.ReadTag(&tag) {
			return b
		}
	}
}

// index finds entries by their references. Several may have one, as a key identifier
// is not unique (RFC 9528, Section 3.5.3).
type index map[string][]*entry

func (x index) add(e *entry) {
	for _, id := range e.cred.References() {
		for _, k := range keys(id) {
			x[k] = append(x[k], e)
		}
	}
}

func (x index) remove(e *entry) {
	for _, id := range e.cred.References() {
		for _, k := range keys(id) {
			rest := x[k][:0:0]
			for _, other := range x[k] {
				if other != e {
					rest = append(rest, other)
				}
			}
			if len(rest) == 0 {
				delete(x, k)
				continue
			}
			x[k] = rest
		}
	}
}

// find gives the entries that match id. Every parameter of it has to fit, so that one is
// enough to look by.
func (x index) find(id edhoc.IDCred) (found []*entry) {
	list := keys(id)
	if len(list) == 0 {
		return nil
	}
	for _, e := range x[list[0]] {
		if e.cred.Matches(id) {
			found = append(found, e)
		}
	}
	return found
}
