package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"newsletter/internal/fixtures/testenv"
	"newsletter/shared/alert"
	"newsletter/shared/config"
	"newsletter/shared/notify"
	"newsletter/shared/redistls"
)

// lossRig is two environments of the function that share a Redis and a database. The writes of the database fail at
// will.
type lossRig struct {
	t      *testing.T
	redis  *testenv.PrivateRedis
	alerts *alert.Store
	envs   [2]*lostDatabase
	conn   *pgx.Conn

	mu            sync.Mutex
	now           time.Time
	writesFail    bool
	slackFails    bool
	notifications []string
	ids           map[string]bool
}

func newLossRig(t *testing.T) *lossRig {
	t.Helper()
	database := testenv.Postgres(t)
	db := database.Pool(t)
	r := &lossRig{t: t, redis: testenv.RedisServer(t), conn: database.Conn(t), now: time.Now(), ids: map[string]bool{}}
	r.alerts = alert.NewStore(db, config.Read[alert.Config](config.FromMap(nil)), func() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.now })
	for i := range r.envs {
		r.envs[i] = &lostDatabase{store: alert.NewRedisStore(r.client(), r.alerts), destinations: map[string]notify.Notifier{
			"slack": r.slack, "dead": func(context.Context, notify.Notification) error { return errors.New("down") },
		}}
	}
	return r
}

func (r *lossRig) client() redis.UniversalClient {
	client, err := redistls.New(redistls.Config{URL: config.Seal(r.redis.URL), CAFile: r.redis.CAFile})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = client.Close() })
	return client
}

func (r *lossRig) slack(_ context.Context, n notify.Notification) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.slackFails {
		return errors.New("down")
	}
	if r.ids[n.ID] {
		r.t.Errorf("two notifications have the ID %s", n.ID)
	}
	r.ids[n.ID] = true
	r.notifications = append(r.notifications, strings.TrimPrefix(n.Event.Type, "alert."))
	return nil
}

func (r *lossRig) write(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.writesFail {
		return errors.New("lost")
	}
	return nil
}

// run lets an environment find the database lost, or available, after a time.
func (r *lossRig) run(env int, after time.Duration, lost bool) databaseState {
	r.t.Helper()
	r.mu.Lock()
	r.now, r.writesFail = r.now.Add(after), lost
	r.mu.Unlock()
	if !lost {
		if err := r.envs[env].resolve(r.t.Context()); err != nil {
			r.t.Error(err)
		}
		return available
	}
	state, err := r.envs[env].notify(r.t.Context(), time.Millisecond, r.write)
	for _, line := range strings.Split(fmt.Sprint(err), "\n") {
		if err != nil && line != "notify dead: down" && line != "notify slack: down" {
			r.t.Errorf("unexpected error: %s", line)
		}
	}
	return state
}

// expect compares the notifications that were sent directly, and the number of queued ones, which are of resolved
// alerts.
func (r *lossRig) expect(want string, queued int) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if got := strings.Join(r.notifications, " "); got != want {
		r.t.Errorf("sent %q, want %q", got, want)
	}
	var n int
	if err := r.conn.QueryRow(r.t.Context(), `select count(*) from outbox where kind = 'alert.resolved'`).Scan(&n); err != nil || n != queued {
		r.t.Errorf("%d notifications are queued, want %d (%v)", n, queued, err)
	}
}

// TestLossNotifiesOnce checks that the environments together notify once of each stage.
func TestLossNotifiesOnce(t *testing.T) {
	t.Parallel()
	r := newLossRig(t)
	r.run(0, 0, false)
	r.expect("", 0)
	r.run(0, time.Minute, true)
	r.run(1, time.Minute, true)
	r.run(0, time.Minute, true)
	r.expect("firing", 0)
	r.run(1, 4*time.Hour, true)
	r.expect("firing repeated", 0)
	r.run(1, 5*time.Minute, false)
	r.run(0, time.Minute, false)
	r.expect("firing repeated", 1)
	all, err := r.alerts.List(t.Context(), false, 10)
	if err != nil || len(all) != 1 || all[0].Rule != alert.Database || all[0].ResolvedAt == nil || all[0].ResolvedAt.Sub(all[0].FiringSince).Round(time.Minute) != 4*time.Hour+7*time.Minute {
		t.Errorf("%v %+v", err, all)
	}
	r.run(0, time.Minute, true)
	r.expect("firing repeated firing", 1)
}

// TestOverlappingRunsNotifyOnce: both environments find the loss, and its end, at the same moment.
func TestOverlappingRunsNotifyOnce(t *testing.T) {
	t.Parallel()
	r := newLossRig(t)
	var want []string
	for i := range 10 {
		for _, lost := range []bool{true, false} {
			r.now = r.now.Add(5 * time.Minute)
			var both sync.WaitGroup
			for env := range r.envs {
				both.Go(func() { r.run(env, 0, lost) })
			}
			both.Wait()
		}
		want = append(want, "firing")
		r.expect(strings.Join(want, " "), i+1)
	}
}

// TestFailedDestinationIsRetried checks that a destination receives each notification once, at the first run in which
// it accepts it.
func TestFailedDestinationIsRetried(t *testing.T) {
	t.Parallel()
	r := newLossRig(t)
	r.slackFails = true
	if got := r.run(0, 0, true); got != unnotified {
		t.Error(got)
	}
	r.slackFails = false
	for range 3 {
		if got := r.run(1, time.Minute, true); got != notified {
			t.Error(got)
		}
	}
	r.expect("firing", 0)
	if got := r.run(0, 0, true); got != notified {
		t.Error(got)
	}
	r.slackFails = true
	if got := r.run(0, 4*time.Hour, true); got != unnotified {
		t.Error(got)
	}
	r.slackFails = false
	r.run(0, time.Minute, true)
	r.expect("firing repeated", 0)
}

func TestLossIsUnnotifiedWithoutDestinations(t *testing.T) {
	t.Parallel()
	r := newLossRig(t)
	r.envs[0].destinations = nil
	if got := r.run(0, 0, true); got != unnotified {
		t.Error(got)
	}
}

func TestLossWithoutRedis(t *testing.T) {
	t.Parallel()
	r := newLossRig(t)
	r.redis.Kill()
	r.run(0, 0, true)
	r.run(0, time.Minute, true)
	r.expect("firing", 0)
	r.redis.Start()
	r.run(0, time.Minute, true)
	r.expect("firing", 0)
	r.run(0, 5*time.Minute, false)
	r.run(0, time.Minute, false)
	r.expect("firing", 1)
}

// TestShortLossDoesNotNotify checks that nothing is sent or stored if the second write succeeds.
func TestShortLossDoesNotNotify(t *testing.T) {
	t.Parallel()
	r := newLossRig(t)
	if got, err := r.envs[0].notify(t.Context(), time.Millisecond, r.write); got != available || err != nil {
		t.Fatal(got, err)
	}
	r.run(0, time.Hour, false)
	r.expect("", 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.envs[0].notify(ctx, time.Hour, r.write); err == nil {
		t.Error("the pause outlasts the invocation")
	}
}
