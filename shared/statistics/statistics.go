// Package statistics counts the finished requests of all environments: each writes its own to Redis, and the health
// function folds them into the database.
//
// Invariants: a request never waits for its statistics, nor for those of another. What was counted is written beside the
// database work of the environment's next request, and given up when that is over. It holds counts alone, by endpoint,
// class of status, cold start and bucket of duration. Folding is idempotent: it writes totals, not differences.
//
// Failure policy: what Redis does not take is dropped and counted as dropped; after a failure nothing is tried for a
// while. A Redis that forgets everything costs the counts of its open slots that were not folded yet.
package statistics

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"newsletter/shared/breaker"
	"newsletter/shared/histogram"
	"newsletter/shared/telemetry"
)

const (
	// Slot is the length of the finest slot of time, so that the last five minutes are told apart from those before them.
	Slot = time.Minute
	// maxKeys bounds what an environment remembers between two writes. One that answers one request at a time has one.
	maxKeys = 500
	// patience bounds a write: it is the read timeout of a Redis call (shared/redistls), and half of the 300 ms that an environment
	// has at its end.
	patience = 150 * time.Millisecond
	// rest is the longest time for which nothing is written after a failure.
	rest = 10 * time.Second
	// lifetime of a slot in Redis: far more than the time between two folds.
	lifetime = 2 * time.Hour
)

// key is what requests are counted by.
type key struct {
	slot     int64 // unix time of its start
	endpoint string
	class    int // 2 for 2xx
	cold     bool
	bucket   int
}

// Recorder counts the requests of one environment. It is safe for concurrent use.
type Recorder struct {
	client  redis.UniversalClient
	now     func() time.Time
	breaker *breaker.Breaker

	mu      sync.Mutex
	counts  map[key]int64
	dropped int64
	writing sync.WaitGroup
}

// NewRecorder makes a Recorder; without a client it counts nothing. It does no I/O.
func NewRecorder(client redis.UniversalClient, now func() time.Time) *Recorder {
	return &Recorder{client: client, now: now, breaker: breaker.New(1, rest, now), counts: map[key]int64{}}
}

// Count remembers a request.
func (r *Recorder) Count(f telemetry.Request) {
	if r.client == nil {
		return
	}
	k := key{r.now().Truncate(Slot).Unix(), f.Endpoint, f.Status / 100, f.Cold, histogram.Bucket(f.Duration)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.counts[k]; known || len(r.counts) < maxKeys {
		r.counts[k]++
		return
	}
	r.dropped++
}

// Alongside begins to write what was counted and returns at once, so that it happens beside the work that the caller begins
// now. Nobody waits for it. A write that fails, or that the environment's freeze has cut off, is counted as dropped.
func (r *Recorder) Alongside(ctx context.Context) {
	counts := r.take(ctx)
	if len(counts) == 0 {
		return
	}
	r.writing.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		err := r.write(ctx, counts)
		r.breaker.Report(err == nil)
		if err != nil {
			r.drop(counts)
		}
	})
}

// Close waits for what is being written and writes what is left, at the end of the environment.
func (r *Recorder) Close(ctx context.Context) {
	r.writing.Wait() // for patience at most
	if counts := r.take(ctx); len(counts) > 0 {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		_ = r.write(ctx, counts) // nobody is left to count what was lost
	}
}

// take returns what is to be written now, and tells the metrics of what was dropped before.
func (r *Recorder) take(ctx context.Context) map[key]int64 {
	if r.client == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dropped > 0 {
		telemetry.Add(ctx, telemetry.StatsDropped, float64(r.dropped))
		r.dropped = 0
	}
	if len(r.counts) == 0 || !r.breaker.Allow() {
		return nil
	}
	taken := r.counts
	r.counts = map[key]int64{}
	return taken
}

func (r *Recorder) drop(counts map[key]int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range counts {
		r.dropped += n
	}
}

// The names in Redis. The hash tag keeps all on one node of a cluster, so that a pipeline is one call; the length of the
// slots is part of them, so that no other version's are taken for these.
const (
	namePrefix = "stats:{requests}:minute:"
	// touched is the set of slots that were written since they were folded.
	touched = namePrefix + "touched"
)

func slotName(slot int64) string { return namePrefix + strconv.FormatInt(slot, 10) }

func (r *Recorder) write(ctx context.Context, counts map[key]int64) error {
	slots := map[int64]bool{}
	pipe := r.client.Pipeline()
	for k, n := range counts {
		pipe.HIncrBy(ctx, slotName(k.slot), k.field(), n)
		slots[k.slot] = true
	}
	for slot := range slots {
		pipe.Expire(ctx, slotName(slot), lifetime)
		pipe.SAdd(ctx, touched, slot)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("write request statistics: %w", err)
	}
	return nil
}

// field returns a key without its slot: class, cold start, bucket, endpoint.
func (k key) field() string {
	cold := 0
	if k.cold {
		cold = 1
	}
	return fmt.Sprintf("%d %d %d %s", k.class, cold, k.bucket, k.endpoint)
}
