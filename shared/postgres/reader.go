package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/breaker"
)

// replicaPause is the longest time for which an unavailable replica is not used.
const replicaPause = 10 * time.Second

// Reader runs reads on the replica, or on the writer if the replica is missing or unavailable. It is safe for
// concurrent use. A replica lags behind, so do not use it to read data that was just written.
type Reader struct {
	replica   *DB // nil: none configured
	writer    *DB
	fallbacks atomic.Int64
	breaker   *breaker.Breaker

	// OnFallback is called for each read that the writer served because the replica is unavailable. cause is nil if
	// an earlier read reported it. Set OnFallback before the first read.
	OnFallback func(ctx context.Context, cause error)
}

// NewReader returns a Reader of the replica that cfg names, if any. It does no network I/O.
func NewReader(ctx context.Context, cfg Config, writer *DB) (*Reader, error) {
	r := &Reader{writer: writer, breaker: breaker.New(1, replicaPause, time.Now)}
	if cfg.ReadURL.IsZero() {
		return r, nil
	}
	replica, err := newDB(ctx, cfg, Config.reader)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_READ_HOST: %w", err)
	}
	r.replica = replica
	return r, nil
}

// Batch runs reads in one round trip, on the writer while the replica is unavailable. Its errors are those of DB.Batch.
func (r *Reader) Batch(ctx context.Context, queue func(*pgx.Batch)) error {
	if r.replica == nil {
		return r.writer.Batch(ctx, queue)
	}
	var cause error
	if r.breaker.Allow() {
		cause = r.replica.Batch(ctx, queue)
		if ctx.Err() != nil {
			return cause
		}
		lost := errors.Is(cause, ErrUnavailable)
		r.breaker.Report(!lost)
		if !lost {
			return cause
		}
	}
	r.fallbacks.Add(1)
	if r.OnFallback != nil {
		r.OnFallback(ctx, cause)
	}
	return r.writer.Batch(ctx, queue)
}

// Fallbacks returns the number of reads that the writer served because the replica was unavailable.
func (r *Reader) Fallbacks() int64 { return r.fallbacks.Load() }

// Close closes the replica's connections, not the writer's.
func (r *Reader) Close() {
	if r.replica != nil {
		r.replica.Close()
	}
}
