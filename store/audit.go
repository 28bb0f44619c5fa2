package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/internal/cborseq"
)

const hashSize = sha256.Size

// An Event is one line of the audit log. It holds no secret.
type Event struct {
	Seq     int64 // 1 is the first; set by the store
	At      time.Time
	Kind    string // such as token.issue
	Actor   string // who did it
	Subject string // to whom or what
	Detail  map[string]string
	Hash    []byte // over the event and the hash before it, 32 bytes; set by the store
}

// A chain is the end of the audit log.
type chain struct {
	read bool // seq and hash are those of the table, and then of what was added
	grew bool
	seq  int64
	hash []byte
}

// audit adds an event to the log, in the transaction of t, and returns its Seq.
// A zero At means now.
func (t *tx) audit(e Event) (seq int64, err error) {
	c := &t.w.chain
	if !c.read {
		// An update, not a query: it locks the row.
		found, err := t.row("UPDATE audit_head SET seq = seq WHERE id = 1 RETURNING seq, hash", nil, &c.seq, &c.hash)
		if err != nil || !found {
			return 0, fmt.Errorf("store: read end of audit log: %w", err)
		}
		c.read = true
	}
	if e.At.IsZero() {
		e.At = t.w.now()
	}
	detail, err := json.Marshal(e.Detail)
	if err != nil {
		return 0, fmt.Errorf("store: encode audit event: %w", err)
	}
	e.Seq = c.seq + 1
	hash := eventHash(c.hash, e, string(detail))
	if _, err := t.exec("INSERT INTO audit (seq, at, kind, actor, subject, detail, hash) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		e.Seq, e.At.UnixMicro(), e.Kind, e.Actor, e.Subject, string(detail), hash); err != nil {
		return 0, fmt.Errorf("store: write audit event: %w", err)
	}
	c.seq, c.hash, c.grew = e.Seq, hash, true
	return e.Seq, nil
}

// saveChain writes the end of the audit log, once for each transaction.
func (w *writer) saveChain() error {
	if !w.chain.grew {
		return nil
	}
	if _, err := w.exec("UPDATE audit_head SET seq = $1, hash = $2 WHERE id = 1", w.chain.seq, w.chain.hash); err != nil {
		w.judge(err)
		return fmt.Errorf("store: write end of audit log: %w", err)
	}
	return nil
}

// eventHash is SHA-256 over the hash before and the CBOR array of the event.
func eventHash(before []byte, e Event, detail string) []byte {
	b := cborseq.AppendArray(nil, 7)
	b = cborseq.AppendBytes(b, before)
	b = cborseq.AppendInt(b, e.Seq)
	b = cborseq.AppendInt(b, e.At.UnixMicro())
	for _, text := range []string{e.Kind, e.Actor, e.Subject, detail} {
		b = cborseq.AppendText(b, text)
	}
	sum := sha256.Sum256(b)
	return sum[:]
}

// AddEvent adds an event to the audit log. A zero At means now.
func (s *Store) AddEvent(ctx context.Context, e Event) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.audit(e)
		return err
	})
}

const selectEvents = "SELECT seq, at, kind, actor, subject, detail, hash FROM audit WHERE seq > $1 ORDER BY seq"

// Events returns at most limit events after the event number after, in order.
func (s *Store) Events(ctx context.Context, after int64, limit int) ([]Event, error) {
	var all []Event
	err := scanRows(s.readers.QueryContext(ctx, selectEvents+" LIMIT $2", after, limit))(func(scan func(...any) error) error {
		e, _, err := scanEvent(scan)
		all = append(all, e)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: read audit log: %w", err)
	}
	return all, nil
}

func scanEvent(scan func(...any) error) (e Event, detail string, err error) {
	var at int64
	if err := scan(&e.Seq, &at, &e.Kind, &e.Actor, &e.Subject, &detail, &e.Hash); err != nil {
		return e, "", err
	}
	e.At = time.UnixMicro(at).UTC()
	return e, detail, json.Unmarshal([]byte(detail), &e.Detail)
}

// VerifyAudit reads the whole audit log and returns how many events it has and
// the hash of the last. An event that was changed, added, moved or removed gives
// an [*AuditError]. Whoever can write the file can make a new log that verifies:
// only a hash that is kept elsewhere shows that.
func (s *Store) VerifyAudit(ctx context.Context) (seq int64, hash []byte, err error) {
	conn, err := s.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return 0, nil, fmt.Errorf("store: verify audit log: %w", err)
	}
	defer func() { _ = conn.Rollback() }() // nothing was changed
	hash = make([]byte, hashSize)
	err = scanRows(conn.QueryContext(ctx, selectEvents, 0))(func(scan func(...any) error) error {
		e, detail, err := scanEvent(scan)
		switch {
		case err != nil:
			return err
		case e.Seq != seq+1:
			return &AuditError{seq + 1, "missing"}
		case !bytes.Equal(e.Hash, eventHash(hash, e, detail)):
			return &AuditError{e.Seq, "hash does not fit"}
		}
		seq, hash = e.Seq, e.Hash
		return nil
	})
	if err != nil {
		return 0, nil, fmt.Errorf("store: verify audit log: %w", err)
	}
	var (
		headSeq  int64
		headHash []byte
	)
	if err := conn.QueryRowContext(ctx, "SELECT seq, hash FROM audit_head WHERE id = 1").Scan(&headSeq, &headHash); err != nil {
		return 0, nil, fmt.Errorf("store: verify audit log: %w", err)
	}
	if headSeq != seq || !bytes.Equal(headHash, hash) {
		return 0, nil, fmt.Errorf("store: verify audit log: %w", &AuditError{min(seq, headSeq) + 1, "does not end where it should"})
	}
	return seq, hash, nil
}
