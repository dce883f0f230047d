package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"newsletter/shared/telemetry"
)

// usedAt is the key of a connection's time of release.
const usedAt = "newsletter.used_at"

// acquire returns a connection, and pings one that was idle for long: the environment may have been frozen and the
// server gone without notice.
//
// The pool's own ping is not used: the pool keeps the slot of a closed connection until that has drained, up to 15 s
// for a silent server. With one or two slots, nothing could connect meanwhile.
func (db *DB) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	began := time.Now()
	defer func() { telemetry.AddDuration(ctx, telemetry.PoolAcquire, time.Since(began)) }()
	for {
		conn, err := db.pool.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		used, known := conn.Conn().PgConn().CustomData()[usedAt].(time.Time)
		if !known || time.Since(used) < db.pingAfterIdle || ping(ctx, conn.Conn()) {
			return conn, nil
		}
		abandon(conn)
	}
}

func ping(ctx context.Context, conn *pgx.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return conn.Ping(ctx) == nil
}

// release rolls back an open transaction and returns the connection to the pool. If the rollback fails, it closes the
// connection.
func (db *DB) release(ctx context.Context, conn *pgxpool.Conn) {
	c := conn.Conn()
	if !c.IsClosed() && c.PgConn().TxStatus() != 'I' {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout) // the rollback must not end with the request
		defer cancel()
		if _, err := c.Exec(ctx, "rollback"); err != nil {
			_ = c.Close(ctx)
		}
	}
	if c.IsClosed() {
		abandon(conn)
		return
	}
	c.PgConn().CustomData()[usedAt] = time.Now()
	conn.Release()
}

// abandon frees the connection's slot in the pool at once and closes the connection. The last bytes of a
// broken connection drain on their own.
func abandon(conn *pgxpool.Conn) {
	c := conn.Hijack()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = c.Close(ctx)
}

// dials measures the time to open a connection. It implements pgx.ConnectTracer; the library accepts that only from a
// QueryTracer.
type dials struct{}

type dialKey struct{}

// TraceConnectStart implements pgx.ConnectTracer.
func (dials) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return context.WithValue(ctx, dialKey{}, time.Now())
}

// TraceConnectEnd implements pgx.ConnectTracer.
func (dials) TraceConnectEnd(ctx context.Context, _ pgx.TraceConnectEndData) {
	if began, ok := ctx.Value(dialKey{}).(time.Time); ok {
		telemetry.AddDuration(ctx, telemetry.PoolDial, time.Since(began))
	}
}

// TraceQueryStart implements pgx.QueryTracer.
func (dials) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (dials) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
