package edhoc

import "fmt"

// Method is an authentication method (RFC 9528, Section 3.2).
type Method int64

// The methods of RFC 9528, Table 2: what the Initiator, then what the Responder
// authenticates with.
const (
	SignatureSignature Method = 0
	SignatureStaticDH  Method = 1
	StaticDHSignature  Method = 2
	StaticDHStaticDH   Method = 3
)

// String names both keys.
func (m Method) String() string {
	switch m {
	case SignatureSignature:
		return "0 (signature, signature)"
	case SignatureStaticDH:
		return "1 (signature, static DH)"
	case StaticDHSignature:
		return "2 (static DH, signature)"
	case StaticDHStaticDH:
		return "3 (static DH, static DH)"
	}
	return fmt.Sprintf("%d (unknown)", int64(m))
}

func (m Method) known() bool { return m >= SignatureSignature && m <= StaticDHStaticDH }

// role is the side of a handshake.
type role uint8

const (
	initiator role = iota
	responder
)

// staticDH says whether r authenticates with a static Diffie-Hellman key.
func (m Method) staticDH(r role) bool {
	if r == initiator {
		return m == StaticDHSignature || m == StaticDHStaticDH
	}
	return m == SignatureStaticDH || m == StaticDHStaticDH
}
