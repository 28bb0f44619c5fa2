package store

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"time"
)

// A Generation is the life of a database file. A new one begins when a file is
// made, restored from a backup, or found to be a copy: what happened since the
// copy was taken is not in it.
type Generation struct {
	Number  int64 // 1 is the first
	Started time.Time
	Reason  string // created, restored, copied

	floor int64
}

// Generation tells in which generation the store works.
func (s *Store) Generation() Generation { return s.gen }

// Numbers of a later generation begin at 65536 times the seconds since 2020: more
// than an AS can have used until then, whichever copies of the file were in use.
const (
	floorEpoch = 1577836800 // 2020-01-01
	floorRate  = 1 << 16
)

// generation finds the generation, and begins a new one if it must.
func (s *Store) generation(t *tx) (g Generation, begun bool, err error) {
	old, err := lastGeneration(t)
	if err != nil {
		return g, false, fmt.Errorf("store: read generation: %w", err)
	}
	reason, err := s.reason(t, old)
	if err != nil {
		return g, false, fmt.Errorf("store: read generation: %w", err)
	}
	if reason == "" {
		return old, false, s.setPlace(t)
	}
	g = Generation{Number: old.Number + 1, Started: time.Unix(s.now(), 0).UTC(), Reason: reason}
	if old.Number > 0 {
		if g.floor, err = s.newFloor(t, old); err != nil {
			return g, false, fmt.Errorf("store: begin generation: %w", err)
		}
	}
	if err := s.begin(t, g); err != nil {
		return g, false, fmt.Errorf("store: begin generation: %w", err)
	}
	return g, true, nil
}

func lastGeneration(t *tx) (g Generation, err error) {
	var started int64
	_, err = t.row("SELECT number, started, reason, floor FROM generations ORDER BY number DESC LIMIT 1", nil,
		&g.Number, &started, &g.Reason, &g.floor)
	g.Started = time.Unix(started, 0).UTC()
	return g, err
}

// reason tells why a new generation must begin; "" if none.
func (s *Store) reason(t *tx, old Generation) (string, error) {
	if old.Number == 0 {
		return "created", nil
	}
	if _, marked, err := meta(t, metaBackup); marked || err != nil {
		return "restored", err
	}
	place, known, err := meta(t, metaPlace)
	if err == nil && known && s.db.place != "" && place != s.db.place && !s.cfg.DangerKeepGeneration {
		return "copied", nil
	}
	return "", err
}

// newFloor is above all numbers that any copy of the file can have given.
func (s *Store) newFloor(t *tx, old Generation) (int64, error) {
	var last, issued int64
	if _, err := t.row("SELECT COALESCE(MAX(last), 0) FROM sequences", nil, &last); err != nil {
		return 0, err
	}
	if _, err := t.row("SELECT COALESCE(MAX(issued), 0) FROM tokens", nil, &issued); err != nil {
		return 0, err
	}
	now := s.now()
	if now <= old.Started.Unix() || now < issued || now < floorEpoch {
		return 0, fmt.Errorf("the clock says %s, which is not after the last thing in the database: set it right",
			time.Unix(now, 0).UTC().Format(time.RFC3339))
	}
	return max((now-floorEpoch)*floorRate, last+1<<32), nil
}

// begin writes the first rows of a generation.
func (s *Store) begin(t *tx, g Generation) error {
	if g.Number == 1 {
		if _, err := t.exec("INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, $1)", make([]byte, hashSize)); err != nil {
			return err
		}
	}
	if _, err := t.exec("INSERT INTO generations (number, started, reason, floor) VALUES ($1, $2, $3, $4)",
		g.Number, g.Started.Unix(), g.Reason, g.floor); err != nil {
		return err
	}
	if _, err := t.exec("UPDATE sequences SET last = $1 WHERE last < $1", g.floor); err != nil {
		return err
	}
	if _, err := t.exec("DELETE FROM meta WHERE name = $1", metaBackup); err != nil {
		return err
	}
	if err := s.setPlace(t); err != nil {
		return err
	}
	_, err := t.audit(Event{
		Kind: "store.generation", Subject: strconv.FormatInt(g.Number, 10),
		Detail: map[string]string{"reason": g.Reason, "floor": strconv.FormatInt(g.floor, 10)},
	})
	return err
}

// The names in table meta.
const (
	metaBackup   = "backup"   // when the backup was made; absent in a database in use
	metaPlace    = "place"    // see database.place
	metaRegistry = "registry" // counts changes of the registry
)

func meta(t *tx, name string) (value string, found bool, err error) {
	found, err = t.row("SELECT value FROM meta WHERE name = $1", []any{name}, &value)
	return value, found, err
}

const setMeta = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"

func (s *Store) setPlace(t *tx) error {
	if s.db.place == "" {
		return nil
	}
	if place, _, err := meta(t, metaPlace); err != nil || place == s.db.place {
		return err
	}
	_, err := t.exec(setMeta, metaPlace, s.db.place)
	return err
}

// hexString is for details of audit events.
func hexString(b []byte) string { return hex.EncodeToString(b) }
