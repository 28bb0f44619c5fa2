package rs

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ostiary/ostiary/internal/secret"
)

// A ClientNoncesConfig describes [ClientNonces].
type ClientNoncesConfig struct {
	// Lifetime is how long a nonce is fresh: what a client needs to fetch a
	// token, with an allowance for delays. Zero means 5 minutes.
	Lifetime time.Duration

	// Max bounds the nonces that are remembered because a token has used them;
	// zero means 1024.
	Max int

	// Rand is the source of the key and the nonces; nil means crypto/rand.Reader.
	Rand io.Reader
}

// ClientNonces issues the client-nonces (cnonce) of AS Request Creation Hints
// and tells whether a token brings a fresh one back (RFC 9200, Section 5.3.1).
// It serves an RS whose clock does not follow that of the AS.
//
// An issued nonce costs no memory: it carries its age and a MAC under a key that
// lives as long as the value, so that a nonce from before a restart is not
// fresh. One nonce serves one token, which may be posted again while the nonce
// is fresh. It is safe for concurrent use.
type ClientNonces struct {
	lifetime time.Duration
	max      int
	random   io.Reader
	key      secret.Bytes

	mu   sync.Mutex           // guards all below
	up   uptime               // whose seconds stand in a nonce
	used map[string]usedNonce // by nonce
}

// usedNonce is a nonce that came back in a token.
type usedNonce struct {
	token   string        // its hash
	expires time.Duration // of uptime
}

// A nonce is its time of issue in seconds, random bytes, and a MAC over both.
const (
	nonceTime   = 4
	nonceRandom = 4
	nonceMAC    = 8
	nonceSize   = nonceTime + nonceRandom + nonceMAC
)

// NewClientNonces draws the key from cfg.Rand.
func NewClientNonces(cfg ClientNoncesConfig) (*ClientNonces, error) {
	n := &ClientNonces{
		lifetime: cfg.Lifetime,
		max:      cfg.Max,
		random:   cfg.Rand,
		key:      make(secret.Bytes, sha256.Size),
		used:     map[string]usedNonce{},
	}
	if n.lifetime == 0 {
		n.lifetime = 5 * time.Minute
	}
	if n.max == 0 {
		n.max = 1024
	}
	if n.random == nil {
		n.random = rand.Reader
	}
	if n.lifetime < 0 || n.max < 0 {
		return nil, errors.New("rs: ClientNoncesConfig: Lifetime or Max is negative")
	}
	if _, err := io.ReadFull(n.random, n.key); err != nil {
		return nil, fmt.Errorf("rs: draw the key of client-nonces: %w", err)
	}
	return n, nil
}

// Issue returns a nonce of 16 bytes for the cnonce of a Creation Hints message.
func (n *ClientNonces) Issue(now time.Time) ([]byte, error) {
	n.mu.Lock()
	seconds := uint32(n.up.at(now) / time.Second)
	n.mu.Unlock()

	nonce := binary.BigEndian.AppendUint32(make([]byte, 0, nonceSize), seconds)
	nonce = nonce[:nonceTime+nonceRandom]
	if _, err := io.ReadFull(n.random, nonce[nonceTime:]); err != nil {
		return nil, fmt.Errorf("rs: draw a client-nonce: %w", err)
	}
	//spec:9200-5.3.1-1
	return n.mac(nonce, nonce), nil
}

// mac appends the MAC of a nonce's first parts.
func (n *ClientNonces) mac(dst, parts []byte) []byte {
	h := hmac.New(sha256.New, n.key)
	h.Write(parts)
	return append(dst, h.Sum(nil)[:nonceMAC]...)
}

// check reports what is wrong with the cnonce of a token. It stores nothing.
func (n *ClientNonces) check(nonce []byte, hash string, now time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, err := n.checkLocked(nonce, hash, now)
	return err
}

func (n *ClientNonces) checkLocked(nonce []byte, hash string, now time.Time) (expires time.Duration, err error) {
	if len(nonce) == 0 {
		return 0, errors.New("no cnonce")
	}
	if len(nonce) != nonceSize {
		return 0, errors.New("cnonce of another length")
	}
	parts := nonce[:nonceTime+nonceRandom]
	if !hmac.Equal(n.mac(nil, parts), nonce[len(parts):]) {
		return 0, errors.New("cnonce is not from here")
	}
	expires = time.Duration(binary.BigEndian.Uint32(nonce))*time.Second + n.lifetime
	if n.up.at(now) >= expires {
		return 0, errors.New("cnonce is too old")
	}
	if u, ok := n.used[string(nonce)]; ok && u.token != hash {
		return 0, errors.New("cnonce was used by another token")
	}
	return expires, nil
}

// use checks a cnonce again and binds it to the token.
func (n *ClientNonces) use(nonce []byte, hash string, now time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	expires, err := n.checkLocked(nonce, hash, now)
	if err != nil {
		return err
	}
	if _, ok := n.used[string(nonce)]; ok {
		return nil
	}
	if len(n.used) >= n.max {
		n.forget(now)
	}
	if len(n.used) >= n.max {
		return errors.New("too many fresh cnonces in use")
	}
	n.used[string(nonce)] = usedNonce{token: hash, expires: expires}
	return nil
}

// forget drops the used nonces that are no longer fresh.
func (n *ClientNonces) forget(now time.Time) {
	for nonce, u := range n.used {
		if n.up.at(now) >= u.expires {
			delete(n.used, nonce)
		}
	}
}
