package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/cmd/internal/settings"
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
		return nil, fmt.Errorf("%s is damaged: %w; without it, tokens with exi that have expired could live again: "+
			"remove it only after the resource server was registered anew, with another key", f.path, err)
	}
	return counters, nil
}

// Save implements rs.CounterStore: the new file takes the place of the old one
// in one step, and is durable before Save returns.
func (f *counterFile) Save(counters []rs.Counter) error {
	b, err := json.Marshal(counters)
	if err != nil {
		return err
	}
	return settings.Replace(f.path, b)
}
