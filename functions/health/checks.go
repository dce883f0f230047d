package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
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
	"newsletter/shared/engagement"
	"newsletter/shared/healthcheck"
	"newsletter/shared/outbox"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/ratelimit"
)

// observed has the results of the checks of this run besides their statuses, for samples, rules and metrics. It is safe
// for concurrent use.
type observed struct {
	mu            sync.Mutex
	limiter       string // the backend that decides, "none" without Redis
	memoryPercent float64
	depth         outbox.Depth
	depthKnown    bool
	feedback      engagement.Feedback
	feedbackKnown bool
}

func (o *observed) set(change func(o *observed)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(o)
}

// schemaVersion is the schema version that this release needs. A test compares it with the newest migration.
const schemaVersion = 9

var (
	errReadOnly  = errors.New("the server is read-only")
	errBehind    = errors.New("the database schema is too old for this release")
	errNoReplica = errors.New("the read replica is lost; reads go to the writer")
	errNoRedis   = errors.New("no Redis server is configured; each environment limits on its own")
)

// postgresCheck fails if the server does not answer or is read-only.
func postgresCheck(ask *asker) healthcheck.Check {
	return healthcheck.Check{Name: "postgres", Vital: true, Lost: healthcheck.Fail, Ask: func(ctx context.Context) (healthcheck.Observation, error) {
		s, err := ask.server(ctx)
		switch {
		case !s.answered:
			return healthcheck.Observation{}, err
		case s.readOnly:
			return healthcheck.Observation{}, errReadOnly
		}
		return healthcheck.Observation{}, nil
	}}
}

// migrationsCheck fails if the schema is older than this release needs. Releases work with the schema of the next one.
func migrationsCheck(ask *asker) healthcheck.Check {
	return healthcheck.Check{Name: "migrations", Vital: true, Lost: healthcheck.Fail, Ask: func(ctx context.Context) (healthcheck.Observation, error) {
		s, err := ask.server(ctx)
		switch {
		case err != nil:
			return healthcheck.Observation{}, fmt.Errorf("read the schema version: %w", err)
		case s.schema < schemaVersion:
			return healthcheck.Observation{}, fmt.Errorf("%w: version %d, needed %d", errBehind, s.schema, schemaVersion)
		}
		return healthcheck.Observation{Text: fmt.Sprintf("version %d", s.schema)}, nil
	}}
}

// redisCheck warns if Redis does not answer.
func redisCheck(client redis.UniversalClient) healthcheck.Check {
	return healthcheck.Check{Name: "redis", Lost: healthcheck.Warn, Ask: func(ctx context.Context) (healthcheck.Observation, error) {
		if client == nil {
			return healthcheck.Observation{}, errNoRedis
		}
		return healthcheck.Observation{}, client.Ping(ctx).Err()
	}}
}

// replicas is a reader that counts the reads for which it used the writer.
type replicas interface {
	database
	Fallbacks() int64
}

// replicaCheck warns if the read replica is lost: reads go to the writer.
func replicaCheck(reader replicas) healthcheck.Check {
	return healthcheck.Check{Name: "reader", Lost: healthcheck.Warn, Ask: func(ctx context.Context) (healthcheck.Observation, error) {
		before := reader.Fallbacks()
		if err := reader.Batch(ctx, func(b *pgx.Batch) { b.Queue("select 1") }); err != nil {
			return healthcheck.Observation{}, err
		}
		if reader.Fallbacks() != before {
			return healthcheck.Observation{}, errNoReplica
		}
		return healthcheck.Observation{}, nil
	}}
}

// probeLimit is so high that the probe is never refused.
var probeLimit = ratelimit.Policies{{Limit: 100000, Window: time.Minute, Scope: ratelimit.Host}}

// limiterCheck takes a slot of the rate limiter for a client that does not exist, and warns if Redis did not decide.
// That runs the limiter's script, which a ping does not. The pseudonym key is this environment's own, so it needs no
// pepper.
func limiterCheck(client redis.UniversalClient, key pseudonym.Key, seen *observed) healthcheck.Check {
	limiter := ratelimit.New(client, key, time.Now)
	return healthcheck.Check{Name: "limiter", Lost: healthcheck.Warn, Ask: func(ctx context.Context) (healthcheck.Observation, error) {
		d := limiter.Take(ctx, ratelimit.Call{Endpoint: "health", Client: netip.IPv6Loopback(), Policies: probeLimit})
		backend := string(d.Backend)
		if client == nil {
			backend = "none"
		}
		seen.set(func(o *observed) { o.limiter = backend })
		if d.Backend != ratelimit.Redis {
			return healthcheck.Observation{}, fmt.Errorf("each environment limits on its own: %s", d.Reason)
		}
		return healthcheck.Observation{Text: backend}, nil
	}}
}

// poolCheck warns if the server has few free connections, and shows those of this environment's pool.
func poolCheck(db *postgres.DB, ask *asker, cfg alert.Config) healthcheck.Check {
	return healthcheck.Check{Name: "pool", Lost: healthcheck.Warn, Ask: func(ctx context.Context) (healthcheck.Observation, error) {
		server, err := ask.server(ctx)
		if err != nil {
			return healthcheck.Observation{}, err
		}
		s := db.Stats()
		return healthcheck.Observation{
			Text:   fmt.Sprintf("%d of %d in use here, %d opened; the server has %d of %d", s.InUse, s.Max, s.Dialed, server.connections, server.maxConnections),
			Status: failFrom(cfg.ConnectionsPercent, 100*float64(server.connections)/float64(server.maxConnections)),
		}, nil
	}}
}

// failFrom returns the status of a value that is a failure from a threshold.
func failFrom(threshold, value float64) healthcheck.Status {
	return healthcheck.Grade(value, threshold, threshold)
}

// memoryCheck compares the memory of the process with that of the function.
func memoryCheck(cfg alert.Config, seen *observed) healthcheck.Check {
	return healthcheck.Check{Name: "memory", Lost: healthcheck.Warn, Ask: func(context.Context) (healthcheck.Observation, error) {
		sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
		metrics.Read(sample)
		used := float64(sample[0].Value.Uint64()-sample[1].Value.Uint64()) / (1 << 20)
		if lambdacontext.MemoryLimitInMB == 0 {
			return healthcheck.Observation{Text: fmt.Sprintf("%.0f MB", used)}, nil
		}
		percent := 100 * used / float64(lambdacontext.MemoryLimitInMB)
		seen.set(func(o *observed) { o.memoryPercent = percent })
		return healthcheck.Observation{
			Text: fmt.Sprintf("%.0f of %d MB", used, lambdacontext.MemoryLimitInMB), Status: failFrom(cfg.MemoryPercent, percent),
		}, nil
	}}
}

// outboxCheck checks the age of the oldest due message, and warns of dead-lettered messages, paused email and the sending
// circuit breaker.
func outboxCheck(ask *asker, cfg alert.Config, seen *observed) healthcheck.Check {
	return healthcheck.Check{Name: "outbox", Lost: healthcheck.Fail, Ask: func(ctx context.Context) (healthcheck.Observation, error) {
		d, err := ask.deliveries(ctx)
		seen.set(func(o *observed) { o.depth, o.depthKnown = d.depth, d.latest != nil })
		if d.latest == nil {
			return healthcheck.Observation{}, err
		}
		waiting := d.depth.Waiting()
		text := fmt.Sprintf("%d ready, the oldest waiting for %s; %d held, %d dead-lettered", d.depth.Ready, waiting.Round(time.Second), d.depth.Held, d.depth.Dead)
		status := healthcheck.Grade(waiting, cfg.OutboxAgeMax, cfg.OutboxCritical)
		paused, _ := d.paused()
		if paused != "" {
			text += "; all email is paused (" + paused + ")"
		}
		stopped := outbox.DescribeBreakers(d.breakers, d.stopped, ask.now())
		if stopped != "" {
			text += "; " + stopped
		}
		if status == healthcheck.Pass && (paused != "" || stopped != "" || d.depth.Dead >= int64(cfg.DeadLettersMin)) {
			status = healthcheck.Warn
		}
		return healthcheck.Observation{Text: text, Status: status}, nil
	}}
}

// integrationsCheck warns if a destination fails or is paused.
func integrationsCheck(ask *asker, cfg alert.Config) healthcheck.Check {
	return healthcheck.Check{Name: "integrations", Lost: healthcheck.Warn, Ask: func(ctx context.Context) (healthcheck.Observation, error) {
		d, err := ask.deliveries(ctx)
		if d.latest == nil {
			return healthcheck.Observation{}, err
		}
		latest := map[string]string{}
		for destination, at := range d.latest {
			latest[destination] = fmt.Sprintf("%s: %s ago", destination, ask.now().Sub(at).Round(time.Second))
		}
		var failing []string
		for _, f := range d.depth.Failing {
			if f.Age < cfg.OutboxAgeMax {
				continue
			}
			failing = append(failing, f.Destination)
			latest[f.Destination] = fmt.Sprintf("%s, %d failed", cmp.Or(latest[f.Destination], f.Destination+": no success in a day"), f.Count)
		}
		text := strings.Join(slices.Sorted(maps.Values(latest)), "; ")
		var problems []string
		if len(failing) > 0 {
			slices.Sort(failing)
			problems = append(problems, "deliveries fail: "+strings.Join(failing, ", ")+" ("+text+")")
		}
		if _, paused := d.paused(); len(paused) > 0 {
			problems = append(problems, "paused: "+strings.Join(paused, ", "))
		}
		if len(problems) > 0 {
			return healthcheck.Observation{Text: text}, errors.New(strings.Join(problems, "; "))
		}
		return healthcheck.Observation{Text: text}, nil
	}}
}

// unsubscribesCheck shows how many subscriptions ended within a day, and how many of them at once after an email. It
// never fails: an email scanner that submits forms unsubscribes people, and only the owner can judge it.
func unsubscribesCheck(ask *asker) healthcheck.Check {
	return healthcheck.Check{Name: "unsubscribes", Lost: healthcheck.Warn, Ask: func(ctx context.Context) (healthcheck.Observation, error) {
		d, err := ask.deliveries(ctx)
		if d.latest == nil {
			return healthcheck.Observation{}, err
		}
		u := d.unsubscribes
		return healthcheck.Observation{Text: fmt.Sprintf("%d in a day, %d of them within 30 s of an email", u.All, u.AtOnce)}, nil
	}}
}

// feedbackCheck warns if SES reports no events of its emails: then complaints suppress nobody.
func feedbackCheck(ask *asker, seen *observed) healthcheck.Check {
	return healthcheck.Check{Name: "feedback", Lost: healthcheck.Warn, Ask: func(ctx context.Context) (healthcheck.Observation, error) {
		d, err := ask.deliveries(ctx)
		f := d.feedback
		seen.set(func(o *observed) { o.feedback, o.feedbackKnown = f, err == nil })
		if err != nil {
			return healthcheck.Observation{}, err
		}
		return healthcheck.Observation{
			Text:   fmt.Sprintf("%d emails without events, %d unreadable events", f.WithoutEvents, f.Unreadable),
			Status: healthcheck.Grade(f.WithoutEvents+f.Unreadable, 1, math.MaxInt),
		}, nil
	}}
}
