// Package diag shows CBOR of ACE messages to people: in diagnostic notation
// (RFC 8949, Section 8), with the names of parameters as comments, as the
// figures of RFC 9200 and RFC 9203 do. Keys appear as their length only.
package diag

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/internal/cborseq"
)

// a shape says what the members of a map are called, and what is in them.
type shape map[int64]member

type member struct {
	name   string
	inner  shape
	values map[int64]string // names of numbers
	show   func([]byte) string
}

var (
	// inputMaterial is OSCORE_Input_Material (RFC 9203, Section 3.2.1).
	inputMaterial = shape{
		0: {name: "id"}, 1: {name: "version"}, 2: {name: "ms", show: hide}, 3: {name: "hkdf"},
		4: {name: "alg"}, 5: {name: "salt"}, 6: {name: "contextId"},
	}
	// coseKey is COSE_Key (RFC 9052, Section 7), whose k and d are secret.
	coseKey = shape{
		1: {name: "kty"}, 2: {name: "kid"}, 3: {name: "alg"}, -1: {name: "crv or k", show: hide},
		-2: {name: "x"}, -3: {name: "y"}, -4: {name: "d", show: hide},
	}
	// confirmation is cnf (RFC 8747, Section 3.1).
	confirmation = shape{
		1: {name: "COSE_Key", inner: coseKey}, 2: {name: "Encrypted_COSE_Key"}, 3: {name: "kid"},
		4: {name: "osc", inner: inputMaterial},
	}
	// parameters are those of RFC 9200, Section 8, RFC 9201 and RFC 9203.
	parameters = shape{
		1: {name: "access_token", show: abbreviate}, 2: {name: "expires_in"},
		4: {name: "req_cnf", inner: confirmation}, 5: {name: "audience"}, 8: {name: "cnf", inner: confirmation},
		9: {name: "scope", show: scope}, 24: {name: "client_id"},
		30: {name: "error", values: errorNames()}, 31: {name: "error_description"},
		33: {name: "grant_type", values: map[int64]string{2: "client_credentials"}},
		34: {name: "token_type", values: map[int64]string{2: "PoP"}},
		38: {name: "ace_profile", values: map[int64]string{2: "coap_oscore"}}, 39: {name: "cnonce"},
		40: {name: "nonce1"}, 41: {name: "rs_cnf", inner: confirmation}, 42: {name: "nonce2"},
		43: {name: "ace_client_recipientid"}, 44: {name: "ace_server_recipientid"},
	}
	// hints are AS Request Creation Hints (RFC 9200, Section 5.3).
	hints = shape{
		1: {name: "AS"}, 2: {name: "kid"}, 5: {name: "audience"}, 9: {name: "scope", show: scope}, 39: {name: "cnonce"},
	}
)

func errorNames() map[int64]string {
	names := map[int64]string{}
	for c := ace.InvalidRequest; c <= ace.IncompatibleACEProfiles; c++ {
		names[int64(c)] = c.String()
	}
	return names
}

// ACE shows the payload of a token request or response, an error, or an
// authz-info request or response.
func ACE(payload []byte) string { return annotate(payload, parameters) }

// Hints shows the payload of a 4.01 of a resource server.
func Hints(payload []byte) string { return annotate(payload, hints) }

// annotate shows one item; what is not CBOR is shown as hexadecimal.
func annotate(b []byte, s shape) string {
	if len(b) == 0 {
		return "(no payload)"
	}
	in := cborseq.String(b)
	var out strings.Builder
	if !item(&out, &in, member{inner: s}) || !in.Empty() {
		return "(not CBOR) h'" + hex.EncodeToString(b) + "'"
	}
	return out.String()
}

// item writes the next item of in, which is the value of m.
func item(out *strings.Builder, in *cborseq.String, m member) bool {
	major, ok := in.PeekMajor()
	switch {
	case !ok:
		return false
	case major == cborseq.Map:
		return members(out, in, m.inner)
	case major == cborseq.Bytes:
		var b []byte
		if !in.ReadBytes(&b) {
			return false
		}
		if m.show == nil {
			m.show = plain
		}
		out.WriteString(m.show(b))
		return true
	}
	var n int64
	if probe := *in; m.values != nil && probe.ReadInt(&n) {
		*in = probe
		out.WriteString(strconv.FormatInt(n, 10))
		if name := m.values[n]; name != "" {
			out.WriteString(" / " + name + " /")
		}
		return true
	}
	var raw []byte
	if !in.ReadRaw(&raw) {
		return false
	}
	out.WriteString(cborseq.Diagnose(raw))
	return true
}

func members(out *strings.Builder, in *cborseq.String, s shape) bool {
	var n int
	if !in.ReadMap(&n) {
		return false
	}
	out.WriteByte('{')
	for i := range n {
		if i > 0 {
			out.WriteString(", ")
		}
		var key int64
		if !in.ReadInt(&key) {
			return false
		}
		m := s[key]
		if m.name != "" {
			out.WriteString("/ " + m.name + " / ")
		}
		out.WriteString(strconv.FormatInt(key, 10) + ": ")
		if !item(out, in, m) {
			return false
		}
	}
	out.WriteByte('}')
	return true
}

func plain(b []byte) string { return "h'" + hex.EncodeToString(b) + "'" }

// hide shows the length of a key.
func hide(b []byte) string { return fmt.Sprintf("(secret, %d bytes)", len(b)) }

// abbreviate shows the beginning of a long byte string.
func abbreviate(b []byte) string {
	if len(b) <= 16 {
		return plain(b)
	}
	return fmt.Sprintf("h'%x' .. (%d bytes)", b[:8], len(b))
}

// scope shows a scope that is AIF by its content (RFC 9237).
func scope(b []byte) string {
	if a, err := ace.ParseAIF(b); err == nil {
		return plain(b) + " / " + a.String() + " /"
	}
	return plain(b)
}
