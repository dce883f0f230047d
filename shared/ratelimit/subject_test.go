package ratelimit

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"
)

// subject is one way to count. All of them must count alike.
type subject interface {
	take(keys []string, call Call) Decision
	refund(d Decision)
}

// model counts with the pure functions alone.
type model struct {
	clock *clock
	logs  map[string]window
}

func newModel(c *clock) *model { return &model{c, map[string]window{}} }

func (m *model) take(keys []string, call Call) Decision {
	logs, quotas := make([]window, len(keys)), make([]quota, len(keys))
	for i, key := range keys {
		logs[i], quotas[i] = m.logs[key], quota{call.Policies[i].Limit, call.Policies[i].Window.Microseconds()}
	}
	allowed, at, counts, after := take(logs, quotas, m.clock.now().UnixMicro(), call.Cost)
	for i, key := range keys {
		m.logs[key] = append(window(nil), after[i]...)
	}
	return decide(allowed, at, counts, keys, call)
}

func (m *model) refund(d Decision) {
	for _, key := range d.keys {
		m.logs[key] = refund(m.logs[key], d.at, d.cost)
	}
}

// inProcess is the fallback, with its limits not reduced.
type inProcess struct{ *local }

func (p inProcess) take(keys []string, call Call) Decision { return p.local.take(keys, call, full) }

// inRedis asks a server. It names keys as its own, so that subjects can share one.
type inRedis struct {
	t      testing.TB
	remote *remote
	prefix string
}

func newInRedis(t testing.TB, client redis.UniversalClient, c *clock) inRedis {
	r := newRemote(client, false)
	r.clock = func() int64 { return c.now().UnixMicro() }
	return inRedis{t, r, "rl:{" + newKey(t).ID() + t.Name() + "}:"}
}

func (r inRedis) take(keys []string, call Call) Decision {
	r.t.Helper()
	own := make([]string, len(keys))
	for i, key := range keys {
		own[i] = r.prefix + key
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	d, err := r.remote.take(ctx, own, call)
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

func (r inRedis) refund(d Decision) {
	r.t.Helper()
	if err := r.remote.refund(context.Background(), d); err != nil {
		r.t.Fatal(err)
	}
}
