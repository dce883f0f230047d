package ratelimit

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
)

// subject is one way to count. All of them must count alike.
type subject interface {
	take(where counterKey, call Call) Decision
	refund(d Decision)
}

// model counts with the pure functions alone.
type model struct {
	clock *clock
	logs  map[string]history
}

func newModel(c *clock) *model { return &model{c, map[string]history{}} }

func (m *model) take(where counterKey, call Call) Decision {
	allowed, at, counts, after := take(m.logs[where.log], call.Policies.quotas(), where.host, m.clock.now().UnixMicro(), call.Cost)
	m.logs[where.log] = slices.Clone(after)
	return decide(allowed, at, counts, where, call)
}

func (m *model) refund(d Decision) {
	m.logs[d.counter.log] = m.logs[d.counter.log].refund(entry{d.at, d.counter.host}, d.cost)
}

// inProcess is the fallback, with its limits not reduced.
type inProcess struct{ *local }

func (p inProcess) take(where counterKey, call Call) Decision { return p.local.take(where, call, full) }

// inRedis asks a server. It names logs as its own, so that subjects can share one.
type inRedis struct {
	t      testing.TB
	remote *remote
	prefix string
}

func newInRedis(t testing.TB, client redis.UniversalClient, c *clock) inRedis {
	r := newRemote(client)
	r.clock = func() int64 { return c.now().UnixMicro() }
	return inRedis{t, r, "rl:" + newKey(t).ID() + t.Name() + ":"}
}

func (r inRedis) take(where counterKey, call Call) Decision {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	where.log = r.prefix + where.log
	d, err := r.remote.take(ctx, where, call)
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

// stored reads a log as the scripts keep it.
func (r inRedis) stored(name string) history {
	r.t.Helper()
	bytes, err := r.remote.client.Get(context.Background(), r.prefix+name).Bytes()
	if err != nil && !errors.Is(err, redis.Nil) {
		r.t.Fatal(err)
	}
	var log history
	for entries := range slices.Chunk(bytes, 9) {
		at := binary.BigEndian.Uint64(append([]byte{0}, entries[:7]...))
		log = append(log, entry{int64(at), binary.BigEndian.Uint16(entries[7:])})
	}
	return log
}
