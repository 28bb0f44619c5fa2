package c509

import (
	"strconv"
	"strings"
)

// A registry maps the integers of one C509 registry to object identifiers and back
// (draft-ietf-cose-cbor-encoded-cert, Section 9). OIDs are the contents octets of
// their BER encoding, which is the unwrapped tag of RFC 9090, ~oid.
type registry struct {
	oids map[int64]string
	ints map[string]int64
}

func newRegistry(dotted map[int64]string) *registry {
	r := &registry{make(map[int64]string, len(dotted)), make(map[string]int64, len(dotted))}
	for v, d := range dotted {
		oid := string(encodeOID(d))
		r.oids[v], r.ints[oid] = oid, v
	}
	return r
}

// encodeOID encodes an OID in dotted decimal.
func encodeOID(dotted string) []byte {
	var b []byte
	var first uint64
	for i, part := range strings.Split(dotted, ".") {
		v, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			panic(err) // Broken invariant: the OIDs of this package are well-formed.
		}
		switch i {
		case 0:
			first = 40 * v
			continue
		case 1:
			v += first
		}
		b = appendBase128(b, v)
	}
	return b
}

func appendBase128(b []byte, v uint64) []byte {
	n := 0
	for w := v; w >= 0x80; w >>= 7 {
		n++
	}
	for ; n > 0; n-- {
		b = append(b, byte(v>>(7*n))|0x80)
	}
	return append(b, byte(v)&0x7f)
}

// validOID says whether b is the contents octets of an OID (X.690, Section 8.19).
func validOID(b []byte) bool {
	start := true
	for _, octet := range b {
		if start && octet == 0x80 {
			return false
		}
		start = octet < 0x80
	}
	return len(b) > 0 && start
}

// The C509 RDN Attributes registry (Section 9.5).
var attributeTypes = newRegistry(map[int64]string{
	0: "1.2.840.113549.1.9.1", 1: "2.5.4.3", 2: "2.5.4.4", 3: "2.5.4.5", 4: "2.5.4.6", 5: "2.5.4.7", 6: "2.5.4.8",
	7: "2.5.4.9", 8: "2.5.4.10", 9: "2.5.4.11", 10: "2.5.4.12", 11: "2.5.4.15", 12: "2.5.4.17", 13: "2.5.4.42",
	14: "2.5.4.43", 15: "2.5.4.44", 16: "2.5.4.46", 17: "2.5.4.65", 18: "2.5.4.97", 19: "1.3.6.1.4.1.311.60.2.1.1",
	20: "1.3.6.1.4.1.311.60.2.1.2", 21: "1.3.6.1.4.1.311.60.2.1.3", 22: "0.9.2342.19200300.100.1.25", 25: "2.5.4.41",
	26: "2.5.4.20", 27: "2.5.4.54", 28: "0.9.2342.19200300.100.1.1", 29: "1.2.840.113549.1.9.2", 30: "1.2.840.113549.1.9.8",
})

const (
	attrEmail        = 0
	attrCommonName   = 1
	attrSerialNumber = 3
	attrCountry      = 4
	attrDomain       = 22
)

// The C509 Extensions registry (Section 9.7).
var extensionTypes = newRegistry(map[int64]string{
	1: "2.5.29.14", 2: "2.5.29.15", 3: "2.5.29.17", 4: "2.5.29.19", 5: "2.5.29.31", 6: "2.5.29.32", 7: "2.5.29.35",
	8: "2.5.29.37", 9: "1.3.6.1.5.5.7.1.1", 24: "2.5.29.9", 25: "2.5.29.18", 26: "2.5.29.30", 27: "2.5.29.33",
	28: "2.5.29.36", 29: "2.5.29.46", 30: "2.5.29.54", 31: "1.3.6.1.5.5.7.1.11", 32: "1.3.6.1.5.5.7.1.7",
	33: "1.3.6.1.5.5.7.1.8", 34: "1.3.6.1.5.5.7.1.28", 35: "1.3.6.1.5.5.7.1.29", 36: "1.3.6.1.5.5.7.48.1.5",
	37: "1.3.6.1.4.1.11129.2.4.3", 38: "1.3.6.1.5.5.7.1.24",
})

const (
	extSubjectKeyID      = 1
	extKeyUsage          = 2
	extSubjectAltName    = 3
	extBasicConstraints  = 4
	extPolicies          = 6
	extAuthorityKeyID    = 7
	extExtKeyUsage       = 8
	extNameConstraints   = 26
	extPolicyConstraints = 28
)

// The C509 Certificate Policies registry (Section 9.8).
var policyTypes = newRegistry(map[int64]string{
	0: "2.5.29.32.0", 1: "2.23.140.1.2.1", 2: "2.23.140.1.2.2", 3: "2.23.140.1.2.3", 4: "2.23.140.1.1",
	7: "1.3.6.1.5.5.7.14.2", 8: "1.3.6.1.5.5.7.14.3", 24: "2.23.146.1.2.1.0", 25: "2.23.146.1.2.1.1",
	26: "2.23.146.1.2.1.0.0.0.0.0", 27: "2.23.146.1.2.1.2", 28: "2.23.146.1.2.1.0.0.0", 29: "2.23.146.1.2.1.3",
	30: "2.23.146.1.2.1.0.0.1.0", 31: "2.23.146.1.2.1.4", 32: "2.23.146.1.2.1.0.0.1.1", 33: "2.23.146.1.2.1.5",
	34: "2.23.146.1.2.1.0.0.1.2", 35: "2.23.146.1.2.1.6", 36: "2.23.146.1.2.1.0.0.2.0", 37: "2.23.146.1.2.1.7",
	38: "2.23.146.1.2.1.0.0.2.1",
})

// The C509 Policies Qualifiers registry (Section 9.9).
var qualifierTypes = newRegistry(map[int64]string{qualifierCPS: "1.3.6.1.5.5.7.2.1", qualifierNotice: "1.3.6.1.5.5.7.2.2"})

const (
	qualifierCPS    = 1
	qualifierNotice = 2
)

// The C509 Information Access registry (Section 9.10).
var accessMethods = newRegistry(map[int64]string{
	1: "1.3.6.1.5.5.7.48.1", 2: "1.3.6.1.5.5.7.48.2", 3: "1.3.6.1.5.5.7.48.3", 5: "1.3.6.1.5.5.7.48.5",
	10: "1.3.6.1.5.5.7.48.10", 11: "1.3.6.1.5.5.7.48.11", 13: "1.3.6.1.5.5.7.48.13",
})

// The C509 Extended Key Usages registry (Section 9.11).
var keyPurposes = newRegistry(map[int64]string{
	0: "2.5.29.37.0", 1: "1.3.6.1.5.5.7.3.1", 2: "1.3.6.1.5.5.7.3.2", 3: "1.3.6.1.5.5.7.3.3", 4: "1.3.6.1.5.5.7.3.4",
	8: "1.3.6.1.5.5.7.3.8", 9: "1.3.6.1.5.5.7.3.9", 10: "1.3.6.1.5.2.3.4", 11: "1.3.6.1.5.2.3.5", 12: "1.3.6.1.5.5.7.3.21",
	13: "1.3.6.1.5.5.7.3.22", 14: "1.3.6.1.5.5.7.3.35", 15: "1.3.6.1.5.5.7.3.27", 16: "1.3.6.1.5.5.7.3.28",
	17: "1.3.6.1.5.5.7.3.29", 18: "1.3.6.1.5.5.7.3.32", 19: "1.3.6.1.4.1.11129.2.4.4", 20: "1.3.6.1.4.1.45605.1",
})
