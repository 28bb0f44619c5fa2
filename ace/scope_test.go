package ace

import (
	"slices"
	"testing"
)

func TestScope(t *testing.T) {
	temp := AIF{{"/s/temp", GET}}
	for _, c := range []struct {
		name   string
		scope  Scope
		zero   bool
		tokens []string
		bytes  []byte
		text   string
	}{
		{name: "none", scope: Scope{}, zero: true},
		{name: "no tokens", scope: TextScope(), zero: true},
		{name: "empty byte string", scope: ByteScope([]byte{}), zero: true},
		{name: "AIF without entries", scope: AIFScope(AIF{}), zero: true},
		{name: "tokens", scope: TextScope("a", "b"), tokens: []string{"a", "b"}, text: "a b"},
		{name: "bytes", scope: ByteScope([]byte{1, 0xff}), bytes: []byte{1, 0xff}, text: "h'01ff'"},
		{name: "AIF", scope: AIFScope(temp), bytes: temp.Append(nil), text: `[["/s/temp",1]]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tokens, isText := c.scope.Tokens()
			bytes, isBytes := c.scope.Bytes()
			if c.scope.IsZero() != c.zero || isText != (c.tokens != nil) || isBytes != (c.bytes != nil) {
				t.Errorf("IsZero %v, text %v, bytes %v", c.scope.IsZero(), isText, isBytes)
			}
			if !slices.Equal(tokens, c.tokens) || isBytes && !slices.Equal(bytes, c.bytes) {
				t.Errorf("tokens %q, bytes %x, want %q, %x", tokens, bytes, c.tokens, c.bytes)
			}
			if got := c.scope.String(); got != c.text {
				t.Errorf("String = %q, want %q", got, c.text)
			}
			if c.zero {
				if b := c.scope.Append(nil); len(b) != 0 {
					t.Errorf("Append of none = %x", b)
				}
				return
			}
			got, err := ParseScope(c.scope.Append(nil))
			if err != nil || got != c.scope {
				t.Errorf("ParseScope(Append) = %v, %v", got, err)
			}
		})
	}
	if TextScope("a") == ByteScope([]byte("a")) {
		t.Error("a text and a byte string are equal")
	}
	if _, err := TextScope("a").AIF(); err == nil {
		t.Error("AIF of a text succeeds")
	}
	if a, err := AIFScope(temp).AIF(); err != nil || !slices.Equal(a, temp) {
		t.Errorf("AIF = %v, %v, want %v", a, err, temp)
	}
	if got := TextScope("abc").Len(); got != 3 {
		t.Errorf("Len = %d, want 3", got)
	}
}
