package coap_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/coap"
)

// optionText shows options as number:value.
func optionText(o coap.Options) string {
	var b strings.Builder
	for i := range o {
		fmt.Fprintf(&b, "%d:%q ", o[i].ID, o[i].Value)
	}
	return strings.TrimSpace(b.String())
}

// TestParseURI: RFC 7252, Section 6.4, and its examples in 6.3 and Appendix B.
func TestParseURI(t *testing.T) {
	for s, want := range map[string]string{
		"coap://example.com:5683/~sensors/temp.xml":     `coap example.com:5683 3:"example.com" 11:"~sensors" 11:"temp.xml"`,
		"coap://EXAMPLE.com/%7Esensors/temp.xml":        `coap example.com:5683 3:"example.com" 11:"~sensors" 11:"temp.xml"`,
		"coap://EXAMPLE.com:/%7esensors/temp.xml":       `coap example.com:5683 3:"example.com" 11:"~sensors" 11:"temp.xml"`,
		"coap://[2001:db8::2:1]/":                       `coap [2001:db8::2:1]:5683`,
		"coap://example.net/":                           `coap example.net:5683 3:"example.net"`,
		"coap://example.net/.well-known/core":           `coap example.net:5683 3:"example.net" 11:".well-known" 11:"core"`,
		"coap://198.51.100.1:61616//%2F//?%2F%2F&?%26":  `coap 198.51.100.1:61616 11:"" 11:"/" 11:"" 11:"" 15:"//" 15:"?&"`,
		"COAPS://example.net":                           `coaps example.net:5684 3:"example.net"`,
		"coap+tcp://h?a=b":                              `coap+tcp h:5683 3:"h" 15:"a=b"`,
		"coaps+tcp://h/":                                `coaps+tcp h:5684 3:"h"`,
		"coap+ws://h/x":                                 `coap+ws h:80 3:"h" 11:"x"`,
		"coaps+ws://h:8443/x?":                          `coaps+ws h:8443 3:"h" 11:"x" 15:""`,
		"coap://%E4%BD%A0/":                             `coap 你:5683 3:"你"`,
		"coap://h/a/./b/../c":                           `coap h:5683 3:"h" 11:"a" 11:"c"`,
		"coap://h/a/%2e%2E/b/..":                        `coap h:5683 3:"h"`,
		"coap://h/../a/.":                               `coap h:5683 3:"h" 11:"a" 11:""`,
		"coap://h/" + strings.Repeat("x", 255):          `coap h:5683 3:"h" 11:"` + strings.Repeat("x", 255) + `"`,
		"coap://999.1.1.1/":                             `coap 999.1.1.1:5683 3:"999.1.1.1"`,
		"coap://h/a:b@c;d?q=http://x/y?z&w=1:2@3&&last": `coap h:5683 3:"h" 11:"a:b@c;d" 15:"q=http://x/y?z" 15:"w=1:2@3" 15:"" 15:"last"`,
	} {
		u, err := coap.ParseURI(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		got := strings.TrimSpace(u.Scheme + " " + u.Address() + " " + optionText(u.Request(coap.GET).Options))
		if got != want {
			t.Errorf("%s: got %s, want %s", s, got, want)
		}
	}
	//spec:7252-6.1-1
	//spec:7252-6.1-2
	for _, s := range []string{
		"", "/x", "//h/x", "coap:", "coap:/x", "coap:///x", "coap://", "coap://:5683/", "http://h/", "coap://h/#f", "coap://h#", "coap://h:0/", "coap://h:65536/",
		"coap://h:5x/", "coap://u@h/", "coap://[::1/", "coap://[::1]x/", "coap://[1.2.3.4]/", "coap://::1/", "coap://[fe80::1%25eth0]/", "coap://[v1.x]/",
		"coap://h/%", "coap://h/%2", "coap://h/%xy", "coap://h/ ", "coap://h/\x00", "coap://h/ä", "coap://h/<", "coap://h/a[b]\\",
		"coap://h/" + strings.Repeat("x", 256), "coap://h/?" + strings.Repeat("x", 256), "coap://" + strings.Repeat("h", 256) + "/",
	} {
		if u, err := coap.ParseURI(s); !errors.Is(err, coap.ErrURI) {
			t.Errorf("%q: got %+v, %v", s, u, err)
		}
	}
}

// TestComposeURI: RFC 7252, Section 6.5.
func TestComposeURI(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("198.51.100.1:61616"), netip.MustParseAddrPort("[2001:db8::2:1]:5683")
	options := func(pairs ...any) (o coap.Options) {
		for i := 0; i < len(pairs); i += 2 {
			o.Add(pairs[i].(coap.OptionID), []byte(pairs[i+1].(string)))
		}
		return o
	}
	for _, tt := range []struct {
		scheme string
		to     netip.AddrPort
		o      coap.Options
		want   string
	}{
		{"coap", v6, nil, "coap://[2001:db8::2:1]/"},
		{"coap", v6, options(coap.URIHost, "example.net"), "coap://example.net/"},
		{"coap", v6, options(coap.URIHost, "example.net", coap.URIPath, ".well-known", coap.URIPath, "core"), "coap://example.net/.well-known/core"},
		{"coap", v6, options(coap.URIHost, "xn--18j4d.example", coap.URIPath, "\u3053\u3093\u306b\u3061\u306f"), "coap://xn--18j4d.example/%E3%81%93%E3%82%93%E3%81%AB%E3%81%A1%E3%81%AF"},
		{"coap", v4, options(coap.URIPath, "", coap.URIPath, "/", coap.URIPath, "", coap.URIPath, "", coap.URIQuery, "//", coap.URIQuery, "?&"), "coap://198.51.100.1:61616//%2F//?//&?%26"},
		{"coaps", v4, options(coap.URIPort, "\x16\x34"), "coaps://198.51.100.1/"},
		{"coap", netip.MustParseAddrPort("[::ffff:192.0.2.1]:5683"), nil, "coap://192.0.2.1/"},
		{"coap", netip.MustParseAddrPort("[fe80::1%eth0]:5683"), nil, "coap://[fe80::1]/"},
		//spec:7252-6.5-1
		{"coap", v6, options(coap.URIHost, "\xfa"), "coap://%FA/"},
		{"coap", v6, options(coap.URIHost, "[::1]"), "coap://[::1]/"},
		{"coap", v6, options(coap.URIHost, "a:b"), ""},
		{"coap", v6, options(coap.URIHost, ""), ""},
		{"coap", v6, options(coap.URIPath, ".."), ""},
		{"http", v6, nil, ""},
	} {
		got, err := coap.ComposeURI(tt.scheme, tt.to, tt.o)
		if got != tt.want || (err != nil) != (tt.want == "") || err != nil && !errors.Is(err, coap.ErrURI) {
			t.Errorf("%s %v %v: got %q, %v, want %q", tt.scheme, tt.to, tt.o, got, err, tt.want)
		}
	}
}

// TestURIRoundTrip: what is composed is parsed to the same options, and is in
// normal form.
func TestURIRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var o coap.Options
		if rapid.Bool().Draw(t, "host") {
			o.AddString(coap.URIHost, rapid.StringMatching(`[a-z0-9.-]{1,20}\.[a-z]{2}`).Draw(t, "name"))
		}
		value := rapid.SliceOfN(rapid.Byte(), 0, 8)
		for range rapid.IntRange(0, 4).Draw(t, "segments") {
			o.Add(coap.URIPath, value.Draw(t, "segment"))
		}
		for range rapid.IntRange(0, 4).Draw(t, "arguments") {
			o.Add(coap.URIQuery, value.Draw(t, "argument"))
		}
		to := netip.AddrPortFrom(netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ip"))), uint16(rapid.IntRange(1, 65535).Draw(t, "port")))
		s, err := coap.ComposeURI("coaps", to, o)
		if err != nil {
			return // a dot segment
		}
		u, err := coap.ParseURI(s)
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		if v, _ := o.Get(coap.URIPath); len(v) == 0 && strings.Count(optionText(o), "11:") == 1 {
			o.Remove(coap.URIPath) // "/" is no segment and one without anything
		}
		if got, want := optionText(u.Options), optionText(o); got != want || u.Port != to.Port() {
			t.Fatalf("%s: got %s, %d, want %s", s, got, u.Port, want)
		}
		if again, err := coap.ComposeURI(u.Scheme, to, u.Options); err != nil || again != s {
			t.Fatalf("got %s, %v, want %s", again, err, s)
		}
	})
}

func FuzzParseURI(f *testing.F) {
	for _, s := range []string{"coap://[2001:db8::1]:1/a/b?c&d", "coaps+tcp://EXAMPLE.com/%7e/..", "coap://h/%2F?%26"} {
		f.Add(s)
	}
	to := netip.MustParseAddrPort("192.0.2.1:5683")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := coap.ParseURI(s)
		if err != nil {
			return
		}
		composed, err := coap.ComposeURI(u.Scheme, to, u.Options)
		if err != nil {
			return // a host that is only written as one in percent-encodings
		}
		again, err := coap.ParseURI(composed)
		if err != nil || optionText(again.Options) != optionText(u.Options) {
			t.Errorf("%q, %q: got %v, %v, want %v", s, composed, again, err, u)
		}
	})
}
