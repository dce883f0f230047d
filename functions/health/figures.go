package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"newsletter/shared/alert"
	"newsletter/shared/healthcheck"
	"newsletter/shared/outbox"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/ratelimit"
)

// figures are what the checks have measured besides their verdicts, for samples and metrics. It is safe for concurrent
// use.
type figures struct {
	mu      sync.Mutex
	limiter string // the tier that decides, "none" without Redis
	memory  float64
	depth   outbox.Depth
	known   bool // depth was measured this time
}

func (f *figures) set(change func(f *figures)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// probeLimit is so high that the probe is never refused.
var probeLimit = ratelimit.Policies{{Limit: 100000, Window: time.Minute, Scope: ratelimit.Host}}

// limiter lets the rate limiter decide about a client that does not exist, and says who decided. Its script has to run for
// that, which a ping does not show. The key that it counts under is this environment's own, so it needs no pepper.
func limiter(client redis.UniversalClient, key pseudonym.Key, cfg ratelimit.Config, seen *figures) healthcheck.Check {
	probe := ratelimit.New(client, key, cfg, time.Now)
	return healthcheck.Check{Name: "limiter", Lost: healthcheck.Warn, Ask: func(ctx context.Context) (string, error) {
		d := probe.Take(ctx, ratelimit.Call{Endpoint: "health", Client: netip.IPv6Loopback(), Policies: probeLimit})
		tier := string(d.Tier)
		if client == nil {
			tier = "none"
		}
		seen.set(func(f *figures) { f.limiter = tier })
		if d.Tier != ratelimit.Redis {
			return "", fmt.Errorf("limits are kept by each environment for itself: %s", d.Reason)
		}
		return tier, nil
	}}
}

// connectionsWarn is the part of the server's connections from which on it is told: what is left is for the operator.
const connectionsWarn = 80

const connectionsSQL = `select sum(numbackends)::bigint, current_setting('max_connections')::bigint from pg_stat_database`

// pool looks at this environment's pool and at how full the server is.
func pool(db *postgres.DB) healthcheck.Check {
	return healthcheck.Check{Name: "pool", Lost: healthcheck.Warn, Ask: func(ctx context.Context) (string, error) {
		var used, most int64
		err := db.Batch(ctx, func(b *pgx.Batch) {
			b.Queue(connectionsSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&used, &most) })
		})
		if err != nil {
			return "", err
		}
		s := db.Stats()
		text := fmt.Sprintf("%d of %d in use here, %d opened; the server has %d of %d", s.InUse, s.Max, s.Dialled, used, most)
		return text, healthcheck.Degree(100*used, connectionsWarn*most, most*1000, text)
	}}
}

// The parts of the function's memory from which on it is told: above that Lambda may end it.
const (
	memoryWarn = 75
	memoryFail = 90
)

// memory compares what the process uses with what the function has.
func memory(seen *figures) healthcheck.Check {
	return healthcheck.Check{Name: "memory", Lost: healthcheck.Warn, Ask: func(context.Context) (string, error) {
		sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
		metrics.Read(sample)
		used := float64(sample[0].Value.Uint64()-sample[1].Value.Uint64()) / (1 << 20)
		if lambdacontext.MemoryLimitInMB == 0 {
			return fmt.Sprintf("%.0f MB", used), nil
		}
		percent := 100 * used / float64(lambdacontext.MemoryLimitInMB)
		seen.set(func(f *figures) { f.memory = percent })
		text := fmt.Sprintf("%.0f of %d MB", used, lambdacontext.MemoryLimitInMB)
		return text, healthcheck.Degree(percent, memoryWarn, memoryFail, text)
	}}
}

// queue looks at the age of what is due, and at what was given up.
func queue(worker *outbox.Worker, cfg alert.Config, seen *figures) healthcheck.Check {
	return healthcheck.Check{Name: "outbox", Lost: healthcheck.Fail, Ask: func(ctx context.Context) (string, error) {
		depth, err := worker.Depth(ctx)
		seen.set(func(f *figures) { f.depth, f.known = depth, err == nil })
		if err != nil {
			return "", err
		}
		text := fmt.Sprintf("%d ready, the oldest waiting for %s; %d held, %d given up", depth.Ready, depth.Waiting().Round(time.Second), depth.Held, depth.Dead)
		if err := healthcheck.Degree(depth.Waiting(), cfg.OutboxWarning, cfg.OutboxAlarm, text); err != nil {
			return text, err
		}
		return text, healthcheck.Degree(depth.Dead, int64(cfg.DeadLetters), 1<<62, text)
	}}
}

// The last success of each way out within a day, and what is being tried again there.
const integrationsSQL = `
select way, extract(epoch from $1::timestamptz - max(finished_at))::bigint, coalesce(sum(again), 0)::bigint
from (
    select case when kind like 'mail.%' then 'mail' when kind like 'tell.%' then substr(kind, 6) else split_part(kind, '.', 3) end as way,
           finished_at, 0 as again
    from outbox where finished_at > $1::timestamptz - interval '1 day' and state = 'done'
    union all
    select case when kind like 'mail.%' then 'mail' when kind like 'tell.%' then substr(kind, 6) else split_part(kind, '.', 3) end, null, 1
    from outbox where state = 'ready' and attempts >= 3
) as ways
where way <> '' group by way order by way`

// integrations looks at the ways out: one that only fails is told.
func integrations(db database, now func() time.Time) healthcheck.Check {
	return healthcheck.Check{Name: "integrations", Lost: healthcheck.Warn, Ask: func(ctx context.Context) (string, error) {
		var all, failing []string
		err := db.Batch(ctx, func(b *pgx.Batch) {
			all, failing = nil, nil
			b.Queue(integrationsSQL, now()).Query(func(rows pgx.Rows) error {
				var way string
				var age *int64
				var again int64
				_, err := pgx.ForEachRow(rows, []any{&way, &age, &again}, func() error {
					text := way + ": no success in a day"
					if age != nil {
						text = fmt.Sprintf("%s: %s ago", way, time.Duration(*age)*time.Second)
					}
					if again > 0 {
						text += fmt.Sprintf(", %d tried again and again", again)
						failing = append(failing, way)
					}
					all = append(all, text)
					return nil
				})
				return err
			})
		})
		if err != nil {
			return "", err
		}
		slices.Sort(failing)
		text := strings.Join(all, "; ")
		if len(failing) > 0 {
			return text, errors.New("deliveries fail: " + strings.Join(failing, ", ") + " (" + text + ")")
		}
		return text, nil
	}}
}
