package main

import (
	"context"
	"errors"
	"time"

	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/ace/client"
	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/edhoc/oscorekeys"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
)

// newInitiator makes a client's side of handshakes with the server at uri, which
// d reaches.
func newInitiator(ctx context.Context, key *credentials.EDHOC, uri string, d coap.Doer, ids *idalloc.Allocator) (*edhoccoap.Client, error) {
	cfg, err := key.Initiator()
	if err != nil {
		return nil, cli.Usage(err)
	}
	servers, err := key.PeerCredentials()
	if err != nil {
		return nil, cli.Usage(err)
	}
	return initiatorOf(ctx, cfg, servers, uri, d, ids)
}

// initiatorOf makes an initiator for handshakes with who has one of the credentials.
func initiatorOf(ctx context.Context, cfg edhoc.Config, peers []*edhoc.Credential, uri string, d coap.Doer, ids *idalloc.Allocator) (*edhoccoap.Client, error) {
	remote, err := acecoap.Resolve(ctx, uri)
	if err != nil {
		return nil, err
	}
	initiator, err := edhoc.NewInitiator(cfg)
	if err != nil {
		return nil, err
	}
	return &edhoccoap.Client{
		Doer: d, Initiator: initiator, IDs: ids, RemoteAddr: remote,
		Find: func(_ context.Context, id edhoc.IDCred, _ []edhoc.EADItem) (found []*edhoc.Credential, err error) {
			for _, c := range peers {
				if c.Matches(id) && c.ValidAt(time.Now()) == nil {
					found = append(found, c)
				}
			}
			return found, nil
		},
	}, nil
}

// associationOf makes the client's association of a session, and erases the session.
func associationOf(s *edhoc.Session) (*oscore.Association, error) {
	params, err := oscorekeys.Params(s, oscorekeys.Lengths{})
	if err != nil {
		return nil, err
	}
	defer params.MasterSecret.Erase()
	association, err := oscore.NewAssociation(oscore.Config{
		Params: params, Subject: s.Peer.Subject(), B2: oscore.B2Allowed, Clock: time.Now, OmitKIDContext: true,
	})
	if err == nil {
		s.Erase()
	}
	return association, err
}

// established gives the association of a handshake with the server, and a
// transport that ends the handshake along with the first request to it.
func (p *party) established(ctx context.Context, known *credentials.Client, t client.Transport) (*oscore.Association, client.Transport, error) {
	initiator, err := newInitiator(ctx, known.EDHOC, known.AS, p.conn, p.ids)
	if err != nil {
		return nil, nil, err
	}
	handshake, err := initiator.Begin(ctx)
	if err != nil {
		return nil, nil, err
	}
	session, _, first, err := handshake.Combine(refusable{p.conn})
	if err != nil {
		return nil, nil, err
	}
	association, err := associationOf(session)
	if err != nil {
		return nil, nil, err
	}
	return association, &edhocTransport{Transport: t, uri: known.AS, first: first, server: acecoap.NewTransport(first)}, nil
}

// An edhocTransport sends message_3 along with the first request to the server
// at uri, and everything else as it is.
type edhocTransport struct {
	client.Transport
	uri    string
	first  *edhoccoap.CombinedDoer
	server client.Transport
}

// Do implements client.Transport.
func (t *edhocTransport) Do(ctx context.Context, address string, m oscore.Message) (oscore.Message, error) {
	if address != t.uri {
		return t.Transport.Do(ctx, address, m)
	}
	response, err := t.server.Do(ctx, address, m)
	if errors.Is(err, edhoccoap.ErrTooLarge) {
		if err := t.first.Sequential(ctx); err != nil {
			return oscore.Message{}, err
		}
		return t.server.Do(ctx, address, m)
	}
	return response, err
}

// A refusable Doer makes an error of a response in clear that refuses the
// handshake. Nobody has authenticated it: it says why there is no other.
type refusable struct{ coap.Doer }

// Do implements coap.Doer.
func (d refusable) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	response, err := d.Doer.Do(ctx, r)
	if err == nil && !response.Options.Has(coap.OSCORE) {
		if refused := edhoccoap.Refused(response); refused != nil {
			return nil, refused
		}
	}
	return response, err
}

// edhocHint says what the caller can do about a handshake that failed; "" if err
// comes of something else.
func edhocHint(err error) string {
	var told *edhoc.PeerError
	var fault *edhoc.Error
	var answer *edhoccoap.AnswerError
	switch {
	case errors.As(err, &told) && told.Code == edhoc.CodeUnknownCredential:
		return "the server knows no such client: was it removed?"
	case errors.As(err, &told) && told.Code == edhoc.CodeUnspecified:
		return "was the client removed, or registered again with another key?"
	case errors.As(err, &fault):
		return "this is not the server whose credential the client has"
	case errors.As(err, &answer):
		return "does the server offer EDHOC?"
	}
	return ""
}
