package ace

import (
	"net/url"
	"strings"
)

// LocalPart is the URI-local-part (RFC 9237, Section 2.1) of a request with these
// Uri-Path and Uri-Query options: the one form in which a path stands in an AIF
// (RFC 7252, Section 6.5). No options give "/".
func LocalPart(path, query []string) string {
	var b strings.Builder
	for _, segment := range path {
		b.WriteByte('/')
		escape(&b, segment, ":@!$&'()*+,;=")
	}
	if len(path) == 0 {
		b.WriteByte('/')
	}
	for i, argument := range query {
		b.WriteByte("?&"[min(i, 1)])
		escape(&b, argument, ":@!$'()*+,;=/?")
	}
	return b.String()
}

// escape writes s with everything but the unreserved characters of a URI and
// those in keep percent-encoded.
func escape(b *strings.Builder, s, keep string) {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~"+keep, c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteString(string([]byte{'%', hex[c>>4], hex[c&15]}))
		}
	}
}

// isLocalPart reports whether s is what LocalPart makes of some request. A second
// form of the same path would be another path to a policy, and perhaps the same
// to an RS.
func isLocalPart(s string) bool {
	rest, ok := strings.CutPrefix(s, "/")
	if !ok {
		return false
	}
	rest, query, hasQuery := strings.Cut(rest, "?")
	path, ok := unescape(rest, "/")
	if !ok {
		return false
	}
	for _, segment := range path {
		if segment == "." || segment == ".." { // RFC 7252, Section 5.10.1
			return false
		}
	}
	var arguments []string
	if hasQuery {
		if arguments, ok = unescape(query, "&"); !ok {
			return false
		}
	}
	return LocalPart(path, arguments) == s
}

func unescape(s, separator string) ([]string, bool) {
	parts := strings.Split(s, separator)
	for i := range parts {
		var err error
		if parts[i], err = url.PathUnescape(parts[i]); err != nil {
			return nil, false
		}
	}
	return parts, true
}
