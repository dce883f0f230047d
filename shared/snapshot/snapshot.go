// Package snapshot reads the state of an installation at a time: its health, its requests, sign-ups and deliveries of the
// last hour, and its alerts.
//
// It reads only the database, in one round trip, and writes nothing: invoking the health function would write a sample
// and evaluate the alerts on each read. The figures are therefore as old as the last run of the health function; Silent
// reports that it is no longer running.
//
// Failure policy: Read returns the errors of the database.
package snapshot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/outbox"
	"newsletter/shared/requeststats"
)

// Slots is the number of slots. The figures cover the last hour in slots of five minutes, including the current one. The
// statements number the slots from 0, the beginning of the window, which is their $1.
const Slots = 12

const slot = 5 * time.Minute

// window is the last hour.
type window struct{ now, from time.Time }

func windowAt(now time.Time) window {
	return window{now, now.UTC().Truncate(slot).Add(-(Slots - 1) * slot)}
}

// Snapshot is the state of an installation at a time.
type Snapshot struct {
	At         time.Time // zero: not read yet
	Health     Health
	Routes     []Route
	SignUps    SignUps
	Depth      outbox.Depth
	Deliveries Deliveries
	Alerts     Alerts
}

// Database is the part of a connection pool that a Reader uses.
type Database interface {
	Batch(ctx context.Context, queue func(*pgx.Batch)) error
}

// Reader reads snapshots. It is not safe for concurrent use.
type Reader struct {
	db  Database
	now func() time.Time

	usual map[string]requeststats.Usual
	hour  time.Time // in which usual was read
}

// NewReader returns a Reader with the clock now.
func NewReader(db Database, now func() time.Time) *Reader { return &Reader{db: db, now: now} }

// Health reads only the last sample of the health function.
func (r *Reader) Health(ctx context.Context) (h Health, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if err := r.db.Batch(ctx, func(b *pgx.Batch) { readHealth(b, windowAt(r.now()), &h) }); err != nil {
		return Health{}, fmt.Errorf("read the last health sample: %w", err)
	}
	return h, nil
}

// readTimeout limits a read. The database is lost if it has not answered by then.
const readTimeout = 5 * time.Second

// Read reads a snapshot in one round trip.
func (r *Reader) Read(ctx context.Context) (Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	w := windowAt(r.now())
	s := Snapshot{At: w.now}
	usual, hour := r.usual, w.now.UTC().Truncate(time.Hour)
	err := r.db.Batch(ctx, func(b *pgx.Batch) {
		readHealth(b, w, &s.Health)
		readRoutes(b, w, &s.Routes)
		readSignUps(b, w, &s.SignUps)
		outbox.ReadDepth(b, w.now, &s.Depth)
		readDeliveries(b, w, &s.Deliveries)
		readAlerts(b, &s.Alerts)
		if !hour.Equal(r.hour) { // they change once an hour
			requeststats.QueueUsual(b, w.now, &usual)
		}
	})
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return Snapshot{}, fmt.Errorf("no answer from the database within %s: %w", readTimeout, ctx.Err())
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("read the figures: %w", err)
	}
	r.usual, r.hour = usual, hour
	for i, route := range s.Routes {
		s.Routes[i].Usual = usual[route.Name]
	}
	return s, nil
}
