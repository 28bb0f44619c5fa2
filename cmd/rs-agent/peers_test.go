package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/cmd/internal/settings"
)

func credentialOf(t testing.TB, name string, kid byte) string {
	t.Helper()
	const ccs = "a202%x%x08a101a501020241%02x200121582065eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d2258201e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c"
	return fmt.Sprintf(ccs, 0x60+len(name), name, kid)
}

// another is a credential with another key (RFC 9529, Section 3).
const another = "a2026b6578616d706c652e65647508a101a501020241322001215820bbc34960526ea4d32e940cad2a234148ddc21791a12afbcbac93622046dd44f02258204519e257236b2a0ce2023f0931f1f386ca7afda64fcde0108c224c51eabf6072"

func TestReadPeers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peers.toml")
	if p, err := readPeers(path); err != nil || len(p.List) != 0 {
		t.Errorf("no file: got %v, %v, want an empty list", p, err)
	}
	alice := "[[peer]]\nname = 'alice'\ncredential = '" + credentialOf(t, "alice", 1) + "'\n"
	bob := "[[peer]]\nname = 'bob'\ncredential = '" + another + "'\nscope = '[[\"/value\",1]]'\n"
	for _, c := range []struct{ name, text, want string }{
		{"good", alice + bob, ""},
		{"comment only", "# nobody\n", ""},
		{"unknown key", alice + "rights = 'x'\n", `peers.toml:4: unknown key "peer.rights"`},
		{"not TOML", "[[peer\n", "peers.toml:1"},
		{"no name", strings.Replace(alice, "'alice'", "''", 1), "peer 1: name: missing"},
		{"name of control characters", strings.Replace(alice, "'alice'", `"a\nb"`, 1), "printable"},
		{"long name", strings.Replace(alice, "alice", strings.Repeat("x", 256), 1), "up to 255"},
		{"no credential", "[[peer]]\nname = 'alice'\n", `peer "alice": credential: `},
		{"credential that is none", "[[peer]]\nname = 'alice'\ncredential = 'a0'\n", `peer "alice": credential: `},
		{"credential not in hexadecimal", "[[peer]]\nname = 'alice'\ncredential = 'x'\n", "hexadecimal"},
		{"scope that is not AIF", alice + "scope = 'read'\n", `peer "alice": scope: want AIF`},
		{"scope with an unknown method", alice + "scope = '[[\"/value\",128]]'\n", "want AIF"},
		{"one name twice", alice + strings.Replace(bob, "bob", "alice", 1), `peer "alice" is there twice`},
		{"one key twice", alice + strings.Replace(alice, "'alice'", "'eve'", 1), `peers "alice" and "eve" have the same key`},
		{"one key with two names in it", alice + "[[peer]]\nname = 'eve'\ncredential = '" + credentialOf(t, "eve", 2) + "'\n", "have the same key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, os.WriteFile(path, []byte(c.text), 0o600))
			_, err := readPeers(path)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path)):
				t.Errorf("got %v, want an error with %q and the file", err, c.want)
			}
		})
	}
	check(t, os.WriteFile(path, []byte(bob), 0o600))
	check(t, os.Chmod(path, 0o602))
	if _, err := readPeers(path); err == nil || !strings.Contains(err.Error(), "everybody may write it") {
		t.Errorf("a list that everybody may write: got %v", err)
	}
	check(t, os.Chmod(path, 0o600))
	p, err := readPeers(path)
	check(t, err)
	if got, want := p.List[0].scope, (ace.AIF{{Path: "/value", Methods: ace.GET}}); !reflect.DeepEqual(got, want) {
		t.Errorf("scope: got %v, want %v", got, want)
	}
}

// FuzzParsePeers: a list that is accepted is the same after it was written and read
// again.
func FuzzParsePeers(f *testing.F) {
	f.Add("[[peer]]\nname = 'alice'\ncredential = '" + another + "'\nscope = '[[\"/value\",1]]'\n")
	f.Add("peer = []\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePeers("peers.toml", []byte(text))
		if err != nil {
			return
		}
		b, err := p.text()
		check(t, err)
		again, err := parsePeers("peers.toml", b)
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		second, err := again.text()
		check(t, err)
		if string(b) != string(second) || len(p.List) != len(again.List) {
			t.Errorf("got %s, want %s", second, b)
		}
	})
}

// TestPeerSourceRevision: it changes with every way to write the file, and only then.
func TestPeerSourceRevision(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peers.toml")
	s := &peerSource{path: path}
	revision := func() string {
		t.Helper()
		r, err := s.Revision(t.Context())
		check(t, err)
		return r
	}
	last := revision()
	changed := func(how string, want bool) {
		t.Helper()
		now := revision()
		if got := now != last; got != want {
			t.Errorf("%s: changed %v, want %v", how, got, want)
		}
		last = now
	}
	changed("no file", false)
	check(t, os.WriteFile(path, []byte("# a"), 0o600))
	changed("made", true)
	changed("nothing", false)
	check(t, settings.Replace(path, []byte("# b")))
	changed("replaced", true)
	check(t, os.WriteFile(path, []byte("# longer"), 0o600))
	changed("written in place, longer", true)
	info, err := os.Stat(path)
	check(t, err)
	check(t, os.WriteFile(path, []byte("# LONGER"), 0o600))
	check(t, os.Chtimes(path, time.Time{}, info.ModTime().Add(time.Millisecond)))
	changed("written in place, as long", true)
	check(t, os.Chmod(path, 0o602))
	changed("mode", true)
	check(t, os.Remove(path))
	changed("removed", true)
	changed("nothing", false)
	check(t, os.WriteFile(path, nil, 0o600))
	s.path = filepath.Join(path, "below a file")
	if r, err := s.Revision(t.Context()); err == nil {
		t.Errorf("what cannot be looked at has revision %s", r)
	}
}
