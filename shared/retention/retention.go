// Package retention deletes rows whose retention period is over. Each table has its own period.
//
// Invariants: events of the ledger, its consent texts and its seals are never deleted. Rows are deleted in small transactions, so
// no other transaction waits long and an interrupted run keeps its progress. Repeated and concurrent runs are harmless.
//
// Failure policy: the first error ends a run. Deleted rows stay deleted, and the next run continues.
package retention

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Config is the retention periods in days. docs/privacy.md has the reasons.
type Config struct {
	// Keep the network addresses and user agents of ledger events for this many days, as evidence of consent and of
	// attacks.
	Context int `env:"RETENTION_CONTEXT_DAYS" envDefault:"90"`
	// Keep the keyed hashes of erased subscribers for this many days, so that imports and restored backups do not
	// bring them back. At least 35, the longest retention of an RDS backup.
	Erasures int `env:"RETENTION_ERASURES_DAYS" envDefault:"365"`
	// Erase subscribers this many days after they unsubscribed. 0 keeps them. In much of Europe, claims expire after
	// three years.
	Unsubscribed int `env:"RETENTION_UNSUBSCRIBED_DAYS" envDefault:"1095"`

	// EmailLog keeps the entries that the mailbox budget counts, under keyed hashes. The budget looks back 30 days.
	EmailLog int `envDefault:"31"`
	// Outbox keeps delivered messages. A reminder checks within 28 days whether the request's email was sent.
	Outbox int `envDefault:"30"`
	// DeadLetters keeps dead-lettered messages.
	DeadLetters int `envDefault:"90"`
	// Engagement keeps deliveries, bounces, complaints, opens and clicks, long enough to compare two years.
	Engagement int `envDefault:"400"`
	// PrivacyRequests keeps answered requests for three years, after which claims expire in much of Europe.
	PrivacyRequests int `envDefault:"1095"`
	// Statistics keeps the hourly request statistics and the alerts. A baseline looks back six weeks.
	Statistics int `envDefault:"70"`
}

// MinStatisticsDays is the minimum of Config.Statistics in days: a baseline looks back six weeks.
const MinStatisticsDays = 43

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	var problems []error
	for _, v := range []struct {
		name      string
		days, min int
	}{
		{"RETENTION_CONTEXT_DAYS", c.Context, 1}, {"RETENTION_ERASURES_DAYS", c.Erasures, 35}, {"RETENTION_UNSUBSCRIBED_DAYS", c.Unsubscribed, 0},
	} {
		if v.days < v.min || v.days > 36500 {
			problems = append(problems, fmt.Errorf("%s: must be between %d and 36500 days", v.name, v.min))
		}
	}
	return errors.Join(problems...)
}

const (
	// minuteDays keeps the request statistics by the minute; their longest use looks back an hour. It must exceed the
	// time that a slot waits in Redis: longer slots are sums of complete shorter ones.
	minuteDays = 1
	// slotDays keeps the request statistics by five minutes; the longest burn rate looks back three days.
	slotDays = 4
	// signUpSlotDays keeps the slots of sign-ups, which count for 24 h.
	signUpSlotDays = 1
	// sampleDays keeps the measurements of each health check, 1,440 a day.
	sampleDays = 14
)

// A rule deletes old rows of one table. In its condition, $1 is the time before which rows are deleted. The key has the
// order of the index that finds them.
type rule struct {
	name, table, key, condition string
	days                        int // 0: $1 is the present
}

// While a subscriber restricts the processing of their data, nothing that is known about them is deleted (Art. 18 GDPR).
const (
	restricted       = "(select subscriber_id from identities join suppressions using (email_hmac) where reason = 'restriction')"
	unlessRestricted = " and (subscriber_id is null or subscriber_id not in " + restricted + ")"
)

// rules returns the tables whose rows are deleted by age alone.
func (c Config) rules() []rule {
	return []rule{
		{"contexts", "event_context", "event_id", "at < $1::timestamptz and event_id not in (select id from ledger_events where subscriber_id in " + restricted + ")", c.Context},
		{"email_log", "email_log", "id", "at < $1::timestamptz", c.EmailLog},
		{"deliveries", "outbox", "id", "finished_at < $1::timestamptz and state = 'done'" + unlessRestricted, c.Outbox},
		{"dead_letters", "outbox", "id", "finished_at < $1::timestamptz and state = 'dead'" + unlessRestricted, c.DeadLetters},
		{"signup_slots", "signup_slots", "ctid", "at < $1::timestamptz", signUpSlotDays},
		{"erasures", "erasures", "id", "at < $1::timestamptz", c.Erasures},
		{"engagement", "engagement_events", "id", "at < $1::timestamptz" + unlessRestricted, c.Engagement},
		{"privacy_requests", "privacy_requests", "id", "done_at < $1::timestamptz" + unlessRestricted, c.PrivacyRequests},
		{"pauses", "pauses", "id", "resumed_at < $1::timestamptz", c.DeadLetters},
		{"sending_breakers", "sending_breakers", "id", "closed_at < $1::timestamptz", c.DeadLetters},
		{"request_minutes", "request_stats", "ctid", "slot < $1::timestamptz and span = 60", minuteDays},
		{"request_slots", "request_stats", "ctid", "slot < $1::timestamptz and span = 300", slotDays},
		{"request_hours", "request_stats", "ctid", "slot < $1::timestamptz and span = 3600", c.Statistics},
		{"health_samples", "health_samples", "at", "at < $1::timestamptz", sampleDays},
		{"alerts", "alerts", "id", "resolved_at < $1::timestamptz", c.Statistics},
		{"identities", "identities", "subscriber_id", "until < $1::timestamptz", 0},
		{"suppressions", "suppressions", "email_hmac", "until < $1::timestamptz", 0},
	}
}

// batch is the maximum of rows that one transaction deletes.
const batch = 2000

// database runs a batch in one round trip and one transaction.
type database interface {
	Batch(ctx context.Context, queue func(*pgx.Batch)) error
}

// Run deletes the rows of all tables whose period is over at now. It returns the number of deleted rows by rule,
// without zeros, also with an error. It ends early when ctx ends.
func Run(ctx context.Context, db database, c Config, now time.Time) (map[string]int64, error) {
	counts := map[string]int64{}
	for _, r := range c.rules() {
		before := now.AddDate(0, 0, -r.days)
		for {
			deleted, err := r.delete(ctx, db, before)
			if deleted > 0 {
				counts[r.name] += deleted
			}
			if err != nil {
				return counts, fmt.Errorf("delete old %s: %w", r.name, err)
			}
			if deleted < batch {
				break
			}
		}
	}
	return counts, nil
}

// delete removes up to batch rows. Of two concurrent runs, one waits for the locks of the other, finds the rows deleted
// and leaves the table to it.
func (r rule) delete(ctx context.Context, db database, before time.Time) (int64, error) {
	sql := fmt.Sprintf("delete from %s where %s in (select %s from %s where %s limit %d)",
		r.table, r.key, r.key, r.table, r.condition, batch)
	var deleted int64
	err := db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(sql, before).Exec(func(tag pgconn.CommandTag) error {
			deleted = tag.RowsAffected()
			return nil
		})
	})
	return deleted, err
}
