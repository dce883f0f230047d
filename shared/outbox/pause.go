package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Email is the subject of a pause of all mail. Other subjects are the names of listeners.
const Email = "email"

// Traffic is what a worker has to know before it sends.
type Traffic struct {
	// Sent is how many mails left within the last minute, by all workers.
	Sent int
	// Paused has the subjects that wait until an operator lifts the pause, with the reason.
	Paused map[string]string
}

const (
	sentSQL = `
select count(*) from outbox where finished_at > $1::timestamptz and state = 'done' and outcome = 'sent'`
	pausedSQL = `
select destination, reason from pauses where resumed_at is null`
)

// Traffic measures in one round trip.
func (w *Worker) Traffic(ctx context.Context) (Traffic, error) {
	var t Traffic
	err := w.db.Batch(ctx, func(b *pgx.Batch) {
		t = Traffic{Paused: map[string]string{}}
		b.Queue(sentSQL, w.now().Add(-time.Minute)).QueryRow(func(row pgx.Row) error { return row.Scan(&t.Sent) })
		b.Queue(pausedSQL).Query(func(rows pgx.Rows) error {
			var subject, reason string
			_, err := pgx.ForEachRow(rows, []any{&subject, &reason}, func() error {
				t.Paused[subject] = reason
				return nil
			})
			return err
		})
	})
	if err != nil {
		return Traffic{}, fmt.Errorf("measure the traffic: %w", err)
	}
	return t, nil
}

const (
	pauseSQL = `
insert into pauses (id, destination, reason, at) values ($1::text::uuid, $2::text, $3::text, $4::timestamptz)
on conflict (destination) where resumed_at is null do nothing`
	resumeSQL = `
update pauses set resumed_at = $2::timestamptz where destination = $1::text and resumed_at is null`
	pausesSQL = `
select destination, reason, at from pauses where resumed_at is null order by at`
)

// PauseDestination stops what a subject names, until ResumeDestination. A running pause stays as it is. done gets how many were made:
// 0 or 1.
func PauseDestination(b *pgx.Batch, subject, reason string, now time.Time, done func(int64)) {
	b.Queue(pauseSQL, uuid.Must(uuid.NewV7()).String(), subject, reason, now).Exec(func(tag pgconn.CommandTag) error {
		done(tag.RowsAffected())
		return nil
	})
}

// ResumeDestination ends the pause of a subject. done gets how many there were.
func ResumeDestination(b *pgx.Batch, subject string, now time.Time, done func(int64)) {
	b.Queue(resumeSQL, subject, now).Exec(func(tag pgconn.CommandTag) error {
		done(tag.RowsAffected())
		return nil
	})
}

// Pause stops what a subject names, until an operator lifts it. A running pause stays as it is.
func (w *Worker) Pause(ctx context.Context, subject, reason string) error {
	err := w.db.Batch(ctx, func(b *pgx.Batch) { PauseDestination(b, subject, reason, w.now(), func(int64) {}) })
	if err != nil {
		return fmt.Errorf("pause deliveries: %w", err)
	}
	return nil
}

// Pause is something that waits for an operator.
type Pause struct {
	Destination string    `json:"subject"`
	Reason      string    `json:"reason"`
	At          time.Time `json:"at"`
}

// ReadPauses queues listing what waits, the longest first.
func ReadPauses(b *pgx.Batch, into *[]Pause) {
	b.Queue(pausesSQL).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Pause, err error) {
			return p, row.Scan(&p.Destination, &p.Reason, &p.At)
		})
		return err
	})
}

// Pauses lists what waits, the longest first.
func (w *Worker) ListPauses(ctx context.Context) ([]Pause, error) {
	var all []Pause
	if err := w.db.Batch(ctx, func(b *pgx.Batch) { ReadPauses(b, &all) }); err != nil {
		return nil, fmt.Errorf("list pauses: %w", err)
	}
	return all, nil
}
