// Package cborseq reads and writes CBOR sequences (RFC 8949, RFC 8742).
//
// It has two ways in. A [String] reads item by item and accepts one encoding of
// each value: the core deterministic one (RFC 8949, Section 4.2.1). What it
// accepts, the Append functions write again byte for byte. [Unmarshal] decodes
// one whole item into a Go value and accepts every definite-length encoding, for
// messages whose RFC does not ask their sender for more; [Normalize] turns those
// into what a String reads. Everything else that RFC 8949 calls invalid is refused by both:
// duplicate map keys, text that is not UTF-8, data behind the end; and so are
// indefinite lengths and more than [MaxDepth] levels of nesting.
package cborseq

// MaxDepth is how deep arrays, maps and tags may be nested. A byte string that
// holds CBOR begins to count anew.
const MaxDepth = 8
