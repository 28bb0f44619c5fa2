package edhoccoap

import (
	"fmt"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
)

// A Profile says in /.well-known/core what an EDHOC resource supports (RFC 9668, Section
// 6).
type Profile struct {
	Methods         []edhoc.Method
	Suites          []edhoc.SuiteID
	CredentialTypes []int   // 0 CWT, 1 CCS, 2 X.509 (Section 8.3)
	IDCredTypes     []int64 // labels of COSE header parameters
	EADLabels       []int64
	Combined        bool
	Message4        bool // that message_4 is sent; then there are no combined requests
	Reverse         bool // that the reverse message flow is served, too
	ReverseOnly     bool // that it alone is; then there are no combined requests
}

// Attributes are the target attributes of the link to the resource of a Server, of a
// ReverseServer or of Both, for coap.Mux.Describe.
//
//spec:9668-6-1
//spec:9668-6-2
//spec:9668-6-3
//spec:9668-6-5
//spec:9668-6-6
func (p Profile) Attributes() []coap.Attribute {
	out := []coap.Attribute{{Name: "rt", Value: "core.edhoc"}}
	if p.Reverse || p.ReverseOnly {
		out = append(out, coap.Attribute{Name: "ed-i"})
	}
	if !p.ReverseOnly {
		out = append(out, coap.Attribute{Name: "ed-r"})
	}
	out = appendAll(out, "ed-method", p.Methods)
	out = appendAll(out, "ed-csuite", p.Suites)
	out = appendAll(out, "ed-cred-t", p.CredentialTypes)
	out = appendAll(out, "ed-idcred-t", p.IDCredTypes)
	out = appendAll(out, "ed-ead", p.EADLabels)
	//spec:9668-5-1
	if p.Combined && !p.Message4 && !p.ReverseOnly {
		out = append(out, coap.Attribute{Name: "ed-comb-req"})
	}
	return out
}

func appendAll[T ~int | ~int64](out []coap.Attribute, name string, values []T) []coap.Attribute {
	for _, v := range values {
		out = append(out, coap.Attribute{Name: name, Value: fmt.Sprint(int64(v))})
	}
	return out
}
