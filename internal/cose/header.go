package cose

// Header is one bucket of header parameters (RFC 9052, Section 3). Byte strings
// are absent when nil, and present when empty but not nil.
type Header struct {
	Algorithm  Algorithm // alg; 0 is absent
	Critical   []Label   // crit; protected bucket only
	KeyID      []byte    // kid
	IV         []byte
	PartialIV  []byte
	KIDContext []byte  // kid context (RFC 8613, Section 5.1)
	Others     []Param // all others, in no particular order
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

// Headers are the two buckets of a message.
type Headers struct {
	Protected   Header
	Unprotected Header
}

// Tagging says whether a message to be parsed carries its CBOR tag.
type Tagging uint8

// The ways to carry the CBOR tag.
const (
	Untagged    Tagging = iota // must not be there
	Tagged                     // must be there
	MaybeTagged                // may be there
)
