package nonceoracle

import (
	"testing"

	"github.com/ostiary/ostiary/internal/cose"
)

// failures is a testing.TB that counts instead of failing.
type failures struct {
	testing.TB
	n int
}

func (f *failures) Errorf(string, ...any) { f.n++ }

func TestOracle(t *testing.T) {
	a, b := []byte("0123456789abcdef"), []byte("0123456789abcdeF")
	one, two := []byte("nonce of 13 1"), []byte("nonce of 13 2")
	type seal struct{ key, nonce, plaintext, aad []byte }
	for name, v := range map[string]struct {
		seals []seal
		want  int
	}{
		"other plaintext":  {[]seal{{a, one, []byte("x"), nil}, {a, one, []byte("y"), nil}}, 1},
		"other data":       {[]seal{{a, one, []byte("x"), nil}, {a, one, []byte("x"), []byte("d")}}, 1},
		"border moved":     {[]seal{{a, one, []byte("xd"), nil}, {a, one, []byte("x"), []byte("d")}}, 1},
		"the same message": {[]seal{{a, one, []byte("x"), nil}, {a, one, []byte("x"), nil}}, 0},
		"other nonce":      {[]seal{{a, one, []byte("x"), nil}, {a, two, []byte("y"), nil}}, 0},
		"other key":        {[]seal{{a, one, []byte("x"), nil}, {b, one, []byte("y"), nil}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := &failures{}
			o := New(f)
			for _, s := range v.seals {
				aead, err := o.NewAEAD(cose.AES_CCM_16_64_128, s.key)
				if err != nil {
					t.Fatal(err)
				}
				sealed := aead.Seal(nil, s.nonce, s.plaintext, s.aad)
				if got, err := aead.Open(nil, s.nonce, sealed, s.aad); err != nil || string(got) != string(s.plaintext) {
					t.Errorf("Open = %q, %v, want %q", got, err, s.plaintext)
				}
			}
			if f.n != v.want {
				t.Errorf("%d failures, want %d", f.n, v.want)
			}
			if got := o.Seals(); got != len(v.seals) {
				t.Errorf("Seals = %d, want %d", got, len(v.seals))
			}
		})
	}
}
