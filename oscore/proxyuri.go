package oscore

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

var errProxyURI = errors.New("oscore: Proxy-Uri is not an absolute URI of the kind that can be split")

// splitProxyURI decomposes Proxy-Uri (Section 4.1.3.3): Uri-Path and Uri-Query, which
// are of Class E, take the place of what it holds of them, and scheme, host and port
// stay in a Proxy-Uri, which is of Class U. It returns options itself if there is no
// Proxy-Uri.
//
//spec:8613-4.1.3.3-1
//spec:8613-4.1.3.3-2
//spec:8613-4.1.3.3-3
func splitProxyURI(options []Option) ([]Option, error) {
	at := slices.IndexFunc(options, func(o Option) bool { return o.Number == optionProxyURI })
	if at < 0 {
		return options, nil
	}
	parts, err := proxyURIParts(string(options[at].Value))
	if err != nil {
		return nil, err
	}
	var out []Option
	for i, o := range options {
		switch o.Number {
		case optionURIHost, optionURIPort, optionURIPath, optionURIQuery, optionProxyScheme:
			return nil, errProxyURI // Proxy-Uri stands for these (RFC 7252, Section 5.10.2)
		case optionProxyURI:
			if i != at {
				return nil, errProxyURI
			}
		default:
			out = append(out, o)
		}
	}
	out = append(out, parts...)
	slices.SortStableFunc(out, func(a, b Option) int { return int(a.Number) - int(b.Number) })
	return out, nil
}

// proxyURIParts splits uri by RFC 7252, Section 6.4, and composes what remains by
// Section 6.5.
func proxyURIParts(uri string) ([]Option, error) {
	u, err := url.Parse(uri)
	if err != nil || !u.IsAbs() || u.Host == "" || u.Opaque != "" || u.User != nil || strings.Contains(uri, "#") {
		return nil, errProxyURI
	}
	base := url.URL{Scheme: strings.ToLower(u.Scheme), Host: strings.ToLower(u.Host)}
	if port := u.Port(); port == "" || port == defaultPort(base.Scheme) {
		base.Host = strings.TrimSuffix(strings.TrimSuffix(base.Host, port), ":")
	}
	parts := []Option{{Number: optionProxyURI, Value: []byte(base.String())}}
	if path := u.EscapedPath(); path != "" && path != "/" {
		if parts, err = appendDecoded(parts, optionURIPath, strings.Split(path[1:], "/")); err != nil {
			return nil, err
		}
	}
	if u.RawQuery != "" || u.ForceQuery {
		return appendDecoded(parts, optionURIQuery, strings.Split(u.RawQuery, "&"))
	}
	return parts, nil
}

func appendDecoded(options []Option, number uint16, parts []string) ([]Option, error) {
	for _, part := range parts {
		value, err := url.PathUnescape(part)
		if err != nil || len(value) > 255 {
			return nil, errProxyURI
		}
		options = append(options, Option{Number: number, Value: []byte(value)})
	}
	return options, nil
}

func defaultPort(scheme string) string {
	switch scheme {
	case "coap", "coap+tcp":
		return "5683"
	case "coaps", "coaps+tcp":
		return "5684"
	case "http", "coap+ws":
		return "80"
	case "https", "coaps+ws":
		return "443"
	default:
		return ""
	}
}
