// Package monitor shows on one screen how an installation is doing: what its health function saw, its requests, sign-ups
// and deliveries of the last hour, and its alerts.
//
// It reads the database alone, in one round trip, and changes nothing: to ask the health function each time would write a
// sample and evaluate the alerts with every look. What stands there is therefore as old as health's last ping, and a health
// function that is silent is shown as such.
//
// Failure policy: Read returns the errors of the database. The screen says that it is lost, keeps the last figures, marked
// with their time, and goes on asking.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/baseline"
	"newsletter/shared/outbox"
)

// The figures are those of the last hour in slots of five minutes, the running one among them. The statements number the
// slots from 0 on, from where the window begins, which is their $1.
const (
	slot  = 5 * time.Minute
	slots = 12
)

// window is the last hour.
type window struct{ now, from time.Time }

func windowAt(now time.Time) window {
	return window{now, now.UTC().Truncate(slot).Add(-(slots - 1) * slot)}
}

// series has a value for each slot; NaN is one that is not known.
type series [slots]float64

// put sets the value of a slot. What a clock that is ahead wrote belongs to no slot.
func (s *series) set(slot int, value float64) {
	if slot >= 0 && slot < slots {
		s[slot] = value
	}
}

// Snapshot is how an installation is doing at a time.
type Snapshot struct {
	At         time.Time // zero: nothing was read yet
	Health     Health
	Routes     []Route
	SignUps    SignUps
	Depth      outbox.Depth
	Deliveries Deliveries
	Alerts     Alerts
}

// Database is what a Reader needs of a connection pool.
type Database interface {
	Batch(ctx context.Context, queue func(*pgx.Batch)) error
}

// Reader reads snapshots. It is not safe for concurrent use.
type Reader struct {
	db  Database
	now func() time.Time

	usual map[string]baseline.Usual
	hour  time.Time // that usual is of
}

// NewReader makes a Reader; now is the clock.
func NewReader(db Database, now func() time.Time) *Reader { return &Reader{db: db, now: now} }

// Health reads what the health function saw at its last ping, and no more.
func (r *Reader) Health(ctx context.Context) (h Health, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if err := r.db.Batch(ctx, func(b *pgx.Batch) { readHealth(b, windowAt(r.now()), &h) }); err != nil {
		return Health{}, fmt.Errorf("read when health looked: %w", err)
	}
	return h, nil
}

// readTimeout bounds a look. A database that has not answered by then is lost.
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
		if !hour.Equal(r.hour) { // they change with the hour alone
			baseline.QueueUsual(b, w.now, &usual)
		}
	})
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return Snapshot{}, fmt.Errorf("the database has not answered within %s: %w", readTimeout, ctx.Err())
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
