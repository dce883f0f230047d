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
	"github.com/redis/go-redis/v9"

	"newsletter/shared/alert"
	"newsletter/shared/engagement"
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
	limiter string // the backend that decides, "none" without Redis
	memory  float64
	depth   outbox.Depth
	known   bool // depth was measured this time

	feedback      engagement.Feedback
	feedbackKnown bool // it was read this time
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
func limiter(client redis.UniversalClient, key pseudonym.Key, seen *figures) healthcheck.Check {
	probe := ratelimit.New(client, key, time.Now)
	return healthcheck.Check{Name: "limiter", Lost: healthcheck.Warn, Ask: func(ctx context.Context) (string, error) {
		d := probe.Take(ctx, ratelimit.Call{Endpoint: "health", Client: netip.IPv6Loopback(), Policies: probeLimit})
		backend := string(d.Backend)
		if client == nil {
			backend = "none"
		}
		seen.set(func(f *figures) { f.limiter = backend })
		if d.Backend != ratelimit.Redis {
			return "", fmt.Errorf("limits are kept by each environment for itself: %s", d.Reason)
		}
		return backend, nil
	}}
}

// pool looks at this environment's pool and at how full the server is.
func pool(db *postgres.DB, ask *asker, cfg alert.Config) healthcheck.Check {
	return healthcheck.Check{Name: "pool", Lost: healthcheck.Warn, Ask: func(ctx context.Context) (string, error) {
		server, err := ask.server(ctx)
		if err != nil {
			return "", err
		}
		s := db.Stats()
		text := fmt.Sprintf("%d of %d in use here, %d opened; the server has %d of %d", s.InUse, s.Max, s.Dialed, server.used, server.most)
		return text, above(100*float64(server.used)/float64(server.most), cfg.ConnectionsPercent, text)
	}}
}

// above fails from a bound on.
func above(value, most float64, text string) error {
	return healthcheck.Degree(value, most, most, text)
}

// memory compares what the process uses with what the function has.
func memory(cfg alert.Config, seen *figures) healthcheck.Check {
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
		return text, above(percent, cfg.MemoryPercent, text)
	}}
}

// queue looks at the age of what is to be delivered, at what was given up, and whether email is paused.
func queue(ask *asker, cfg alert.Config, seen *figures) healthcheck.Check {
	return healthcheck.Check{Name: "outbox", Lost: healthcheck.Fail, Ask: func(ctx context.Context) (string, error) {
		d, err := ask.deliveries(ctx)
		seen.set(func(f *figures) { f.depth, f.known = d.depth, d.latest != nil })
		if d.latest == nil {
			return "", err
		}
		waiting := d.depth.Waiting()
		text := fmt.Sprintf("%d ready, the oldest waiting for %s; %d held, %d given up", d.depth.Ready, waiting.Round(time.Second), d.depth.Held, d.depth.Dead)
		email, _ := d.paused()
		if email != "" {
			text += "; all email is paused (" + email + ")"
		}
		if err := healthcheck.Degree(waiting, cfg.OutboxAgeMax, cfg.OutboxCritical, text); err != nil {
			return text, err
		}
		if email != "" {
			return text, healthcheck.Assessed{Status: healthcheck.Warn, Text: text}
		}
		return text, healthcheck.Degree(d.depth.Dead, int64(cfg.DeadLettersMin), 1<<62, text)
	}}
}

// integrations looks at the destinations: one that takes nothing, or is paused, is a warning.
func integrations(ask *asker, cfg alert.Config) healthcheck.Check {
	return healthcheck.Check{Name: "integrations", Lost: healthcheck.Warn, Ask: func(ctx context.Context) (string, error) {
		d, err := ask.deliveries(ctx)
		if d.latest == nil {
			return "", err
		}
		seen := map[string]string{}
		for way, at := range d.latest {
			seen[way] = fmt.Sprintf("%s: %s ago", way, ask.now().Sub(at).Round(time.Second))
		}
		var failing []string
		for _, f := range d.depth.Failing {
			if f.Age < cfg.OutboxAgeMax {
				continue
			}
			failing = append(failing, f.Destination)
			seen[f.Destination] = fmt.Sprintf("%s, %d tried in vain", cmp.Or(seen[f.Destination], f.Destination+": no success in a day"), f.Count)
		}
		text := strings.Join(slices.Sorted(maps.Values(seen)), "; ")
		var wrong []string
		if len(failing) > 0 {
			slices.Sort(failing)
			wrong = append(wrong, "deliveries fail: "+strings.Join(failing, ", ")+" ("+text+")")
		}
		if _, paused := d.paused(); len(paused) > 0 {
			wrong = append(wrong, "paused: "+strings.Join(paused, ", "))
		}
		if len(wrong) > 0 {
			return text, errors.New(strings.Join(wrong, "; "))
		}
		return text, nil
	}}
}

// feedback looks at what SES tells of the emails that it sends: without it nobody who complains is suppressed.
func feedback(ask *asker, seen *figures) healthcheck.Check {
	return healthcheck.Check{Name: "feedback", Lost: healthcheck.Warn, Ask: func(ctx context.Context) (string, error) {
		d, err := ask.deliveries(ctx)
		f := d.feedback
		seen.set(func(s *figures) { s.feedback, s.feedbackKnown = f, err == nil })
		if err != nil {
			return "", err
		}
		text := fmt.Sprintf("%d emails that nothing was heard of, %d events that could not be read", f.WithoutEvents, f.Unreadable)
		return text, healthcheck.Degree(f.WithoutEvents+f.Unreadable, 1, math.MaxInt, text)
	}}
}
