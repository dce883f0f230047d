// Package requeststats counts finished requests and evaluates their latency: a Recorder of each environment writes
// counts to Redis, the health function folds them into PostgreSQL, and a Reader compares the latency of each route with
// earlier weeks and finds its trend.
//
// Invariants: no request waits for statistics. Counts are written alongside the database work of the environment's next
// request. They are grouped by endpoint, status class, cold start and duration bucket, and have no personal data.
// Folding is idempotent, because it writes totals. Percentiles are those of added histograms, never of other
// percentiles. Cold starts are a separate series: they measure how long an environment takes to start.
//
// Failure policy: counts that Redis does not accept are dropped, which is counted, and writes pause after a failure. A
// Redis that loses its data loses the counts that were not folded yet. Without enough history, there is no baseline and
// no trend. Database errors are returned.
package requeststats

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"newsletter/shared/breaker"
	"newsletter/shared/telemetry"
)

const (
	// shortestSlot is the length of the shortest slot.
	shortestSlot = time.Minute
	// maxKeys bounds the counts that wait for a write. An environment that serves one request at a time has one.
	maxKeys = 500
	// writeTimeout bounds a write. It is the read timeout of a Redis call (shared/redistls), and half of the 300 ms
	// that an environment has at its end.
	writeTimeout = 150 * time.Millisecond
	// writePause is the longest time without writes after a failure.
	writePause = 10 * time.Second
	// slotLifetime is how long Redis keeps a slot: much longer than the time between two folds.
	slotLifetime = 2 * time.Hour
)

// key is what requests are grouped by.
type key struct {
	slot     int64 // Unix time of its start
	endpoint string
	class    int // 2 for 2xx
	cold     bool
	bucket   int
}

// A Recorder counts the requests of one environment. It is safe for concurrent use.
type Recorder struct {
	client  redis.UniversalClient
	now     func() time.Time
	breaker *breaker.Breaker

	mu      sync.Mutex
	counts  map[key]int64
	dropped int64
	writing sync.WaitGroup
}

// NewRecorder returns a Recorder, which counts nothing without a client. It does no I/O.
func NewRecorder(client redis.UniversalClient, now func() time.Time) *Recorder {
	return &Recorder{client: client, now: now, breaker: breaker.New(1, writePause, now), counts: map[key]int64{}}
}

// Count counts a request.
func (r *Recorder) Count(f telemetry.Request) {
	if r.client == nil {
		return
	}
	k := key{r.now().Truncate(shortestSlot).Unix(), f.Endpoint, f.Status / 100, f.Cold, bucketOf(f.Duration)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.counts[k]; known || len(r.counts) < maxKeys {
		r.counts[k]++
		return
	}
	r.dropped++
}

// Alongside starts to write the counts and returns immediately, so that the write runs alongside the caller's work.
// Counts of a write that fails, or that a freeze of the environment interrupts, are counted as dropped.
func (r *Recorder) Alongside(ctx context.Context) {
	counts := r.take(ctx)
	if len(counts) == 0 {
		return
	}
	r.writing.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
		defer cancel()
		err := r.write(ctx, counts)
		r.breaker.Report(err == nil)
		if err != nil {
			r.drop(counts)
		}
	})
}

// Close waits for the running write and writes the remaining counts, at the end of the environment.
func (r *Recorder) Close(ctx context.Context) {
	r.writing.Wait() // for writeTimeout at most
	if counts := r.take(ctx); len(counts) > 0 {
		ctx, cancel := context.WithTimeout(ctx, writeTimeout)
		defer cancel()
		_ = r.write(ctx, counts) // there is no later write to report it
	}
}

// take returns the counts to write now, and adds the dropped ones to the metrics.
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

// The keys in Redis. The hash tag keeps them on one node of a cluster, so that a pipeline is one call. They include the
// length of a slot, so that versions with other slots do not mix.
const (
	keyPrefix = "stats:{requests}:minute:"
	// unfoldedKey is the key of the set of slots that were written since they were folded.
	unfoldedKey = keyPrefix + "unfolded"
)

func slotKey(slot int64) string { return keyPrefix + strconv.FormatInt(slot, 10) }

func (r *Recorder) write(ctx context.Context, counts map[key]int64) error {
	slots := map[int64]bool{}
	pipe := r.client.Pipeline()
	for k, n := range counts {
		pipe.HIncrBy(ctx, slotKey(k.slot), k.field(), n)
		slots[k.slot] = true
	}
	for slot := range slots {
		pipe.Expire(ctx, slotKey(slot), slotLifetime)
		pipe.SAdd(ctx, unfoldedKey, slot)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("write request statistics: %w", err)
	}
	return nil
}

// field returns the key without its slot: class, cold start, bucket, endpoint.
func (k key) field() string {
	cold := 0
	if k.cold {
		cold = 1
	}
	return fmt.Sprintf("%d %d %d %s", k.class, cold, k.bucket, k.endpoint)
}
