package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

var (
	// ErrBusy is returned when another transaction held the lock through all tries. Nothing was done.
	ErrBusy = errors.New("postgres: somebody else is working on the same subject")
	// ErrUnavailable wraps the cause when the database could not be reached, was overloaded or too slow. Whether the last
	// try was committed is not known; repeating is safe for an idempotent transaction.
	ErrUnavailable = errors.New("postgres: not available")
)

// Refused is the server's refusal of a statement. Its text holds the server's code and, where that cannot repeat a value,
// the message; Unwrap gives the whole of it for code that must know the constraint or the column, and for nobody's log.
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

// Unwrap gives the server's own error.
func (r Refused) Unwrap() error { return r.Cause }

// refused hides the values in a server's error, and leaves other errors alone.
func refused(err error) error {
	if e, ok := err.(*pgconn.PgError); ok { //nolint:errorlint // a wrapped one was already worded by somebody
		return Refused{e}
	}
	return err
}

func class(e *pgconn.PgError) string { return e.Code[:min(2, len(e.Code))] }

// verdict is what a failure of a transaction means.
type verdict int

const (
	permanent   verdict = iota // repeating gives the same
	unavailable                // the database's fault, and repeating now would not help
	transient                  // the database's fault, and passing: repeat
	brokenConn                 // the connection is dead or leads to the wrong server, and so may be the pool's others
	loginFailed                // the server does not accept the password, which may have been rotated
)

// judge tells what a failure means. broken says that the connection did not survive it. The codes are those of the
// PostgreSQL manual, appendix A.
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
	case "57P01", "57P02", "57P03", // ended by an operator or by a crash, cannot connect now
		"57P05", "25P03", "25P04", // idle session, idle in transaction, transaction too long
		"25006": // read only: a failover left us on the old writer
		return brokenConn
	case "57014": // statement_timeout
		return unavailable
	}
	switch class(e) {
	case "08": // connection exceptions
		return brokenConn
	case "28": // sign-in refused
		return loginFailed
	case "53", "58": // resources (disk full, out of memory), system errors
		return unavailable
	}
	if broken { // ended by the server for another reason
		return brokenConn
	}
	return permanent
}
