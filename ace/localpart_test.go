package ace

import "testing"

func TestLocalPart(t *testing.T) {
	for _, c := range []struct {
		path, query []string
		want        string
	}{
		{nil, nil, "/"},
		{[]string{""}, nil, "/"},
		{[]string{"s", "temp"}, nil, "/s/temp"},
		{[]string{"s", ""}, nil, "/s/"},
		{[]string{"a/b", "c%?"}, nil, "/a%2Fb/c%25%3F"},
		{[]string{"ä b"}, nil, "/%C3%A4%20b"},
		{[]string{"~a.b_c-d!$&'()*+,;=:@"}, nil, "/~a.b_c-d!$&'()*+,;=:@"},
		{[]string{"s"}, []string{"u=1", "v=a/b?&#"}, "/s?u=1&v=a/b?%26%23"},
		{[]string{"s"}, []string{""}, "/s?"},
		{nil, []string{"a", ""}, "/?a&"},
	} {
		got := LocalPart(c.path, c.query)
		if got != c.want || !isLocalPart(got) {
			t.Errorf("LocalPart(%q, %q) = %s (valid: %v), want %s", c.path, c.query, got, isLocalPart(got), c.want)
		}
	}
	for _, s := range []string{
		"", "s", "?u=1", "/%74emp", "/%2f", "/%C3%a4", "/ä", "/a b", "/%", "/%4", "/%zz", "/a#b", "/a[b]", "/.", "/..", "/a/../b", "/a/./b",
		"/%2E%2E/a", "/s?%3D", "/s?a#", "/s?%zz", "/a|b", "/a\x00",
	} {
		if isLocalPart(s) {
			t.Errorf("%q is a URI-local-part", s)
		}
	}
}

func FuzzLocalPart(f *testing.F) {
	f.Add("s", "temp", "u=1", "v")
	f.Add("ä", "..", "&", "?")
	f.Fuzz(func(t *testing.T, a, b, q, r string) {
		s := LocalPart([]string{a, b}, []string{q, r})
		if dots := a == "." || a == ".." || b == "." || b == ".."; isLocalPart(s) == dots {
			t.Errorf("LocalPart(%q, %q, %q, %q) = %q, valid: %v", a, b, q, r, s, !dots)
		}
	})
}
