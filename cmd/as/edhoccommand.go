package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/cmd/internal/settings"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

type edhocCommand struct {
	outputFlag
	configFlag
	URI         string        `arg:"" help:"Peer, and a resource to ask for inside OSCORE, such as coap://127.0.0.1:5683/token."`
	Credentials string        `help:"Be the client with these credentials, written by 'client add --edhoc'." type:"existingfile" placeholder:"FILE" xor:"who"`
	RS          string        `help:"Be the authorization server itself, of --config, to the resource server that is registered as NAME." name:"rs" placeholder:"NAME" xor:"who"`
	Method      int           `help:"Method of the handshake, 0 to 3, with --rs. Default: what the keys allow, static Diffie-Hellman first." default:"-1" placeholder:"N"`
	Combined    bool          `help:"Send message_3 along with the first OSCORE request (RFC 9668)."`
	Repeat      int           `help:"Handshakes to run, one after the other, from the same port." default:"1" placeholder:"N"`
	Timeout     time.Duration `help:"Give up after this time." default:"30s"`
}

// edhocItem is a handshake in the JSON output. It holds no secret.
type edhocItem struct {
	Method int64          `json:"method"`
	Suite  int64          `json:"suite"`
	CI     string         `json:"c_i"`
	CR     string         `json:"c_r"`
	Own    credentialItem `json:"own"`
	Peer   credentialItem `json:"peer"`
	// Code answers a GET inside OSCORE, which proves that the server has the keys.
	Code     string       `json:"code"`
	Combined bool         `json:"combined"`
	Times    edhocTimings `json:"milliseconds"`
}

type credentialItem struct {
	Subject string `json:"subject"`
	KID     string `json:"kid"`
	CCS     string `json:"ccs"`
}

// edhocTimings are from the start of the handshake.
type edhocTimings struct {
	Message2 float64 `json:"message_2"`           // until it was verified
	Message3 float64 `json:"message_3,omitempty"` // until it was answered, if it went alone
	Response float64 `json:"response"`            // until the OSCORE response was verified
}

// Run runs the handshakes and prints their sessions.
func (c *edhocCommand) Run(ctx context.Context, s cli.Streams) error {
	target, err := url.Parse(c.URI)
	if err != nil || target.Scheme != "coap" || target.Host == "" {
		return cli.Usage(fmt.Errorf("URI %q: want coap://host:port/path", c.URI))
	}
	if c.Repeat < 1 {
		return cli.Usage(fmt.Errorf("--repeat %d: want 1 or more", c.Repeat))
	}
	who, err := c.who(ctx, s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	items, err := c.handshakes(ctx, who, target)
	if err != nil {
		if hint := rsHint(err); c.RS != "" && hint != "" {
			return fmt.Errorf("%w; %s", err, hint)
		}
		return explain(err, c.URI)
	}
	rows := [][]string{}
	for _, x := range items {
		rows = append(rows, []string{
			edhoc.Method(x.Method).String(), fmt.Sprint(x.Suite), x.CI, x.CR, x.Peer.Subject, x.Peer.KID,
			fmt.Sprintf("%.1f ms", x.Times.Message2), fmt.Sprintf("%.1f ms", x.Times.Response), x.Code,
		})
	}
	return c.Print(s.Out, items, []string{"METHOD", "SUITE", "C_I", "C_R", "PEER", "KID", "MESSAGE_2", "RESPONSE", "CODE"}, rows)
}

// who makes the initiator that the flags ask for.
func (c *edhocCommand) who(ctx context.Context, s cli.Streams) (newInitiatorFunc, error) {
	switch {
	case c.RS != "":
		return c.server(ctx, s)
	case c.Credentials == "":
		return nil, cli.Usage(errors.New("want --credentials FILE of a client, or --rs NAME"))
	case c.Method != -1:
		return nil, cli.Usage(errors.New("--method is for --rs: the keys of a client say which it is"))
	}
	known, err := credentials.ReadClient(c.Credentials)
	if err != nil {
		return nil, cli.Usage(err)
	}
	if known.EDHOC == nil {
		return nil, cli.Usage(fmt.Errorf("%s holds no EDHOC key; register the client with --edhoc", c.Credentials))
	}
	return func(ctx context.Context, d coap.Doer, ids *idalloc.Allocator) (*edhoccoap.Client, error) {
		return newInitiator(ctx, known.EDHOC, c.URI, d, ids)
	}, nil
}

func (c *edhocCommand) handshakes(ctx context.Context, who newInitiatorFunc, target *url.URL) (items []edhocItem, err error) {
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	if err != nil {
		return nil, err
	}
	conn, err := coap.Listen("udp", ":0", coap.Config{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	initiator, err := who(ctx, conn, ids)
	if err != nil {
		return nil, err
	}
	for range c.Repeat {
		item, err := c.handshake(ctx, initiator, target.RequestURI())
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

// handshake runs one handshake, and a request inside OSCORE: without message_4 its
// response is what proves that the server has the keys (RFC 9528, Section 5.4.2).
func (c *edhocCommand) handshake(ctx context.Context, initiator *edhoccoap.Client, path string) (item edhocItem, err error) {
	start := time.Now()
	since := func() float64 { return float64(time.Since(start).Microseconds()) / 1000 }
	handshake, err := initiator.Begin(ctx)
	if err != nil {
		return item, err
	}
	item.Times.Message2, item.Combined = since(), c.Combined
	doer := initiator.Doer
	var session *edhoc.Session
	var id *idalloc.Live
	if c.Combined {
		session, id, doer, err = combine(handshake, doer)
	} else {
		session, id, err = handshake.Finish(ctx)
		item.Times.Message3 = since()
	}
	if err != nil {
		return item, err
	}
	defer func() { _ = id.Release() }()
	item.Method, item.Suite = int64(session.Method), int64(session.Suite)
	item.CI, item.CR = session.CI.String(), session.CR.String()
	item.Own, item.Peer = showCredential(session.Own), showCredential(session.Peer)
	association, err := associationOf(session)
	if err != nil {
		return item, err
	}
	defer association.Discard()
	protected := oscorecoap.NewClient(doer, association, oscorecoap.ClientConfig{RemoteAddr: initiator.RemoteAddr})
	response, err := protected.Do(ctx, coap.NewRequest(coap.GET, path))
	if err != nil {
		return item, err
	}
	item.Times.Response, item.Code = since(), response.Code.String()
	return item, nil
}

func combine(h *edhoccoap.Handshake, next coap.Doer) (*edhoc.Session, *idalloc.Live, coap.Doer, error) {
	session, id, doer, err := h.Combine(refusable{next})
	return session, id, doer, err
}

func showCredential(c *edhoc.Credential) credentialItem {
	return credentialItem{Subject: c.Subject(), KID: hexText(c.KID()), CCS: hexText(c.CRED())}
}

func hexText(b []byte) string {
	text, _ := settings.Hex(b).MarshalText() // never fails
	return string(text)
}
