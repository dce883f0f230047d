package alert

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/outbox"
)

// Alert is one trouble, from its beginning to its end.
type Alert struct {
	ID         uuid.UUID  `json:"id"`
	Rule       Rule       `json:"rule"`
	Subject    string     `json:"subject,omitempty"`
	Level      Level      `json:"severity"`
	Summary    string     `json:"summary"` // as it was found last
	OpenedAt   time.Time  `json:"firing_since"`
	SeenAt     time.Time  `json:"last_found_at"`
	RemindedAt *time.Time `json:"repeated_at,omitempty"`
	ClosedAt   *time.Time `json:"resolved_at,omitempty"`
}

// Changes are what an evaluation has changed, and what is open after it.
type Changes struct {
	Opened, Reminded, Closed, Open []Alert
}

// Store keeps alerts. It is safe for concurrent use.
type Store struct {
	db     database
	config Config
	now    func() time.Time
}

// NewStore makes a Store; now is the clock.
func NewStore(db database, cfg Config, now func() time.Time) *Store { return &Store{db, cfg, now} }

// lock is the advisory lock of all who change alerts: the first bytes of "alerts" in ASCII.
const lock = 0x616c65727473

const openSQL = `
select id::text, rule, subject, severity, summary, firing_since, last_found_at, repeated_at, resolved_at
from alerts where resolved_at is null order by firing_since`

const insertSQL = `
insert into alerts (id, rule, subject, severity, summary, firing_since, last_found_at)
values ($1::text::uuid, $2::text, $3::text, $4::text, $5::text, $6::timestamptz, $6::timestamptz)`

const updateSQL = `
update alerts set severity = $2::text, summary = $3::text, last_found_at = $4::timestamptz, repeated_at = $5::timestamptz, resolved_at = $6::timestamptz
where id = $1::text::uuid`

// Evaluate applies the rules to the figures and brings the alerts in line, in one transaction with the rows of the outbox
// that tell of it.
func (s *Store) Evaluate(ctx context.Context, f Figures) (Changes, error) {
	found := Evaluate(s.config, f)
	var open []Alert
	var changes Changes
	err := s.db.Transact(ctx, lock, func(b *pgx.Batch) {
		b.Queue(openSQL).Query(func(rows pgx.Rows) (err error) {
			open, err = pgx.CollectRows(rows, scan)
			return err
		})
	}, func(b *pgx.Batch) (err error) {
		changes, err = s.reconcile(b, open, found, f.Unknown, s.now()) // under the lock: not before what another has written
		return err
	})
	if err != nil {
		return Changes{}, fmt.Errorf("bring the alerts in line: %w", err)
	}
	return changes, nil
}

func scan(row pgx.CollectableRow) (Alert, error) {
	var a Alert
	err := row.Scan(&a.ID, (*string)(&a.Rule), &a.Subject, (*string)(&a.Level), &a.Summary, &a.OpenedAt, &a.SeenAt, &a.RemindedAt, &a.ClosedAt)
	return a, err
}

// reconcile queues what makes the open alerts those that were found. Of rules that are unknown nobody can say that they
// found nothing.
func (s *Store) reconcile(b *pgx.Batch, open []Alert, found []Finding, unknown []Rule, now time.Time) (Changes, error) {
	var c Changes
	known := map[[2]string]bool{}
	for _, a := range open {
		known[[2]string{string(a.Rule), a.Subject}] = true
		finding, still := find(found, a)
		kind := outbox.None
		switch {
		case !still && slices.Contains(unknown, a.Rule):
			a.SeenAt = now
		case still && (finding.Level == Alarm && a.Level == Warning || now.Sub(a.toldAt()) >= s.config.RepeatInterval):
			a.RemindedAt, kind = &now, outbox.AlertRepeated
		case !still && now.Sub(a.SeenAt) >= s.config.ResolveAfter:
			a.ClosedAt, kind = &now, outbox.AlertResolved
		}
		if still {
			a.Summary, a.SeenAt = finding.Summary, now
			if finding.Level == Alarm { // it stays one, so that what swings about a threshold is told once
				a.Level = Alarm
			}
		}
		b.Queue(updateSQL, a.ID.String(), string(a.Level), a.Summary, a.SeenAt, a.RemindedAt, a.ClosedAt)
		c.sort(a, kind)
		if err := tell(b, a, kind, now); err != nil {
			return Changes{}, err
		}
	}
	for _, f := range found {
		if known[[2]string{string(f.Rule), f.Subject}] {
			continue
		}
		id, err := uuid.NewV7()
		if err != nil {
			return Changes{}, err
		}
		a := Alert{ID: id, Rule: f.Rule, Subject: f.Subject, Level: f.Level, Summary: f.Summary, OpenedAt: now, SeenAt: now}
		b.Queue(insertSQL, a.ID.String(), string(a.Rule), a.Subject, string(a.Level), a.Summary, now)
		c.sort(a, outbox.AlertFiring)
		if err := tell(b, a, outbox.AlertFiring, now); err != nil {
			return Changes{}, err
		}
	}
	return c, nil
}

func find(found []Finding, a Alert) (Finding, bool) {
	for _, f := range found {
		if f.Rule == a.Rule && f.Subject == a.Subject {
			return f, true
		}
	}
	return Finding{}, false
}

// toldAt returns when the owner was last told that it is open.
func (a Alert) toldAt() time.Time {
	if a.RemindedAt != nil {
		return *a.RemindedAt
	}
	return a.OpenedAt
}

func (c *Changes) sort(a Alert, kind outbox.Kind) {
	switch kind {
	case outbox.AlertFiring:
		c.Opened = append(c.Opened, a)
	case outbox.AlertRepeated:
		c.Reminded = append(c.Reminded, a)
	case outbox.AlertResolved:
		c.Closed = append(c.Closed, a)
		return
	default: // nothing is told of it
	}
	c.Open = append(c.Open, a)
}

// tell queues the row from which the owner hears of a change.
func tell(b *pgx.Batch, a Alert, kind outbox.Kind, now time.Time) error {
	if kind == outbox.None {
		return nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	outbox.Enqueue(b, outbox.Message{ID: id, Kind: kind, EventID: a.ID, CreatedAt: now})
	return nil
}

const alertSQL = `
select id::text, rule, subject, severity, summary, firing_since, last_found_at, repeated_at, resolved_at
from alerts where id = $1::text::uuid`

// Get returns an alert; false if there is none.
func (s *Store) Get(ctx context.Context, id uuid.UUID) (a Alert, found bool, err error) {
	var all []Alert
	err = s.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(alertSQL, id.String()).Query(func(rows pgx.Rows) (err error) {
			all, err = pgx.CollectRows(rows, scan)
			return err
		})
	})
	if err != nil {
		return Alert{}, false, fmt.Errorf("read an alert: %w", err)
	}
	if len(all) == 0 {
		return Alert{}, false, nil
	}
	return all[0], true, nil
}

const historySQL = `
select id::text, rule, subject, severity, summary, firing_since, last_found_at, repeated_at, resolved_at
from alerts where resolved_at is null or not $1::boolean
order by (resolved_at is null) desc, firing_since desc limit $2::integer`

// List returns the open alerts, or the latest of all, the open ones first.
func (s *Store) List(ctx context.Context, openOnly bool, limit int) ([]Alert, error) {
	var all []Alert
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(historySQL, openOnly, limit).Query(func(rows pgx.Rows) (err error) {
			all, err = pgx.CollectRows(rows, scan)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list alerts: %w", err)
	}
	return all, nil
}

const recordSQL = `
insert into alerts (id, rule, subject, severity, summary, firing_since, last_found_at, repeated_at, resolved_at)
values ($1::text::uuid, $2::text, $3::text, $4::text, $5::text, $6::timestamptz, $7::timestamptz, $8::timestamptz, $9::timestamptz)
on conflict (id) do nothing`

// Record keeps an alert that was told directly, once it is over, and queues telling that. Doing so again changes nothing.
func (s *Store) Record(ctx context.Context, a Alert) error {
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(recordSQL, a.ID.String(), string(a.Rule), a.Subject, string(a.Level), a.Summary, a.OpenedAt, a.SeenAt, a.RemindedAt, a.ClosedAt)
		outbox.Enqueue(b, outbox.Message{ID: uuid.NewSHA1(a.ID, []byte(Closed)), Kind: outbox.AlertResolved, EventID: a.ID, CreatedAt: *a.ClosedAt})
	})
	if err != nil {
		return fmt.Errorf("record an alert: %w", err)
	}
	return nil
}
