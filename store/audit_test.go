package store

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"
)

func auditStore(t *testing.T, open opener) *Store {
	t.Helper()
	s := open(t, t.TempDir(), newClock().use)
	for _, kind := range []string{"a", "b", "c", "d"} {
		if err := s.AddEvent(t.Context(), Event{Kind: kind, Actor: "me", Subject: "it", Detail: map[string]string{"k": "v"}}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func testAudit(t *testing.T, open opener) {
	s := auditStore(t, open)
	seq, hash, err := s.VerifyAudit(t.Context())
	if err != nil || seq != 5 { // the first is the generation
		t.Fatalf("VerifyAudit = %d, %v, want 5", seq, err)
	}
	events, err := s.Events(t.Context(), 2, 2)
	if err != nil || len(events) != 2 {
		t.Fatalf("Events = %+v, %v", events, err)
	}
	want := Event{Seq: 3, At: start, Kind: "b", Actor: "me", Subject: "it", Detail: map[string]string{"k": "v"}, Hash: events[0].Hash}
	if !reflect.DeepEqual(events[0], want) {
		t.Errorf("event %+v, want %+v", events[0], want)
	}
	if last, err := s.Events(t.Context(), 4, 10); err != nil || len(last) != 1 || !bytes.Equal(last[0].Hash, hash) {
		t.Errorf("last event %+v, %v, want hash %x", last, err, hash)
	}
}

// Each way to alter the log is found, and where.
func testVerifyAuditFinds(t *testing.T, open opener) {
	for name, test := range map[string]struct {
		seq int64
		sql []string
	}{
		"kind":         {3, []string{"UPDATE audit SET kind = 'x' WHERE seq = 3"}},
		"actor":        {3, []string{"UPDATE audit SET actor = 'x' WHERE seq = 3"}},
		"subject":      {3, []string{"UPDATE audit SET subject = 'x' WHERE seq = 3"}},
		"detail":       {3, []string{`UPDATE audit SET detail = '{"k":"w"}' WHERE seq = 3`}},
		"spelling":     {3, []string{`UPDATE audit SET detail = '{ "k":"v"}' WHERE seq = 3`}},
		"time":         {3, []string{"UPDATE audit SET at = at + 1 WHERE seq = 3"}},
		"hash":         {3, []string{"UPDATE audit SET hash = (SELECT hash FROM audit WHERE seq = 2) WHERE seq = 3"}},
		"shifted text": {3, []string{"UPDATE audit SET kind = 'bm', actor = 'e' WHERE seq = 3"}},
		"removed":      {3, []string{"DELETE FROM audit WHERE seq = 3"}},
		"first":        {1, []string{"DELETE FROM audit WHERE seq = 1"}},
		"closed gap":   {3, []string{"DELETE FROM audit WHERE seq = 3", "UPDATE audit SET seq = 3 WHERE seq = 4", "UPDATE audit SET seq = 4 WHERE seq = 5"}},
		"swapped":      {3, []string{"UPDATE audit SET seq = 9 WHERE seq = 3", "UPDATE audit SET seq = 3 WHERE seq = 4", "UPDATE audit SET seq = 4 WHERE seq = 9"}},
		"last":         {5, []string{"DELETE FROM audit WHERE seq = 5"}},
		"all":          {1, []string{"DELETE FROM audit"}},
		"added":        {6, []string{"INSERT INTO audit SELECT 6, at, kind, actor, subject, detail, hash FROM audit WHERE seq = 5"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := auditStore(t, open)
			err := s.write(t.Context(), func(t *tx) error {
				for _, statement := range test.sql {
					if _, err := t.exec(statement); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			var found *AuditError
			if _, _, err := s.VerifyAudit(t.Context()); !errors.As(err, &found) || found.Seq != test.seq {
				t.Errorf("VerifyAudit = %v, want event %d", err, test.seq)
			}
		})
	}
}

// An event that is refused leaves no gap, and one of another process fits in.
func testAuditChainSurvives(t *testing.T, open opener) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	for range 5 {
		for _, s := range []*Store{a, b} {
			if err := s.AddEvent(t.Context(), Event{Kind: "x", At: time.Unix(1, 0)}); err != nil {
				t.Fatal(err)
			}
			err := s.write(t.Context(), func(t *tx) error {
				_, err := t.audit(Event{Kind: "y"})
				return errors.Join(err, errRefused)
			})
			if !errors.Is(err, errRefused) {
				t.Fatal(err)
			}
		}
	}
	if seq, _, err := a.VerifyAudit(t.Context()); err != nil || seq != 11 {
		t.Errorf("VerifyAudit = %d, %v, want 11", seq, err)
	}
}
