package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/ace/client"
	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
)

type requestCommand struct {
	Method      string        `arg:"" help:"GET, POST, PUT, DELETE, FETCH, PATCH or iPATCH."`
	URI         string        `arg:"" help:"Resource, such as coap://127.0.0.1:5683/value."`
	Credentials string        `help:"Credentials of the client, written by 'client add'." required:"" type:"existingfile" placeholder:"FILE"`
	Audience    string        `help:"Audience of the resource server." required:"" placeholder:"NAME"`
	Scope       string        `help:"Scope to ask for: AIF as JSON, or scope tokens. Default: this method on this path." placeholder:"SCOPE"`
	Payload     string        `help:"Payload of the request; - reads standard input." placeholder:"TEXT"`
	Renew       bool          `help:"Renew the security context (RFC 8613, Appendix B.2) before the request."`
	Verbose     bool          `help:"Show the OSCORE messages." short:"v"`
	Timeout     time.Duration `help:"Give up after this time." default:"30s"`
}

var methods = []coap.Code{coap.GET, coap.POST, coap.PUT, coap.DELETE, coap.FETCH, coap.PATCH, coap.IPATCH}

// Run does what a client does: token, authz-info, protected request.
func (c *requestCommand) Run(ctx context.Context, s cli.Streams) error {
	i := slices.IndexFunc(methods, func(m coap.Code) bool { return strings.EqualFold(m.String(), c.Method) })
	target, err := url.Parse(c.URI)
	switch {
	case i < 0:
		return cli.Usage(fmt.Errorf("method %q: want GET, POST, PUT, DELETE, FETCH, PATCH or iPATCH", c.Method))
	case err != nil || target.Scheme != "coap" || target.Host == "":
		return cli.Usage(fmt.Errorf("URI %q: want coap://host:port/path", c.URI))
	}
	known, err := credentials.ReadClient(c.Credentials)
	if err != nil {
		return cli.Usage(err)
	}
	r := coap.NewRequest(methods[i], target.RequestURI())
	if r.Payload, err = c.payload(); err != nil {
		return err
	}
	scope, err := c.scope(methods[i], target.RequestURI())
	if err != nil {
		return cli.Usage(err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	p, err := newParty(ctx, known, c.Audience, func(t client.Transport) client.Transport {
		if !c.Verbose {
			return t
		}
		return &wire{Transport: t, t: &tracer{w: s.Err}, from: known.Name, to: func(address string) string { return address }}
	})
	if err != nil {
		return explain(err, known.AS)
	}
	defer p.close()
	session, err := p.client.Open(ctx, c.URI, client.Request{Audience: c.Audience, Scope: scope})
	if err != nil {
		return explain(err, known.AS, c.URI)
	}
	defer session.Close()
	if c.Renew {
		if err := session.Renew(); err != nil {
			return err
		}
	}
	response, err := acecoap.Doer(session, coap.BlockwiseConfig{}).Do(ctx, r)
	if err != nil {
		return explain(err, c.URI)
	}
	fmt.Fprintln(s.Err, response.Code)
	if _, err := s.Out.Write(response.Payload); err != nil {
		return err
	}
	if !response.Code.IsSuccess() {
		return fmt.Errorf("the resource server answered %v", response.Code)
	}
	return nil
}

func (c *requestCommand) payload() ([]byte, error) {
	if c.Payload == "-" {
		return io.ReadAll(os.Stdin)
	}
	return []byte(c.Payload), nil
}

func (c *requestCommand) scope(method coap.Code, path string) (ace.Scope, error) {
	switch {
	case c.Scope == "":
		return ace.AIFScope(ace.AIF{{Path: path, Methods: ace.MethodOf(uint8(method))}}), nil
	case strings.HasPrefix(c.Scope, "["):
		var a ace.AIF
		if err := a.UnmarshalJSON([]byte(c.Scope)); err != nil {
			return ace.Scope{}, fmt.Errorf("--scope: %w", err)
		}
		return ace.AIFScope(a), nil
	}
	return ace.TextScope(strings.Fields(c.Scope)...), nil
}

// explain adds to an error what the caller can do. servers are those that were
// asked.
func explain(err error, servers ...string) error {
	var refused *ace.PeerError
	var inClear *client.UnprotectedError
	if hint := edhocHint(err); hint != "" {
		return fmt.Errorf("%w; %s", err, hint)
	}
	switch {
	case errors.As(err, &refused) && refused.ErrorResponse.Code == ace.InvalidScope:
		return fmt.Errorf("%w; no policy gives this client any of that scope", err)
	case errors.As(err, &refused):
		return fmt.Errorf("%w; the log of that server says why", err)
	case errors.As(err, &inClear):
		return fmt.Errorf("%w: that server does not know the security context; was the client removed, or registered again?", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w; is the server running, and is the address right? (%s)", err, strings.Join(servers, ", "))
	}
	return err
}

// A party is a client with its socket, its association with the authorization
// server and its identifiers.
type party struct {
	client *client.Client
	conn   *coap.Endpoint
	ids    *idalloc.Allocator
}

// newParty makes a client of its credentials, which may ask for tokens for the
// audiences. It may do so after a restart too: its association with the server
// begins anew, by RFC 8613, Appendix B.2, or with a handshake of EDHOC. wrap goes
// around the transport.
func newParty(ctx context.Context, known *credentials.Client, audience string, wrap func(client.Transport) client.Transport) (*party, error) {
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	if err != nil {
		return nil, err
	}
	conn, err := coap.Listen("udp", ":0", coap.Config{})
	if err != nil {
		return nil, err
	}
	p := &party{conn: conn, ids: ids}
	if err := p.assemble(ctx, known, audience, wrap); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return p, nil
}

func (p *party) assemble(ctx context.Context, known *credentials.Client, audience string, wrap func(client.Transport) client.Transport) error {
	transport := client.Transport(acecoap.NewTransport(p.conn))
	associate := p.provisioned
	if known.EDHOC != nil {
		associate = p.established
	}
	association, transport, err := associate(ctx, known, transport)
	if err != nil {
		return err
	}
	p.client, err = client.New(client.Config{
		Transport: wrap(transport),
		IDs:       p.ids,
		Clock:     time.Now,
		Servers: []client.Server{{
			URI: known.AS, Path: tokenPath(known.AS), Audiences: strings.Split(audience, ","), Association: association,
		}},
		// The Recipient IDs of resource servers are unique: kid says enough.
		Association: oscore.Config{B2: oscore.B2Allowed, Clock: time.Now, OmitKIDContext: true},
	})
	return err
}

// provisioned gives the association of credentials that hold a security context.
func (p *party) provisioned(_ context.Context, known *credentials.Client, t client.Transport) (*oscore.Association, client.Transport, error) {
	if known.Renewal != "b2" {
		return nil, nil, cli.Usage(errors.New(`this client was registered with --renewal echo, which needs a client that keeps its sequence numbers; register one with --renewal b2`))
	}
	if _, err := p.ids.Claim(idalloc.ID(known.OSCORE.RecipientID), idalloc.Holder{Source: idalloc.SourceProvisioned, Ref: "AS"}); err != nil {
		return nil, nil, err
	}
	// The kid context stays in the requests: by it a server that has started anew
	// makes the keys that it has forgotten (RFC 8613, Appendix B.2, step 2).
	association, err := oscore.NewAssociation(oscore.Config{
		Params: known.OSCORE.Params(), Subject: known.AS, B2: oscore.B2Required, Clock: time.Now,
	})
	return association, t, err
}

func (p *party) close() { _ = p.conn.Close() }
