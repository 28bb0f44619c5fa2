package client

import (
	"context"

	"github.com/ostiary/ostiary/oscore"
)

// A Transport carries CoAP requests and their responses. It may be used
// concurrently.
type Transport interface {
	// Do sends a request to address and returns the response that belongs to it.
	// Both are as on the wire, but for Token, Message ID and Type, block-wise
	// transfer, and the Uri-Host and Uri-Port that address implies. address is what
	// the application calls the peer, such as "coap://rs.example.com". A 4.01 with an
	// Echo option to a message in clear is for Do to obey (RFC 9175, Section 2.3).
	Do(ctx context.Context, address string, m oscore.Message) (oscore.Message, error)
}
