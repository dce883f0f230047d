package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Email is the destination of all emails.
const Email = "email"

// Traffic has what limits a worker's sends.
type Traffic struct {
	// Sent is the number of sign-up emails and their decoys that left within the last minute, by all workers, whatever their
	// outcome: so the rate depends on the number of sign-ups alone. An email that passed, or was superseded before its claim,
	// is not counted; its decoy is.
	Sent int
	// Paused maps paused destinations to the reason.
	Paused map[string]string
	// BreakerOpen reports that a sending circuit breaker is not closed.
	BreakerOpen bool
}

const (
	sentSQL = `
select count(*) from outbox
where finished_at > $1::timestamptz and state = 'done' and kind = any($2::text[]) and waits_for is distinct from 'pass'
  and (kind <> 'none' or exists (select from ledger_events e where e.id = event_id and e.kind = 'subscription.requested'))
  and outcome not in ('dropped', 'rejected', 'expired') and (outcome <> 'superseded' or attempts > 0)`
	pausedSQL = `
select destination, reason from pauses where resumed_at is null`
	waitingSQL = `
select exists (select from sending_breakers where closed_at is null),
       exists (select from outbox where state = 'ready' and waits_for = 'breaker' and due_at = deferred_until),
       exists (select from outbox where state = 'ready' and waits_for = 'pause')`
)

// Traffic reads the recent sends, the pauses and the sending circuit breakers in one round trip. When email is no
// longer paused, or the last breaker is closed, the emails that waited for it become due.
//
// signUps are the kinds that anyone can cause to any address.
func (w *Worker) Traffic(ctx context.Context, signUps []Kind) (Traffic, error) {
	var t Traffic
	var byBreaker, byPause bool
	err := w.db.Batch(ctx, func(b *pgx.Batch) {
		t = Traffic{Paused: map[string]string{}}
		b.Queue(sentSQL, w.now().Add(-time.Minute), withDecoys(signUps)).QueryRow(func(row pgx.Row) error { return row.Scan(&t.Sent) })
		b.Queue(pausedSQL).Query(func(rows pgx.Rows) error {
			var destination, reason string
			_, err := pgx.ForEachRow(rows, []any{&destination, &reason}, func() error {
				t.Paused[destination] = reason
				return nil
			})
			return err
		})
		b.Queue(waitingSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&t.BreakerOpen, &byBreaker, &byPause) })
	})
	if _, paused := t.Paused[Email]; err == nil && byPause && !paused {
		err = w.dequeue(ctx, waitsForPause)
	}
	if err == nil && byBreaker && !t.BreakerOpen {
		err = w.dequeue(ctx, waitsForBreaker)
	}
	if err != nil {
		return Traffic{}, fmt.Errorf("read the traffic: %w", err)
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

// PauseDestination stops deliveries to a destination until ResumeDestination. An existing pause is unchanged. done
// receives the number of pauses made: 0 or 1.
func PauseDestination(b *pgx.Batch, destination, reason string, now time.Time, done func(int64)) {
	b.Queue(pauseSQL, uuid.Must(uuid.NewV7()).String(), destination, reason, now).Exec(func(tag pgconn.CommandTag) error {
		done(tag.RowsAffected())
		return nil
	})
}

// ResumeDestination ends the pause of a destination; for Email it also closes all sending circuit breakers. done
// receives the number of ended pauses and closed breakers.
func ResumeDestination(b *pgx.Batch, destination string, now time.Time, done func(int64)) {
	var ended int64
	add := func(tag pgconn.CommandTag) error {
		ended += tag.RowsAffected()
		done(ended)
		return nil
	}
	b.Queue(resumeSQL, destination, now).Exec(add)
	if destination == Email {
		b.Queue(closeBreakersSQL, now).Exec(add)
	}
}

// Pause stops deliveries to a destination until an operator resumes it. An existing pause is unchanged.
func (w *Worker) Pause(ctx context.Context, destination, reason string) error {
	err := w.db.Batch(ctx, func(b *pgx.Batch) { PauseDestination(b, destination, reason, w.now(), func(int64) {}) })
	if err != nil {
		return fmt.Errorf("pause a destination: %w", err)
	}
	return nil
}

// Pause is a destination that is paused until an operator resumes it.
type Pause struct {
	Destination string    `json:"subject"`
	Reason      string    `json:"reason"`
	At          time.Time `json:"at"`
}

// ReadPauses adds to b the query for all current pauses, the oldest first.
func ReadPauses(b *pgx.Batch, into *[]Pause) {
	b.Queue(pausesSQL).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Pause, err error) {
			return p, row.Scan(&p.Destination, &p.Reason, &p.At)
		})
		return err
	})
}

// ListPauses returns all current pauses, the oldest first.
func (w *Worker) ListPauses(ctx context.Context) ([]Pause, error) {
	var all []Pause
	if err := w.db.Batch(ctx, func(b *pgx.Batch) { ReadPauses(b, &all) }); err != nil {
		return nil, fmt.Errorf("list pauses: %w", err)
	}
	return all, nil
}
