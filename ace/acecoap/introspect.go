package acecoap

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/coap"
)

// ErrBusy refuses to ask about a token: more are asked about than the limits of
// the IntrospectionConfig allow.
var ErrBusy = errors.New("acecoap: too many tokens to ask the authorization server about")

// An IntrospectionConfig says how a resource server asks its AS about tokens. The
// zero value of every field is its default.
type IntrospectionConfig struct {
	// Path of the introspection endpoint; the default is IntrospectPath.
	Path string

	// RemoteAddr is the address of the AS, for a Doer that reaches many.
	RemoteAddr netip.AddrPort

	// Timeout is how long one answer may take; the default is 10 s.
	Timeout time.Duration

	// MaxToken is the size of a token, in bytes, that is asked about; the default
	// is 1024. MaxAnswer is the same of an answer; the default is 4096.
	MaxToken, MaxAnswer int

	// AtOnce is how many answers are waited for at a time; the default is 4.
	AtOnce int

	// Burst tokens are asked about without a rest, and then one each Interval
	// (RFC 9200, Section 6.10): anybody can post a token, and each costs the AS and
	// the way to it a request. The defaults are 20 and 500 ms.
	Burst    int
	Interval time.Duration

	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Introspector returns what an rs.Config needs to ask the AS called issuer about
// tokens (RFC 9200, Section 5.9). d sends to it inside OSCORE, or over another
// channel that authenticates both: answers hold keys, and an answer that came in
// clear would be believed. d transfers long bodies in blocks, if it has to.
//
// Ask waits for the answer, at most for the Timeout. It fails with ErrBusy at the
// limits, with an *ace.PeerError if the AS refuses, and with the errors of d. It is
// safe for concurrent use.
//
//spec:9200-5.9-1
//spec:9200-5.9-3
func Introspector(issuer string, d coap.Doer, cfg IntrospectionConfig) rs.Introspector {
	setDefault(&cfg.Path, IntrospectPath)
	setDefault(&cfg.Timeout, 10*time.Second)
	setDefault(&cfg.MaxToken, 1024)
	setDefault(&cfg.MaxAnswer, 4096)
	setDefault(&cfg.AtOnce, 4)
	setDefault(&cfg.Burst, 20)
	setDefault(&cfg.Interval, 500*time.Millisecond)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	i := &introspector{doer: d, cfg: cfg}
	return rs.Introspector{Issuer: issuer, Ask: i.ask}
}

type introspector struct {
	doer coap.Doer
	cfg  IntrospectionConfig

	mu     sync.Mutex // guards all below
	asking int
	rested time.Time // when there has been an Interval for each request
}

func (i *introspector) ask(token []byte) (*ace.IntrospectionResponse, error) {
	if len(token) > i.cfg.MaxToken {
		return nil, fmt.Errorf("acecoap: token of %d bytes; introspection is for up to %d", len(token), i.cfg.MaxToken)
	}
	if !i.begin() {
		return nil, ErrBusy
	}
	defer i.end()
	ctx, cancel := context.WithTimeout(context.Background(), i.cfg.Timeout)
	defer cancel()
	r := coap.NewRequest(coap.POST, i.cfg.Path)
	r.RemoteAddr = i.cfg.RemoteAddr
	r.Options.SetUint(coap.ContentFormat, uint32(ace.ContentFormat))
	r.Options.SetUint(coap.Accept, uint32(ace.ContentFormat))
	r.Payload = (&ace.IntrospectionRequest{Token: token}).Append(nil)
	response, err := i.doer.Do(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("acecoap: introspection: %w", err)
	}
	return i.read(response)
}

// read takes the answer. An error without a payload that says more is no token
// that is not active: it says nothing of the token.
func (i *introspector) read(response *coap.Response) (*ace.IntrospectionResponse, error) {
	format, ok := response.Options.Uint(coap.ContentFormat)
	isACE := ok && format == uint32(ace.ContentFormat) && len(response.Payload) <= i.cfg.MaxAnswer
	switch {
	case response.Code != coap.Created:
		refused := &ace.PeerError{Code: uint8(response.Code)}
		if isACE {
			if e, err := ace.ParseErrorResponse(response.Payload); err == nil {
				refused.ErrorResponse = *e
			}
		}
		return nil, refused
	case !isACE:
		return nil, fmt.Errorf("acecoap: introspection: answer of %d bytes is too long, or not application/ace+cbor", len(response.Payload))
	}
	return ace.ParseIntrospectionResponse(response.Payload)
}

// begin reports whether one more token may be asked about now.
func (i *introspector) begin() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.cfg.Now()
	if i.rested.Before(now) {
		i.rested = now
	}
	if i.asking >= i.cfg.AtOnce || i.rested.Sub(now) > time.Duration(i.cfg.Burst-1)*i.cfg.Interval {
		return false
	}
	i.rested = i.rested.Add(i.cfg.Interval)
	i.asking++
	return true
}

func (i *introspector) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asking--
}

func setDefault[T int | time.Duration | string](v *T, d T) {
	var zero T
	if *v <= zero {
		*v = d
	}
}
