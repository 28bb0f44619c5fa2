package ace

import (
	"encoding/hex"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// maxScope is the most bytes a scope may have.
const maxScope = 4096

// A Scope is the scope parameter or claim: space-delimited tokens of text (RFC
// 6749, Section 3.3) or a byte string, which holds AIF if the RS says so (RFC
// 9200, Section 5.8.1; RFC 9237). The zero Scope is none. Scopes that are ==
// encode alike.
type Scope struct {
	value string
	kind  scopeKind
}

type scopeKind uint8

const (
	noScope scopeKind = iota
	textScope
	byteScope
)

// TextScope makes a Scope of scope tokens; no tokens make none.
func TextScope(tokens ...string) Scope {
	if len(tokens) == 0 {
		return Scope{}
	}
	return Scope{strings.Join(tokens, " "), textScope}
}

// ByteScope makes a Scope of a byte string; none of an empty one.
func ByteScope(b []byte) Scope {
	if len(b) == 0 {
		return Scope{}
	}
	return Scope{string(b), byteScope}
}

// AIFScope makes a Scope of a byte string that holds the encoding of a; none of
// an a without entries.
func AIFScope(a AIF) Scope {
	if len(a) == 0 {
		return Scope{}
	}
	return ByteScope(a.Append(nil))
}

// IsZero reports whether s is none.
func (s Scope) IsZero() bool { return s.kind == noScope }

// Tokens gives the scope tokens of a text, in their order.
func (s Scope) Tokens() ([]string, bool) {
	if s.kind != textScope {
		return nil, false
	}
	return strings.Split(s.value, " "), true
}

// Bytes gives a copy of a byte string.
func (s Scope) Bytes() ([]byte, bool) {
	return []byte(s.value), s.kind == byteScope
}

// AIF decodes a byte string. It fails with an *Error for a text, and for what
// ParseAIF refuses.
func (s Scope) AIF() (AIF, error) {
	if s.kind != byteScope {
		return nil, malformed("RFC 9237, Section 3", "AIF: scope is not a byte string")
	}
	return ParseAIF([]byte(s.value))
}

// Len is the number of bytes of the text or byte string.
func (s Scope) Len() int { return len(s.value) }

// String shows the scope to a reader: tokens as they are, AIF as JSON, any other
// byte string in hexadecimal.
func (s Scope) String() string {
	if s.kind != byteScope {
		return s.value
	}
	if a, err := s.AIF(); err == nil {
		return a.String()
	}
	return "h'" + hex.EncodeToString([]byte(s.value)) + "'"
}

// ParseScope decodes one CBOR item, the value of a scope parameter or claim. It
// fails with an *Error.
func ParseScope(b []byte) (Scope, error) {
	var s Scope
	n, err := cborseq.Normalize(b)
	f := fields{s: n}
	if err != nil || !f.readScope(&s) || !f.s.Empty() {
		return Scope{}, malformed("RFC 9200, Section 5.8.1", "scope")
	}
	return s, nil
}

// Append appends the value to dst; nothing if s is none.
func (s Scope) Append(dst []byte) []byte {
	switch s.kind {
	case textScope:
		return cborseq.AppendText(dst, s.value)
	case byteScope:
		return cborseq.AppendBytes(dst, []byte(s.value))
	case noScope:
	}
	return dst
}

// valid reports whether a text is a list of scope tokens (RFC 6749, Section
// 3.3). The syntax of a byte string is for the RS to say.
func (s Scope) valid() bool {
	if s.value == "" || len(s.value) > maxScope {
		return false
	}
	tokens, ok := s.Tokens()
	return !ok || !slices.ContainsFunc(tokens, func(t string) bool {
		return t == "" || strings.ContainsFunc(t, func(r rune) bool {
			return r <= ' ' || r == '"' || r == '\\' || r > '~'
		})
	})
}

// readScope takes a text or a byte string.
func (f *fields) readScope(out *Scope) bool {
	var b []byte
	if f.s.ReadText(&out.value) {
		out.kind = textScope
	} else if f.s.ReadBytes(&b) {
		*out = Scope{string(b), byteScope}
	} else {
		return false
	}
	return out.valid()
}

// scope writes a scope, which has the same key everywhere.
func (w *fieldWriter) scope(s Scope) {
	if !s.IsZero() {
		w.key(keyScope)
		w.b = s.Append(w.b)
	}
}
