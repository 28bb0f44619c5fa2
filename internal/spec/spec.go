// Package spec holds the requirements of the RFCs that this module implements,
// each once, in our own words, and finds the lines that obey and test them.
//
// A requirement has an id, RFC-section-number, such as 8613-8.2-3. The line of
// code that obeys it carries the directive //spec:8613-8.2-3, which gofmt keeps
// and godoc hides; in a _test.go file the same directive marks its test.
package spec

import (
	"bufio"
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed *.json
var lists embed.FS

// A Requirement is one thing that an RFC asks of an implementation.
type Requirement struct {
	ID        string `json:"id"`                  // RFC-section-number
	Level     string `json:"level"`               // MUST, MUST NOT, SHOULD, SHOULD NOT, MAY
	Text      string `json:"text"`                // what it asks, in our own words
	Exception string `json:"exception,omitempty"` // why it is not done, or does not apply
}

var idForm = regexp.MustCompile(`^(\d{4,5})-([0-9A-Z]+(?:\.[0-9]+)*)-(\d+)$`)

// RFC is the number of the RFC, from the id.
func (r Requirement) RFC() string { return idForm.FindStringSubmatch(r.ID)[1] }

// Section is the section of the RFC, from the id.
func (r Requirement) Section() string { return idForm.FindStringSubmatch(r.ID)[2] }

func (r Requirement) number() int {
	n, _ := strconv.Atoi(idForm.FindStringSubmatch(r.ID)[3])
	return n
}

// Load reads every list, sorted by RFC, section and number. It refuses an id
// of another form, an unknown level, a requirement without text and an id
// that stands twice.
func Load() ([]Requirement, error) {
	names, err := fs.Glob(lists, "*.json")
	if err != nil {
		return nil, err
	}
	var all []Requirement
	seen := map[string]string{}
	for _, name := range names {
		b, err := lists.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var list []Requirement
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if err := d.Decode(&list); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		for _, r := range list {
			switch {
			case !idForm.MatchString(r.ID):
				return nil, fmt.Errorf("%s: id %q is not RFC-section-number", name, r.ID)
			case !slices.Contains([]string{"MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY"}, r.Level):
				return nil, fmt.Errorf("%s: %s: unknown level %q", name, r.ID, r.Level)
			case r.Text == "":
				return nil, fmt.Errorf("%s: %s: no text", name, r.ID)
			case seen[r.ID] != "":
				return nil, fmt.Errorf("%s: %s stands in %s too", name, r.ID, seen[r.ID])
			}
			seen[r.ID] = name
		}
		all = append(all, list...)
	}
	slices.SortFunc(all, compare)
	return all, nil
}

func compare(a, b Requirement) int {
	if c := strings.Compare(a.RFC(), b.RFC()); c != 0 {
		return c
	}
	if c := compareSections(a.Section(), b.Section()); c != 0 {
		return c
	}
	return a.number() - b.number()
}

// compareSections orders 4.2 before 4.10, and numbers before appendices.
func compareSections(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		i, errX := strconv.Atoi(x)
		j, errY := strconv.Atoi(y)
		switch {
		case errX == nil && errY == nil:
			return i - j
		case errX == nil:
			return -1
		case errY == nil:
			return 1
		}
		return strings.Compare(x, y)
	})
}

// Places are the files where a requirement is obeyed and where it is tested,
// each once, relative to the root of the module.
type Places struct{ Code, Tests []string }

var directive = regexp.MustCompile(`^\s*//spec:(\S+)\s*$|\S\s*//spec:(\S+)\s*$`)

// Find collects the directives of all Go files below root.
func Find(root string) (map[string]*Places, error) {
	found := map[string]*Places{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") ||
			path == filepath.Join(root, "internal", "spec") { // it speaks of directives
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		return findIn(root, path, found)
	})
	return found, err
}

func findIn(root, path string, found map[string]*Places) error {
	b, err := readFile(path)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	rel = filepath.ToSlash(rel)
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		m := directive.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		id := m[1] + m[2]
		if found[id] == nil {
			found[id] = &Places{}
		}
		p := found[id]
		if strings.HasSuffix(path, "_test.go") || strings.HasSuffix(filepath.Dir(path), "test") {
			p.Tests = appendOnce(p.Tests, rel)
		} else {
			p.Code = appendOnce(p.Code, rel)
		}
	}
	return lines.Err()
}

func appendOnce(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
