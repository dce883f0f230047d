package statistics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"newsletter/internal/testenv"
	"newsletter/shared/config"
	"newsletter/shared/histogram"
	"newsletter/shared/postgres"
	"newsletter/shared/redistls"
	"newsletter/shared/telemetry"
)

// rig is a Redis and a database of a test's own.
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
	db, err := postgres.New(t.Context(), postgres.Config{URL: config.Seal(database.AppURL), CAFile: database.CAFile})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return &rig{t, testenv.RedisServer(t), db, database.AppConn(t), time.Date(2026, 3, 2, 10, 58, 0, 0, time.UTC)}
}

func (r *rig) client() redis.UniversalClient {
	r.t.Helper()
	client, err := redistls.New(redistls.Config{URL: config.Seal(r.redis.URL), CAFile: r.redis.CAFile})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = client.Close() })
	if err := redistls.Warm(r.t.Context(), client); err != nil { // as the functions do at their start
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

// total sums up requests, by a condition.
func (r *rig) total(condition string) (n int64) {
	r.t.Helper()
	if err := r.conn.QueryRow(r.t.Context(), `select coalesce(sum(requests), 0)::bigint from request_stats where `+condition).Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

func answered(status int, took time.Duration) telemetry.Request {
	return telemetry.Request{Endpoint: "subscribe POST", Status: status, Duration: took}
}

// work is some work in the database, with the write beside it.
func work(ctx context.Context, r *Recorder) {
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
				recorder.Count(answered(http.StatusAccepted, 12*time.Millisecond))
			}
			recorder.Count(answered(http.StatusServiceUnavailable, 2*time.Second))
			recorder.Count(telemetry.Request{Endpoint: "confirm GET", Status: 200, Cold: true, Duration: time.Duration(i) * time.Second})
			if i == 0 {
				recorder.Count(answered(http.StatusAccepted, 12*time.Millisecond))
				recorder.Close(t.Context()) // its environment ends
			} else {
				work(t.Context(), recorder)
			}
		})
	}
	all.Wait()
	for range 2 { // folding again changes nothing
		r.fold()
		for _, span := range []int{60, 300, 3600} {
			for condition, want := range map[string]int64{
				"true":                        111,
				"class = 2 and not cold":      101,
				"class = 5":                   5,
				"cold":                        5,
				"endpoint = 'subscribe POST'": 106,
				fmt.Sprintf("bucket = %d", histogram.Bucket(12*time.Millisecond)): 101,
			} {
				if got := r.total(fmt.Sprintf("span = %d and %s", span, condition)); got != want {
					t.Errorf("%d s, %s: %d, want %d", span, condition, got, want)
				}
			}
		}
	}
	const here = "span = 60 and slot = '2026-03-02 10:58+00' or span = 300 and slot = '2026-03-02 10:55+00' or span = 3600 and slot = '2026-03-02 10:00+00'"
	if got := r.total(here); got != 333 {
		t.Errorf("%d in the right slots", got)
	}
	for i, want := range []int64{333 + 2, 333 + 2} { // the next minute, of the same five and hour; and one of the next hour
		r.now = r.now.Add(Slot)
		recorder := r.recorder()
		recorder.Count(answered(200, time.Millisecond))
		work(t.Context(), recorder)
		r.fold()
		if got := r.total(here); got != want {
			t.Errorf("%d in these slots after %d minutes, want %d", got, i+1, want)
		}
		if got := r.total("span = 3600"); got != int64(112+i) {
			t.Errorf("%d in all hours", got)
		}
	}
}

func TestARedisThatForgetsTakesNothingBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	recorder := r.recorder()
	for range 10 {
		recorder.Count(answered(200, time.Millisecond))
	}
	work(t.Context(), recorder)
	r.fold()
	if err := r.client().FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	recorder.Count(answered(200, time.Millisecond))
	work(t.Context(), recorder)
	r.fold()
	if got := r.total("span = 300"); got != 10 {
		t.Errorf("%d after Redis forgot", got)
	}
}

// broken is a database that is lost, together with the time that was left.
type broken struct{ end context.CancelFunc }

func (b broken) Transact(context.Context, int64, func(*pgx.Batch), func(*pgx.Batch) error) error {
	b.end()
	return errors.New("lost")
}

func TestWhatTheDatabaseMissedIsFoldedLater(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	recorder := r.recorder()
	recorder.Count(answered(200, time.Millisecond))
	work(t.Context(), recorder)
	r.now = r.now.Add(time.Hour)
	ctx, end := context.WithCancel(t.Context())
	if err := Fold(ctx, r.client(), broken{end}, r.now); err == nil {
		t.Fatal("no error")
	}
	r.fold()
	if got := r.total("span = 300"); got != 1 {
		t.Errorf("%d", got)
	}
}

// TestASlotIsForgottenWhenItIsSettled, and comes back with an environment that writes late.
func TestASlotIsForgottenWhenItIsSettled(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	recorder := r.recorder()
	remembered := func(want int) {
		t.Helper()
		r.fold()
		if got, err := r.client().SMembers(t.Context(), touched).Result(); err != nil || len(got) != want {
			t.Errorf("%v %v, want %d", got, err, want)
		}
	}
	recorder.Count(answered(200, time.Millisecond))
	recorder.Count(answered(200, time.Millisecond))
	work(t.Context(), recorder)
	recorder.Count(answered(200, time.Millisecond)) // and then the environment is frozen
	remembered(1)
	r.now = r.now.Truncate(Slot).Add(Slot + settled)
	remembered(1)
	r.now = r.now.Add(time.Second)
	remembered(0)
	work(t.Context(), recorder)
	remembered(0)
	if got := r.total("span = 3600"); got != 3 {
		t.Errorf("%d, want 3", got)
	}
}

// TestFoldsThatOverlapSumUpTheWholeHour: each writes a slot of the same hour, and sees what the other has written.
func TestFoldsThatOverlapSumUpTheWholeHour(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hour := r.now.Truncate(time.Hour)
	rows := func(slot int) []row {
		return []row{{key{hour.Add(time.Duration(slot) * Slot).Unix(), "subscribe POST", 2, false, 5}, 7}}
	}
	holder, err := r.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Exec(t.Context(), `select pg_advisory_xact_lock($1)`, int64(foldLock)); err != nil { // a fold that takes its time
		t.Fatal(err)
	}
	var folding sync.WaitGroup
	for slot := range 4 {
		folding.Go(func() {
			if err := store(t.Context(), r.db, rows(slot)); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	if got := r.total("true"); got != 0 {
		t.Errorf("%d are written beside another fold", got)
	}
	if err := holder.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	folding.Wait()
	if slots, hours := r.total("span = 300"), r.total("span = 3600"); slots != 28 || hours != slots {
		t.Errorf("%d in slots, %d in the hour", slots, hours)
	}
}

// TestALostRedisCostsNothing: neither waits for it, and what is lost is told.
func TestALostRedisCostsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	recorder := r.recorder()
	recorder.Count(answered(200, time.Millisecond))
	r.redis.Freeze()
	t.Cleanup(r.redis.Thaw)
	recorder.Count(answered(200, time.Millisecond))
	work(t.Context(), recorder)
	ctx, metrics := telemetry.With(t.Context())
	recorder.Count(answered(200, time.Millisecond))
	work(ctx, recorder) // it rests
	if len(recorder.counts) != 1 {
		t.Errorf("%d counts while it rests", len(recorder.counts))
	}
	if documents := metrics.Documents("n", r.now, map[string]string{"function_name": "f"}); len(documents) != 1 || !told(documents, "StatisticsDropped", 2) {
		t.Errorf("metrics %v", documents)
	}
	r.redis.Thaw()
	r.now = r.now.Add(rest + time.Second)
	work(t.Context(), recorder)
	r.fold()
	if got := r.total("span = 300"); got < 1 { // the write that was given up may have arrived nevertheless
		t.Errorf("%d after it came back", got)
	}
}

func told[A interface{ String() string }](lines [][]A, name string, value int) bool {
	for _, line := range lines {
		for _, attr := range line {
			if attr.String() == fmt.Sprintf("%s=%d", name, value) {
				return true
			}
		}
	}
	return false
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	recorder := r.recorder()
	for i := range 2 * maxKeys {
		recorder.Count(telemetry.Request{Endpoint: fmt.Sprint(i), Status: 200})
	}
	if len(recorder.counts) != maxKeys || recorder.dropped != maxKeys {
		t.Errorf("%d kept, %d dropped", len(recorder.counts), recorder.dropped)
	}
}

func TestWithoutRedisNothingIsCounted(t *testing.T) {
	t.Parallel()
	recorder := NewRecorder(nil, time.Now)
	recorder.Count(answered(200, 0))
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
		if !ok || again != k || m != n || k.class < 1 || k.class > 5 || k.bucket < 0 || k.bucket >= histogram.Buckets || n < 1 {
			t.Errorf("%q %q: %+v %d, then %+v %d", field, count, k, n, again, m)
		}
	})
}
