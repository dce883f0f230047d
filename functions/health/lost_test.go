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

	"newsletter/internal/testenv"
	"newsletter/shared/alert"
	"newsletter/shared/config"
	"newsletter/shared/notify"
	"newsletter/shared/postgres"
	"newsletter/shared/redistls"
)

// lossRig is two environments of the function that share a Redis and a database, which may be lost.
type lossRig struct {
	t      *testing.T
	redis  *testenv.PrivateRedis
	alerts *alert.Store
	envs   [2]*lostDatabase

	conn *pgx.Conn

	mu    sync.Mutex
	now   time.Time
	lost  bool // the database
	deaf  bool // the channel
	heard []string
	ids   map[string]bool
}

func newLossRig(t *testing.T) *lossRig {
	t.Helper()
	database := testenv.Postgres(t)
	db, err := postgres.New(t.Context(), postgres.Config{URL: config.Seal(database.AppURL), CAFile: database.CAFile})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	r := &lossRig{t: t, redis: testenv.RedisServer(t), conn: database.Conn(t), now: time.Now(), ids: map[string]bool{}}
	clock := func() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.now }
	r.alerts = alert.NewStore(db, config.Read[alert.Config](config.FromMap(nil)), clock)
	for i := range r.envs {
		r.envs[i] = &lostDatabase{
			redis: r.client(), remind: 4 * time.Hour, clear: 5 * time.Minute, now: clock,
			voices: map[string]notify.Notifier{"slack": r.hear, "dead": func(context.Context, notify.Notification) error { return errors.New("down") }},
		}
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

func (r *lossRig) hear(_ context.Context, n notify.Notification) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.deaf {
		return errors.New("deaf")
	}
	if r.ids[n.ID] {
		r.t.Errorf("two messages have the id %s", n.ID)
	}
	r.ids[n.ID] = true
	r.heard = append(r.heard, strings.TrimPrefix(n.Event.Type, "alert."))
	return nil
}

func (r *lossRig) ask(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lost {
		return errors.New("lost")
	}
	return nil
}

// pings lets an environment find the database lost, or not, after a time.
func (r *lossRig) pings(env int, after time.Duration, lost bool) {
	r.t.Helper()
	r.mu.Lock()
	r.now, r.lost = r.now.Add(after), lost
	r.mu.Unlock()
	if !lost {
		if err := r.envs[env].over(r.t.Context(), r.alerts); err != nil {
			r.t.Error(err)
		}
		return
	}
	_, err := r.envs[env].tell(r.t.Context(), time.Millisecond, r.ask)
	for _, line := range strings.Split(fmt.Sprint(err), "\n") {
		if err != nil && line != "tell dead: down" && line != "tell slack: deaf" {
			r.t.Errorf("unexpected: %s", line)
		}
	}
}

// expect compares what was told directly, and how often the outbox is to tell of an end.
func (r *lossRig) expect(want string, ends int) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if got := strings.Join(r.heard, " "); got != want {
		r.t.Errorf("heard %q, want %q", got, want)
	}
	var queued int
	if err := r.conn.QueryRow(r.t.Context(), `select count(*) from outbox where kind = 'alert.resolved'`).Scan(&queued); err != nil || queued != ends {
		r.t.Errorf("%d ends are queued, want %d (%v)", queued, ends, err)
	}
}

func TestALostDatabaseIsToldOnceByAllEnvironments(t *testing.T) {
	t.Parallel()
	r := newLossRig(t)
	r.pings(0, 0, false)
	r.expect("", 0)
	r.pings(0, time.Minute, true)
	r.pings(1, time.Minute, true)
	r.pings(0, time.Minute, true)
	r.expect("firing", 0)
	r.pings(1, 4*time.Hour, true)
	r.expect("firing repeated", 0)
	r.pings(1, 5*time.Minute, false)
	r.pings(0, time.Minute, false) // it has told of it too, but it is over
	r.expect("firing repeated", 1)
	all, err := r.alerts.List(t.Context(), false, 10)
	if err != nil || len(all) != 1 || all[0].Rule != alert.Database || all[0].ClosedAt == nil || all[0].ClosedAt.Sub(all[0].OpenedAt).Round(time.Minute) != 4*time.Hour+7*time.Minute {
		t.Errorf("%v %+v", err, all)
	}
	r.pings(0, time.Minute, true)
	r.expect("firing repeated firing", 1)
}

// TestALossThatComesAndGoesIsOne: it is over when the database has answered for five minutes.
func TestALossThatComesAndGoesIsOne(t *testing.T) {
	t.Parallel()
	r := newLossRig(t)
	for i := range 10 {
		r.pings(i%2, time.Minute, i%2 == 0)
	}
	r.expect("firing", 0)
	r.pings(0, 4*time.Minute-time.Second, false)
	r.expect("firing", 0)
	r.pings(0, time.Second, false)
	r.expect("firing", 1)
}

// TestPingsThatOverlapTellOnce: both environments find the loss, and its end, at the same moment.
func TestPingsThatOverlapTellOnce(t *testing.T) {
	t.Parallel()
	r := newLossRig(t)
	var want []string
	for i := range 10 {
		for _, lost := range []bool{true, false} {
			r.now = r.now.Add(5 * time.Minute)
			var both sync.WaitGroup
			for env := range r.envs {
				both.Go(func() { r.pings(env, 0, lost) })
			}
			both.Wait()
		}
		want = append(want, "firing")
		r.expect(strings.Join(want, " "), i+1)
	}
}

// TestAChannelThatIsDownIsToldLater, at the next ping that it answers: each round once.
func TestAChannelThatIsDownIsToldLater(t *testing.T) {
	t.Parallel()
	r := newLossRig(t)
	r.deaf, r.lost = true, true
	if got, err := r.envs[0].tell(t.Context(), time.Millisecond, r.ask); got != unheard || err == nil {
		t.Errorf("%s %v", got, err)
	}
	r.deaf = false
	for range 3 {
		r.pings(1, time.Minute, true)
	}
	r.expect("firing", 0)
	if got, _ := r.envs[0].tell(t.Context(), time.Millisecond, r.ask); got != told {
		t.Error(got)
	}
	r.deaf = true
	r.pings(0, 4*time.Hour, true)
	r.deaf = false
	r.pings(0, time.Minute, true)
	r.expect("firing repeated", 0)
}

func TestALostDatabaseIsToldWithoutRedis(t *testing.T) {
	t.Parallel()
	r := newLossRig(t)
	r.redis.Kill()
	r.pings(0, 0, true)
	r.pings(0, time.Minute, true)
	r.expect("firing", 0)
	r.redis.Start()
	r.pings(0, time.Minute, true)
	r.expect("firing", 0)
	r.pings(0, 5*time.Minute, false)
	r.pings(0, time.Minute, false)
	r.expect("firing", 1)
}

// TestARedisThatComesBackWithAnEndedLoss tells nothing again, and hides no new loss.
func TestARedisThatComesBackWithAnEndedLoss(t *testing.T) {
	t.Parallel()
	r := newLossRig(t)
	r.pings(0, 0, true)
	text, err := r.client().Get(t.Context(), lostKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	again := func() {
		if err := r.client().Set(t.Context(), lostKey, text, time.Hour).Err(); err != nil {
			t.Fatal(err)
		}
	}
	r.pings(0, 5*time.Minute, false)
	again()
	r.pings(0, time.Minute, false)
	r.pings(1, time.Minute, false) // which knew nothing of it
	r.expect("firing", 1)
	again()
	r.pings(0, time.Minute, true)
	r.expect("firing firing", 1)
}

// TestABlipIsNotTold: the database answers the second question.
func TestALossThatIsOverInSecondsIsNotTold(t *testing.T) {
	t.Parallel()
	r := newLossRig(t)
	if got, err := r.envs[0].tell(t.Context(), time.Millisecond, r.ask); got != answers || err != nil {
		t.Fatal(got, err)
	}
	r.expect("", 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.envs[0].tell(ctx, time.Hour, r.ask); err == nil {
		t.Error("it waits longer than the invocation lasts")
	}
	if got := fmt.Sprint(r.envs[0].memory); got != "<nil>" {
		t.Errorf("it remembers %s", got)
	}
}
