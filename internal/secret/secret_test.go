package secret_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/internal/secret"
)

// key has no byte that could stand in the text around it by chance.
var key = secret.Bytes("\xa1\xb2\xc3\xd4TOP")

// revealed lists the ways in which fmt or an encoder might show key.
var revealed = []string{
	"TOP", "\xa1\xb2", hex.EncodeToString(key), "a1b2", "A1B2", "a1 b2", "A1 B2", "161", "0xa1", "0xA1",
	`\xa1`, "obLD1FRPUA==", "oc2", "10100001", "241 262",
}

func checkHidden(t *testing.T, shown string) {
	t.Helper()
	if !strings.Contains(shown, "[secret]") {
		t.Errorf("shown as %q, want [secret] in it", shown)
	}
	for _, r := range revealed {
		if strings.Contains(shown, r) {
			t.Errorf("shown as %q, which holds %q", shown, r)
		}
	}
}

func TestFormat(t *testing.T) {
	type nested struct {
		Name string
		Key  secret.Bytes
		Ref  *secret.Bytes
	}
	values := map[string]any{
		"plain":     key,
		"pointer":   &key,
		"struct":    nested{Name: "n", Key: key},
		"pointed":   &nested{Name: "n", Key: key},
		"slice":     []secret.Bytes{key},
		"map":       map[string]secret.Bytes{"k": key},
		"interface": []any{key},
	}
	for name, v := range values {
		for _, verb := range []string{
			"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%# x", "% X", "%#q", "%d", "%b", "%o", "%O", "%c", "%U", "%t", "%e", "%20s", "%.2x",
		} {
			t.Run(name+verb, func(t *testing.T) {
				checkHidden(t, fmt.Sprintf(verb, v))
			})
		}
	}
	t.Run("String", func(t *testing.T) { checkHidden(t, key.String()) })
	t.Run("GoString", func(t *testing.T) { checkHidden(t, key.GoString()) })
	t.Run("Sprint", func(t *testing.T) { checkHidden(t, fmt.Sprint(key)) })
}

func TestErrors(t *testing.T) {
	inner := fmt.Errorf("derive from %v", key)
	checkHidden(t, fmt.Errorf("protect with %x: %w", key, inner).Error())
	checkHidden(t, errors.Join(inner, fmt.Errorf("%+v", struct{ K any }{key})).Error())
}

func TestMarshal(t *testing.T) {
	for name, v := range map[string]any{
		"plain":  key,
		"struct": struct{ Key secret.Bytes }{key},
		"map":    map[string]any{"k": &key},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			checkHidden(t, string(b))
		})
	}
	text, err := key.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	checkHidden(t, string(text))
}

func TestLog(t *testing.T) {
	for name, h := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			log := slog.New(h(&out))
			log.Info("one", "key", key)
			checkHidden(t, out.String())
			out.Reset()
			log.Info("two", "all", struct{ Key secret.Bytes }{key})
			checkHidden(t, out.String())
			out.Reset()
			log.With("key", &key).WithGroup("g").Info("three")
			checkHidden(t, out.String())
		})
	}
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"", "", true},
		{"key", "key", true},
		{"key", "kez", false},
		{"key", "Key", false},
		{"key", "ke", false},
		{"", "k", false},
	} {
		if got := secret.Bytes(c.a).Equal([]byte(c.b)); got != c.want {
			t.Errorf("Equal(%q, %q) = %t, want %t", c.a, c.b, got, c.want)
		}
	}
}

func TestCloneAndErase(t *testing.T) {
	a := secret.Bytes("key")
	shared := a
	clone := a.Clone()
	a.Erase()
	if want := []byte{0, 0, 0}; !bytes.Equal(shared, want) {
		t.Errorf("erased bytes are %x, want %x", []byte(shared), want)
	}
	if want := "key"; string(clone) != want {
		t.Errorf("clone is %q after Erase, want %q", string(clone), want)
	}
	if got := secret.Bytes(nil).Clone(); got != nil {
		t.Errorf("clone of nil is %d bytes, not nil", len(got))
	}
}
