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
	// budget bounds a transaction with all its tries. It is more than the role's statement_timeout, so that the server
	// stops a slow statement before the client gives up on its connection.
	budget = 4 * time.Second
	// tries bounds how often a transaction runs when its connection or the server fails it.
	tries = 2
	// lockTries bounds how often a lock is asked for. Between two tries, of any kind, there is a random pause of pauseMin
	// to pauseMax, spent without a connection: waiting inside the database let one hot address slow down everybody. Why
	// twenty: docs/adr/0011.
	lockTries = 20
	pauseMin  = 20 * time.Millisecond
	pauseMax  = 80 * time.Millisecond
	// rollbackTimeout bounds the cleanup of a connection; one that does not answer is closed.
	rollbackTimeout = 500 * time.Millisecond
)

// errLocked is the inner sign that the lock is held by somebody else.
var errLocked = errors.New("locked")

// Transact runs one transaction in exactly two network round trips.
//
// The first carries begin, the lock and what load queues; the second what decide queues, and commit. Results are read in
// the callbacks of the queued queries (QueryRow, Query, Exec); decide runs when all of load's callbacks have. An error
// from decide, or from a callback of load's, rolls back and is returned as it is; an error from a callback of decide's
// comes after the commit. lock is a transaction-scoped advisory lock, taken without waiting; 0 takes none.
//
// Both functions may run several times and must start from scratch each time: the whole transaction is repeated when the
// server or the connection failed it, so it must be idempotent. No network call belongs in them.
//
// The error is ErrBusy, ErrUnavailable, the caller's own, or Refused. What a statement refuses (a constraint, a NUL in a
// text) is Refused: the caller should have known, so it is neither repeated nor called unavailable.
func (db *DB) Transact(ctx context.Context, lock int64, load func(*pgx.Batch), decide func(*pgx.Batch) error) error {
	return db.run(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return transact(ctx, conn, lock, load, decide)
	})
}

// Batch runs what queue queues in one round trip, as one transaction. It may be repeated as a whole, so it must be
// idempotent, and queue must start from scratch each time. An error of a callback comes after the commit. The error is as
// that of Transact.
func (db *DB) Batch(ctx context.Context, queue func(*pgx.Batch)) error {
	return db.run(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		batch := &pgx.Batch{}
		queue(batch)
		return conn.SendBatch(ctx, batch).Close()
	})
}

// run tries work until it succeeds, or until trying again makes no sense.
func (db *DB) run(ctx context.Context, work func(context.Context, *pgx.Conn) error) (err error) {
	began := time.Now()
	defer func() { capture.Breadcrumb(ctx, "query", outcome(err), time.Since(began)) }()
	ctx, cancel := context.WithTimeout(ctx, budget)
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
			db.pool.Reset() // the server restarted or failed over: the idle connections lead to the same dead end
		}
		if v == loginFailed {
			if !renewed && db.login.renew(ctx) {
				renewed = true // once; nothing was tried yet
				continue
			}
			v = unavailable
		}
		if failed++; v == unavailable || failed >= tries || !pause(ctx) {
			return fmt.Errorf("%w: %w", ErrUnavailable, refused(err))
		}
	}
}

// outcome is an error in a word, for reports.
func outcome(err error) string {
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, ErrBusy):
		return "busy"
	case errors.Is(err, ErrUnavailable):
		return "unavailable"
	}
	return "refused" // by the server, or by what the caller made of the rows
}

// try runs work once and gives the connection back outside of any transaction, or not at all. broken says that the
// connection did not survive, or that there was none.
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
				return errLocked // load's callbacks must not see what the lock's holder is changing
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
	if tag.String() != "COMMIT" || conn.PgConn().TxStatus() != 'I' { // a transaction that failed answers ROLLBACK
		return fmt.Errorf("commit: the server answered %q", tag.String())
	}
	return nil
}

// pause waits without a connection; false means that the time is up.
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
