package idalloc

import "encoding/hex"

// MaxLen is the longest identifier in bytes: a 13-byte nonce leaves 7 (RFC
// 8613, Section 3.3).
const MaxLen = 7

// An ID is the raw bytes of an OSCORE Recipient ID, 0 to [MaxLen] of them. It
// is comparable; []byte(id) gives the bytes.
type ID string

// String returns the bytes in hexadecimal.
func (id ID) String() string { return hex.EncodeToString([]byte(id)) }

// A Range is all identifiers from First to Last, both included, which have the
// same length.
type Range struct{ First, Last ID }

// A State is what an identifier is doing.
type State uint8

// The states. Every identifier is in exactly one.
const (
	StateFree        State = iota // may be allocated or claimed
	StateReserved                 // only Claim gives it out, or it is drawn and not yet given out
	StatePending                  // given out, its exchange is not complete
	StateLive                     // names a security context
	StateQuarantined              // rests until nobody can still be using it
)

// A Source is what needs an identifier.
type Source uint8

// The sources.
const (
	SourceACE         Source = 1 + iota // OSCORE profile of ACE (RFC 9203)
	SourceEDHOC                         // EDHOC connection identifier (RFC 9528)
	SourceB2                            // context re-derived by RFC 8613, Appendix B.2
	SourceOCF                           // provisioned, /oic/sec/cred
	SourceLwM2M                         // provisioned, LwM2M object 21
	SourceKNX                           // provisioned, KNX IoT /auth/at
	SourceProvisioned                   // provisioned by other means
)

// A Holder is who has an identifier. Ref is the source's own name for the use,
// such as a device name; it is shown to operators and must hold no secret.
type Holder struct {
	Source Source
	Ref    string
}
