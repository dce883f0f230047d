package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"

	"newsletter/shared/engagement"
	"newsletter/shared/healthcheck"
	"newsletter/shared/outbox"
)

// schemaVersion is the version of the schema that this release needs. A test holds it to the newest migration.
const schemaVersion = 1

type database interface {
	Batch(ctx context.Context, queue func(*pgx.Batch)) error
}

// replicas is a reader that tells when it had to do without its replica.
type replicas interface {
	database
	Fallbacks() int64
}

var errNoReplica = errors.New("the read replica is lost: reads go to the writer")

// replica asks the read replica. Its loss is a warning, and countable in the log: reads go on at the writer.
func replica(reader replicas) healthcheck.Check {
	return healthcheck.Check{Name: "reader", Lost: healthcheck.Warn, Ask: func(ctx context.Context) (string, error) {
		before := reader.Fallbacks()
		if err := reader.Batch(ctx, func(b *pgx.Batch) { b.Queue("select 1") }); err != nil {
			return "", err
		}
		if reader.Fallbacks() != before {
			return "", errNoReplica
		}
		return "", nil
	}}
}

var errNoRedis = errors.New("no Redis is configured: each environment limits for itself")

// server is what one round trip tells of the database's server.
type server struct {
	answered bool
	readOnly bool  // it was failed over, or set so
	schema   int64 // the version
	used     int64 // connections, of all clients,
	most     int64 // and how many there may be
}

const (
	readOnlySQL      = `select current_setting('transaction_read_only')::boolean`
	schemaVersionSQL = `select coalesce(max(version_id), 0) from goose_db_version where is_applied`
	connectionsSQL   = `select sum(numbackends)::bigint, current_setting('max_connections')::bigint from pg_stat_database`
)

func (s *server) queue(b *pgx.Batch, _ time.Time) {
	*s = server{}
	b.Queue(readOnlySQL).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&s.readOnly)
		s.answered = err == nil
		return err
	})
	b.Queue(schemaVersionSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&s.schema) })
	b.Queue(connectionsSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&s.used, &s.most) })
}

// deliveries is what one round trip tells of the outbox, and of what became of its emails.
type deliveries struct {
	depth    outbox.Depth
	pauses   []outbox.Pause
	latest   map[string]time.Time // by way out; nil if what is above was not answered
	feedback engagement.Feedback
}

func (d *deliveries) queue(b *pgx.Batch, now time.Time) {
	*d = deliveries{}
	outbox.ReadDepth(b, now, &d.depth)
	outbox.ReadPauses(b, &d.pauses)
	outbox.ReadLatest(b, now, &d.latest)
	engagement.ReadFeedback(b, now, &d.feedback) // last: the rest is good without it
}

// paused lists the destinations that are paused, with the reasons: email, and all others.
func (d deliveries) paused() (email string, others []string) {
	for _, p := range d.pauses {
		if p.Destination == outbox.Email {
			email = p.Reason
		} else {
			others = append(others, p.Destination+" ("+p.Reason+")")
		}
	}
	return email, others
}

// asker asks the database once for all checks that want to know the same at the same time: each connection that they take
// is one that a slower check may hold.
type asker struct {
	db   database
	now  func() time.Time
	once singleflight.Group
}

// server asks about the server. What was answered before an error is good beside it.
func (a *asker) server(ctx context.Context) (server, error) {
	var s server
	found, err, _ := a.once.Do("server", func() (any, error) { return &s, a.ask(ctx, s.queue) })
	return *found.(*server), err //nolint:forcetypeassert // it is what is given above
}

// deliveries asks about the outbox. What was answered before an error is good beside it.
func (a *asker) deliveries(ctx context.Context) (deliveries, error) {
	var d deliveries
	found, err, _ := a.once.Do("deliveries", func() (any, error) { return &d, a.ask(ctx, d.queue) })
	return *found.(*deliveries), err //nolint:forcetypeassert // it is what is given above
}

func (a *asker) ask(ctx context.Context, queue func(*pgx.Batch, time.Time)) error {
	return a.db.Batch(ctx, func(b *pgx.Batch) { queue(b, a.now()) })
}

var errReadOnly = errors.New("the server takes no writes")

func checks(ask *asker, client redis.UniversalClient) []healthcheck.Check {
	return []healthcheck.Check{
		{Name: "postgres", Vital: true, Lost: healthcheck.Fail, Ask: func(ctx context.Context) (string, error) {
			s, err := ask.server(ctx)
			switch {
			case !s.answered:
				return "", err
			case s.readOnly:
				return "", errReadOnly
			}
			return "", nil
		}},
		{Name: "migrations", Vital: true, Lost: healthcheck.Fail, Ask: func(ctx context.Context) (string, error) {
			s, err := ask.server(ctx)
			if err != nil {
				return "", fmt.Errorf("read the schema's version: %w", err)
			}
			return healthcheck.Schema(s.schema, schemaVersion)
		}},
		{Name: "redis", Lost: healthcheck.Warn, Ask: func(ctx context.Context) (string, error) {
			if client == nil {
				return "", errNoRedis
			}
			return "", client.Ping(ctx).Err()
		}},
	}
}
