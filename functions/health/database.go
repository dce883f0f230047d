package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/singleflight"

	"newsletter/shared/engagement"
	"newsletter/shared/outbox"
)

type database interface {
	Batch(ctx context.Context, queue func(*pgx.Batch)) error
}

// server is the state of the database server.
type server struct {
	answered       bool
	readOnly       bool  // after a failover, or by its settings
	schema         int64 // version
	connections    int64 // of all clients
	maxConnections int64
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
	b.Queue(connectionsSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&s.connections, &s.maxConnections) })
}

// deliveries is the state of the outbox and of its destinations.
type deliveries struct {
	depth    outbox.Depth
	pauses   []outbox.Pause
	breakers []outbox.Breaker
	stopped  int64                // emails that wait for a sending circuit breaker
	latest   map[string]time.Time // last delivery by destination; nil if it or a field above is unknown
	feedback engagement.Feedback

	unsubscribes engagement.Unsubscribes
}

func (d *deliveries) queue(b *pgx.Batch, now time.Time) {
	*d = deliveries{}
	outbox.ReadDepth(b, now, &d.depth)
	outbox.ReadPauses(b, &d.pauses)
	outbox.ReadStopped(b, &d.stopped)
	outbox.ReadBreakers(b, now, &d.breakers)
	outbox.ReadLatest(b, now, &d.latest)
	engagement.ReadUnsubscribes(b, now, &d.unsubscribes)
	engagement.ReadFeedback(b, now, &d.feedback) // last: the fields before it are valid if it fails
}

// paused returns the reason for which email is paused, and the other paused destinations with their reasons.
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

// asker queries the database once for all checks that need the same at the same time, because a slow check holds its
// connection.
type asker struct {
	db   database
	now  func() time.Time
	once singleflight.Group
}

// server returns the state of the server. In spite of an error, what was read before it is valid.
func (a *asker) server(ctx context.Context) (server, error) {
	var s server
	read, err, _ := a.once.Do("server", func() (any, error) { return &s, a.query(ctx, s.queue) })
	return *read.(*server), err //nolint:forcetypeassert // the function above returns it
}

// deliveries returns the state of the outbox. In spite of an error, what was read before it is valid.
func (a *asker) deliveries(ctx context.Context) (deliveries, error) {
	var d deliveries
	read, err, _ := a.once.Do("deliveries", func() (any, error) { return &d, a.query(ctx, d.queue) })
	return *read.(*deliveries), err //nolint:forcetypeassert // the function above returns it
}

func (a *asker) query(ctx context.Context, queue func(*pgx.Batch, time.Time)) error {
	return a.db.Batch(ctx, func(b *pgx.Batch) { queue(b, a.now()) })
}
