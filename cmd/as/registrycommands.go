package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/settings"
	"github.com/ostiary/ostiary/store"
)

type clientCommand struct {
	Add    clientAdd    `cmd:"" help:"Register a client and write its credentials to a file."`
	List   clientList   `cmd:"" help:"List the clients."`
	Remove clientRemove `cmd:"" help:"Remove a client. Its tokens stay valid until they expire."`
}

type rsCommand struct {
	Add    rsAdd    `cmd:"" help:"Register a resource server and write its credentials to a file."`
	List   rsList   `cmd:"" help:"List the resource servers."`
	Remove rsRemove `cmd:"" help:"Remove a resource server."`
}

// loadConfig reads the configuration file.
func (f *configFlag) load() (config, error) {
	text, err := os.ReadFile(f.Config)
	if err != nil {
		return config{}, cli.Usage(fmt.Errorf("%w; make one with '%s init DIR', or name it with --config", err, name))
	}
	cfg, err := parseConfig(f.Config, text)
	return cfg, cli.Usage(err)
}

// open reads the configuration file and opens the store that it names.
func (f *configFlag) open(ctx context.Context) (config, *store.Store, error) {
	cfg, err := f.load()
	if err != nil {
		return cfg, nil, err
	}
	s, err := store.Open(ctx, store.Config{Path: settings.Beside(f.Config, cfg.Store)})
	return cfg, s, err
}

type outFlag struct {
	Out string `help:"File for the credentials; it must not exist. Default: NAME.KIND.toml in this folder." placeholder:"FILE"`
}

// reserve makes sure that the credentials can be written, before anything is
// registered.
func (f *outFlag) reserve(name, kind string) (string, error) {
	path := f.Out
	if path == "" {
		path = name + "." + kind + ".toml"
	}
	if strings.ContainsAny(name, "/\\") && f.Out == "" {
		return "", cli.Usage(fmt.Errorf("name %q: give a file with --out", name))
	}
	if _, err := os.Lstat(path); err == nil {
		return "", cli.Usage(fmt.Errorf("%s exists already; name another file with --out", path))
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return "", cli.Usage(fmt.Errorf("%s: there is no such folder", filepath.Dir(path)))
	}
	return path, nil
}

type clientAdd struct {
	configFlag
	outFlag
	Name     string   `arg:"" help:"Name of the client; policies call it Client::\"NAME\"."`
	Audience string   `help:"Audience of its tokens if a request names none." placeholder:"NAME"`
	Group    []string `help:"Group that policies call Group::\"NAME\"; may be repeated." placeholder:"NAME"`
	Renewal  string   `help:"How client and server go on after one of them lost its state: b2 (RFC 8613, Appendix B.2) or echo (B.1)." enum:"b2,echo" default:"b2"`
}

func (c *clientAdd) Run(ctx context.Context, s cli.Streams) error {
	path, err := c.reserve(c.Name, "client")
	if err != nil {
		return err
	}
	cfg, db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer closeStore(db, s)
	credentials, err := addClient(ctx, db, cfg, newClient{name: c.Name, audience: c.Audience, groups: c.Group, renewal: c.Renewal})
	if err != nil {
		return err
	}
	if err := credentials.Write(path); err != nil {
		return undo(err, db.Admin(actor()).RemoveClient(ctx, c.Name))
	}
	fmt.Fprintf(s.Out, "registered client %q; its credentials are in %s\n", c.Name, path)
	return nil
}

// undo reports a failure after which the registration was taken back.
func undo(err, undone error) error {
	if undone != nil {
		return fmt.Errorf("%w; and the registration could not be taken back: %w", err, undone)
	}
	return fmt.Errorf("%w; nothing was registered", err)
}

func closeStore(db *store.Store, s cli.Streams) {
	if err := db.Close(); err != nil {
		fmt.Fprintf(s.Err, "%s: close the store: %v\n", name, err)
	}
}

type outputFlag struct {
	Output string `help:"Form of the output: text or json." short:"o" enum:"text,json" default:"text"`
}

// print writes rows as a table, or items as JSON.
func (f *outputFlag) print(w io.Writer, items any, header []string, rows [][]string) error {
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

type clientList struct {
	configFlag
	outputFlag
}

// clientItem is a client in the JSON output.
type clientItem struct {
	Name      string   `json:"name"`
	Audience  string   `json:"audience,omitempty"`
	Groups    []string `json:"groups,omitempty"`
	Suspended bool     `json:"suspended"`
}

func (c *clientList) Run(ctx context.Context, s cli.Streams) error {
	_, db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer closeStore(db, s)
	clients, err := db.ListClients(ctx)
	if err != nil {
		return err
	}
	items, rows := []clientItem{}, [][]string{}
	for _, x := range clients {
		items = append(items, clientItem{x.Name, x.Audience, x.Groups, x.Suspended})
		rows = append(rows, []string{x.Name, x.Audience, strings.Join(x.Groups, ","), fmt.Sprint(x.Suspended)})
	}
	return c.print(s.Out, items, []string{"NAME", "AUDIENCE", "GROUPS", "SUSPENDED"}, rows)
}

type clientRemove struct {
	configFlag
	Name string `arg:"" help:"Name of the client."`
}

func (c *clientRemove) Run(ctx context.Context, s cli.Streams) error {
	_, db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer closeStore(db, s)
	return registryError("client", c.Name, db.Admin(actor()).RemoveClient(ctx, c.Name))
}

type rsAdd struct {
	configFlag
	outFlag
	Name      string        `arg:"" help:"Name of the resource server."`
	Audience  []string      `help:"Audience that it identifies with; may be repeated. Default: NAME." placeholder:"NAME"`
	Lifetime  time.Duration `help:"Lifetime of its tokens. Default: that of the configuration." placeholder:"SPAN"`
	Algorithm string        `help:"COSE algorithm of its tokens." default:"AES-CCM-16-64-128"`
	Scope     string        `help:"Form of the scopes it understands: aif, text or any." enum:"aif,text,any" default:"aif"`
	NoTag61   bool          `help:"Tokens have the COSE tag only, without the CWT tag 61 around it." name:"no-tag61"`
	ExpiresIn bool          `help:"Tokens have an exi claim, for a resource server without a clock." name:"exi"`
}

func (c *rsAdd) Run(ctx context.Context, s cli.Streams) error {
	if c.Lifetime != 0 && c.Lifetime < time.Second {
		return cli.Usage(fmt.Errorf("--lifetime %v: want 1s or more", c.Lifetime))
	}
	path, err := c.reserve(c.Name, "rs")
	if err != nil {
		return err
	}
	cfg, db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer closeStore(db, s)
	credentials, err := addResourceServer(ctx, db, cfg, newResourceServer{
		name: c.Name, audiences: c.Audience, algorithm: c.Algorithm, lifetime: c.Lifetime,
		scopes:    map[string]as.ScopeForm{"aif": as.AIFScope, "text": as.TextScope, "any": as.AnyScope}[c.Scope],
		form:      ace.TokenForm{NoTag61: c.NoTag61},
		expiresIn: c.ExpiresIn,
	})
	if err != nil {
		return err
	}
	if err := credentials.Write(path); err != nil {
		return undo(err, db.Admin(actor()).RemoveResourceServer(ctx, c.Name))
	}
	fmt.Fprintf(s.Out, "registered resource server %q; its credentials are in %s\n", c.Name, path)
	return nil
}

type rsList struct {
	configFlag
	outputFlag
}

// rsItem is a resource server in the JSON output.
type rsItem struct {
	Name      string   `json:"name"`
	Audiences []string `json:"audiences"`
	Algorithm string   `json:"algorithm"`
	Lifetime  string   `json:"lifetime,omitempty"`
	ExpiresIn bool     `json:"exi"`
}

func (c *rsList) Run(ctx context.Context, s cli.Streams) error {
	_, db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer closeStore(db, s)
	servers, err := db.ListResourceServers(ctx)
	if err != nil {
		return err
	}
	items, rows := []rsItem{}, [][]string{}
	for _, x := range servers {
		lifetime := ""
		if x.Lifetime != 0 {
			lifetime = x.Lifetime.String()
		}
		algorithm := x.Token.Algorithm.String()
		items = append(items, rsItem{x.Name, x.Audiences, algorithm, lifetime, x.ExpiresIn})
		rows = append(rows, []string{x.Name, strings.Join(x.Audiences, ","), algorithm, lifetime, fmt.Sprint(x.ExpiresIn)})
	}
	return c.print(s.Out, items, []string{"NAME", "AUDIENCES", "ALGORITHM", "LIFETIME", "EXI"}, rows)
}

type rsRemove struct {
	configFlag
	Name string `arg:"" help:"Name of the resource server."`
}

func (c *rsRemove) Run(ctx context.Context, s cli.Streams) error {
	_, db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer closeStore(db, s)
	return registryError("resource server", c.Name, db.Admin(actor()).RemoveResourceServer(ctx, c.Name))
}
