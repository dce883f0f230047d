package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/lambdafn"
	"newsletter/shared/telemetry"
)

// The range is from the previous run to this one. Each run has stored a sample.
const operatorsSQL = `
with runs as (select at from health_samples order by at desc limit 2)
select kind, count(*) from ledger_events
where at > (select min(at) from runs) and at <= (select max(at) from runs) and actor = 'operator'
group by kind order by kind`

// logOperatorActions logs the actions of the operator's tool since the previous run. Write access to the database is
// not enough to change the log.
func (w *watcher) logOperatorActions(ctx context.Context) error {
	actions := map[string]int64{}
	err := w.db.Batch(ctx, func(b *pgx.Batch) {
		clear(actions)
		b.Queue(operatorsSQL).Query(func(rows pgx.Rows) error {
			var kind string
			var n int64
			_, err := pgx.ForEachRow(rows, []any{&kind, &n}, func() error {
				actions[kind] = n
				return nil
			})
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("read the operator's actions: %w", err)
	}
	for kind, n := range actions {
		telemetry.Add(ctx, telemetry.SecurityEvents, float64(n), "operator_action")
		lambdafn.Logger(ctx).InfoContext(ctx, "operator actions recorded", "kind", kind, "count", n)
	}
	return nil
}
