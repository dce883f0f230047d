package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/postgres"
)

// A task is done on the first run of a day. The table maintenance has these names.
type task string

const (
	daily        task = "daily"
	verification task = "verification"
)

const (
	tasksSQL     = `select task, at from maintenance`
	writeTaskSQL = `
insert into maintenance (task, at, problems) values ($1::text, $2::timestamptz, $3::integer)
on conflict (task) do update set at = excluded.at, problems = excluded.problems`
)

// readTasks returns when each task was last done.
func readTasks(ctx context.Context, db *postgres.DB) (map[task]time.Time, error) {
	last := map[task]time.Time{}
	err := db.Batch(ctx, func(b *pgx.Batch) {
		clear(last)
		b.Queue(tasksSQL).Query(func(rows pgx.Rows) error {
			var name string
			var at time.Time
			_, err := pgx.ForEachRow(rows, []any{&name, &at}, func() error {
				last[task(name)] = at
				return nil
			})
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the tasks of maintain: %w", err)
	}
	return last, nil
}

// writeTask records that a task was done, and how many problems it found.
func writeTask(ctx context.Context, db *postgres.DB, name task, at time.Time, problems int) error {
	err := db.Batch(ctx, func(b *pgx.Batch) { b.Queue(writeTaskSQL, string(name), at, problems) })
	if err != nil {
		return fmt.Errorf("record a task of maintain: %w", err)
	}
	return nil
}

// due reports whether a task that was last done at a time is due: not yet on this day (UTC), or done in the future,
// after which a wrong clock would keep it from running.
func due(last, now time.Time) bool {
	const day = 24 * time.Hour
	return last.After(now) || last.UTC().Truncate(day).Before(now.UTC().Truncate(day))
}
