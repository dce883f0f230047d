package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// retryable says whether repeating the whole transaction may help: the server took it back, went away, or the
// connection was dead (codes of the PostgreSQL manual, appendix A).
func retryable(err error) bool {
	if pgError, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pgError.Code {
		case "40001", // serialization failure
			"40P01",                   // deadlock
			"57P01", "57P02", "57P03", // shut down by an operator, after a crash, cannot connect now
			"25006", // read only: a failover left us on the old writer
			"53300", // too many connections
			"55P03": // lock not available
			return true
		}
		return strings.HasPrefix(pgError.Code, "08") // connection exceptions
	}
	var network net.Error
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &network) || pgconn.SafeToRetry(err)
}

// readOnly says that the connected server is not the writer.
func readOnly(err error) bool {
	pgError, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgError.Code == "25006"
}

// unavailable says that the database, not the caller, is to blame, though repeating now would not help.
func unavailable(ctx context.Context, err error) bool {
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	if _, early := errors.AsType[acquireError](err); early {
		return true
	}
	if pgError, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pgError.Code {
		case "57014", // statement timeout
			"25P03", "25P04", // idle in transaction, transaction timeout
			"53000", "53100", "53200", "53400": // resources: disk full, out of memory, limits
			return true
		}
	}
	_, refused := errors.AsType[*pgconn.ConnectError](err)
	return refused
}
