package requeststats

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// batcher is the part of a connection pool that a Reader uses.
type batcher interface {
	Batch(ctx context.Context, queue func(*pgx.Batch)) error
}

// An Assessment compares the latency of a route with its past.
type Assessment struct {
	Endpoint string
	Last     []Interval // five minutes each, the latest last, without the present one
	Usual    Usual      // at this hour of the week
	Slower   bool       // most of the last intervals are too slow for their own hour
	Slow     Slow       // the latest of them
	Trend    Trend      // of the last days
}

// trendLifetime is how long trends are cached; they change by the day.
const trendLifetime = time.Hour

// A Reader reads request_stats. It is safe for concurrent use.
type Reader struct {
	db  batcher
	now func() time.Time

	// Percent is how much slower than usual an interval must be at least. The default is 20. It is set before the first
	// use.
	Percent float64

	mu     sync.Mutex
	trends map[string]Trend
	at     time.Time
}

// NewReader returns a Reader; now is the clock.
func NewReader(db batcher, now func() time.Time) *Reader {
	return &Reader{db: db, now: now, Percent: defaultPercent}
}

const week = 7 * 24 * time.Hour

// Assess assesses every route with recent requests, a baseline at this hour, or a trend, so that the trend of a quiet
// site does not come and go with its visitors. It takes one round trip, and another one each hour for the trends.
func (r *Reader) Assess(ctx context.Context) ([]Assessment, error) {
	now := r.now().UTC()
	slot, hour := now.Truncate(slotLength), now.Truncate(time.Hour)
	first := slot.Add(-intervals * slotLength)
	past := lastWeeks(hour)
	if before := first.Truncate(time.Hour); before.Before(hour) {
		past = append(past, lastWeeks(before)...)
	}
	var last, hours map[string][]Interval
	err := r.db.Batch(ctx, func(b *pgx.Batch) {
		queue(b, slotsSQL, func(all map[string][]Interval) { last = all }, first, slot)
		queue(b, hoursSQL, func(all map[string][]Interval) { hours = all }, past)
	})
	if err != nil {
		return nil, fmt.Errorf("read request statistics: %w", err)
	}
	trends, err := r.latestTrends(ctx)
	if err != nil {
		return nil, err
	}
	names := slices.Concat(slices.Collect(maps.Keys(last)), slices.Collect(maps.Keys(hours)), slices.Collect(maps.Keys(trends)))
	slices.Sort(names)
	var all []Assessment
	for _, name := range slices.Compact(names) {
		usual := func(hour time.Time) Usual {
			return usualOf(slices.DeleteFunc(slices.Clone(hours[name]), func(h Interval) bool { return hour.Sub(h.At)%week != 0 }))
		}
		a := Assessment{Endpoint: name, Last: last[name], Usual: usual(hour), Trend: trends[name]}
		a.Slow, a.Slower = slower(a.Last, r.Percent, usual)
		all = append(all, a)
	}
	return all, nil
}

// QueueUsual adds to b the query of each route's baseline at this hour of the week.
func QueueUsual(b *pgx.Batch, now time.Time, into *map[string]Usual) {
	queue(b, hoursSQL, func(hours map[string][]Interval) {
		*into = make(map[string]Usual, len(hours))
		for name, list := range hours {
			(*into)[name] = usualOf(list)
		}
	}, lastWeeks(now.UTC().Truncate(time.Hour)))
}

// lastWeeks returns the same hour in the earlier weeks.
func lastWeeks(hour time.Time) []time.Time {
	past := make([]time.Time, weeks)
	for i := range past {
		past[i] = hour.Add(-week * time.Duration(i+1))
	}
	return past
}

func (r *Reader) latestTrends(ctx context.Context) (map[string]Trend, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.trends != nil && r.now().Sub(r.at) < trendLifetime {
		return r.trends, nil
	}
	series, err := r.Days(ctx, days)
	if err != nil {
		return nil, err
	}
	r.trends, r.at = map[string]Trend{}, r.now()
	for name, list := range series {
		if trend := trendOf(list); trend.Known {
			r.trends[name] = trend
		}
	}
	return r.trends, nil
}

// Days returns each of the last n whole days, by route, the oldest first.
func (r *Reader) Days(ctx context.Context, n int) (map[string][]Interval, error) {
	today := r.now().UTC().Truncate(24 * time.Hour)
	return r.read(ctx, daysSQL, today.AddDate(0, 0, -n), today)
}

// Hours returns each of the last n hours including the present one, by route, the oldest first.
func (r *Reader) Hours(ctx context.Context, n int) (map[string][]Interval, error) {
	hour := r.now().UTC().Truncate(time.Hour)
	return r.read(ctx, hourSQL, hour.Add(time.Duration(1-n)*time.Hour), hour.Add(time.Hour))
}

// Latest returns the requests of the last hour as one interval, by route.
func (r *Reader) Latest(ctx context.Context) (map[string][]Interval, error) {
	return r.read(ctx, latestSQL, r.now().UTC().Add(-time.Hour), r.now())
}

// ColdStarts returns the cold starts of the last n days as one interval, by route.
func (r *Reader) ColdStarts(ctx context.Context, n int) (map[string][]Interval, error) {
	return r.read(ctx, coldSQL, r.now().UTC().AddDate(0, 0, -n), r.now())
}

func (r *Reader) read(ctx context.Context, sql string, args ...any) (series map[string][]Interval, err error) {
	err = r.db.Batch(ctx, func(b *pgx.Batch) { queue(b, sql, func(all map[string][]Interval) { series = all }, args...) })
	if err != nil {
		return nil, fmt.Errorf("read request statistics: %w", err)
	}
	return series, nil
}

const slotLength = 5 * time.Minute

// The columns of each query are time, endpoint, bucket, requests and errors. The last one selects cold starts, the
// others exclude them.
const (
	slotsSQL = `
select slot, endpoint, bucket::integer, sum(requests)::bigint, coalesce(sum(requests) filter (where class = 5), 0)::bigint
from request_stats where span = 300 and slot >= $1::timestamptz and slot < $2::timestamptz and not cold
group by 1, 2, 3 order by 2, 1`
	hoursSQL = `
select slot, endpoint, bucket::integer, sum(requests)::bigint, coalesce(sum(requests) filter (where class = 5), 0)::bigint
from request_stats where span = 3600 and slot = any($1::timestamptz[]) and not cold
group by 1, 2, 3 order by 2, 1`
	hourSQL = `
select slot, endpoint, bucket::integer, sum(requests)::bigint, coalesce(sum(requests) filter (where class = 5), 0)::bigint
from request_stats where span = 3600 and slot >= $1::timestamptz and slot < $2::timestamptz and not cold
group by 1, 2, 3 order by 2, 1`
	daysSQL = `
select date_trunc('day', slot, 'UTC'), endpoint, bucket::integer, sum(requests)::bigint, coalesce(sum(requests) filter (where class = 5), 0)::bigint
from request_stats where span = 3600 and slot >= $1::timestamptz and slot < $2::timestamptz and not cold
group by 1, 2, 3 order by 2, 1`
	latestSQL = `
select $1::timestamptz, endpoint, bucket::integer, sum(requests)::bigint, coalesce(sum(requests) filter (where class = 5), 0)::bigint
from request_stats where span = 300 and slot > $1::timestamptz and slot < $2::timestamptz and not cold
group by 1, 2, 3 order by 2, 1`
	coldSQL = `
select $1::timestamptz, endpoint, bucket::integer, sum(requests)::bigint, coalesce(sum(requests) filter (where class = 5), 0)::bigint
from request_stats where span = 3600 and slot >= $1::timestamptz and slot < $2::timestamptz and cold
group by 1, 2, 3 order by 2, 1`
)

// queue adds a query of buckets to b and passes the intervals of its rows, by route, to done.
func queue(b *pgx.Batch, sql string, done func(map[string][]Interval), args ...any) {
	b.Queue(sql, args...).Query(func(rows pgx.Rows) error {
		series := map[string][]Interval{}
		var counts Histogram
		var current Interval
		var route string
		end := func() {
			if current.Requests > 0 {
				current.P50, _ = counts.Quantile(0.5)
				current.P95, _ = counts.Quantile(0.95)
				current.P99, _ = counts.Quantile(0.99)
				series[route] = append(series[route], current)
			}
			counts, current = Histogram{}, Interval{}
		}
		var at time.Time
		var name string
		var bucket int
		var n, failed int64
		_, err := pgx.ForEachRow(rows, []any{&at, &name, &bucket, &n, &failed}, func() error {
			if name != route || !at.Equal(current.At) {
				end()
				route, current.At = name, at.UTC()
			}
			counts.Add(bucket, n)
			current.Requests, current.Errors = current.Requests+n, current.Errors+failed
			return nil
		})
		end()
		done(series)
		return err
	})
}
