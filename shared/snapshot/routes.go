package snapshot

import (
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/requeststats"
)

// Route is a route's requests in the last hour.
type Route struct {
	Name             string
	Requests, Errors int64              // Errors are responses with 5xx
	P50, P95, P99    time.Duration      // in warm environments
	Usual            requeststats.Usual // at this hour of the week
	Counts           Series             // requests
	Slowest          Series             // 95th percentiles, in warm environments
}

// The buckets of a slot are returned as two arrays, so that an hour has about two hundred rows, not thousands.
const routesSQL = `
select endpoint, floor(extract(epoch from slot - $1::timestamptz) / 300)::integer, sum(requests)::bigint, sum(failed)::bigint, array_agg(bucket), array_agg(warm)
from (
    select endpoint, slot, bucket::integer, sum(requests)::bigint as requests,
           coalesce(sum(requests) filter (where class = 5), 0)::bigint as failed,
           coalesce(sum(requests) filter (where not cold), 0)::bigint as warm
    from request_stats where span = 300 and slot >= $1::timestamptz and slot <= $2::timestamptz
    group by 1, 2, 3
) as buckets
group by 1, 2 order by 1, 2`

func readRoutes(b *pgx.Batch, w window, into *[]Route) {
	b.Queue(routesSQL, w.from, w.now).Query(func(rows pgx.Rows) error {
		var all []Route
		var warm requeststats.Histogram
		end := func() {
			if len(all) > 0 {
				r := &all[len(all)-1]
				r.P50, _ = warm.Quantile(0.5)
				r.P95, _ = warm.Quantile(0.95)
				r.P99, _ = warm.Quantile(0.99)
			}
			warm = requeststats.Histogram{}
		}
		var name string
		var slot int
		var requests, failed int64
		var buckets []int
		var counts []int64
		_, err := pgx.ForEachRow(rows, []any{&name, &slot, &requests, &failed, &buckets, &counts}, func() error {
			if len(all) == 0 || all[len(all)-1].Name != name {
				end()
				all = append(all, Route{Name: name, Slowest: unknownSeries()})
			}
			r := &all[len(all)-1]
			r.Requests, r.Errors = r.Requests+requests, r.Errors+failed
			var of requeststats.Histogram
			for i, bucket := range buckets {
				of.Add(bucket, counts[i])
			}
			warm.Merge(&of)
			r.Counts.set(slot, float64(requests))
			if p95, known := of.Quantile(0.95); known {
				r.Slowest.set(slot, float64(p95))
			}
			return nil
		})
		end()
		*into = all
		return err
	})
}
