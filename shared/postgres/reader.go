package postgres

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// Reader runs reads on the replica, or on the writer where there is no replica or it is lost. It is safe for concurrent
// use. A replica lags behind: nothing that was just written belongs here.
type Reader struct {
	replica   *DB // nil: none configured
	writer    *DB
	fallbacks atomic.Int64
}

// OpenReader makes a Reader. It does no I/O.
func OpenReader(ctx context.Context, cfg Config, writer *DB) (*Reader, error) {
	r := &Reader{writer: writer}
	if cfg.ReadURL.IsZero() {
		return r, nil
	}
	replica, err := open(ctx, cfg, cfg.ReadURL)
	if err != nil {
		return nil, err
	}
	r.replica = replica
	return r, nil
}

// Batch runs reads in one round trip, on the writer when the replica is not available.
func (r *Reader) Batch(ctx context.Context, queue func(*pgx.Batch)) error {
	if r.replica != nil {
		err := r.replica.Batch(ctx, queue)
		if err == nil || !errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		r.fallbacks.Add(1)
	}
	return r.writer.Batch(ctx, queue)
}

// Fallbacks counts the reads that went to the writer because the replica was lost.
func (r *Reader) Fallbacks() int64 { return r.fallbacks.Load() }

// Close ends the replica's connections; the writer's belong to its own DB.
func (r *Reader) Close() {
	if r.replica != nil {
		r.replica.Close()
	}
}
