package main

import (
	"context"
	"sync"

	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/coap"
)

// Interactions with the upstream server that are outstanding at once (RFC 7252, Section
// 4.7), and those of one client: what it asks for, and is not answered, must not keep
// the others waiting.
const (
	upstreamAtOnce  = 16
	upstreamPerPeer = 4
)

// shares bound the requests of each client that are on their way to the upstream
// server. The others of that client wait. It is safe for concurrent use.
type shares struct {
	mu     sync.Mutex // guards what follows
	byPeer map[any]*share
}

// A share is there while somebody has a place in it or waits for one.
type share struct {
	places chan struct{}
	users  int
}

// take waits for a place. leave gives it back, and may be called more than once.
func (s *shares) take(ctx context.Context, peer any) (leave func(), err error) {
	x := s.enter(peer)
	select {
	case x.places <- struct{}{}:
		return sync.OnceFunc(func() {
			<-x.places
			s.leave(peer, x)
		}), nil
	case <-ctx.Done():
		s.leave(peer, x)
		return nil, context.Cause(ctx)
	}
}

func (s *shares) enter(peer any) *share {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byPeer[peer]
	if x == nil {
		if s.byPeer == nil {
			s.byPeer = map[any]*share{}
		}
		x = &share{places: make(chan struct{}, upstreamPerPeer)}
		s.byPeer[peer] = x
	}
	x.users++
	return x
}

func (s *shares) leave(peer any, x *share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.users--; x.users == 0 {
		delete(s.byPeer, peer)
	}
}

// sharer is whose share a request needs: all sessions of an EDHOC peer have one, and
// so has an address in clear.
func sharer(r *coap.Request) any {
	if _, peer := acecoap.Grant(r.Context()).Standing(); peer != "" {
		return peer
	}
	if r.Identity != nil {
		return r.Identity
	}
	return r.RemoteAddr.Addr()
}
