package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/healthcheck"
	"newsletter/shared/requeststats"
)

// The last five full minutes and the present one.
const recentSQL = `
select endpoint, class, cold, bucket, sum(requests)::bigint from request_stats
where span = 60 and slot > $1::timestamptz - interval '6 minutes'
group by endpoint, class, cold, bucket order by endpoint`

// recentRequests reads the request statistics of the last minutes.
func recentRequests(ctx context.Context, db database, now time.Time) ([]healthcheck.Route, error) {
	var all []healthcheck.Route
	var warm []requeststats.Histogram
	err := db.Batch(ctx, func(b *pgx.Batch) {
		all, warm = nil, nil
		b.Queue(recentSQL, now).Query(func(rows pgx.Rows) error {
			var name string
			var class, bucket int
			var cold bool
			var n int64
			_, err := pgx.ForEachRow(rows, []any{&name, &class, &cold, &bucket, &n}, func() error {
				if len(all) == 0 || all[len(all)-1].Name != name {
					all, warm = append(all, healthcheck.Route{Name: name}), append(warm, requeststats.Histogram{})
				}
				r := &all[len(all)-1]
				r.Requests += n
				if class == 5 {
					r.ErrorRate += float64(n) // divided below
				}
				if cold {
					r.ColdStarts += n
				} else {
					warm[len(warm)-1].Add(bucket, n)
				}
				return nil
			})
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read recent requests: %w", err)
	}
	for i := range all {
		all[i].ErrorRate /= float64(all[i].Requests)
		all[i].P50, all[i].P95, all[i].P99 = quantile(&warm[i], 0.5), quantile(&warm[i], 0.95), quantile(&warm[i], 0.99)
	}
	return all, nil
}

// quantile returns a quantile in milliseconds.
func quantile(h *requeststats.Histogram, q float64) float64 {
	d, _ := h.Quantile(q)
	return float64(d.Microseconds()) / 1000
}
