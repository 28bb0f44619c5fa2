// Package scripttest runs the commands in scripts, as their users do.
package scripttest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Run runs the scripts in testdata/ with the commands, each made of its folder. $AS, $AGENT
// and $DEVICE are addresses on the loopback network that no other process uses.
func Run(t *testing.T, commands map[string]string) {
	t.Helper()
	bin := t.TempDir()
	for name, pkg := range commands {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, name), pkg).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			pid := os.Getpid()
			e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("USER", "operator")
			for i, name := range []string{"AS", "AGENT", "DEVICE"} {
				e.Setenv(name, fmt.Sprintf("127.%d.%d.%d:%d", pid>>14&0x7f|0x80, pid>>7&0x7f, pid&0x7f, 20000+i+3*scriptNumber(e)))
			}
			return nil
		},
	})
}

// scriptNumber tells the scripts apart.
func scriptNumber(e *testscript.Env) int {
	n := 0
	for _, c := range filepath.Base(e.WorkDir) {
		n = (n*31 + int(c)) % 10000
	}
	return n
}
