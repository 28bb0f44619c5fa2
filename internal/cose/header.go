package cose

import (
	"cmp"
	"slices"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// Header is one bucket of header parameters (RFC 9052, Section 3). Byte strings
// are absent when nil, and present when empty but not nil.
type Header struct {
	Algorithm  Algorithm // alg; 0 is absent
	Critical   []Label   // crit; protected bucket only
	KeyID      []byte    // kid
	IV         []byte
	PartialIV  []byte
	KIDContext []byte  // kid context (RFC 8613, Section 5.1)
	Others     []Param // all others
}

// Headers are the two buckets of a message.
type Headers struct {
	Protected   Header
	Unprotected Header
}

// Label is the label of a header parameter: the text if it is not empty, else the
// integer.
type Label struct {
	Int  int64
	Text string
}

// Param is a header parameter without a field of its own.
type Param struct {
	Label Label
	Value []byte // its encoding, one deterministic CBOR item
}

// The labels of RFC 9052, Section 3.1, and RFC 8613, Section 5.1.
const (
	labelAlg        = 1
	labelCrit       = 2
	labelKID        = 4
	labelIV         = 5
	labelPartialIV  = 6
	labelKIDContext = 10
)

// isField says whether Header has a field for the parameter.
func (l Label) isField() bool {
	if l.Text != "" {
		return false
	}
	switch l.Int {
	case labelAlg, labelCrit, labelKID, labelIV, labelPartialIV, labelKIDContext:
		return true
	default:
		return false
	}
}

// has says whether the bucket holds a parameter.
func (h *Header) has(l Label) bool {
	if !l.isField() {
		return slices.ContainsFunc(h.Others, func(p Param) bool { return p.Label == l })
	}
	switch l.Int {
	case labelAlg:
		return h.Algorithm != 0
	case labelCrit:
		return h.Critical != nil
	case labelKID:
		return h.KeyID != nil
	case labelIV:
		return h.IV != nil
	case labelPartialIV:
		return h.PartialIV != nil
	default:
		return h.KIDContext != nil
	}
}

// labels appends the labels of all parameters of the bucket to dst, sorted in the
// order of their encodings.
func (h *Header) labels(dst []Label) []Label {
	for _, l := range [...]int64{labelAlg, labelCrit, labelKID, labelIV, labelPartialIV, labelKIDContext} {
		if l := (Label{Int: l}); h.has(l) {
			dst = append(dst, l)
		}
	}
	if len(h.Others) > 0 {
		for _, p := range h.Others {
			dst = append(dst, p.Label)
		}
		slices.SortFunc(dst, compareLabels)
	}
	return dst
}

// compareLabels orders labels as the deterministic encoding does: unsigned
// integers, negative ones by falling value, then text, shorter first.
func compareLabels(a, b Label) int {
	kind := func(l Label) int {
		switch {
		case l.Text != "":
			return 2
		case l.Int < 0:
			return 1
		default:
			return 0
		}
	}
	if c := cmp.Compare(kind(a), kind(b)); c != 0 {
		return c
	}
	switch kind(a) {
	case 0:
		return cmp.Compare(a.Int, b.Int)
	case 1:
		return cmp.Compare(b.Int, a.Int)
	default:
		return cmp.Or(cmp.Compare(len(a.Text), len(b.Text)), cmp.Compare(a.Text, b.Text))
	}
}

// appendTo appends the bucket as a deterministic map.
func (h *Header) appendTo(dst []byte) []byte {
	var space [8]Label
	labels := h.labels(space[:0])
	dst = cborseq.AppendMap(dst, len(labels))
	for _, l := range labels {
		dst = l.appendTo(dst)
		if !l.isField() {
			i := slices.IndexFunc(h.Others, func(p Param) bool { return p.Label == l })
			dst = append(dst, h.Others[i].Value...)
			continue
		}
		switch l.Int {
		case labelAlg:
			dst = cborseq.AppendInt(dst, int64(h.Algorithm))
		case labelCrit:
			dst = cborseq.AppendArray(dst, len(h.Critical))
			for _, c := range h.Critical {
				dst = c.appendTo(dst)
			}
		case labelKID:
			dst = cborseq.AppendBytes(dst, h.KeyID)
		case labelIV:
			dst = cborseq.AppendBytes(dst, h.IV)
		case labelPartialIV:
			dst = cborseq.AppendBytes(dst, h.PartialIV)
		case labelKIDContext:
			dst = cborseq.AppendBytes(dst, h.KIDContext)
		}
	}
	return dst
}

func (l Label) appendTo(dst []byte) []byte {
	if l.Text != "" {
		return cborseq.AppendText(dst, l.Text)
	}
	return cborseq.AppendInt(dst, l.Int)
}

func readLabel(s *cborseq.String, l *Label) bool {
	*l = Label{}
	return s.ReadInt(&l.Int) || s.ReadText(&l.Text) && l.Text != ""
}

// parseHeader decodes a bucket that is deterministic, and so has no label twice.
func parseHeader(s *cborseq.String, h *Header) error {
	var n int
	if !s.ReadMap(&n) {
		return fault(ErrMalformed, "Section 3", "bucket is not a map")
	}
	for range n {
		var l Label
		if !readLabel(s, &l) {
			return fault(ErrMalformed, "Section 3", "label")
		}
		if err := h.readParam(s, l); err != nil {
			return err
		}
	}
	return nil
}

// readParam decodes the value of the parameter l.
func (h *Header) readParam(s *cborseq.String, l Label) error {
	if !l.isField() {
		p := Param{Label: l}
		if !s.ReadRaw(&p.Value) {
			return fault(ErrMalformed, "Section 3", "value of a header parameter")
		}
		h.Others = append(h.Others, p)
		return nil
	}
	ok := true
	switch l.Int {
	case labelAlg:
		if !s.ReadInt((*int64)(&h.Algorithm)) || h.Algorithm == 0 {
			return fault(ErrAlgorithm, "Section 3.1", "alg is a text or reserved")
		}
	case labelCrit:
		ok = readCritical(s, &h.Critical)
	case labelKID:
		ok = s.ReadBytes(&h.KeyID)
	case labelIV:
		ok = s.ReadBytes(&h.IV)
	case labelPartialIV:
		ok = s.ReadBytes(&h.PartialIV)
	case labelKIDContext:
		ok = s.ReadBytes(&h.KIDContext)
	}
	if !ok {
		return fault(ErrMalformed, "Section 3.1", "type of a common header parameter")
	}
	return nil
}

// readCritical decodes crit, which lists at least one label.
func readCritical(s *cborseq.String, out *[]Label) bool {
	var n int
	//spec:9052-3.1-3
	if !s.ReadArray(&n) || n == 0 {
		return false
	}
	*out = make([]Label, n)
	for i := range *out {
		if !readLabel(s, &(*out)[i]) {
			return false
		}
	}
	return true
}
