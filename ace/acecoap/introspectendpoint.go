package acecoap

import (
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/coap"
)

// IntrospectPath is where resource servers ask about tokens.
//
//spec:9200-5.9-6
const IntrospectPath = "/introspect"

// IntrospectionEndpoint returns the introspection endpoint of an AS (RFC 9200,
// Section 5.9) as a handler for requests inside OSCORE or another channel that
// authenticates the requester: the subject of the request's Identity is the
// as.ResourceServerSubject of the RS. Without Identity nobody learns anything.
//
// The handler waits for the ledger. observe, unless it is nil, is called after
// each request with the subject and the error, nil if the request was answered;
// the error holds no secret. The handler is safe for concurrent use.
//
//spec:9200-5.9-1
//spec:9200-5.9-2
//spec:9200-5.9-3
func IntrospectionEndpoint(s *as.Server, observe func(requester string, err error)) coap.Handler {
	return endpoint(s.Introspect, observe)
}
