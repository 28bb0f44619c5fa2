package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/store"
)

type clientCommand struct {
	Add    clientAdd    `cmd:"" help:"Register a client and write its credentials to a file."`
	List   clientList   `cmd:"" help:"List the clients."`
	Remove clientRemove `cmd:"" help:"Remove a client. Its tokens stay valid until they expire."`
}

type clientAdd struct {
	configFlag
	outFlag
	keyFlags
	Name     string   `arg:"" help:"Name of the client; policies call it Client::\"NAME\"."`
	Audience string   `help:"Audience of its tokens if a request names none." placeholder:"NAME"`
	Group    []string `help:"Group that policies call Group::\"NAME\"; may be repeated." placeholder:"NAME"`
	Renewal  string   `help:"How client and server go on after one of them lost its state: b2 (RFC 8613, Appendix B.2), the default, or echo (B.1). With EDHOC they run it again." enum:",b2,echo" default:"" placeholder:"HOW"`
}

func (c *clientAdd) Run(ctx context.Context, s cli.Streams) error {
	key, err := c.key(c.Name)
	if err != nil {
		return err
	}
	switch {
	case key.wanted() && c.Renewal != "":
		return cli.Usage(fmt.Errorf("--renewal %s is for a provisioned security context: a client with a key for EDHOC runs it again; leave --renewal out", c.Renewal))
	case c.Renewal == "":
		c.Renewal = "b2"
	}
	path, err := c.Reserve(c.Name, "client")
	if err != nil {
		return err
	}
	cfg, db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer closeStore(db, s)
	credentials, err := c.add(ctx, db, cfg, key)
	if err != nil {
		return err
	}
	if err := credentials.Write(path); err != nil {
		return undo(err, db.Admin(actor()).RemoveClient(context.WithoutCancel(ctx), c.Name))
	}
	fmt.Fprintf(s.Out, "registered client %q; its credentials are in %s\n", c.Name, path)
	return nil
}

func (c *clientAdd) add(ctx context.Context, db *store.Store, cfg config, key newKey) (*credentials.Client, error) {
	n := newClient{name: c.Name, audience: c.Audience, groups: c.Group, renewal: c.Renewal}
	if !key.wanted() {
		return addClient(ctx, db, cfg, n)
	}
	keys, err := readEDHOCKeys(c.Config, cfg)
	if err != nil {
		return nil, err
	}
	return addEDHOCClient(ctx, db, cfg, keys, n, key)
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
	EDHOC     bool     `json:"edhoc"` // has a public key
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
		hasKey := len(x.Keys) > 0 || len(x.Credentials) > 0 || x.CertSubject != ""
		items = append(items, clientItem{x.Name, x.Audience, x.Groups, x.Suspended, hasKey})
		rows = append(rows, []string{x.Name, x.Audience, strings.Join(x.Groups, ","), fmt.Sprint(x.Suspended), fmt.Sprint(hasKey)})
	}
	return c.Print(s.Out, items, []string{"NAME", "AUDIENCE", "GROUPS", "SUSPENDED", "EDHOC"}, rows)
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
