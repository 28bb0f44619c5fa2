package interop

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/reference/interop.md anew")

const page = "../../docs/reference/interop.md"

const head = `# Interoperability

Generated from ` + "`test/interop/*/expect.json`" + ` and the recorded results by ` + "`go test ./test/interop -run Matrix -update`" + `.

` + "`make interop`" + ` runs each case below against the real peer on loopback, over UDP where nothing else is said; it
installs the peer from its registry, and fails if a case fails or the peer cannot run. ` + "`test/interop/run.sh -update`" + `
also records the runs, with the parameters of their security contexts, in ` + "`test/interop/*/testdata/`" + `. Of runs in plain CoAP
the results alone are kept, but for aiocoap as a client over TCP and WebSockets, and of those where a daemon of ours runs EDHOC.

` + "`go test ./test/interop/...`" + `, a part of ` + "`make check`" + `, replays the recordings without the peers: package ` + "`oscore`" + ` takes the
part of both endpoints. What the client sent has to come out byte for byte when our client protects what was inside, Appendix
B.2 included; likewise what our server sent. Every message has to verify, and its inside has to be what was recorded. Where
EDHOC came before, package ` + "`edhoc`" + ` takes our part in it, with the randomness of then, and the keys have to be those of the
context. What lakers said in each of its cases is replayed to package ` + "`edhoc`" + `, which has to answer with the same bytes as then,
and to end as it did.

`

// TestMatrix compares docs/reference/interop.md with the recorded results.
func TestMatrix(t *testing.T) {
	got := bytes.NewBufferString(head)
	peers, err := filepath.Glob("*/expect.json")
	if err != nil || len(peers) == 0 {
		t.Fatalf("peers: %v, %v", peers, err)
	}
	for _, expect := range peers {
		p, err := LoadJSON[Peer](expect)
		if err != nil {
			t.Fatal(err)
		}
		results, err := LoadJSON[Results](filepath.Join(filepath.Dir(expect), "testdata", "results.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := WriteMatrix(got, &p, results); err != nil {
			t.Error(err)
		}
	}
	if *update {
		if err := os.WriteFile(page, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s is out of date: run go test ./test/interop -run Matrix -update", page)
	}
}

func TestMatrixRefusesGaps(t *testing.T) {
	peer := Peer{Peer: "P", Version: "1", Runs: []Run{{Name: "r", Cases: []Case{{Name: "a"}, {Name: "b", Skip: "no time"}}}}}
	for name, c := range map[string]struct {
		results map[string]string
		good    bool
	}{
		"complete":                {map[string]string{"a": Passed, "b": Skipped}, true},
		"no result":               {map[string]string{"b": Skipped}, false},
		"result of another case":  {map[string]string{"c": Passed, "b": Skipped}, false},
		"skipped without reason":  {map[string]string{"a": Skipped, "b": Skipped}, false},
		"reason, but not skipped": {map[string]string{"a": Passed, "b": Passed}, false},
	} {
		var out strings.Builder
		if err := WriteMatrix(&out, &peer, Results{"r": c.results}); (err == nil) != c.good {
			t.Errorf("%s: error %v, want one: %t", name, err, !c.good)
		}
	}
}

func TestMatrixColumns(t *testing.T) {
	for name, c := range map[string]struct {
		columns map[string]string
		want    string // "" is an error
	}{
		"all":        {map[string]string{"suite": "2", "kid": "yes"}, "| case | kid | suite | what | result | reason |\n| --- | --- | --- | --- | --- | --- |\n| a | yes | 2 | A | passed |  |\n"},
		"one lacks":  {map[string]string{"kid": "yes"}, ""},
		"one empty":  {map[string]string{"suite": "2", "kid": ""}, ""},
		"one more":   {map[string]string{"suite": "2", "kid": "yes", "x": "y"}, ""},
		"other name": {map[string]string{"suite": "2", "x": "y"}, ""},
	} {
		run := Run{Name: "r", Columns: []string{"kid", "suite"}, Cases: []Case{{Name: "a", About: "A", Columns: c.columns}}}
		var out strings.Builder
		err := WriteMatrix(&out, &Peer{Peer: "P", Version: "1", Runs: []Run{run}}, Results{"r": {"a": Passed}})
		if (err == nil) != (c.want != "") || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: got %q, %v, want %q", name, out.String(), err, c.want)
		}
	}
}
