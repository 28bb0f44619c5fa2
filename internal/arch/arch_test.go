package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// source is one parsed Go file of the module.
type source struct {
	path string // relative to the module's root
	pkg  string // its folder, "" for the root
	test bool
	file *ast.File
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		pkg := filepath.ToSlash(filepath.Dir(rel))
		all = append(all, source{path: rel, pkg: pkg, test: strings.HasSuffix(path, "_test.go"), file: file})
		return nil
	})
	if err != nil {
		t.Fatalf("walk the module: %v", err)
	}
	if len(all) < 50 {
		t.Fatalf("parsed %d files, want the whole module", len(all))
	}
	return all
}

func imports(s source) []string {
	var paths []string
	for _, spec := range s.file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		paths = append(paths, path)
	}
	return paths
}

func TestImportLattice(t *testing.T) {
	for _, s := range sources(t) {
		for _, path := range imports(s) {
			to, ours := strings.CutPrefix(path, Module+"/")
			if !ours || s.test {
				continue
			}
			if to != s.pkg && !mayImport(s.pkg, to) {
				t.Errorf("%s: %s may not import %s", s.path, s.pkg, to)
			}
		}
	}
}

func TestLibrariesStayInTheirLayer(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, path := range imports(s) {
			first, _, _ := strings.Cut(path, "/")
			if !strings.Contains(first, ".") || strings.HasPrefix(path, Module) {
				continue
			}
			if !libraryAllowed(s.pkg, path) {
				t.Errorf("%s: %s may not import %s", s.path, s.pkg, path)
			}
		}
	}
}

func libraryAllowed(pkg, path string) bool {
	for module, allowed := range libraries {
		if below(path, module) {
			return isTestKit(pkg) || allowed(pkg)
		}
	}
	return false
}

func TestPurePackagesArePure(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !isPure(s.pkg) {
			continue
		}
		for _, path := range imports(s) {
			if slices.Contains(impureImports, path) {
				t.Errorf("%s: a pure package may not import %s", s.path, path)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := call.X.(*ast.Ident)
			if !ok {
				return true
			}
			switch name := pkg.Name + "." + call.Sel.Name; name {
			case "time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.NewTimer", "time.NewTicker", "time.AfterFunc",
				"fmt.Print", "fmt.Println", "fmt.Printf":
				t.Errorf("%s: a pure package may not use %s", s.path, name)
			}
			return true
		})
	}
}

func TestNoGlobalStateAtStart(t *testing.T) {
	for _, s := range sources(t) {
		for _, decl := range s.file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: no init functions", s.path)
			}
		}
	}
}

// TestLatticeRefuses proves that the lattice can say no.
func TestLatticeRefuses(t *testing.T) {
	for _, edge := range []struct{ from, to string }{
		{"oscore", "edhoc"},
		{"edhoc", "oscore"},
		{"ace", "oscore"},
		{"ace", "edhoc"},
		{"ace/rs", "oscore"},
		{"oscore", "coap"},
		{"oscore", "oscore/oscorecoap"},
		{"idalloc", "oscore"},
		{"internal/ccm", "oscore"},
		{"coap/x", "store"},
		{"oscore", "store"},
		{"ace/as", "store"},
		{"ace/acecoap", "cmd/as"},
		{"store", "oscore/oscorecoap"},
		{"api", "store"},
	} {
		if mayImport(edge.from, edge.to) {
			t.Errorf("mayImport(%q, %q) = true, want false", edge.from, edge.to)
		}
	}
	for _, edge := range []struct{ pkg, library string }{
		{"oscore", "github.com/plgd-dev/go-coap/v3/message"},
		{"ace", "modernc.org/sqlite"},
		{"cmd/as", "github.com/plgd-dev/go-coap/v3/udp"},
		{"oscore", "github.com/fxamacker/cbor/v2"},
		{"oscore", "example.org/unlisted"},
	} {
		if libraryAllowed(edge.pkg, edge.library) {
			t.Errorf("libraryAllowed(%q, %q) = true, want false", edge.pkg, edge.library)
		}
	}
}
