package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"newsletter/shared/healthcheck"
)

// schemaVersion is the version of the schema that this release needs. A test holds it to the newest migration.
const schemaVersion = 10

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

func checks(db database, client redis.UniversalClient) []healthcheck.Check {
	return []healthcheck.Check{
		{Name: "postgres", Lost: healthcheck.Fail, Ask: func(ctx context.Context) (string, error) {
			return "", db.Batch(ctx, func(b *pgx.Batch) { b.Queue("select 1") })
		}},
		{Name: "migrations", Lost: healthcheck.Fail, Ask: func(ctx context.Context) (string, error) { return schema(ctx, db) }},
		{Name: "redis", Lost: healthcheck.Warn, Ask: func(ctx context.Context) (string, error) {
			if client == nil {
				return "", errNoRedis
			}
			return "", client.Ping(ctx).Err()
		}},
	}
}

const schemaVersionSQL = `select coalesce(max(version_id), 0) from goose_db_version where is_applied`

func schema(ctx context.Context, db database) (string, error) {
	var have int64
	err := db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(schemaVersionSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&have) })
	})
	if err != nil {
		return "", fmt.Errorf("read the schema's version: %w", err)
	}
	return healthcheck.Schema(have, schemaVersion)
}
