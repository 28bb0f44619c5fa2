package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/ace/client"
	"github.com/ostiary/ostiary/ace/oscoreprofile"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap/gocoap"
	"github.com/ostiary/ostiary/test/interop"
)

// deployment is an authorization server and an agent, as an operator has them.
type deployment struct {
	bin, dir  string
	processes []*interop.Process
	as, agent netip.AddrPort
}

const policy = `permit (
  principal == Client::"alice",
  action in [Action::"GET", Action::"PUT"],
  resource in Audience::"sensor"
) when { resource.path == "/value" || resource.path == "/large" };
`

const agentConfig = `listen = "127.0.0.1:0"
upstream = "coap://%v"
credentials = "sensor.rs.toml"
[log]
level = "info"
format = "json"
`

// tokenURI is what the credentials name; the port is another.
const tokenURI = "coap://127.0.0.1/token"

// start does what the manual says, and waits until both serve.
func (d *deployment) start(ctx context.Context, upstream netip.AddrPort) error {
	config := filepath.Join(d.dir, "as.toml")
	for _, args := range [][]string{
		{"init", d.dir, "--listen", "127.0.0.1:0", "--uri", tokenURI},
		{"rs", "add", "sensor", "--audience", "sensor", "--out", filepath.Join(d.dir, "sensor.rs.toml"), "--config", config},
		{"client", "add", "alice", "--audience", "sensor", "--out", filepath.Join(d.dir, "alice.client.toml"), "--config", config},
	} {
		if err := interop.Command(ctx, filepath.Join(d.bin, "ostiary-as"), args...); err != nil {
			return err
		}
	}
	agent := filepath.Join(d.dir, "agent.toml")
	err := errors.Join(
		os.WriteFile(filepath.Join(d.dir, "policy.cedar"), []byte(policy), 0o600),
		os.WriteFile(agent, fmt.Appendf(nil, agentConfig, upstream), 0o600),
		rewrite(config, `format = "text"`, `format = "json"`),
	)
	if err != nil {
		return err
	}
	if d.as, err = d.serve(ctx, "ostiary-as", config); err != nil {
		return err
	}
	d.agent, err = d.serve(ctx, "ostiary-rs-agent", agent)
	return err
}

func rewrite(path, old, replacement string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, bytes.ReplaceAll(text, []byte(old), []byte(replacement)), 0o600)
}

// serve starts a binary and returns the address that it serves at.
func (d *deployment) serve(ctx context.Context, name, config string) (netip.AddrPort, error) {
	p, addr, err := interop.Serve(ctx, filepath.Join(d.bin, name), config)
	if err == nil {
		d.processes = append(d.processes, p)
	}
	return addr, err
}

func (d *deployment) stop() {
	for _, p := range d.processes {
		p.Stop()
	}
}

// establish gets a token and posts it to the agent, and returns the parameters
// of the context as the client has them.
func (d *deployment) establish(ctx context.Context, agent netip.AddrPort) (*oscore.Params, *ace.OSCOREInputMaterial, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	if err != nil {
		return nil, nil, err
	}
	conn, err := gocoap.Dial(ctx, agent.String(), gocoap.Config{})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = conn.Close() }()
	access, err := d.token(ctx, acecoap.NewTransport(conn), ids)
	if err != nil {
		return nil, nil, fmt.Errorf("token: %w", err)
	}
	upload, err := oscoreprofile.Initiator{IDs: ids}.Upload(access.Token, access.Material, "sensor")
	if err != nil {
		return nil, nil, err
	}
	post := coap.NewRequest(coap.POST, acecoap.AuthzInfoPath)
	post.Options.SetUint(coap.ContentFormat, uint32(ace.ContentFormat))
	post.Payload = upload.Payload()
	response, err := conn.Do(ctx, post)
	if err != nil {
		return nil, nil, fmt.Errorf("authz-info: %w", err)
	}
	if response.Code != coap.Created {
		return nil, nil, fmt.Errorf("authz-info: %v", response.Code)
	}
	established, err := upload.ProcessResponse(response.Payload)
	if err != nil {
		return nil, nil, err
	}
	return &established.Params, access.Material, nil
}

// token asks the authorization server for a token, as the client whose credentials
// it has written.
func (d *deployment) token(ctx context.Context, transport client.Transport, ids *idalloc.Allocator) (*client.Access, error) {
	p, err := readCredentials(filepath.Join(d.dir, "alice.client.toml"))
	if err != nil {
		return nil, err
	}
	sec, err := oscore.NewAssociation(oscore.Config{Params: *p, B2: oscore.B2Required, Clock: time.Now})
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Config{
		Transport: transport, IDs: ids, Clock: time.Now,
		Servers: []client.Server{{
			URI: tokenURI, Address: "coap://" + d.as.String(), Audiences: []string{"sensor"}, Association: sec,
		}},
	})
	if err != nil {
		return nil, err
	}
	readWrite := ace.MethodOf(uint8(coap.GET)) | ace.MethodOf(uint8(coap.PUT))
	return c.Token(ctx, client.Request{
		Audience: "sensor",
		Scope:    ace.AIFScope(ace.AIF{{Path: "/value", Methods: readWrite}, {Path: "/large", Methods: readWrite}}),
	})
}

var setting = regexp.MustCompile(`(?m)^(\w+) *= *["']([0-9a-f]*)["']`)

// readCredentials reads the context with the authorization server of a file of
// "ostiary-as client add".
func readCredentials(path string) (*oscore.Params, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p := new(oscore.Params)
	for _, m := range setting.FindAllSubmatch(text, -1) {
		value, err := hex.DecodeString(string(m[2]))
		if err != nil {
			return nil, err
		}
		switch string(m[1]) {
		case "master_secret":
			p.MasterSecret = value
		case "master_salt":
			p.MasterSalt = value
		case "id_context":
			p.IDContext = value
		case "sender_id":
			p.SenderID = value
		case "recipient_id":
			p.RecipientID = value
		}
	}
	return p, nil
}
