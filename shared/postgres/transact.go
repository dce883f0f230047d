package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"newsletter/shared/capture"
)

const (
	// Budget limits a transaction with all its attempts. It exceeds the role's statement_timeout, so that the server
	// stops a slow statement before the client closes its connection.
	Budget = 4 * time.Second
	// tries limits the attempts of a transaction that fails because of its connection or the server.
	tries = 2
	// lockTries limits the attempts to lock. Before every further attempt, of any kind, there is a random pause of
	// pauseMin to pauseMax without a connection: waiting inside the database let one hot address slow down all others.
	// The reason for twenty is in docs/adr/0011.
	lockTries = 20
	pauseMin  = 20 * time.Millisecond
	pauseMax  = 80 * time.Millisecond
	// rollbackTimeout limits the rollback on a connection; one that does not answer is closed.
	rollbackTimeout = 500 * time.Millisecond
)

// errLocked is the internal error for a lock held by another transaction.
var errLocked = errors.New("locked")

// Transact runs one transaction in exactly two network round trips.
//
// The first sends begin, the lock and the queries of load; the second the queries of decide, and commit. Results are
// read in the callbacks of the queued queries (QueryRow, Query, Exec); decide runs after all callbacks of load. An
// error from decide, or from a callback of load, rolls back and is returned unchanged; an error from a callback of
// decide comes after the commit. lock is a transaction-scoped advisory lock, acquired without waiting; 0 means no lock.
//
// Both functions can run several times and must start from scratch each time: the whole transaction is repeated when
// the server or the connection fails, so it must be idempotent. They must not make network calls.
//
// The error is ErrBusy, ErrUnavailable, the caller's own, or Refused. Refused statements (a constraint, a NUL in a
// text) are the caller's fault, so they are neither repeated nor reported as unavailable.
func (db *DB) Transact(ctx context.Context, lock int64, load func(*pgx.Batch), decide func(*pgx.Batch) error) error {
	return db.run(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return transact(ctx, conn, lock, load, decide)
	})
}

// Batch runs the queries of queue in one round trip, as one transaction. It can be repeated as a whole, so it must be
// idempotent, and queue must start from scratch each time. An error of a callback comes after the commit. Errors are
// those of Transact.
func (db *DB) Batch(ctx context.Context, queue func(*pgx.Batch)) error {
	return db.run(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		batch := &pgx.Batch{}
		queue(batch)
		return conn.SendBatch(ctx, batch).Close()
	})
}

// run repeats work until it succeeds or cannot succeed.
func (db *DB) run(ctx context.Context, work func(context.Context, *pgx.Conn) error) (err error) {
	began := time.Now()
	defer func() { capture.Breadcrumb(ctx, "query", outcome(err), time.Since(began)) }()
	ctx, cancel := context.WithTimeout(ctx, Budget)
	defer cancel()
	if db.alongside != nil {
		db.alongside(ctx)
	}
	busy, failed, renewed := 0, 0, false
	for {
		broken, err := db.try(ctx, work)
		if err == nil {
			return nil
		}
		if errors.Is(err, errLocked) {
			if busy++; busy < lockTries && pause(ctx) {
				continue
			}
			return ErrBusy
		}
		v := classify(ctx, err, broken)
		if v == permanent {
			return refused(err)
		}
		if v == brokenConn {
			db.pool.Reset() // the server restarted or failed over, so the idle connections are dead too
		}
		if v == loginFailed {
			if !renewed && db.login.renew(ctx) {
				renewed = true // once; no statement was sent yet
				continue
			}
			v = unavailable
		}
		if failed++; v == unavailable || failed >= tries || !pause(ctx) {
			return fmt.Errorf("%w: %w", ErrUnavailable, refused(err))
		}
	}
}

// outcome returns a word for an error, for reports.
func outcome(err error) string {
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, ErrBusy):
		return "busy"
	case errors.Is(err, ErrUnavailable):
		return "unavailable"
	}
	return "refused" // by the server or by the caller's callbacks
}

// try runs work once and then releases the connection. broken reports that the
// connection did not survive, or could not be acquired.
func (db *DB) try(ctx context.Context, work func(context.Context, *pgx.Conn) error) (broken bool, err error) {
	conn, err := db.acquire(ctx)
	if err != nil {
		return true, err
	}
	defer db.release(ctx, conn)
	err = work(ctx, conn.Conn())
	return conn.Conn().IsClosed(), err
}

func transact(ctx context.Context, conn *pgx.Conn, lock int64, load func(*pgx.Batch), decide func(*pgx.Batch) error) error {
	obtained := true
	first := &pgx.Batch{}
	first.Queue("begin")
	if lock != 0 {
		first.Queue("select pg_try_advisory_xact_lock($1::bigint)", lock).QueryRow(func(row pgx.Row) error {
			if err := row.Scan(&obtained); err != nil {
				return err
			}
			if !obtained {
				return errLocked // load's callbacks must not see changes of the lock's owner
			}
			return nil
		})
	}
	load(first)
	if err := conn.SendBatch(ctx, first).Close(); err != nil {
		return err
	}

	second := &pgx.Batch{}
	if err := decide(second); err != nil {
		return err
	}
	var tag pgconn.CommandTag
	second.Queue("commit").Exec(func(ct pgconn.CommandTag) error { tag = ct; return nil })
	if err := conn.SendBatch(ctx, second).Close(); err != nil {
		return err
	}
	if tag.String() != "COMMIT" || conn.PgConn().TxStatus() != 'I' { // a failed transaction answers ROLLBACK
		return fmt.Errorf("commit: the server answered %q", tag.String())
	}
	return nil
}

// pause waits without a connection. It returns false if ctx ends first.
func pause(ctx context.Context) bool {
	timer := time.NewTimer(pauseMin + rand.N(pauseMax-pauseMin))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
