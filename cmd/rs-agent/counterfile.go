package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ostiary/ostiary/ace/rs"
)

// counterFile keeps the counters of tokens with an exi claim over restarts
// (RFC 9200, Section 5.10.3), as JSON. It holds no secret.
type counterFile struct{ path string }

var _ rs.CounterStore = (*counterFile)(nil)

// Load implements rs.CounterStore. A file that is not there has no counters.
func (f *counterFile) Load() ([]rs.Counter, error) {
	b, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var counters []rs.Counter
	if err := json.Unmarshal(b, &counters); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w; without it, tokens with exi that have expired could live again", f.path, err)
	}
	return counters, nil
}

// Save implements rs.CounterStore: the new file takes the place of the old one
// in one step, and is durable before Save returns.
func (f *counterFile) Save(counters []rs.Counter) (err error) {
	b, err := json.Marshal(counters)
	if err != nil {
		return err
	}
	dir := filepath.Dir(f.path)
	t, err := os.CreateTemp(dir, filepath.Base(f.path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(t.Name())
		}
	}()
	if _, err = t.Write(b); err == nil {
		err = t.Sync()
	}
	if err = errors.Join(err, t.Close()); err != nil {
		return err
	}
	if err = os.Rename(t.Name(), f.path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
