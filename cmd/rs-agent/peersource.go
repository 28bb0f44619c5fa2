package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"sync"

	"github.com/ostiary/ostiary/cmd/internal/edhocservice"
)

// peerSource is the list of peers at path, as a running agent takes it up. While
// the file cannot be read, there are no new sessions.
type peerSource struct {
	path string

	mu       sync.Mutex  // guards what follows
	seen     os.FileInfo // nil: there was no file
	revision int
}

var _ edhocservice.Source = (*peerSource)(nil)

// Revision implements edhocservice.Source: the file is another one, or was written.
func (s *peerSource) Revision(context.Context) (string, error) {
	info, err := os.Stat(s.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err != nil {
		info = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !sameFile(info, s.seen) {
		s.seen = info
		s.revision++
	}
	return strconv.Itoa(s.revision), nil
}

func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && a.Mode() == b.Mode()
}

// Peers implements edhocservice.Source.
func (s *peerSource) Peers(context.Context) ([]edhocservice.Peer, error) {
	list, err := readPeers(s.path)
	if err != nil {
		return nil, err
	}
	out := make([]edhocservice.Peer, len(list.List))
	for i, x := range list.List {
		out[i] = edhocservice.Peer{Name: x.Name, Credential: x.known, Rights: x.scope.String()}
	}
	return out, nil
}
