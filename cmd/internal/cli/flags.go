package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// An OutFlag names a file for credentials.
type OutFlag struct {
	Out string `help:"File for the credentials; it must not exist. Default: NAME.KIND.toml in this folder." placeholder:"FILE"`
}

// Reserve makes sure that the credentials can be written, before anything is
// registered. It returns the path.
func (f *OutFlag) Reserve(name, kind string) (string, error) {
	if name == "" {
		return "", Usage(errors.New("the name is empty"))
	}
	path := f.Out
	if path == "" {
		path = name + "." + kind + ".toml"
	}
	if strings.ContainsAny(name, "/\\") && f.Out == "" {
		return "", Usage(fmt.Errorf("name %q: give a file with --out", name))
	}
	if _, err := os.Lstat(path); err == nil {
		return "", Usage(fmt.Errorf("%s exists already; name another file with --out", path))
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return "", Usage(fmt.Errorf("%s: there is no such folder", filepath.Dir(path)))
	}
	return path, nil
}

// An OutputFlag chooses the form of a list.
type OutputFlag struct {
	Output string `help:"Form of the output: text or json." short:"o" enum:"text,json" default:"text"`
}

// Print writes rows as a table, or items as JSON.
func (f *OutputFlag) Print(w io.Writer, items any, header []string, rows [][]string) error {
	if f.Output == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(items)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(header, "\t"))
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}
