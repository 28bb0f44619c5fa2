package coap

import (
	"strings"
)

const (
	wellKnownCore = "/.well-known/core"
	// linkFormat is the Content-Format of application/link-format.
	linkFormat = 40
)

// An Attribute is a target attribute of a link, such as rt, if, sz, ct or
// title (RFC 6690, Section 3). An empty Value gives the bare name, as in obs.
type Attribute struct{ Name, Value string }

// link is one line of /.well-known/core.
type link struct {
	href  string
	attrs []Attribute
	text  string // serialized
}

// Describe lists a resource in /.well-known/core. Values are quoted unless
// they are numbers; they must not hold a quote or a backslash.
func (m *Mux) Describe(path string, attrs ...Attribute) {
	var b strings.Builder
	b.WriteString("<" + path + ">")
	for _, a := range attrs {
		if strings.ContainsAny(a.Name+a.Value, "\"\\") {
			panic("coap: link attribute with a quote: " + a.Name)
		}
		b.WriteString(";" + a.Name)
		switch {
		case a.Value == "":
		case isCardinal(a.Value):
			b.WriteString("=" + a.Value)
		default:
			b.WriteString(`="` + a.Value + `"`)
		}
	}
	m.links = append(m.links, link{href: path, attrs: attrs, text: b.String()})
}

func isCardinal(s string) bool {
	return strings.Trim(s, "0123456789") == "" && (s == "0" || s[0] != '0')
}

// serveCore answers a discovery request (RFC 6690, Section 4).
func (m *Mux) serveCore(w ResponseWriter, r *Request) {
	if r.Code != GET {
		m.refuse(w, r, MethodNotAllowed)
		return
	}
	//spec:7252-5.10.4-1
	if accept, ok := r.Options.Uint(Accept); ok && accept != linkFormat {
		m.refuse(w, r, NotAcceptable)
		return
	}
	var b strings.Builder
	for _, l := range m.links {
		if !l.matches(r.Options.Queries()) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(l.text)
	}
	//spec:6690-4.1-3
	if r.Multicast && b.Len() == 0 {
		drop(w)
		return
	}
	//spec:6690-4-1
	//spec:6690-4-2
	resp := r.NewResponse(Content)
	resp.Options.AddUint(ContentFormat, linkFormat)
	resp.Payload = []byte(b.String())
	_ = w.Respond(resp)
}

// matches applies the filters (RFC 6690, Section 4.1). A filter matches by an
// equal value or, with a trailing asterisk, by prefix; values that are lists
// match by one of their members.
func (l *link) matches(filters []string) bool {
	for _, f := range filters {
		name, pattern, _ := strings.Cut(f, "=")
		if !l.matchesOne(name, pattern) {
			return false
		}
	}
	return true
}

func (l *link) matchesOne(name, pattern string) bool {
	if name == "href" {
		return matchValue(l.href, pattern)
	}
	for _, a := range l.attrs {
		if a.Name != name {
			continue
		}
		//spec:6690-4.1-1
		switch name {
		case "rt", "if", "rel", "ct":
			for member := range strings.FieldsSeq(a.Value) {
				if matchValue(member, pattern) {
					return true
				}
			}
		default:
			if matchValue(a.Value, pattern) {
				return true
			}
		}
	}
	return false
}

func matchValue(value, pattern string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(value, prefix)
	}
	return value == pattern
}
