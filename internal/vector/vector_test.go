package vector_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/ostiary/ostiary/internal/vector"
)

// fatal is a testing.TB that keeps the fault instead of ending the test.
type fatal struct {
	testing.TB
	text string
}

func (f *fatal) Helper() {}

func (f *fatal) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// run calls f in a goroutine of its own, which a Fatalf ends, and gives the fault.
func run(t *testing.T, f func(testing.TB)) string {
	t.Helper()
	tb := &fatal{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(tb)
	}()
	<-done
	return tb.text
}

type file struct {
	Name string
	Key  vector.Hex
	Salt vector.Hex
	ID   vector.Hex
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.json")
	if err := os.WriteFile(path, []byte(`{"name":"n","key":"0aFf","salt":null,"id":""}`), 0o600); err != nil {
		t.Fatal(err)
	}
	got := vector.Load[file](t, path)
	if got.Name != "n" || !bytes.Equal(got.Key, []byte{0x0a, 0xff}) {
		t.Errorf("loaded %+v", got)
	}
	if got.Salt != nil {
		t.Errorf("null is %v, want nil", got.Salt)
	}
	if got.ID == nil || len(got.ID) != 0 {
		t.Errorf(`"" is %v, want empty and not nil`, got.ID)
	}
}

func TestLoadFaults(t *testing.T) {
	for name, text := range map[string]string{
		"syntax":    `{"key":`,
		"odd hex":   `{"key":"0"}`,
		"not hex":   `{"key":"zz"}`,
		"type":      `{"key":7}`,
		"not there": "",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "v.json")
			if text != "" {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if fault := run(t, func(tb testing.TB) { vector.Load[file](tb, path) }); fault == "" {
				t.Errorf("loaded %q", text)
			}
		})
	}
}

func TestHex(t *testing.T) {
	h := vector.Hex{0x0a, 0xff}
	if got, want := fmt.Sprint(h), "0aff"; got != want {
		t.Errorf("String = %q, want %q", got, want)
	}
	b, err := json.Marshal(h)
	if got, want := string(b), `"0aff"`; err != nil || got != want {
		t.Errorf("MarshalJSON = %s, %v, want %s", got, err, want)
	}
}

func TestBytes(t *testing.T) {
	if got, want := vector.Bytes(t, "0a fF\n01"), []byte{0x0a, 0xff, 1}; !bytes.Equal(got, want) {
		t.Errorf("Bytes = %x, want %x", got, want)
	}
	if fault := run(t, func(tb testing.TB) { vector.Bytes(tb, "0") }); fault == "" {
		t.Error("Bytes accepts an odd number of digits")
	}
}
