package requeststats

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// database is the part of a connection pool that Fold uses.
type database interface {
	Transact(ctx context.Context, lock int64, load func(*pgx.Batch), decide func(*pgx.Batch) error) error
}

// foldLock is the advisory lock of folds: the first bytes of "statistics" in ASCII. Without it, two concurrent folds
// would each sum an hour without the minutes of the other.
const foldLock = 0x7374617469737469

// foldsAfterEnd is how long after its end a slot is folded again, because counts may be written during a fold. A later
// write adds the slot to the unfolded ones again.
const foldsAfterEnd = 5 * time.Minute

// total is the number of requests of a key.
type total struct {
	key
	requests int64
}

// Fold copies the recently written slots to request_stats, and updates the longer slots that contain them. It writes
// totals, so that folding a slot twice changes nothing; a slot leaves the unfolded ones after the commit, so that a
// failed fold is repeated. A total never falls: if Redis lost its data and counts from 0, the slot keeps the larger
// total. A nil client has no statistics.
func Fold(ctx context.Context, client redis.UniversalClient, db database, now time.Time) error {
	if client == nil {
		return nil
	}
	slots, err := client.SMembers(ctx, unfoldedKey).Result()
	if err != nil || len(slots) == 0 {
		return wrap("read the unfolded slots", err)
	}
	rows, err := totals(ctx, client, slots)
	if err == nil {
		err = store(ctx, db, rows)
	}
	if err != nil {
		return wrap("fold request statistics", err)
	}
	var folded []any
	for _, slot := range slots {
		if start, err := strconv.ParseInt(slot, 10, 64); err != nil || now.Sub(time.Unix(start, 0)) > shortestSlot+foldsAfterEnd {
			folded = append(folded, slot)
		}
	}
	if len(folded) == 0 {
		return nil
	}
	return wrap("remove the folded slots", client.SRem(ctx, unfoldedKey, folded...).Err())
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// totals reads the totals of slots, in one call.
func totals(ctx context.Context, client redis.UniversalClient, slots []string) ([]total, error) {
	pipe := client.Pipeline()
	answers := map[int64]*redis.MapStringStringCmd{}
	for _, text := range slots {
		if slot, err := strconv.ParseInt(text, 10, 64); err == nil {
			answers[slot] = pipe.HGetAll(ctx, slotKey(slot))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	var rows []total
	for slot, answer := range answers {
		for field, count := range answer.Val() {
			if k, n, ok := parse(slot, field, count); ok { // false: of another version
				rows = append(rows, total{k, n})
			}
		}
	}
	return rows, nil
}

func parse(slot int64, field, count string) (k key, n int64, ok bool) {
	parts := strings.SplitN(field, " ", 4)
	if len(parts) != 4 {
		return k, 0, false
	}
	var numbers [4]int
	for i, text := range []string{parts[0], parts[1], parts[2], count} {
		var err error
		if numbers[i], err = strconv.Atoi(text); err != nil || numbers[i] < 0 {
			return k, 0, false
		}
	}
	k = key{slot, parts[3], numbers[0], numbers[1] == 1, numbers[2]}
	return k, int64(numbers[3]), k.class >= 1 && k.class <= 5 && k.bucket < buckets && numbers[3] > 0
}

const foldSQL = `
insert into request_stats (span, slot, endpoint, class, cold, bucket, requests)
select 60, to_timestamp(slot), endpoint, class, cold, bucket, requests
from unnest($1::bigint[], $2::text[], $3::smallint[], $4::boolean[], $5::smallint[], $6::bigint[])
     as totals (slot, endpoint, class, cold, bucket, requests)
on conflict (span, slot, endpoint, class, cold, bucket)
do update set requests = excluded.requests where request_stats.requests < excluded.requests`

// sums are the longer slots and the slots that each sums, in this order.
var sums = []struct{ slot, parts time.Duration }{{5 * time.Minute, shortestSlot}, {time.Hour, 5 * time.Minute}}

const sumSQL = `
insert into request_stats (span, slot, endpoint, class, cold, bucket, requests)
select $1::integer, $3::timestamptz, endpoint, class, cold, bucket, sum(requests)
from request_stats
where span = $2::integer and slot >= $3::timestamptz and slot < $3::timestamptz + make_interval(secs => $1::integer)
group by endpoint, class, cold, bucket
on conflict (span, slot, endpoint, class, cold, bucket)
do update set requests = greatest(request_stats.requests, excluded.requests)`

// store writes totals and then sums the longer slots that contain them.
func store(ctx context.Context, db database, rows []total) error {
	if len(rows) == 0 {
		return nil
	}
	var columns struct {
		slots, requests []int64
		endpoints       []string
		classes, bucket []int16
		cold            []bool
	}
	for _, r := range rows {
		columns.slots, columns.requests = append(columns.slots, r.slot), append(columns.requests, r.requests)
		columns.endpoints, columns.cold = append(columns.endpoints, r.endpoint), append(columns.cold, r.cold)
		columns.classes = append(columns.classes, int16(r.class)) //nolint:gosec // 1 to 5
		columns.bucket = append(columns.bucket, int16(r.bucket))  //nolint:gosec // below buckets
	}
	return db.Transact(ctx, foldLock, func(*pgx.Batch) {}, func(b *pgx.Batch) error {
		b.Queue(foldSQL, columns.slots, columns.endpoints, columns.classes, columns.cold, columns.bucket, columns.requests)
		for _, sum := range sums {
			summed := map[time.Time]bool{}
			for _, slot := range columns.slots {
				if at := time.Unix(slot, 0).UTC().Truncate(sum.slot); !summed[at] {
					summed[at] = true
					b.Queue(sumSQL, int32(sum.slot.Seconds()), int32(sum.parts.Seconds()), at)
				}
			}
		}
		return nil
	})
}
