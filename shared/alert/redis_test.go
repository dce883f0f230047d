package alert

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"newsletter/internal/fixtures/testenv"
	"newsletter/shared/config"
	"newsletter/shared/redistls"
)

// rig is a Store and a Redis, with a manual clock.
type rig struct {
	t     *testing.T
	redis *testenv.PrivateRedis
	store *Store
	count func(kind string) int // outbox messages

	mu   sync.Mutex
	time time.Time
}

func newRig(t *testing.T) *rig {
	t.Helper()
	database := testenv.Postgres(t)
	db := database.Pool(t)
	conn := database.Conn(t)
	r := &rig{t: t, redis: testenv.RedisServer(t), time: time.Now()}
	r.store = NewStore(db, thresholds, r.now)
	r.count = func(kind string) (n int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), `select count(*) from outbox where kind = $1`, kind).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	return r
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.time
}

func (r *rig) advance(after time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.time = r.time.Add(after)
}

func (r *rig) client() redis.UniversalClient {
	r.t.Helper()
	client, err := redistls.New(redistls.Config{URL: config.Seal(r.redis.URL), CAFile: r.redis.CAFile})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = client.Close() })
	return client
}

// environment returns a RedisStore of another environment.
func (r *rig) environment() *RedisStore { return NewRedisStore(r.client(), r.store) }

// evaluate advances a store by a step.
func (r *rig) evaluate(s storage, next step) string {
	r.t.Helper()
	r.advance(next.after)
	found, unknown := next.findings()
	transitions, err := thresholds.evaluate(r.t.Context(), s, found, unknown, r.now)
	if err != nil {
		r.t.Fatal(err)
	}
	return got(transitions)
}

// TestStoresConform checks that every store keeps alerts through the same lives, in one or several environments.
func TestStoresConform(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*rig) storage{
		"PostgreSQL":    func(r *rig) storage { return r.store },
		"Redis":         func(r *rig) storage { return r.environment() },
		"Redis, shared": func(r *rig) storage { return &alternating{r.environment(), r.environment()} },
		"memory":        func(r *rig) storage { return NewRedisStore(nil, r.store) },
		"lost Redis":    func(r *rig) storage { s := r.environment(); r.redis.Kill(); return s },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			s := open(r)
			for scenario, steps := range scenarios {
				before := r.count("alert.resolved")
				for i, next := range steps {
					if got := r.evaluate(s, next); got != next.want {
						t.Errorf("%s, step %d: %q, want %q", scenario, i, got, next.want)
					}
				}
				resolved := len(slices.DeleteFunc(slices.Clone(steps), func(s step) bool { return s.want != "resolved" }))
				if got := r.count("alert.resolved") - before; got != resolved {
					t.Errorf("%s: %d messages of resolved alerts, want %d", scenario, got, resolved)
				}
				r.evaluate(s, step{after: time.Hour}) // resolves what is firing
			}
			all, err := r.store.List(t.Context(), false, 100)
			if err != nil || len(all) != 5 || slices.ContainsFunc(all, func(a Alert) bool { return a.ResolvedAt == nil || a.Summary == "" }) {
				t.Errorf("%v %+v", err, all)
			}
		})
	}
}

// alternating is two environments that evaluate in turn.
type alternating [2]*RedisStore

func (a *alternating) Update(ctx context.Context, advance func([]Alert) Transitions) error {
	a[0], a[1] = a[1], a[0]
	return a[0].Update(ctx, advance)
}

// TestConcurrentEvaluations checks that concurrent evaluations fire and resolve an alert once, in every store.
func TestConcurrentEvaluations(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*rig) func() storage{
		"PostgreSQL": func(r *rig) func() storage { return func() storage { return r.store } },
		"Redis":      func(r *rig) func() storage { return func() storage { return r.environment() } },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			environment := open(r)
			for _, next := range []step{{0, Critical, false, "firing critical"}, {5 * time.Minute, "", false, "resolved"}} {
				r.advance(next.after)
				next.after = 0
				var mu sync.Mutex
				var all []string
				var running sync.WaitGroup
				for range 8 {
					s := environment()
					running.Go(func() {
						got := r.evaluate(s, next)
						mu.Lock()
						defer mu.Unlock()
						all = append(all, got)
					})
				}
				running.Wait()
				all = slices.DeleteFunc(all, func(s string) bool { return s != next.want })
				if len(all) == 0 || next.found != "" && len(all) != 1 { // of a resolved alert, the message counts
					t.Errorf("%q %d times", next.want, len(all))
				}
			}
			if n := r.count("alert.resolved"); n != 1 {
				t.Errorf("%d messages of the resolved alert", n)
			}
		})
	}
}

// claim claims the notifications of an environment, as "firing to slack,sns": the stage, and where it was delivered.
func (r *rig) claim(s *RedisStore) ([]Notification, string) {
	r.t.Helper()
	claimed, err := s.Claim(r.t.Context(), 30*time.Second)
	if err != nil {
		r.t.Fatal(err)
	}
	var all []string
	for _, n := range claimed {
		all = append(all, string(n.Stage)+" to "+strings.Join(n.DeliveredTo, ","))
	}
	return claimed, strings.Join(all, "; ")
}

// TestClaim checks that a notification is claimed by one environment at a time, until the next one replaces it.
func TestClaim(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a, b := r.environment(), r.environment()
	expect := func(s *RedisStore, want string) []Notification {
		t.Helper()
		claimed, got := r.claim(s)
		if got != want {
			t.Errorf("claimed %q, want %q", got, want)
		}
		return claimed
	}
	expect(a, "")
	r.evaluate(a, step{found: Critical})
	first := expect(b, "firing to ")
	expect(a, "")
	if err := b.Delivered(t.Context(), first[0].ID, []string{"slack"}); err != nil {
		t.Fatal(err)
	}
	r.advance(30 * time.Second)
	again := expect(a, "firing to slack")
	if again[0].ID != first[0].ID || again[0].Alert.Rule != Database || !again[0].Alert.FiringSince.Equal(first[0].Alert.FiringSince) {
		t.Errorf("%+v, before %+v", again, first)
	}
	r.evaluate(b, step{after: 4 * time.Hour, found: Critical})
	repeated := expect(b, "repeated to ")
	if repeated[0].ID == first[0].ID || repeated[0].Alert.RepeatedAt == nil {
		t.Errorf("%+v", repeated)
	}
	r.redis.Kill()
	r.advance(time.Minute)
	expect(b, "repeated to ") // from memory
	r.redis.Start()
}

// TestRestoredRedis checks that an archived alert in a Redis that was lost meanwhile neither fires again nor hides a
// new one.
func TestRestoredRedis(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a, b := r.environment(), r.environment()
	r.evaluate(a, step{found: Critical})
	text, err := r.client().Get(t.Context(), redisKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	restore := func() {
		if err := r.client().Set(t.Context(), redisKey, text, time.Hour).Err(); err != nil {
			t.Fatal(err)
		}
	}
	r.evaluate(a, step{after: 5 * time.Minute})
	restore()
	r.evaluate(a, step{after: time.Minute})
	r.evaluate(b, step{after: time.Minute}) // it does not know the alert, and archives it again
	if n := r.count("alert.resolved"); n != 1 {
		t.Errorf("%d messages of the resolved alert", n)
	}
	restore()
	if got := r.evaluate(a, step{after: time.Minute, found: Critical}); got != "firing critical" {
		t.Error(got)
	}
}

// TestArchiveFails checks that an alert stays firing until PostgreSQL has archived it.
func TestArchiveFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.environment()
	r.evaluate(s, step{found: Critical})
	r.advance(5 * time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	r.store.now = func() time.Time { cancel(); return r.now() } // lost at the moment of the archive
	if _, err := s.Evaluate(ctx); err == nil {
		t.Fatal("no error")
	}
	r.store.now = r.now
	if got := r.evaluate(s, step{}); got != "resolved" {
		t.Error(got)
	}
}
