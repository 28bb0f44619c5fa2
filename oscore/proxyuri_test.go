package oscore

import (
	"fmt"
	"strings"
	"testing"
)

//spec:8613-4.1.3.3-1
//spec:8613-4.1.3.3-2
//spec:8613-4.1.3.3-3
func TestProxyURI(t *testing.T) {
	for uri, want := range map[string]string{
		"coap://example.com/resource?q=1":            "35=coap://example.com 11=resource 15=q=1", // RFC 8613, Section 4.1.3.3
		"coap://example.com":                         "35=coap://example.com",
		"coap://example.com/":                        "35=coap://example.com",
		"coap://example.com:5683/a":                  "35=coap://example.com 11=a",
		"coap://example.com:61616/a/b":               "35=coap://example.com:61616 11=a 11=b",
		"COAPS://Example.COM:5684/A":                 "35=coaps://example.com 11=A",
		"coap://[2001:db8::2:1]/":                    "35=coap://[2001:db8::2:1]",
		"coap://[2001:db8::2:1]:5684/x":              "35=coap://[2001:db8::2:1]:5684 11=x",
		"coap://h/%E2%9C%93%2F/?%26&b+c":             "35=coap://h 11=✓/ 11= 15=& 15=b+c",
		"coap://h//a//":                              "35=coap://h 11= 11=a 11= 11=",
		"coap://h?":                                  "35=coap://h 15=",
		"http://example.com:80/x?a=1&b=2":            "35=http://example.com 11=x 15=a=1 15=b=2",
		"coap+tcp://example.com:5683/.well-known/ct": "35=coap+tcp://example.com 11=.well-known 11=ct",
	} {
		options, err := splitProxyURI([]Option{{optionProxyURI, []byte(uri)}})
		if err != nil {
			t.Errorf("%s: %v", uri, err)
			continue
		}
		var path, query, outer []string
		for _, o := range options {
			text := fmt.Sprintf("%d=%s", o.Number, o.Value)
			switch o.Number {
			case optionURIPath:
				path = append(path, text)
			case optionURIQuery:
				query = append(query, text)
			default:
				outer = append(outer, text)
			}
		}
		if got := strings.Join(append(outer, append(path, query...)...), " "); got != want {
			t.Errorf("%s is split into %s, want %s", uri, got, want)
		}
	}
}

func TestProxyURIRefuses(t *testing.T) {
	proxy := func(uri string) Option { return Option{optionProxyURI, []byte(uri)} }
	for name, options := range map[string][]Option{
		"relative":          {proxy("/a")},
		"no authority":      {proxy("coap:a")},
		"empty":             {proxy("")},
		"fragment":          {proxy("coap://h/a#b")},
		"empty fragment":    {proxy("coap://h/a#")},
		"userinfo":          {proxy("http://user@h/a")},
		"not a URI":         {proxy("coap://h/%zz")},
		"bad port":          {proxy("coap://h:x/")},
		"segment too long":  {proxy("coap://h/" + strings.Repeat("a", 256))},
		"two":               {proxy("coap://h/a"), proxy("coap://h/b")},
		"with Uri-Path":     {{optionURIPath, []byte("a")}, proxy("coap://h/a")},
		"with Uri-Host":     {{optionURIHost, []byte("h")}, proxy("coap://h/a")},
		"with Proxy-Scheme": {proxy("coap://h/a"), {optionProxyScheme, []byte("coap")}},
	} {
		if got, err := splitProxyURI(options); err == nil {
			t.Errorf("%s: %v, want an error", name, got)
		}
	}
}

// TestProxyURIProtected is the example of Section 4.1.3.3 on the wire.
//
//spec:8613-4.1.3.3-2
//spec:8613-4.1.3.3-3
func TestProxyURIProtected(t *testing.T) {
	c, s := pairFor(t)
	m := Message{Code: 1, Options: []Option{{17, []byte{50}}, {optionProxyURI, []byte("coap://example.com/resource?q=1")}, {60, nil}}}
	p, _, err := c.ProtectRequest(m)
	if err != nil {
		t.Fatal(err)
	}
	out, _ := p.Message()
	if value, _ := out.option(optionProxyURI); string(value) != "coap://example.com" {
		t.Errorf("outer Proxy-Uri = %s, want coap://example.com", value)
	}
	got, _, err := s.VerifyRequest(wire(t, p))
	if err != nil {
		t.Fatal(err)
	}
	assertMessage(t, got, Message{Code: 1, Options: []Option{
		{optionURIPath, []byte("resource")},
		{optionURIQuery, []byte("q=1")},
		{17, []byte{50}},
		{optionProxyURI, []byte("coap://example.com")},
		{60, nil},
	}})
}
