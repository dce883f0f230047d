package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

var (
	// ErrBusy is returned when another transaction held the lock through all attempts. Nothing was changed.
	ErrBusy = errors.New("postgres: lock held by another transaction")
	// ErrUnavailable wraps the cause when the database was unreachable, overloaded or too slow. The last attempt may
	// have
	// been committed; repeating is safe for an idempotent transaction.
	ErrUnavailable = errors.New("postgres: unavailable")
)

// Refused is the server's refusal of a statement. Its text has the server's code and, if that cannot contain a value,
// the
// message. Unwrap returns the complete error, for code that needs the constraint or column; do not log it.
type Refused struct{ Cause *pgconn.PgError }

// Error implements error.
func (r Refused) Error() string {
	text := r.Cause.Severity + " " + r.Cause.Code
	if r.Cause.ConstraintName != "" {
		text += " (" + r.Cause.ConstraintName + ")"
	}
	switch class(r.Cause) {
	case "22", "23", "P0": // data exceptions, constraint violations and raised exceptions repeat values
		return text
	}
	return text + ": " + r.Cause.Message
}

// Unwrap returns the server's own error.
func (r Refused) Unwrap() error { return r.Cause }

// refused wraps a server's error to hide its values, and returns other errors unchanged.
func refused(err error) error {
	if e, ok := err.(*pgconn.PgError); ok { //nolint:errorlint // a wrapped one was already reworded
		return Refused{e}
	}
	return err
}

func class(e *pgconn.PgError) string { return e.Code[:min(2, len(e.Code))] }

// verdict classifies a failure of a transaction.
type verdict int

const (
	permanent   verdict = iota // repeating fails again
	unavailable                // the database's fault; repeating now would not help
	transient                  // the database's fault; repeat
	brokenConn                 // the connection is dead or leads to the wrong server, and the pool's others may be too
	loginFailed                // the server refused the password, which may have been rotated
)

// classify returns the verdict on a failure. broken reports that the connection did not survive it. The codes are
// those of
// the PostgreSQL manual, appendix A.
func classify(ctx context.Context, err error, broken bool) verdict {
	e, answered := errors.AsType[*pgconn.PgError](err)
	if !answered {
		switch over := ctx.Err(); {
		case over != nil && (broken || errors.Is(err, over)):
			return unavailable
		case broken:
			return brokenConn
		}
		return permanent
	}
	switch e.Code {
	case "40001", "40P01", // serialization failure, deadlock
		"53300", // too many connections
		"55P03": // lock not available: lock_timeout
		return transient
	case "57P01", "57P02", "57P03", // shutdown by an operator, crash, cannot connect now
		"57P05", "25P03", "25P04", // idle session, idle in transaction, transaction too long
		"25006": // read only: still connected to the old writer after a failover
		return brokenConn
	case "57014": // statement_timeout
		return unavailable
	}
	switch class(e) {
	case "08": // connection exceptions
		return brokenConn
	case "28": // login refused
		return loginFailed
	case "53", "58": // resources (disk full, out of memory), system errors
		return unavailable
	}
	if broken { // closed by the server for another reason
		return brokenConn
	}
	return permanent
}
