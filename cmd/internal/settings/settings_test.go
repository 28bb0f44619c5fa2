package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/internal/secret"
)

type sample struct {
	Name string   `toml:"name"`
	Wait Duration `toml:"wait"`
	ID   Hex      `toml:"id"`
	Key  Secret   `toml:"key"`
	In   struct {
		Limit int `toml:"limit"`
	} `toml:"in"`
}

func TestParse(t *testing.T) {
	var s sample
	err := Parse("x.toml", []byte("name = \"n\"\nwait = \"90s\"\nid = \"00ff\"\nkey = \"0102\"\n[in]\nlimit = 7\n"), &s)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "n" || time.Duration(s.Wait) != 90*time.Second || !bytes.Equal(s.ID, []byte{0, 255}) ||
		!s.Key.Bytes.Equal(secret.Bytes{1, 2}) || s.In.Limit != 7 {
		t.Errorf("got %+v", s)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", "name = \"n\"\n[in]\nlimti = 7\n", `x.toml:3: unknown key "in.limti"`},
		{"wrong type", "name = 7\n", "x.toml:1:"},
		{"not TOML", "name = \n", "x.toml:1:"},
		{"odd hex", "id = \"0\"\n", "x.toml:1:"},
		{"secret not hex", "key = \"topsecretvalue\"\n", "x.toml:1:"},
		{"duration", "wait = \"soon\"\n", "x.toml:1:"},
		{"twice", "name = \"n\"\nname = \"m\"\n", "x.toml:2:"},
		{"long", "#" + strings.Repeat("x", maxFile), "longer than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s sample
			err := Parse("x.toml", []byte(c.text), &s)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "topsecret") {
				t.Errorf("the error repeats a secret: %v", err)
			}
		})
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	s := sample{Key: Secret{secret.Bytes("hush-hush")}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		got := fmt.Sprintf(verb, s)
		if strings.Contains(got, "hush") || strings.Contains(got, "68757368") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

func TestWriteNewIsPrivateAndReplacesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := WriteNew(path, []byte("a")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %o, want 600", got)
	}
	if err := WriteNew(path, []byte("b")); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("second WriteNew: got %v, want a refusal", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "a" {
		t.Errorf("file holds %q, want %q", b, "a")
	}
}

func TestReadRefusesWhatEverybodyMayRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := WriteNew(path, []byte("name = \"n\"\n")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		mode os.FileMode
		want string // "" if it is read
	}{{0o600, ""}, {0o640, ""}, {0o644, "chmod it 600"}, {0o602, "chmod it 600"}} {
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		var s sample
		err := Read(path, &s)
		if c.want == "" && (err != nil || s.Name != "n") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("mode %o: got %q, %v; want an error with %q", c.mode, s.Name, err, c.want)
		}
	}
}

// TestTextReadsOnlyFiles: nothing that is no file, and of a file no more than Parse
// takes.
func TestTextReadsOnlyFiles(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := Text(dir); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("folder: got %v, want that it is not a file", err)
	}
	path := filepath.Join(dir, "f")
	if _, _, err := Text(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v, want fs.ErrNotExist", err)
	}
	if err := WriteNew(path, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 10*maxFile); err != nil {
		t.Fatal(err)
	}
	b, mode, err := Text(path)
	if err != nil || mode != 0o600 || len(b) != maxFile+1 {
		t.Errorf("got %d bytes, mode %o, %v, want %d and 600", len(b), mode, err, maxFile+1)
	}
}

func TestBeside(t *testing.T) {
	for _, c := range [][3]string{
		{"/etc/o/as.toml", "as.db", "/etc/o/as.db"},
		{"/etc/o/as.toml", "/var/as.db", "/var/as.db"},
		{"as.toml", "as.db", "as.db"},
		{"/etc/o/as.toml", "", ""},
	} {
		if got := Beside(c[0], c[1]); got != c[2] {
			t.Errorf("Beside(%q, %q) = %q, want %q", c[0], c[1], got, c[2])
		}
	}
}

// FuzzParse: what Parse accepts, Marshal writes so that Parse reads the same.
func FuzzParse(f *testing.F) {
	f.Add("name = \"n\"\nwait = \"90s\"\nid = \"00ff\"\nkey = \"0102\"\n[in]\nlimit = 7\n")
	f.Add("")
	f.Add("name = '''\nx'''\n")
	f.Fuzz(func(t *testing.T, text string) {
		var first, second sample
		if Parse("x.toml", []byte(text), &first) != nil {
			return
		}
		b, err := Marshal(first)
		if err != nil {
			t.Fatalf("Marshal: %v", err)
		}
		if err := Parse("y.toml", b, &second); err != nil {
			t.Fatalf("Parse what Marshal wrote: %v\n%s", err, b)
		}
		again, err := Marshal(second)
		if err != nil {
			t.Fatalf("Marshal: %v", err)
		}
		if !bytes.Equal(b, again) {
			t.Errorf("got %s, want %s", again, b)
		}
	})
}
