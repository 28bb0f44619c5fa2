package cborseq

import (
	"sync"

	"github.com/fxamacker/cbor/v2"
)

// Raw is the encoding of one item: Unmarshal and Marshal pass it through as it
// is, as encoding/json does with its RawMessage.
type Raw = cbor.RawMessage

// Unmarshal decodes b, one whole CBOR item, into *v by the rules of fxamacker/cbor.
// It refuses what the package comment says, arrays of more than 1024 elements, maps
// of more than 256 pairs, and a value that does not fit its Go type. It accepts
// heads that are longer than needed, map keys in any order, and an array of numbers
// where v asks for a byte slice. Map keys without a field in a struct are left out.
// In an interface, integers become int64 (or fail), maps map[any]any, tags
// cbor.Tag.
//
// v keeps no part of b. Unmarshal is safe for concurrent use.
func Unmarshal(b []byte, v any) error {
	return modes().dec.Unmarshal(b, v)
}

// Marshal returns the core deterministic encoding of v (RFC 8949, Section 4.2.1).
// A nil slice or map is encoded as an empty one; null is a nil pointer or
// interface. A time.Time becomes tag 1: fields for a NumericDate are numbers. Marshal
// is safe for concurrent use.
func Marshal(v any) ([]byte, error) {
	return modes().enc.Marshal(v)
}

type mode struct {
	dec cbor.DecMode
	enc cbor.EncMode
}

// modes makes both modes at the first use.
var modes = sync.OnceValue(func() (m mode) {
	var err error
	m.dec, err = cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		MaxNestedLevels:   MaxDepth,
		MaxArrayElements:  1024,
		MaxMapPairs:       256,
		IntDec:            cbor.IntDecConvertSignedOrFail,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		UTF8:              cbor.UTF8RejectInvalid,
	}.DecMode()
	if err != nil {
		panic(err) // Broken invariant: the options above are valid ones.
	}
	options := cbor.CoreDetEncOptions()
	options.NilContainers = cbor.NilContainerAsEmpty
	options.TimeTag = cbor.EncTagRequired // what was decoded from tag 0 or 1 keeps a tag
	m.enc, err = options.EncMode()
	if err != nil {
		panic(err) // Broken invariant: the options above are valid ones.
	}
	return m
})
