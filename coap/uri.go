package coap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// ErrURI is the answer to a URI that is none of CoAP, and to options of which
// none can be made.
var ErrURI = errors.New("coap: not a CoAP URI")

// schemes are the schemes with their default ports (RFC 7252, Section 6; RFC
// 8323, Section 8).
var schemes = map[string]uint16{
	"coap": 5683, "coaps": 5684, "coap+tcp": 5683, "coaps+tcp": 5684, "coap+ws": 80, "coaps+ws": 443,
}

// A URI is what a URI of CoAP says: where to send a request, and with which
// options.
type URI struct {
	// Scheme is "coap", "coaps", "coap+tcp", "coaps+tcp", "coap+ws" or
	// "coaps+ws".
	Scheme string
	// Host is an IP address, without brackets, or a name in lower case.
	Host string
	Port uint16
	// Options are the Uri-Host, if Host is a name, and Uri-Path and Uri-Query.
	Options Options
}

// ParseURI decomposes a URI such as "coap://[2001:db8::1]/sensors/temp?unit=K"
// (RFC 7252, Section 6.4). An error is ErrURI: a relative URI, another scheme,
// a fragment, no host, a component that is longer than its option.
func ParseURI(s string) (*URI, error) {
	scheme, rest, _ := strings.Cut(s, "://")
	u := &URI{Scheme: lower(scheme)}
	var known bool
	if u.Port, known = schemes[u.Scheme]; !known || !uriText(rest) {
		return nil, fmt.Errorf("%w: scheme or characters", ErrURI)
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if err := u.parseAuthority(rest[:end]); err != nil {
		return nil, err
	}
	path, query, hasQuery := strings.Cut(rest[end:], "?")
	if err := u.addPath(path); err != nil {
		return nil, err
	}
	if hasQuery {
		for arg := range strings.SplitSeq(query, "&") {
			if err := u.add(URIQuery, arg); err != nil {
				return nil, err
			}
		}
	}
	return u, nil
}

// uriText reports whether s has only characters of a URI after its scheme, no
// fragment among them, and percent-encodings that are whole (RFC 3986, Section
// 2).
func uriText(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '%' && (i+2 >= len(s) || unhex(s[i+1]) < 0 || unhex(s[i+2]) < 0):
			return false
		case c == '%', unreserved(c), strings.IndexByte(subDelims+":@/?[]", c) >= 0:
		default:
			return false
		}
	}
	return true
}

const subDelims = "!$&'()*+,;="

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// lower is ASCII lower case.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func (u *URI) parseAuthority(s string) error {
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, port = s[:i], s[i+1:]
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%w: port", ErrURI)
		}
		u.Port = uint16(n)
	}
	if ip, ok := ipLiteral(host); ok {
		u.Host = ip.String()
		return nil
	}
	//spec:7252-6.1-1
	//spec:7252-6.1-2
	if host == "" || !regName(host) {
		return fmt.Errorf("%w: host", ErrURI)
	}
	if err := u.add(URIHost, lower(host)); err != nil {
		return err
	}
	v, _ := u.Options.Get(URIHost)
	u.Host = string(v)
	return nil
}

// ipLiteral reads an IPv4 address, or one of IPv6 in brackets.
func ipLiteral(host string) (netip.Addr, bool) {
	inner, ok := strings.CutPrefix(host, "[")
	if ok {
		inner, ok = strings.CutSuffix(inner, "]")
	}
	ip, err := netip.ParseAddr(inner)
	return ip, err == nil && ip.Is6() == ok && ip.Zone() == ""
}

// regName reports whether s is a registered name (RFC 3986, Section 3.2.2).
func regName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '%' && !unreserved(c) && strings.IndexByte(subDelims, c) < 0 {
			return false
		}
	}
	return true
}

// addPath adds the segments that remain when "." and ".." are resolved (RFC
// 3986, Section 5.2.4).
func (u *URI) addPath(path string) error {
	all := strings.Split(strings.TrimPrefix(path, "/"), "/")
	var segments []string
	for i, segment := range all {
		dots := string(unescape(segment))
		if dots != "." && dots != ".." {
			segments = append(segments, segment)
			continue
		}
		if n := len(segments); dots == ".." && n > 0 {
			segments = segments[:n-1]
		}
		if i == len(all)-1 {
			segments = append(segments, "")
		}
	}
	if len(segments) == 1 && segments[0] == "" {
		return nil
	}
	for _, segment := range segments {
		if err := u.add(URIPath, segment); err != nil {
			return err
		}
	}
	return nil
}

// add adds an option with a value of at most 255 bytes (RFC 7252, Section
// 5.10.1).
func (u *URI) add(id OptionID, escaped string) error {
	v := unescape(escaped)
	if len(v) > 255 {
		return fmt.Errorf("%w: component of %d bytes", ErrURI, len(v))
	}
	u.Options.Add(id, v)
	return nil
}

// Address returns host and port, as Dial, DialDTLS and DialTCP want them.
func (u *URI) Address() string { return net.JoinHostPort(u.Host, strconv.Itoa(int(u.Port))) }

// Request returns a request for the resource that u identifies, to be sent to
// u's Address. It has options of its own.
func (u *URI) Request(method Code) *Request {
	return &Request{Code: method, Options: u.Options.Clone()}
}

// ComposeURI returns the URI of a request with the given options, in normal
// form (RFC 7252, Section 6.5). Scheme is one of URI's and says how the request
// is sent, destination where to. An error is ErrURI: Uri-Host is no host, or a
// segment is "." or "..", which a URI cannot carry.
func ComposeURI(scheme string, destination netip.AddrPort, o Options) (string, error) {
	standard, ok := schemes[scheme]
	if !ok {
		return "", fmt.Errorf("%w: scheme", ErrURI)
	}
	host := destination.Addr().WithZone("").Unmap().String()
	if destination.Addr().WithZone("").Unmap().Is6() {
		host = "[" + host + "]"
	}
	if v, ok := o.Get(URIHost); ok {
		host = escape(v, subDelims+"[]:")
		if _, ip := ipLiteral(host); host == "" || !ip && !regName(host) {
			return "", fmt.Errorf("%w: Uri-Host", ErrURI)
		}
	}
	if hasDotSegment(o, URIPath) {
		return "", fmt.Errorf("%w: Uri-Path", ErrURI)
	}
	port := uint32(destination.Port())
	if v, ok := o.Uint(URIPort); ok {
		port = v
	}
	b := new(strings.Builder)
	b.WriteString(scheme + "://" + host)
	if port != uint32(standard) {
		fmt.Fprintf(b, ":%d", port)
	}
	writeResource(b, o)
	return b.String(), nil
}

func writeResource(b *strings.Builder, o Options) {
	if !o.Has(URIPath) {
		b.WriteByte('/')
	}
	mark := byte('?')
	for i := range o {
		switch o[i].ID {
		case URIPath:
			b.WriteByte('/')
			b.WriteString(escape(o[i].Value, subDelims+":@"))
		case URIQuery:
			b.WriteByte(mark)
			b.WriteString(escape(o[i].Value, strings.ReplaceAll(subDelims, "&", "")+":@/?"))
			mark = '&'
		}
	}
}

// escape percent-encodes all bytes but unreserved ones and those of plain.
func escape(v []byte, plain string) string {
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, len(v))
	for _, c := range v {
		if unreserved(c) || strings.IndexByte(plain, c) >= 0 {
			b = append(b, c)
			continue
		}
		//spec:7252-6.5-1
		b = append(b, '%', digits[c>>4], digits[c&15])
	}
	return string(b)
}
