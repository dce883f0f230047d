package requeststats

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"newsletter/internal/fixtures/testenv"
	"newsletter/shared/config"
	"newsletter/shared/postgres"
	"newsletter/shared/redistls"
	"newsletter/shared/telemetry"
)

// rig is a Redis, a database and a manual clock.
type rig struct {
	t     *testing.T
	redis *testenv.PrivateRedis
	db    *postgres.DB
	conn  *pgx.Conn
	now   time.Time
}

func newRig(t *testing.T) *rig {
	t.Helper()
	database := testenv.Postgres(t)
	db := database.Pool(t)
	return &rig{t, testenv.RedisServer(t), db, database.AppConn(t), time.Date(2026, 3, 2, 10, 58, 0, 0, time.UTC)}
}

func (r *rig) client() redis.UniversalClient {
	r.t.Helper()
	client, err := redistls.New(redistls.Config{URL: config.Seal(r.redis.URL), CAFile: r.redis.CAFile})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = client.Close() })
	if err := redistls.Warm(r.t.Context(), client); err != nil { // as functions do when they start
		r.t.Fatal(err)
	}
	return client
}

func (r *rig) recorder() *Recorder { return NewRecorder(r.client(), func() time.Time { return r.now }) }

func (r *rig) fold() {
	r.t.Helper()
	if err := Fold(r.t.Context(), r.client(), r.db, r.now); err != nil {
		r.t.Fatal(err)
	}
}

// sum returns the sum of the requests that match a condition.
func (r *rig) sum(condition string) (n int64) {
	r.t.Helper()
	if err := r.conn.QueryRow(r.t.Context(), `select coalesce(sum(requests), 0)::bigint from request_stats where `+condition).Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

func request(status int, took time.Duration) telemetry.Request {
	return telemetry.Request{Endpoint: "subscribe POST", Status: status, Duration: took}
}

// write writes the counts, as alongside a transaction.
func write(ctx context.Context, r *Recorder) {
	r.Alongside(ctx)
	r.writing.Wait()
}

func TestAllEnvironmentsAreCounted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var all sync.WaitGroup
	for i := range 5 {
		recorder := r.recorder()
		all.Go(func() {
			for range 20 {
				recorder.Count(request(http.StatusAccepted, 12*time.Millisecond))
			}
			recorder.Count(request(http.StatusServiceUnavailable, 2*time.Second))
			recorder.Count(telemetry.Request{Endpoint: "confirm GET", Status: 200, Cold: true, Duration: time.Duration(i) * time.Second})
			if i == 0 {
				recorder.Count(request(http.StatusAccepted, 12*time.Millisecond))
				recorder.Close(t.Context()) // its environment ends
			} else {
				write(t.Context(), recorder)
			}
		})
	}
	all.Wait()
	for range 2 { // folding twice changes nothing
		r.fold()
		for _, span := range []int{60, 300, 3600} {
			for condition, want := range map[string]int64{
				"true":                        111,
				"class = 2 and not cold":      101,
				"class = 5":                   5,
				"cold":                        5,
				"endpoint = 'subscribe POST'": 106,
				fmt.Sprintf("bucket = %d", bucketOf(12*time.Millisecond)): 101,
			} {
				if got := r.sum(fmt.Sprintf("span = %d and %s", span, condition)); got != want {
					t.Errorf("%d s, %s: %d, want %d", span, condition, got, want)
				}
			}
		}
	}
	const here = "span = 60 and slot = '2026-03-02 10:58+00' or span = 300 and slot = '2026-03-02 10:55+00' or span = 3600 and slot = '2026-03-02 10:00+00'"
	if got := r.sum(here); got != 333 {
		t.Errorf("%d in the right slots", got)
	}
	for i, want := range []int64{333 + 2, 333 + 2} { // the next minute, in the same hour; then one in the next hour
		r.now = r.now.Add(shortestSlot)
		recorder := r.recorder()
		recorder.Count(request(200, time.Millisecond))
		write(t.Context(), recorder)
		r.fold()
		if got := r.sum(here); got != want {
			t.Errorf("%d in these slots after %d minutes, want %d", got, i+1, want)
		}
		if got := r.sum("span = 3600"); got != int64(112+i) {
			t.Errorf("%d in all hours", got)
		}
	}
}

// TestLostRedis checks that nothing waits for Redis, and that dropped counts are in the metrics.
func TestLostRedis(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	recorder := r.recorder()
	recorder.Count(request(200, time.Millisecond))
	r.redis.Freeze()
	t.Cleanup(r.redis.Thaw)
	recorder.Count(request(200, time.Millisecond))
	write(t.Context(), recorder)
	ctx, metrics := telemetry.With(t.Context())
	recorder.Count(request(200, time.Millisecond))
	write(ctx, recorder) // writes pause
	if len(recorder.counts) != 1 {
		t.Errorf("%d counts while writes pause", len(recorder.counts))
	}
	if documents := metrics.Documents("n", r.now, map[string]string{"function_name": "f"}); len(documents) != 1 || !has(documents, "StatisticsDropped", 2) {
		t.Errorf("metrics %v", documents)
	}
	r.redis.Thaw()
	r.now = r.now.Add(writePause + time.Second)
	write(t.Context(), recorder)
	r.fold()
	if got := r.sum("span = 300"); got < 1 { // the write that timed out may have arrived
		t.Errorf("%d after Redis returned", got)
	}
}

func has[A interface{ String() string }](lines [][]A, name string, value int) bool {
	for _, line := range lines {
		for _, attr := range line {
			if attr.String() == fmt.Sprintf("%s=%d", name, value) {
				return true
			}
		}
	}
	return false
}

func TestCountsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	recorder := r.recorder()
	for i := range 2 * maxKeys {
		recorder.Count(telemetry.Request{Endpoint: fmt.Sprint(i), Status: 200})
	}
	if len(recorder.counts) != maxKeys || recorder.dropped != maxKeys {
		t.Errorf("%d counts, %d dropped", len(recorder.counts), recorder.dropped)
	}
}

func TestRecorderWithoutRedis(t *testing.T) {
	t.Parallel()
	recorder := NewRecorder(nil, time.Now)
	recorder.Count(request(200, 0))
	recorder.Alongside(t.Context())
	recorder.Close(t.Context())
	if err := Fold(t.Context(), nil, broken{}, time.Now()); err != nil || len(recorder.counts) != 0 {
		t.Errorf("%v, %d", err, len(recorder.counts))
	}
}

func FuzzField(f *testing.F) {
	f.Add("2 0 17 subscribe POST", "5")
	f.Fuzz(func(t *testing.T, field, count string) {
		k, n, ok := parse(300, field, count)
		if !ok {
			return
		}
		again, m, ok := parse(300, k.field(), fmt.Sprint(n))
		if !ok || again != k || m != n || k.class < 1 || k.class > 5 || k.bucket < 0 || k.bucket >= buckets || n < 1 {
			t.Errorf("%q %q: %+v %d, then %+v %d", field, count, k, n, again, m)
		}
	})
}
