package main

import (
	"crypto/sha256"
	"errors"
	"net/url"
	"sync"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/coap"
)

// Uploads at once where tokens are introspected, and those of one address. They wait
// for the authorization server, and no other request waits for them.
const (
	uploads        = 16
	uploadQueue    = 64
	uploadsPerPeer = 4
)

// The rate of questions: so many at once, and then fifty in a second. Anybody with an
// address can use it up; what is left of it is for the others.
const (
	questionsAtOnce  = 12
	questionBurst    = 100
	questionInterval = 20 * time.Millisecond
	questionTimeout  = 10 * time.Second
)

// Answers of the authorization server are kept for clients that upload a token
// again, and against those who send the same garbage again. A token that was revoked
// in the meantime is taken for so long.
const (
	answerLife = 30 * time.Second
	maxAnswers = 256
)

// assembleIntrospection makes the channel over which the agent asks about tokens, if
// the configuration says so.
func (a *agent) assembleIntrospection() (rs.Introspector, error) {
	switch {
	case !a.cfg.Introspection && a.known.Opaque():
		return rs.Introspector{}, cli.Usage(errors.New("the credentials have no key for tokens: set introspection = true"))
	case !a.cfg.Introspection:
		return rs.Introspector{}, nil
	case a.known.Introspection == "" || a.known.EDHOC == nil:
		return rs.Introspector{}, cli.Usage(errors.New("introspection: the credentials name no introspection endpoint; register with 'ostiary-as rs add --edhoc --introspection'"))
	}
	endpoint, err := url.Parse(a.known.Introspection)
	if err != nil {
		return rs.Introspector{}, cli.Usage(err)
	}
	if a.asConn, err = coap.Listen("udp", ":0", coap.Config{NStart: questionsAtOnce}); err != nil {
		return rs.Introspector{}, err
	}
	a.as, err = newASChannel(a.known.EDHOC, a.known.Introspection, a.asConn, a.ids, a.log)
	if err != nil {
		return rs.Introspector{}, errors.Join(cli.Usage(err), a.asConn.Close())
	}
	a.uploads = coap.NewPool(coap.PoolConfig{Workers: uploads, Queue: uploadQueue, PerPeer: uploadsPerPeer})
	asked := acecoap.Introspector(a.known.Issuer, a.as, acecoap.IntrospectionConfig{
		Path: endpoint.Path, AtOnce: questionsAtOnce, Burst: questionBurst, Interval: questionInterval, Timeout: questionTimeout,
	})
	asked.Ask = newAnswers(asked.Ask).get
	asked.All = !a.known.Opaque() // it reads them, and wants to know whether they are active
	return asked, nil
}

// answers are what the authorization server has said of tokens. It is safe for
// concurrent use.
type answers struct {
	ask func(token []byte) (*ace.IntrospectionResponse, error)
	now func() time.Time

	mu      sync.Mutex // guards what follows
	byToken map[[sha256.Size]byte]answer
}

type answer struct {
	response *ace.IntrospectionResponse
	until    time.Time
}

func newAnswers(ask func(token []byte) (*ace.IntrospectionResponse, error)) *answers {
	return &answers{ask: ask, now: time.Now, byToken: map[[sha256.Size]byte]answer{}}
}

// get gives the answer for a token (rs.Introspector).
func (c *answers) get(token []byte) (*ace.IntrospectionResponse, error) {
	key := sha256.Sum256(token)
	c.mu.Lock()
	x, ok := c.byToken[key]
	c.mu.Unlock()
	if ok && c.now().Before(x.until) {
		return x.response, nil
	}
	response, err := c.ask(token)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.room()
	c.byToken[key] = answer{response, c.now().Add(answerLife)}
	return response, nil
}

// room forgets what is too old, and if that is nothing one answer of many.
func (c *answers) room() {
	if len(c.byToken) < maxAnswers {
		return
	}
	now := c.now()
	for key, x := range c.byToken {
		if !now.Before(x.until) {
			delete(c.byToken, key)
		}
	}
	for key := range c.byToken {
		if len(c.byToken) < maxAnswers {
			return
		}
		delete(c.byToken, key)
	}
}
