package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	// ErrBusy is returned when another transaction held the lock through all tries. Nothing was done.
	ErrBusy = errors.New("postgres: somebody else is working on the same subject")
	// ErrUnavailable wraps the cause when the database could not be reached, was overloaded or too slow. Whether the last
	// try committed is not known; repeating is safe for an idempotent transaction.
	ErrUnavailable = errors.New("postgres: not available")
)

const (
	// lockTries bounds how often a lock is asked for, and lockPauseMin and lockPauseMax the random pause between, spent
	// without a connection. Waiting inside the database let one hot address slow down everybody (DESIGN §7).
	lockTries    = 5
	lockPauseMin = 20 * time.Millisecond
	lockPauseMax = 80 * time.Millisecond
	// tries bounds how often a transaction runs when its connection or the server fails it.
	tries = 2
	// rollbackTimeout bounds the cleanup of a connection; one that does not answer is closed.
	rollbackTimeout = time.Second
)

// errLocked is the inner sign that the lock is held by somebody else.
var errLocked = errors.New("locked")

// Transact runs one transaction in exactly two network round trips.
//
// The first carries begin, the lock and what load queues; the second what decide queues, and commit. Results are read in
// the callbacks of the queued queries (QueryRow, Query, Exec); decide runs when all of load's callbacks have. An error
// from a callback or from decide rolls back and is returned as it is. lock is a transaction-scoped advisory lock, taken
// without waiting; 0 takes none.
//
// Both functions may run several times and must start from scratch each time: the whole transaction is repeated when the
// server or the connection failed it, so it must be idempotent. No network call belongs in them.
func (db *DB) Transact(ctx context.Context, lock int64, load func(*pgx.Batch), decide func(*pgx.Batch) error) error {
	busy, failed := 0, 0
	for {
		err := db.transactOnce(ctx, lock, load, decide)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errLocked):
			if busy++; busy >= lockTries {
				return ErrBusy
			}
			if err := pause(ctx, lockPauseMin+rand.N(lockPauseMax-lockPauseMin)); err != nil {
				return ErrBusy
			}
		case retryable(err):
			if failed++; failed >= tries || ctx.Err() != nil {
				return fmt.Errorf("%w: %w", ErrUnavailable, err)
			}
			if readOnly(err) { // connected to a server that is not the writer any more: so are the others
				db.pool.Reset()
			}
		case unavailable(ctx, err):
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		default:
			return err
		}
	}
}

// Batch runs what queue queues in one round trip, as one transaction. It may be repeated as a whole, so it must be
// idempotent.
func (db *DB) Batch(ctx context.Context, queue func(*pgx.Batch)) error {
	for failed := 1; ; failed++ {
		err := db.batchOnce(ctx, queue)
		switch {
		case err == nil:
			return nil
		case retryable(err) && failed < tries && ctx.Err() == nil:
			if readOnly(err) {
				db.pool.Reset()
			}
		case retryable(err) || unavailable(ctx, err):
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		default:
			return err
		}
	}
}

func (db *DB) batchOnce(ctx context.Context, queue func(*pgx.Batch)) error {
	conn, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	batch := &pgx.Batch{}
	queue(batch)
	return conn.Conn().SendBatch(ctx, batch).Close()
}

func (db *DB) transactOnce(ctx context.Context, lock int64, load func(*pgx.Batch), decide func(*pgx.Batch) error) error {
	conn, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	committed := false
	defer func() {
		if !committed {
			rollback(ctx, conn.Conn())
		}
	}()

	obtained := true
	first := &pgx.Batch{}
	first.Queue("begin")
	if lock != 0 {
		first.Queue("select pg_try_advisory_xact_lock($1::bigint)", lock).QueryRow(func(row pgx.Row) error { return row.Scan(&obtained) })
	}
	load(first)
	if err := conn.Conn().SendBatch(ctx, first).Close(); err != nil {
		return err
	}
	if !obtained {
		return errLocked
	}

	second := &pgx.Batch{}
	if err := decide(second); err != nil {
		return err
	}
	var tag pgconn.CommandTag
	second.Queue("commit").Exec(func(ct pgconn.CommandTag) error { tag = ct; return nil })
	if err := conn.Conn().SendBatch(ctx, second).Close(); err != nil {
		return err
	}
	if tag.String() != "COMMIT" || conn.Conn().PgConn().TxStatus() != 'I' { // a failed transaction answers commit with ROLLBACK
		return fmt.Errorf("commit: the server answered %q", tag.String())
	}
	committed = true
	return nil
}

// acquireError marks a failure before anything was sent.
type acquireError struct{ error }

func (e acquireError) Unwrap() error { return e.error }

func (db *DB) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return nil, acquireError{fmt.Errorf("get a connection: %w", err)}
	}
	return conn, nil
}

// rollback leaves the connection outside of any transaction, or closed.
func rollback(ctx context.Context, conn *pgx.Conn) {
	if conn.IsClosed() || conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout) // the request may be over; the connection is not
	defer cancel()
	if _, err := conn.Exec(ctx, "rollback"); err != nil {
		_ = conn.Close(ctx) // the pool drops it at release
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
