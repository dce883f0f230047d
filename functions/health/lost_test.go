package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"newsletter/internal/testenv"
	"newsletter/shared/alert"
	"newsletter/shared/config"
	"newsletter/shared/messenger"
	"newsletter/shared/postgres"
	"newsletter/shared/redistls"
)

// lossRig is two environments of the function that share a Redis and a database, which may be lost.
type lossRig struct {
	t      *testing.T
	redis  *testenv.PrivateRedis
	alerts *alert.Store
	envs   [2]*lostDatabase

	mu    sync.Mutex
	now   time.Time
	heard []string
	ids   map[string]bool
}

func newLossRig(t *testing.T) *lossRig {
	t.Helper()
	database := testenv.Postgres(t)
	db, err := postgres.Open(t.Context(), postgres.Config{URL: config.Seal(database.AppURL), CAFile: database.CAFile})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	r := &lossRig{t: t, redis: testenv.RedisServer(t), now: time.Now(), ids: map[string]bool{}}
	clock := func() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.now }
	r.alerts = alert.NewStore(db, alert.ReadConfig(config.FromMap(nil)), clock)
	for i := range r.envs {
		r.envs[i] = &lostDatabase{
			redis: r.client(), remind: 4 * time.Hour, now: clock,
			voices: map[string]messenger.Voice{"slack": r.hear, "dead": func(context.Context, messenger.Notice) error { return errors.New("down") }},
		}
	}
	return r
}

func (r *lossRig) client() redis.UniversalClient {
	client, err := redistls.Open(redistls.Config{URL: config.Seal(r.redis.URL), CAFile: r.redis.CAFile})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = client.Close() })
	return client
}

func (r *lossRig) hear(_ context.Context, n messenger.Notice) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ids[n.ID] {
		r.t.Errorf("two messages have the id %s", n.ID)
	}
	r.ids[n.ID] = true
	r.heard = append(r.heard, string(n.Stage))
	return nil
}

// pings lets an environment find the database lost, or not, after a time.
func (r *lossRig) pings(env int, after time.Duration, lost bool) {
	r.t.Helper()
	r.mu.Lock()
	r.now = r.now.Add(after)
	r.mu.Unlock()
	var err error
	if lost {
		err = r.envs[env].tell(r.t.Context())
	} else {
		err = r.envs[env].over(r.t.Context(), r.alerts)
	}
	if err != nil && !strings.Contains(err.Error(), "tell dead: down") {
		r.t.Fatal(err)
	}
}

func (r *lossRig) expect(want string) {
	r.t.Helper()
	if got := strings.Join(r.heard, " "); got != want {
		r.t.Errorf("heard %q, want %q", got, want)
	}
}

func TestALostDatabaseIsToldOnceByAllEnvironments(t *testing.T) {
	t.Parallel()
	r := newLossRig(t)
	r.pings(0, 0, false)
	r.expect("")
	r.pings(0, time.Minute, true)
	r.pings(1, time.Minute, true)
	r.pings(0, time.Minute, true)
	r.expect("opened")
	r.pings(1, 4*time.Hour, true)
	r.expect("opened reminded")
	r.pings(1, time.Minute, false)
	r.pings(0, time.Minute, false) // it has told of it too, but it is over
	r.expect("opened reminded closed")
	all, err := r.alerts.List(t.Context(), false, 10)
	if err != nil || len(all) != 1 || all[0].Rule != alert.Database || all[0].ClosedAt == nil || all[0].ClosedAt.Sub(all[0].OpenedAt).Round(time.Minute) != 4*time.Hour+3*time.Minute {
		t.Errorf("%v %+v", err, all)
	}
	if all[0].RemindedAt == nil || all[0].RemindedAt.Sub(all[0].OpenedAt).Round(time.Minute) != 4*time.Hour+2*time.Minute {
		t.Errorf("reminded at %v", all[0].RemindedAt)
	}
	r.pings(0, time.Minute, true)
	r.expect("opened reminded closed opened")
}

// TestPingsThatOverlapTellOnce: both environments find the loss, and its end, at the same moment.
func TestPingsThatOverlapTellOnce(t *testing.T) {
	t.Parallel()
	r := newLossRig(t)
	var want []string
	for range 20 {
		for _, lost := range []bool{true, false} {
			var both sync.WaitGroup
			for env := range r.envs {
				both.Go(func() { r.pings(env, 0, lost) })
			}
			both.Wait()
		}
		want = append(want, "opened", "closed")
	}
	r.expect(strings.Join(want, " "))
}

func TestALostDatabaseIsToldWithoutRedis(t *testing.T) {
	t.Parallel()
	r := newLossRig(t)
	r.redis.Kill()
	r.pings(0, 0, true)
	r.pings(0, time.Minute, true)
	r.expect("opened")
	r.redis.Start()
	r.pings(0, time.Minute, true)
	r.expect("opened")
	r.pings(0, time.Minute, false)
	r.pings(0, time.Minute, false)
	r.expect("opened closed")
}
