package alert

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/outbox"
)

// A Store keeps alerts in PostgreSQL. It is safe for concurrent use.
type Store struct {
	db     database
	config Config
	now    func() time.Time
}

// NewStore returns a Store; now is the clock.
func NewStore(db database, cfg Config, now func() time.Time) *Store { return &Store{db, cfg, now} }

// lock is the advisory lock of updates: the first bytes of "alerts" in ASCII.
const lock = 0x616c65727473

const columns = `id::text, rule, subject, severity, summary, firing_since, last_found_at, repeated_at, resolved_at`

const firingSQL = `select ` + columns + ` from alerts where resolved_at is null order by firing_since`

const insertSQL = `
insert into alerts (id, rule, subject, severity, summary, firing_since, last_found_at, repeated_at, resolved_at)
values ($1::text::uuid, $2::text, $3::text, $4::text, $5::text, $6::timestamptz, $7::timestamptz, $8::timestamptz, $9::timestamptz)
on conflict (id) do `

const (
	saveSQL = insertSQL + `update set severity = excluded.severity, summary = excluded.summary, last_found_at = excluded.last_found_at,
    repeated_at = excluded.repeated_at, resolved_at = excluded.resolved_at`
	archiveSQL = insertSQL + `nothing`
)

// Evaluate applies the rules to measurements and advances the alerts. Changes and the outbox messages that notify of
// them are one transaction.
func (s *Store) Evaluate(ctx context.Context, m Measurements) (Transitions, error) {
	all, err := s.config.evaluate(ctx, s, s.config.Findings(m), m.Unknown, s.now)
	if err != nil {
		return nil, fmt.Errorf("update the alerts: %w", err)
	}
	return all, nil
}

// Update implements storage. Each notification is an outbox message.
func (s *Store) Update(ctx context.Context, advance func(firing []Alert) Transitions) error {
	var firing []Alert
	return s.db.Transact(ctx, lock, func(b *pgx.Batch) { queue(b, &firing, firingSQL) }, func(b *pgx.Batch) error {
		for _, t := range advance(firing) {
			b.Queue(saveSQL, t.values()...)
			if t.Notify == None {
				continue
			}
			id, err := uuid.NewV7()
			if err != nil {
				return err
			}
			t.enqueue(b, id)
		}
		return nil
	})
}

// archive saves a resolved alert of a RedisStore and queues its notification. Archiving it again changes nothing.
func (s *Store) archive(ctx context.Context, a Alert) error {
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(archiveSQL, a.values()...)
		Transition{a, Resolved}.enqueue(b, uuid.NewSHA1(a.ID, []byte(Resolved)))
	})
	if err != nil {
		return fmt.Errorf("archive an alert: %w", err)
	}
	return nil
}

// enqueue adds the outbox message that notifies the owner to b.
func (t Transition) enqueue(b *pgx.Batch, id uuid.UUID) {
	kind := map[Stage]outbox.Kind{Firing: outbox.AlertFiring, Repeated: outbox.AlertRepeated, Resolved: outbox.AlertResolved}[t.Notify]
	outbox.Enqueue(b, outbox.Message{ID: id, Kind: kind, EventID: t.ID, CreatedAt: t.At(t.Notify)})
}

// values returns the values of insertSQL.
func (a Alert) values() []any {
	return []any{a.ID.String(), string(a.Rule), a.Subject, string(a.Severity), a.Summary, a.FiringSince, a.LastFoundAt, a.RepeatedAt, a.ResolvedAt}
}

// queue adds a query of columns to b.
func queue(b *pgx.Batch, into *[]Alert, sql string, args ...any) {
	b.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (a Alert, err error) {
			return a, row.Scan(&a.ID, (*string)(&a.Rule), &a.Subject, (*string)(&a.Severity), &a.Summary, &a.FiringSince, &a.LastFoundAt, &a.RepeatedAt, &a.ResolvedAt)
		})
		return err
	})
}

const alertSQL = `select ` + columns + ` from alerts where id = $1::text::uuid`

// Get returns an alert; found is false if there is none with this ID.
func (s *Store) Get(ctx context.Context, id uuid.UUID) (a Alert, found bool, err error) {
	var all []Alert
	if err := s.db.Batch(ctx, func(b *pgx.Batch) { queue(b, &all, alertSQL, id.String()) }); err != nil {
		return Alert{}, false, fmt.Errorf("read an alert: %w", err)
	}
	if len(all) == 0 {
		return Alert{}, false, nil
	}
	return all[0], true, nil
}

const listSQL = `
select ` + columns + ` from alerts where resolved_at is null or not $1::boolean
order by (resolved_at is null) desc, firing_since desc limit $2::integer`

// List returns the firing alerts, or the latest of all with the firing ones first.
func (s *Store) List(ctx context.Context, firingOnly bool, limit int) ([]Alert, error) {
	var all []Alert
	if err := s.db.Batch(ctx, func(b *pgx.Batch) { queue(b, &all, listSQL, firingOnly, limit) }); err != nil {
		return nil, fmt.Errorf("list alerts: %w", err)
	}
	return all, nil
}
