package main

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/ostiary/ostiary/ace/client"
	"github.com/ostiary/ostiary/cmd/internal/diag"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
)

// A tracer writes one line for each message of the demonstration.
type tracer struct {
	mu sync.Mutex // guards what follows
	w  io.Writer
}

func (t *tracer) line(from, to, what, content string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if from == "" {
		fmt.Fprintf(t.w, "      %s\n", content)
		return
	}
	fmt.Fprintf(t.w, "      %-7s -> %-7s  %-36s %s\n", from, to, what, content)
}

func (t *tracer) heading(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.w, format+"\n", args...)
}

// handler shows the requests that reach next, and its responses: inside of
// OSCORE if it stands behind that.
func (t *tracer) handler(server string, next coap.Handler) coap.Handler {
	return coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		if r.Options.Has(coap.OSCORE) {
			next.ServeCOAP(w, r)
			return
		}
		peer, inside := "client", ""
		if r.Identity != nil {
			peer, inside = r.Identity.Subject(), " (in OSCORE)"
		}
		t.line(peer, server, r.Code.String()+" "+r.Path()+inside, diag.ACE(r.Payload))
		next.ServeCOAP(tracedWriter{w, func(resp *coap.Response) {
			show := diag.ACE
			if resp.Code == coap.Unauthorized {
				show = diag.Hints
			}
			t.line(server, peer, resp.Code.String()+inside, show(resp.Payload))
		}}, r)
	})
}

type tracedWriter struct {
	coap.ResponseWriter
	show func(*coap.Response)
}

func (w tracedWriter) Respond(r *coap.Response) error {
	w.show(r)
	return w.ResponseWriter.Respond(r)
}

// A wire is the Transport of one client. It shows the OSCORE messages on the
// wire, and keeps the last request.
type wire struct {
	client.Transport
	t    *tracer
	from string
	to   func(address string) string

	mu   sync.Mutex // guards last
	last oscore.Message
}

func (x *wire) Do(ctx context.Context, address string, m oscore.Message) (oscore.Message, error) {
	to := x.to(address)
	x.show(x.from, to, m)
	x.mu.Lock()
	x.last = m.Clone()
	x.mu.Unlock()
	response, err := x.Transport.Do(ctx, address, m)
	if err == nil {
		x.show(to, x.from, response)
	}
	return response, err
}

func (x *wire) lastRequest() oscore.Message {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.last
}

// show writes a line for a message that is protected; the handlers show the
// others.
func (x *wire) show(from, to string, m oscore.Message) {
	p, err := oscore.ParseProtected(m)
	if err != nil {
		return
	}
	content := ""
	if kid, ok := p.KID(); ok {
		content += fmt.Sprintf("kid h'%x' ", kid)
	}
	if kidContext, ok := p.KIDContext(); ok {
		content += fmt.Sprintf("kid context h'%x' ", kidContext)
	}
	if piv, ok := p.PartialIV(); ok {
		content += fmt.Sprintf("Partial IV %d ", piv)
	}
	x.t.line(from, to, coap.Code(m.Code).String()+" OSCORE", fmt.Sprintf("%s(ciphertext, %d bytes)", content, len(m.Payload)))
}

// showText shows a payload of the demonstration's resource.
func showText(payload []byte) string {
	if len(payload) == 0 {
		return "(no payload)"
	}
	return fmt.Sprintf("%q", payload)
}
