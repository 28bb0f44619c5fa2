package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A writer is the one goroutine that changes the database. It takes all changes
// that wait and commits them together.
type writer struct {
	conn     *sql.Conn
	db       database
	observer Observer
	now      func() time.Time
	max      int

	requests chan *request
	quit     chan struct{} // closed by stop
	done     chan struct{} // closed when run has ended

	failed atomic.Pointer[error] // why no further change is taken

	mu    sync.Mutex // held while conn is used
	stmts map[string]*sql.Stmt
	chain chain // of the audit log, within a transaction
}

// A request is a change that somebody waits for.
type request struct {
	gone   func() error // why its caller does not want it any more, or nil
	do     func(*tx) error
	taken  atomic.Bool
	result chan error // has room for the one result
}

func newWriter(conn *sql.Conn, cfg Config, db database) *writer {
	return &writer{
		conn: conn, db: db, observer: cfg.Observer, now: cfg.Now, max: cfg.MaxGroup,
		requests: make(chan *request), quit: make(chan struct{}), done: make(chan struct{}),
		stmts: make(map[string]*sql.Stmt),
	}
}

// submit hands a change over and waits for its commit.
func (w *writer) submit(ctx context.Context, do func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{gone: ctx.Err, do: do, result: make(chan error, 1)}
	select {
	case w.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.quit:
		return ErrClosed
	}
	select {
	case err := <-r.result:
		return err
	case <-ctx.Done():
		if r.taken.CompareAndSwap(false, true) {
			return ctx.Err() // the writer will not begin it
		}
		return <-r.result
	}
}

// run serves requests until stop.
func (w *writer) run() {
	defer close(w.done)
	for {
		select {
		case r := <-w.requests:
			w.group(r)
		case <-w.quit:
			return
		}
	}
}

// stop ends run. A change that was handed over is finished.
func (w *writer) stop() {
	close(w.quit)
	<-w.done
}

func (w *writer) failure() error {
	if p := w.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// fail makes the writer take no further change.
func (w *writer) fail(cause error) {
	err := fmt.Errorf("%w: %w", ErrFailed, cause)
	w.failed.CompareAndSwap(nil, &err)
}

// group commits first and the requests that come while it works.
func (w *writer) group(first *request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	start := w.now()
	var group []*request
	others := false // a refused change, which has its answer, took the transaction with it
	err := w.begin()
	for r := first; r != nil; r = w.next(len(group)) {
		if !r.taken.CompareAndSwap(false, true) {
			continue // its caller has gone
		}
		refused := r.gone()
		if refused == nil && err == nil {
			refused, err = w.part(r.do)
		}
		if refused != nil {
			others = others || err != nil
			r.result <- refused
		} else {
			group = append(group, r)
		}
		if err != nil {
			break
		}
	}
	err = w.end(err)
	if w.observer.Commit != nil {
		w.observer.Commit(len(group), w.now().Sub(start), err)
	}
	if err != nil && (others || len(group) > 1) && !errors.Is(err, ErrUnknownOutcome) && w.failure() == nil {
		w.single(group)
		return
	}
	for _, r := range group {
		r.result <- err
	}
}

// next returns a request that waits already, if the group has room.
func (w *writer) next(n int) *request {
	if n >= w.max {
		return nil
	}
	select {
	case r := <-w.requests:
		return r
	default:
		return nil
	}
}

// single commits each change of a group that was rolled back on its own, so that
// it does not suffer from another's fault.
func (w *writer) single(group []*request) {
	for _, r := range group {
		r.result <- w.alone(r.do)
	}
}

// alone is a transaction of one change.
func (w *writer) alone(do func(*tx) error) error {
	err := w.begin()
	if err != nil {
		return err
	}
	refused, err := w.part(do)
	return errors.Join(refused, w.end(err))
}

// exclusive is alone, before run is called.
func (w *writer) exclusive(ctx context.Context, do func(*tx) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	return w.alone(do)
}

func (w *writer) begin() error {
	if err := w.failure(); err != nil {
		return err
	}
	w.chain = chain{}
	err := w.command(w.db.begin, "begin")
	if w.db.busy(err) {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	return err
}

// part runs one change within the transaction. If the change is refused, by its
// own code or by the database, the others are not concerned. The second error
// says that the whole transaction is lost.
func (w *writer) part(do func(*tx) error) (refused, lost error) {
	if err := w.command("SAVEPOINT part", "begin change"); err != nil {
		return nil, err
	}
	before := w.chain
	err := do(&tx{w})
	if err == nil {
		return nil, w.command("RELEASE SAVEPOINT part", "end change")
	}
	w.chain = before
	w.judge(err)
	if failed := w.failure(); failed != nil {
		return err, failed // what came before it in the group is not trusted either
	}
	if lost := w.command("ROLLBACK TO SAVEPOINT part", "undo change"); lost != nil {
		return err, fmt.Errorf("transaction lost: %w", err)
	}
	return err, w.command("RELEASE SAVEPOINT part", "end change")
}

// end commits, or rolls back if err is not nil.
func (w *writer) end(err error) error {
	if err == nil {
		if err = w.saveChain(); err == nil {
			err = w.commit()
		}
	}
	if err != nil {
		_, _ = w.conn.ExecContext(context.Background(), "ROLLBACK") // fails if the database has done it
	}
	return err
}

func (w *writer) commit() error {
	_, err := w.conn.ExecContext(context.Background(), "COMMIT")
	if err == nil {
		return nil
	}
	w.judge(err)
	return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
}

// judge stops the writer if err shakes the trust in what was written before.
func (w *writer) judge(err error) {
	if w.db.fatal(err) {
		w.fail(err)
	}
}

func (w *writer) command(query, verb string) error {
	if _, err := w.exec(query); err != nil {
		w.judge(err)
		return fmt.Errorf("store: %s: %w", verb, err)
	}
	return nil
}

// stmt prepares a statement once.
func (w *writer) stmt(query string) (*sql.Stmt, error) {
	if st := w.stmts[query]; st != nil {
		return st, nil
	}
	st, err := w.conn.PrepareContext(context.Background(), query)
	if err == nil {
		w.stmts[query] = st
	}
	return st, err
}

// exec runs a statement. It does not know the caller's context: what it would
// interrupt is everybody's transaction.
func (w *writer) exec(query string, args ...any) (sql.Result, error) {
	st, err := w.stmt(query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(context.Background(), args...)
}

// close gives the connection back.
func (w *writer) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for _, st := range w.stmts {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}
