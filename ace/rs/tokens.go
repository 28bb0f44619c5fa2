package rs

import (
	"bytes"
	"container/list"
	"sync"
	"time"

	"github.com/ostiary/ostiary/ace"
)

// Tokens are the access tokens of a resource server, one for each client that has
// proved possession of its key and a bounded number of others. It is safe for
// concurrent use. The times given to its methods come from one clock.
//
//spec:9200-5.10.1-6
type Tokens struct {
	cfg      Config
	keys     map[string][]*ace.TokenKey // by kid
	counters *counters

	mu          sync.Mutex               // guards all below
	rows        map[string]*row          // by subject
	related     map[string]map[*row]bool // by relation
	unconfirmed *list.List               // of *row, the oldest first
	standing    map[string]*standing     // by subject; none is a row
	numbers     uint64
}

// New checks cfg and makes an empty table. It loads cfg.Counters.
func New(cfg Config) (*Tokens, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	t := &Tokens{
		cfg:         cfg,
		keys:        map[string][]*ace.TokenKey{},
		rows:        map[string]*row{},
		related:     map[string]map[*row]bool{},
		unconfirmed: list.New(),
		standing:    map[string]*standing{},
	}
	for _, k := range cfg.Keys {
		t.keys[string(k.ID())] = append(t.keys[string(k.ID())], k)
	}
	t.counters, err = newCounters(cfg.Counters, cfg.CounterStep, 4*cfg.MaxTokens)
	return t, err
}

// Add puts a verified token into the table, unconfirmed: it takes nothing from
// anybody but the room of unconfirmed ones. On an error, which is [ErrSubject] or
// an [*Error], nothing is stored: 4.00 if the token bears the cti of another
// client's token, or is for a client that has a token of the DTLS profile; 4.01 if it
// is no longer valid; 5.03 if there is no room.
func (t *Tokens) Add(e Entry, now time.Time) error {
	if e.Token == nil || e.Subject == "" || e.Binding == nil {
		return ErrSubject
	}
	r := &row{
		subject: e.Subject, client: e.Client, profile: e.Profile, keyID: bytes.Clone(e.KeyID),
		binding: e.Binding, added: now, token: e.Token,
	}
	if r.client == "" {
		r.client = e.Token.identity()
	}
	if r.client == "" {
		return &Error{Code: BadRequest, Section: "RFC 9200, Section 5.10", Reason: "cnf names no key"}
	}
	evicted, err := t.add(r, now)
	t.dispose(evicted)
	return err
}

func (t *Tokens) add(r *row, now time.Time) (evicted []removal, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.has(r.subject) {
		return nil, ErrSubject
	}
	if err := t.admit(r.token, r.client, r.profile, now); err != nil {
		return nil, err
	}
	if !t.room(r) {
		return nil, &Error{Code: ServiceUnavailable, Section: "RFC 9200, Section 5.10.1", Reason: "no room for a token"}
	}
	if err := t.claim(r.token, now); err != nil {
		return nil, err
	}
	for victim := t.victim(r.client); victim != nil; victim = t.victim(r.client) {
		evicted = append(evicted, t.remove(victim, Evicted))
	}
	t.numbers++
	r.number = t.numbers
	r.waiting = t.unconfirmed.PushBack(r)
	t.rows[r.subject] = r
	t.relate(r)
	return evicted, nil
}

// room reports whether r could be confirmed: there is a place, or it replaces a
// token that has one.
func (t *Tokens) room(r *row) bool {
	if len(t.rows)-t.unconfirmed.Len() < t.cfg.MaxTokens {
		return true
	}
	for other := range t.relatives(r) {
		if other.confirmed {
			return true
		}
	}
	return false
}

// admit checks again what may have changed since Verify, and what depends on the
// other tokens.
func (t *Tokens) admit(v *Token, client string, profile ace.Profile, now time.Time) error {
	if err := t.checkTime(v, now); err != nil {
		return err
	}
	for other := range t.related[v.ctiIdentity()] {
		if other.client != client {
			return &Error{Code: BadRequest, Section: "RFC 8392, Section 3.1.7", Reason: "cti of another client's token"}
		}
	}
	for other := range t.relatives(&row{client: client, token: v}) {
		if other.confirmed && other.profile == ace.ProfileCoAPDTLS && profile == ace.ProfileCoAPOSCORE {
			return &Error{Code: BadRequest, Section: "RFC 9200, Section 6.7", Reason: "client has a token of the DTLS profile"}
		}
	}
	return nil
}

// claim takes what one token can use only: its cnonce, and the beginning of its
// exi.
func (t *Tokens) claim(v *Token, now time.Time) error {
	if n := t.cfg.ClientNonces; n != nil {
		if err := n.use(v.claims.CNonce, v.hash, now); err != nil {
			return &Error{Code: Unauthorized, Section: "RFC 9200, Section 5.3.1", Reason: "token is not fresh", Err: err}
		}
	}
	if v.exi != nil {
		if err := t.counters.start(*v.exi, uint64(v.claims.ExpiresIn), now); err != nil {
			return &Error{Code: ServiceUnavailable, Section: "RFC 9200, Section 5.10.3", Reason: "token cannot be counted", Err: err}
		}
	}
	return nil
}

// victim is the unconfirmed row that makes room for one of client: the oldest of
// that client if it has many, else the oldest of all; nil if there is room.
func (t *Tokens) victim(client string) *row {
	var first *row
	n := 0
	for r := range t.related[client] {
		if r.confirmed {
			continue
		}
		n++
		if first == nil || r.number < first.number {
			first = r
		}
	}
	switch {
	case n >= t.cfg.MaxUnconfirmedPerClient:
		return first
	case t.unconfirmed.Len() >= t.cfg.MaxUnconfirmed:
		return t.unconfirmed.Front().Value.(*row)
	}
	return nil
}

// Contains reports whether the subject has a token, valid or not, confirmed or not,
// or a standing right.
func (t *Tokens) Contains(subject string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.has(subject)
}

// Stats counts the tokens of the table.
func (t *Tokens) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Stats{Confirmed: len(t.rows) - t.unconfirmed.Len(), Unconfirmed: t.unconfirmed.Len()}
}

// Stats are numbers of tokens.
type Stats struct{ Confirmed, Unconfirmed int }
