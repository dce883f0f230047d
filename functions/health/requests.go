package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/histogram"
)

// endpoint is how one route fared lately.
type endpoint struct {
	Endpoint  string  `json:"endpoint"`
	Requests  int64   `json:"requests"`
	ErrorRate float64 `json:"error_rate"` // the part that was answered with 5xx
	P50       float64 `json:"p50_ms"`     // percentiles in warm environments
	P95       float64 `json:"p95_ms"`
	P99       float64 `json:"p99_ms"`
	ColdStart int64   `json:"cold_starts"`
}

// The running slot and the one before it, so five to ten minutes.
const recentSQL = `
select endpoint, class, cold, bucket, sum(requests)::bigint from request_stats
where span = 300 and slot > $1::timestamptz - interval '10 minutes'
group by endpoint, class, cold, bucket order by endpoint`

// recent reads how the routes fared within the last minutes.
func recent(ctx context.Context, db database, now time.Time) ([]endpoint, error) {
	var all []endpoint
	var warm []histogram.Histogram
	err := db.Batch(ctx, func(b *pgx.Batch) {
		all, warm = nil, nil
		b.Queue(recentSQL, now).Query(func(rows pgx.Rows) error {
			var name string
			var class, bucket int
			var cold bool
			var n int64
			_, err := pgx.ForEachRow(rows, []any{&name, &class, &cold, &bucket, &n}, func() error {
				if len(all) == 0 || all[len(all)-1].Endpoint != name {
					all, warm = append(all, endpoint{Endpoint: name}), append(warm, histogram.Histogram{})
				}
				e := &all[len(all)-1]
				e.Requests += n
				if class == 5 {
					e.ErrorRate += float64(n) // divided below
				}
				if cold {
					e.ColdStart += n
				} else {
					warm[len(warm)-1].Add(bucket, n)
				}
				return nil
			})
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the latest requests: %w", err)
	}
	for i := range all {
		all[i].ErrorRate /= float64(all[i].Requests)
		all[i].P50, all[i].P95, all[i].P99 = quantile(&warm[i], 0.5), quantile(&warm[i], 0.95), quantile(&warm[i], 0.99)
	}
	return all, nil
}

func quantile(h *histogram.Histogram, q float64) float64 {
	d, _ := h.Quantile(q)
	return float64(d.Microseconds()) / 1000
}
