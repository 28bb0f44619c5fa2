package cose

import (
	"slices"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// Tagging says whether a message to be parsed carries its CBOR tag.
type Tagging uint8

// The ways to carry the CBOR tag.
const (
	Untagged    Tagging = iota // must not be there
	Tagged                     // must be there
	MaybeTagged                // may be there
)

// envelope is what the COSE messages have in common (RFC 9052, Section 2).
type envelope struct {
	Headers

	protected []byte    // what the byte string held; empty if there are no parameters
	rest      [2][]byte // the byte strings behind the buckets
}

// parseEnvelope decodes a message of the tag and of n byte strings behind the
// buckets.
func parseEnvelope(b []byte, tag uint64, tagging Tagging, n int, understood []Label) (envelope, error) {
	//spec:9052-3-4
	//spec:9052-9-3
	b, err := cborseq.Normalize(b)
	if err != nil {
		return envelope{}, fault(ErrMalformed, "Section 9", "CBOR")
	}
	s := cborseq.String(b)
	if err := readTag(&s, tag, tagging); err != nil {
		return envelope{}, err
	}
	var e envelope
	var count int
	if !s.ReadArray(&count) || count != 2+n || !s.ReadBytes(&e.protected) {
		return envelope{}, fault(ErrMalformed, "Section 2", "message is not its array")
	}
	if err := e.parseProtected(); err != nil {
		return envelope{}, err
	}
	if err := parseHeader(&s, &e.Unprotected); err != nil {
		return envelope{}, err
	}
	if err := e.check(understood); err != nil {
		return envelope{}, err
	}
	for i := range n {
		if !s.ReadBytes(&e.rest[i]) {
			return envelope{}, fault(ErrMalformed, "Section 2", "content is detached, or no byte string")
		}
	}
	return e, nil
}

func readTag(s *cborseq.String, want uint64, tagging Tagging) error {
	major, ok := s.PeekMajor()
	if ok && major == cborseq.Tag {
		var got uint64
		if tagging == Untagged || !s.ReadTag(&got) || got != want {
			return fault(ErrMalformed, "Section 2", "other CBOR tag")
		}
	} else if tagging == Tagged {
		return fault(ErrMalformed, "Section 2", "no CBOR tag")
	}
	return nil
}

// parseProtected decodes the protected bucket, and empties its encoding if there
// are no parameters.
func (e *envelope) parseProtected() error {
	//spec:9052-3-2
	if len(e.protected) == 0 {
		return nil
	}
	//spec:9052-3-4
	b, err := cborseq.Normalize(e.protected)
	if err != nil {
		return fault(ErrMalformed, "Section 3", "protected bucket")
	}
	s := cborseq.String(b)
	if err := parseHeader(&s, &e.Protected); err != nil {
		return err
	}
	if len(b) == 1 {
		e.protected = nil
	}
	return nil
}

// check applies the rules that hold over both buckets.
func (e *envelope) check(understood []Label) error {
	if err := e.Headers.check(); err != nil {
		return err
	}
	for _, l := range e.Protected.Critical {
		//spec:9052-3.1-7
		if !l.isField() && !slices.Contains(understood, l) {
			return fault(ErrCritical, "Section 3.1", "crit lists an unknown label")
		}
	}
	return nil
}

// check applies the rules that hold over both buckets, for sender and recipient.
func (h *Headers) check() error {
	var space [8]Label
	for _, l := range h.Unprotected.labels(space[:0]) {
		//spec:9052-3-5
		if h.Protected.has(l) {
			return fault(ErrMalformed, "Section 3", "label in both buckets")
		}
	}
	//spec:9052-3.1-2
	if h.Unprotected.Critical != nil {
		return fault(ErrMalformed, "Section 3.1", "crit is not protected")
	}
	//spec:9052-3.1-5
	if h.iv() != nil && h.partialIV() != nil {
		return fault(ErrMalformed, "Section 3.1", "IV and Partial IV")
	}
	for _, l := range h.Protected.Critical {
		//spec:9052-3.1-4
		if !h.Protected.has(l) {
			return fault(ErrMalformed, "Section 3.1", "crit lists a label that is not protected")
		}
	}
	return nil
}

// checkSender applies the rules that parsing applies to what a peer sends, and
// puts alg where it is authenticated.
func (h *Headers) checkSender(alg Algorithm) error {
	//spec:9052-3.1-1
	if h.Unprotected.Algorithm != 0 {
		return fault(ErrAlgorithm, "Section 3.1", "alg is not protected")
	}
	if h.Protected.Algorithm != 0 && h.Protected.Algorithm != alg {
		return fault(ErrAlgorithm, "Section 3.1", "key is for "+alg.String())
	}
	h.Protected.Algorithm = alg
	if err := h.Protected.checkOthers(); err != nil {
		return err
	}
	if err := h.Unprotected.checkOthers(); err != nil {
		return err
	}
	return h.check()
}

// checkOthers checks what only a caller can get wrong.
func (h *Header) checkOthers() error {
	for i, p := range h.Others {
		//spec:9052-3-3
		//spec:9052-9-2
		if p.Label.isField() || slices.ContainsFunc(h.Others[:i], func(q Param) bool { return q.Label == p.Label }) {
			return fault(ErrMalformed, "Section 3", "label twice in a bucket")
		}
		if s := cborseq.String(p.Value); !s.Skip() || !s.Empty() {
			return fault(ErrMalformed, "Section 3", "value of a header parameter")
		}
	}
	if h.Critical != nil && len(h.Critical) == 0 {
		return fault(ErrMalformed, "Section 3.1", "crit is empty")
	}
	return nil
}

// checkAlgorithm compares the algorithm that a message names, if it does, with the
// key's. It may stand in either bucket: it does not choose anything.
func (h *Headers) checkAlgorithm(want Algorithm) error {
	for _, got := range [...]Algorithm{h.Protected.Algorithm, h.Unprotected.Algorithm} {
		if got != 0 && got != want {
			return fault(ErrAlgorithm, "Section 3.1", got.String()+" in place of "+want.String())
		}
	}
	return nil
}

func (h *Headers) iv() []byte {
	if h.Protected.IV != nil {
		return h.Protected.IV
	}
	return h.Unprotected.IV
}

func (h *Headers) partialIV() []byte {
	if h.Protected.PartialIV != nil {
		return h.Protected.PartialIV
	}
	return h.Unprotected.PartialIV
}

// KeyID is the kid of the message, from whichever bucket; nil if it has none. It
// is a hint: several keys may have the same (RFC 9052, Section 3.1).
func (h *Headers) KeyID() []byte {
	if h.Protected.KeyID != nil {
		return h.Protected.KeyID
	}
	return h.Unprotected.KeyID
}

// appendHead appends the tag, the array head and both buckets, and gives the
// protected one, which shares the memory of the result.
func (h *Headers) appendHead(dst []byte, tag uint64, tagged bool, n int) (out, protected []byte) {
	if tagged {
		dst = cborseq.AppendTag(dst, tag)
	}
	dst = cborseq.AppendArray(dst, 2+n)
	var space [96]byte
	encoded := h.Protected.appendTo(space[:0])
	dst = cborseq.AppendBytes(dst, encoded)
	end := len(dst)
	dst = h.Unprotected.appendTo(dst)
	return dst, dst[end-len(encoded) : end]
}
