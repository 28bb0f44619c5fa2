// Package ace holds the vocabulary of ACE-OAuth: the messages, claims and code
// points that a client (C), an authorization server (AS) and a resource server
// (RS) exchange (RFC 9200, RFC 9201, RFC 9203), the CBOR Web Token that carries
// the claims (RFC 8392, RFC 8747) and the scope format AIF (RFC 9237).
//
//	C  -- TokenRequest ------> AS    -- TokenResponse or ErrorResponse --> C
//	C  -- AuthzInfoRequest --> RS    -- AuthzInfoResponse -------------> C
//	C  -- any request -------> RS    -- CreationHints -----------------> C
//	RS -- IntrospectionRequest -> AS -- IntrospectionResponse ---------> RS
//
// Each message has a function ParseX(b []byte) (*X, error) and a method
// Append(dst []byte) []byte. Parse accepts definite-length CBOR without
// duplicate keys; Append writes its core deterministic encoding (RFC 8949,
// Section 4.2.1). What Parse accepts, Append writes again: also members that
// this package does not know, which are otherwise ignored. A parsed value shares
// no memory with its input.
//
// A field of type string that is empty, of type []byte that is nil, and a number
// or a Scope or NumericDate that is zero stand for a member that is not there.
// Parse refuses members that would be indistinguishable from that. All values
// may be read, and Append called, concurrently.
package ace
