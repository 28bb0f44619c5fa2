package ace

import (
	"bytes"
	"encoding/json"
	"io"
	"math/bits"
	"strings"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// maxAIF is the most entries that an AIF may have.
const maxAIF = 64

// Methods is a REST-method-set: bit n stands for the CoAP method with the code
// n+1, bit n+32 for the same method on resources that the subject created (RFC
// 9237, Section 3).
type Methods uint64

// The methods of RFC 9237, Figure 4.
const (
	GET Methods = 1 << iota
	POST
	PUT
	DELETE
	FETCH
	PATCH
	IPATCH
)

const (
	dynamicOffset         = 32
	basicMethods  Methods = GET | POST | PUT | DELETE | FETCH | PATCH | IPATCH
	allMethods            = basicMethods | basicMethods<<dynamicOffset
)

var methodNames = [7]string{"GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "iPATCH"}

// MethodOf gives the bit of a CoAP method code; 0 for a code that is none of RFC
// 9237, Figure 4.
func MethodOf(code uint8) Methods {
	if code < 1 || int(code) > len(methodNames) {
		return 0
	}
	return 1 << (code - 1)
}

// Dynamic gives the permissions Dynamic-X for the methods X in m (RFC 9237,
// Section 2.3).
func (m Methods) Dynamic() Methods { return m & basicMethods << dynamicOffset }

// OnCreated gives the methods X for which m holds Dynamic-X.
func (m Methods) OnCreated() Methods { return m >> dynamicOffset & basicMethods }

// Each calls yield with each single bit of m, and its name.
func (m Methods) Each(yield func(Methods, string) bool) {
	for ; m != 0; m &= m - 1 {
		n := bits.TrailingZeros64(uint64(m))
		name := ""
		if n >= dynamicOffset {
			name, n = "Dynamic-", n-dynamicOffset
		}
		if n < len(methodNames) {
			name += methodNames[n]
		}
		if !yield(m&-m, name) {
			return
		}
	}
}

// String gives the names of the methods, separated by commas.
func (m Methods) String() string {
	var names []string
	for _, name := range m.Each {
		names = append(names, name)
	}
	return strings.Join(names, ",")
}

// A Permission is what a subject may do on one resource.
type Permission struct {
	Path    string // URI-local-part, see LocalPart
	Methods Methods
}

// An AIF is authorization information in the REST-specific model with dynamic
// resource creation (RFC 9237, Sections 2.1 and 2.3): an allow-list. What is not
// in it is denied. The token around it says whose it is and at which RS (Section
// 2).
//
//spec:9237-2-1
//spec:9237-2.1-1
type AIF []Permission

// ParseAIF decodes the CBOR form. It refuses with an *Error a path that LocalPart
// would not write or that stands in two entries, and permissions that RFC 9237
// does not know (Section 6).
func ParseAIF(b []byte) (AIF, error) {
	n, err := cborseq.Normalize(b)
	if err != nil {
		return nil, malformed("RFC 9237, Section 3", "AIF")
	}
	s := cborseq.String(n)
	var count int
	if !s.ReadArray(&count) || count > maxAIF {
		return nil, malformed("RFC 9237, Section 3", "AIF")
	}
	a := make(AIF, count)
	for i := range a {
		p := &a[i]
		if !readPair(&s) || !s.ReadText(&p.Path) || !s.ReadUint((*uint64)(&p.Methods)) || !a.valid(i) {
			return nil, malformed("RFC 9237, Section 3", "AIF")
		}
	}
	if !s.Empty() {
		return nil, malformed("RFC 9237, Section 3", "AIF")
	}
	return a, nil
}

func readPair(s *cborseq.String) bool {
	var n int
	return s.ReadArray(&n) && n == 2
}

// valid reports whether entry i is one, and its path in none before it.
func (a AIF) valid(i int) bool {
	p := a[i]
	if !isLocalPart(p.Path) || p.Methods&^allMethods != 0 {
		return false
	}
	for _, q := range a[:i] {
		if q.Path == p.Path {
			return false
		}
	}
	return true
}

// Append appends the CBOR form (RFC 9237, Figure 5).
func (a AIF) Append(dst []byte) []byte {
	dst = cborseq.AppendArray(dst, len(a))
	for _, p := range a {
		dst = cborseq.AppendArray(dst, 2)
		dst = cborseq.AppendText(dst, p.Path)
		dst = cborseq.AppendUint(dst, uint64(p.Methods))
	}
	return dst
}

// Of gives the methods that a allows on path, which LocalPart has written.
func (a AIF) Of(path string) Methods {
	for _, p := range a {
		if p.Path == path {
			return p.Methods
		}
	}
	return 0
}

// String gives the JSON form (RFC 9237, Figure 3).
func (a AIF) String() string {
	b, err := a.MarshalJSON()
	if err != nil {
		return "[]" // Broken invariant: strings and numbers encode.
	}
	return string(b)
}

// MarshalJSON implements json.Marshaler.
func (a AIF) MarshalJSON() ([]byte, error) {
	pairs := make([][2]any, len(a))
	for i, p := range a {
		pairs[i] = [2]any{p.Path, uint64(p.Methods)}
	}
	return json.Marshal(pairs)
}

// UnmarshalJSON implements json.Unmarshaler. It refuses with an *Error what
// ParseAIF refuses.
func (a *AIF) UnmarshalJSON(b []byte) error {
	var pairs []json.RawMessage
	if err := json.Unmarshal(b, &pairs); err != nil || len(pairs) > maxAIF {
		return malformed("RFC 9237, Section 3", "AIF")
	}
	out := make(AIF, len(pairs))
	for i, pair := range pairs {
		d := json.NewDecoder(bytes.NewReader(pair))
		if !readJSON(d, json.Delim('[')) || d.Decode(&out[i].Path) != nil || d.Decode(&out[i].Methods) != nil ||
			!readJSON(d, json.Delim(']')) || !out.valid(i) {
			return malformed("RFC 9237, Section 3", "AIF")
		}
		if _, err := d.Token(); err != io.EOF {
			return malformed("RFC 9237, Section 3", "AIF")
		}
	}
	*a = out
	return nil
}

func readJSON(d *json.Decoder, want json.Delim) bool {
	got, err := d.Token()
	return err == nil && got == want
}
