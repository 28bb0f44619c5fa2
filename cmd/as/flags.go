package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/settings"
	"github.com/ostiary/ostiary/store"
)

// load reads the configuration file.
func (f *configFlag) load() (config, error) {
	text, err := os.ReadFile(f.Config)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; make one with '%s init DIR', or name it with --config", err, name)
	}
	if err != nil {
		return config{}, cli.Usage(err)
	}
	cfg, err := parseConfig(f.Config, text)
	return cfg, cli.Usage(err)
}

// open reads the configuration file and opens the store that it names.
func (f *configFlag) open(ctx context.Context) (config, *store.Store, error) {
	cfg, err := f.load()
	if err != nil {
		return cfg, nil, err
	}
	s, err := openStore(ctx, f.Config, cfg, store.Observer{})
	return cfg, s, err
}

// openStore opens the store that the configuration at path names. It makes none:
// an empty one in the place of a lost one would know nobody.
func openStore(ctx context.Context, path string, cfg config, observer store.Observer) (*store.Store, error) {
	file := settings.Beside(path, cfg.Store)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, cli.Usage(fmt.Errorf("%w; is it the store that %s names? '%s init' makes one, and a backup can take its place", err, path, name))
	}
	s, err := store.Open(ctx, store.Config{Path: file, Observer: observer})
	return s, notLocked(err)
}

// notLocked says what to do about a store that another program does not let go of.
func notLocked(err error) error {
	if errors.Is(err, store.ErrBusy) {
		return errors.New("another program has kept the store locked for 5 s, and nothing was changed: wait for it or end it, such as a shell of sqlite3 in a transaction, and try again")
	}
	return err
}

type outFlag = cli.OutFlag

// undo reports a failure after which the registration was taken back.
func undo(err, undone error) error {
	if undone != nil {
		return fmt.Errorf("%w; and the registration could not be taken back: %w", err, undone)
	}
	return fmt.Errorf("%w; nothing was registered", err)
}

func closeStore(db *store.Store, s cli.Streams) {
	if err := db.Close(); err != nil {
		fmt.Fprintf(s.Err, "%s: close the store: %v\n", name, err)
	}
}

type outputFlag = cli.OutputFlag
