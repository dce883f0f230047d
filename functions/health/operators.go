package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/lambdafn"
	"newsletter/shared/telemetry"
)

// The range is from the previous check to this one. Each check has stored a sample.
const operatorsSQL = `
with looks as (select at from health_samples order by at desc limit 2)
select kind, count(*) from ledger_events
where at > (select min(at) from looks) and at <= (select max(at) from looks) and actor = 'operator'
group by kind order by kind`

// operators logs the actions of the operator's tool since the previous check. Write access to the database is not
// enough to change the log.
func (w *watcher) operators(ctx context.Context) error {
	acts := map[string]int64{}
	err := w.db.Batch(ctx, func(b *pgx.Batch) {
		clear(acts)
		b.Queue(operatorsSQL).Query(func(rows pgx.Rows) error {
			var kind string
			var n int64
			_, err := pgx.ForEachRow(rows, []any{&kind, &n}, func() error {
				acts[kind] = n
				return nil
			})
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("read the operator's actions: %w", err)
	}
	for kind, n := range acts {
		telemetry.Add(ctx, telemetry.SecurityEvents, float64(n), "operator_action")
		lambdafn.Logger(ctx).InfoContext(ctx, "operator", "kind", kind, "count", n)
	}
	return nil
}
