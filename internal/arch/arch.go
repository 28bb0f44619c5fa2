// Package arch holds the import lattice of the module and the rules that keep
// the protocol packages pure. Its test parses every file and fails on an edge
// or a call that the lattice does not allow.
package arch

import "strings"

// Module is the module path.
const Module = "github.com/ostiary/ostiary"

// libraries maps a third-party module, by path prefix, to the layers that may
// import it. A module that is not listed may be imported by nobody.
var libraries = map[string]func(pkg string) bool{
	"github.com/plgd-dev/go-coap/v3":   isCoAP,
	"github.com/pion/dtls/v3":          isCoAP,
	"github.com/coder/websocket":       isCoAP,
	"github.com/fxamacker/cbor/v2":     in("internal/cborseq", "internal/cose"),
	"github.com/veraison/go-cose":      in("internal/cose", "ace", "edhoc"),
	"github.com/cloudflare/circl":      in("edhoc", "internal"),
	"filippo.io/nistec":                in("edhoc", "internal"),
	"github.com/cedar-policy/cedar-go": in("policy"),
	"modernc.org/sqlite":               in("store"),
	"github.com/alecthomas/kong":       in("cmd"),
	"github.com/pelletier/go-toml/v2":  in("cmd"),
	"golang.org/x/crypto":              in("internal", "edhoc"),
	"golang.org/x/net":                 isCoAP,
	"golang.org/x/sync":                anyPackage,
	"golang.org/x/sys":                 anyPackage,
	// Used by tests only; the test files of every package may import these.
	"pgregory.net/rapid":              none,
	"github.com/rogpeppe/go-internal": none,
	"go.uber.org/goleak":              none,
}

// pure are the packages that know no socket, clock, logger or CoAP library,
// with everything below them that is not a *coap package.
var pure = []string{"oscore", "edhoc", "ace", "idalloc", "policy"}

// impureImports are standard packages that a pure package does not import.
var impureImports = []string{"log", "log/slog", "math/rand", "math/rand/v2", "net", "net/http", "os", "database/sql"}

// below reports whether pkg is dir or a package below it.
func below(pkg, dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") }

func in(dirs ...string) func(string) bool {
	return func(pkg string) bool {
		for _, d := range dirs {
			if below(pkg, d) {
				return true
			}
		}
		return false
	}
}

func anyPackage(string) bool { return true }
func none(string) bool       { return false }

// isCoAP reports whether pkg is coap or the CoAP binding of a protocol, the
// only places where a CoAP library is known.
func isCoAP(pkg string) bool {
	for _, element := range strings.Split(pkg, "/") {
		if strings.HasSuffix(element, "coap") {
			return true
		}
	}
	return false
}

func isPure(pkg string) bool { return in(pure...)(pkg) && !isCoAP(pkg) && !isTestKit(pkg) }

// isTestKit reports whether pkg exists for tests: a suite that several
// packages run, or the tools below test/.
func isTestKit(pkg string) bool { return strings.HasSuffix(pkg, "test") || below(pkg, "test") }

// mayImport is the import lattice: whether package from may import package to,
// both without the module path.
func mayImport(from, to string) bool {
	switch {
	case isTestKit(from) || below(from, "cmd"):
		return !below(to, "cmd") || below(from, to) || below(from, "cmd")
	case isTestKit(to), below(to, "cmd"):
		return false
	case below(from, "internal"):
		return below(to, "internal")
	case below(from, "store"):
		return !below(to, "api") && !isCoAP(to)
	case below(from, "api"):
		return !below(to, "store")
	case below(to, "store"), below(to, "api"):
		return false
	case below(to, "internal"):
		return true
	case isCoAP(from):
		return true
	}
	for _, rule := range lattice {
		if rule.from == from {
			return in(rule.to...)(to) && !isCoAP(to)
		}
	}
	return false
}

// lattice lists, for each pure package, what it may import besides internal/.
var lattice = []struct {
	from string
	to   []string
}{
	{"idalloc", nil},
	{"oscore", []string{"idalloc"}},
	{"edhoc", []string{"idalloc", "edhoc"}},
	{"edhoc/trust", []string{"edhoc", "idalloc"}},
	{"edhoc/c509", []string{"edhoc"}},
	{"edhoc/oscorekeys", []string{"edhoc", "oscore", "idalloc"}},
	{"ace", []string{"idalloc"}},
	{"policy", []string{"ace"}},
	{"ace/as", []string{"ace", "policy", "idalloc"}},
	{"ace/rs", []string{"ace", "policy", "idalloc"}},
	{"ace/oscoreprofile", []string{"ace", "oscore", "idalloc"}},
	{"ace/edhocprofile", []string{"ace", "oscore", "edhoc", "idalloc"}},
	{"ace/client", []string{"ace", "oscore", "idalloc"}},
}
