// Package retention deletes what is older than it may be: every table that is deletable, each after a period of its own.
//
// Invariants: the ledger, its texts and its seals are never touched; rows go in small transactions, so that nobody waits
// for them and a run that is cut off has lost nothing; running it twice, or twice at once, is harmless.
//
// Failure policy: the first error ends a run; what was deleted stays deleted, and the next run goes on.
package retention

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Config is how many days things are kept. docs/privacy.md says why.
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

	// MailLog is for the entries that the caps on emails count, under keyed hashes: emails wait for up to a week and the caps
	// look back a day.
	MailLog int `envDefault:"30"`
	// Outbox is for deliveries that are done. A reminder asks within a week whether the request's email was sent.
	Outbox int `envDefault:"30"`
	// DeadLetters is for deliveries that are dead-lettered.
	DeadLetters int `envDefault:"90"`
	// Engagement is for what became of emails: a year can be compared with the one before.
	Engagement int `envDefault:"400"`
	// PrivacyRequests is for answered requests: three years, after which claims lapse in much of Europe.
	PrivacyRequests int `envDefault:"1095"`
	// Statistics is for the hourly figures of requests, and for alerts: a baseline looks back six weeks.
	Statistics int `envDefault:"70"`
}

// LeastStatistics is how many days Config.Statistics is at least: a baseline looks back six weeks.
const LeastStatistics = 43

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	var problems []error
	for _, v := range []struct {
		name        string
		days, least int
	}{
		{"RETENTION_CONTEXT_DAYS", c.Context, 1}, {"RETENTION_ERASURES_DAYS", c.Erasures, 35}, {"RETENTION_UNSUBSCRIBED_DAYS", c.Unsubscribed, 0},
	} {
		if v.days < v.least || v.days > 36500 {
			problems = append(problems, fmt.Errorf("%s: must be between %d and 36500 days", v.name, v.least))
		}
	}
	return errors.Join(problems...)
}

const (
	// minuteDays is how long the figures of requests by the minute are kept, of which the longest use looks back an hour. It
	// is far more than a slot waits in Redis to be folded: the longer slots are sums of whole ones.
	minuteDays = 1
	// slotDays is how long the five-minute figures of requests are kept: the longest burn rate looks back three days.
	slotDays = 4
	// sampleDays is how long the figures of each health ping are kept, of which there are 1,440 a day.
	sampleDays = 14
)

// rule deletes old rows of one table. Its condition has $1, the time before which they go, and the table's key is in the
// same order as the index that finds them.
type rule struct {
	name, table, key, condition string
	days                        int // 0: $1 is the present
}

// rules returns all that is deletable by its age alone.
func (c Config) rules() []rule {
	return []rule{
		{"contexts", "event_context", "event_id", "at < $1::timestamptz", c.Context},
		{"email_log", "email_log", "id", "at < $1::timestamptz", c.MailLog},
		{"deliveries", "outbox", "id", "finished_at < $1::timestamptz and state = 'done'", c.Outbox},
		{"dead_letters", "outbox", "id", "finished_at < $1::timestamptz and state = 'dead'", c.DeadLetters},
		{"erasures", "erasures", "event_id", "at < $1::timestamptz", c.Erasures},
		{"engagement", "engagement_events", "id", "at < $1::timestamptz", c.Engagement},
		{"privacy_requests", "privacy_requests", "id", "done_at < $1::timestamptz", c.PrivacyRequests},
		{"pauses", "pauses", "id", "resumed_at < $1::timestamptz", c.DeadLetters},
		{"request_minutes", "request_stats", "ctid", "slot < $1::timestamptz and span = 60", minuteDays},
		{"request_slots", "request_stats", "ctid", "slot < $1::timestamptz and span = 300", slotDays},
		{"request_hours", "request_stats", "ctid", "slot < $1::timestamptz and span = 3600", c.Statistics},
		{"health_samples", "health_samples", "at", "at < $1::timestamptz", sampleDays},
		{"alerts", "alerts", "id", "resolved_at < $1::timestamptz", c.Statistics},
		{"identities", "identities", "subscriber_id", "until < $1::timestamptz", 0},
		{"suppressions", "suppressions", "email_hmac", "until < $1::timestamptz", 0},
	}
}

// batch is how many rows go in one transaction.
const batch = 2000

// database is what it needs of a connection pool.
type database interface {
	Batch(ctx context.Context, queue func(*pgx.Batch)) error
}

// Run deletes what is too old now, in all tables, and says how many rows went of each. Tables of which none went are left
// out. It ends early with ctx.
func Run(ctx context.Context, db database, c Config, now time.Time) (map[string]int64, error) {
	counts := map[string]int64{}
	for _, r := range c.rules() {
		before := now.AddDate(0, 0, -r.days)
		for {
			gone, err := r.delete(ctx, db, before)
			if gone > 0 {
				counts[r.name] += gone
			}
			if err != nil {
				return counts, fmt.Errorf("delete old %s: %w", r.name, err)
			}
			if gone < batch {
				break
			}
		}
	}
	return counts, nil
}

// delete removes up to batch rows. Of two runs at once one waits for the other's rows, finds them gone, and leaves the
// table to it.
func (r rule) delete(ctx context.Context, db database, before time.Time) (int64, error) {
	sql := fmt.Sprintf("delete from %s where %s in (select %s from %s where %s limit %d)",
		r.table, r.key, r.key, r.table, r.condition, batch)
	var gone int64
	err := db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(sql, before).Exec(func(tag pgconn.CommandTag) error {
			gone = tag.RowsAffected()
			return nil
		})
	})
	return gone, err
}
