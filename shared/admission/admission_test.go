package admission

import (
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"newsletter/internal/testenv"
	"newsletter/shared/capture"
	"newsletter/shared/config"
	"newsletter/shared/pseudonym"
	"newsletter/shared/ratelimit"
	"newsletter/shared/redistls"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newGate makes a gate with the default limits, or with those of variables, in this process or on Redis.
func newGate(t *testing.T, client redis.UniversalClient, now *time.Time, variables map[string]string) *Gate {
	t.Helper()
	env := config.FromMap(variables)
	cfg := ReadConfig(env)
	if err := env.Err(); err != nil {
		t.Fatal(err)
	}
	key, err := pseudonym.NewKey(pseudonym.Config{Pepper: config.Seal(base64.StdEncoding.EncodeToString([]byte(
		fmt.Sprintf("%-32s%d", t.Name(), rand.Uint64()))))})
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return *now }
	return New(ratelimit.New(client, key, ratelimit.Config{}, clock), cfg, clock)
}

func inRedis(t *testing.T) redis.UniversalClient {
	t.Helper()
	server := testenv.Redis(t)
	client, err := redistls.Open(redistls.Config{URL: config.Seal(server.URL), CAFile: server.CAFile})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func TestTheMarksOfRobots(t *testing.T) {
	t.Parallel()
	now := start
	g := newGate(t, nil, &now, map[string]string{"MIN_FILL_TIME": "3s"})
	for name, c := range map[string]struct {
		attempt Attempt
		want    []string
	}{
		"a person":               {Attempt{StartedAt: now.Add(-time.Minute)}, nil},
		"no start is told":       {Attempt{}, nil},
		"just in time":           {Attempt{StartedAt: now.Add(-3 * time.Second)}, nil},
		"too fast":               {Attempt{StartedAt: now.Add(-3*time.Second + time.Nanosecond)}, []string{ReasonTooFast}},
		"at once":                {Attempt{StartedAt: now}, []string{ReasonTooFast}},
		"a clock that is ahead":  {Attempt{StartedAt: now.Add(time.Minute)}, nil},
		"a clock far behind":     {Attempt{StartedAt: now.Add(-1000 * time.Hour)}, nil},
		"the honeypot":           {Attempt{Honeypot: "https://spam.example"}, []string{ReasonHoneypot}},
		"the honeypot, too fast": {Attempt{Honeypot: " ", StartedAt: now}, []string{ReasonHoneypot, ReasonTooFast}},
	} {
		c.attempt.Endpoint, c.attempt.Client = Subscribe, netip.AddrFrom4([4]byte{10, byte(rand.N(250)), byte(rand.N(250)), 1})
		v := g.Admit(t.Context(), c.attempt)
		want := Accept
		if len(c.want) > 0 {
			want = Drop
		}
		if v.Outcome != want || !slices.Equal(v.Reasons, c.want) {
			t.Errorf("%s: %s because %v, want %v", name, v.Outcome, v.Reasons, c.want)
		}
	}
	g = newGate(t, nil, &now, map[string]string{"MIN_FILL_TIME": "0s"})
	if v := g.Admit(t.Context(), Attempt{Endpoint: Subscribe, StartedAt: now}); v.Outcome != Accept {
		t.Errorf("switched off: %s because %v", v.Outcome, v.Reasons)
	}
}

// TestARobotIsCountedLikeAPerson: it is answered alike too, limiter headers included, and cannot go on for ever.
func TestARobotIsCountedLikeAPerson(t *testing.T) {
	t.Parallel()
	now := start
	limits := map[string]string{"LIMIT_SUBSCRIBE": "6/10m@host"}
	robots, people := newGate(t, nil, &now, limits), newGate(t, nil, &now, limits)
	for i := range 4 {
		robot := robots.Admit(t.Context(), Attempt{Endpoint: Subscribe, Client: netip.MustParseAddr("192.0.2.1"), Honeypot: "x"})
		person := people.Admit(t.Context(), Attempt{Endpoint: Subscribe, Client: netip.MustParseAddr("192.0.2.1")})
		if want := []Outcome{Drop, Refuse}[i/3]; robot.Outcome != want {
			t.Errorf("robot's call %d: %s, want %s", i, robot.Outcome, want)
		}
		if want := []Outcome{Accept, Refuse}[i/3]; person.Outcome != want {
			t.Errorf("person's call %d: %s, want %s", i, person.Outcome, want)
		}
		if got, want := robot.Limit.Headers(), person.Limit.Headers(); got.Get("RateLimit") != want.Get("RateLimit") || len(got) != len(want) {
			t.Errorf("call %d: a robot is told %v, a person %v", i, got, want)
		}
	}
}

// TestEndpointsHaveTheirOwnLimits, and an unknown one the strictest way: that of sign-ups.
func TestEndpointsHaveTheirOwnLimits(t *testing.T) {
	t.Parallel()
	now := start
	g := newGate(t, nil, &now, map[string]string{"LIMIT_SUBSCRIBE": "2/1h@host", "LIMIT_CONFIRM": "6/1h@host", "LIMIT_UNSUBSCRIBE": "4/1h@host"})
	for endpoint, want := range map[Endpoint]int{Subscribe: 2, Confirm: 6, Unsubscribe: 4, "other": 2} {
		v := g.Admit(t.Context(), Attempt{Endpoint: endpoint, Client: netip.MustParseAddr("192.0.2.1")})
		if v.Outcome != Accept || len(v.Limit.States) != 1 || v.Limit.States[0].Policy.Limit != want {
			t.Errorf("%s: %s under %v, want a limit of %d", endpoint, v.Outcome, v.Limit.States, want)
		}
	}
}

// TestWithoutRedisConfirmationsGoOn: they mail nobody. What mails somebody is limited still.
func TestWithoutRedisConfirmationsGoOn(t *testing.T) {
	t.Parallel()
	now := start
	g := newGate(t, nil, &now, map[string]string{"LIMIT_CONFIRM": "4/1h@host", "LIMIT_UNSUBSCRIBE": "4/1h@host"})
	for i := range 12 {
		client := netip.MustParseAddr("192.0.2.1")
		confirm := g.Admit(t.Context(), Attempt{Endpoint: Confirm, Client: client})
		if confirm.Outcome != Accept || confirm.Limit.Headers().Get("Retry-After") != "" {
			t.Errorf("confirmation %d: %s, %v", i, confirm.Outcome, confirm.Limit.Headers())
		}
		unsubscribe := g.Admit(t.Context(), Attempt{Endpoint: Unsubscribe, Client: client})
		if (unsubscribe.Outcome == Accept) != (i < 2) {
			t.Errorf("unsubscribe request %d: %s", i, unsubscribe.Outcome)
		}
		if i >= 2 {
			g.Settle(t.Context(), &confirm) // it was not counted, so nothing comes back
			if v := g.Admit(t.Context(), Attempt{Endpoint: Confirm, Client: client}); v.Limit.States != nil {
				t.Fatal("the refund of a confirmation that was not counted took back another one")
			}
		}
	}
}

// TestConfirmationsAreLimitedByRedis, whose word counts for them too.
func TestConfirmationsAreLimitedByRedis(t *testing.T) {
	t.Parallel()
	now := start
	g := newGate(t, inRedis(t), &now, map[string]string{"LIMIT_CONFIRM": "2/1h@host"})
	byRedis := 0
	var last Verdict
	for range 50 { // a call that a busy machine answers too late is not counted on
		if last = g.Admit(t.Context(), Attempt{Endpoint: Confirm, Client: netip.MustParseAddr("192.0.2.1")}); last.Limit.Tier == ratelimit.Redis {
			byRedis++
		}
		if byRedis == 3 {
			break
		}
		now = now.Add(time.Minute)
	}
	if last.Outcome != Refuse || len(last.Limit.Violated()) != 1 {
		t.Errorf("the third one: %s by %s, %v", last.Outcome, last.Limit.Tier, last.Limit.Violated())
	}
}

func TestOnlyOurFailureGivesTheTryBack(t *testing.T) {
	t.Parallel()
	now := start
	g := newGate(t, nil, &now, map[string]string{"LIMIT_SUBSCRIBE": "1/1h@host"})
	attempt := Attempt{Endpoint: Subscribe, Client: netip.MustParseAddr("192.0.2.1")}
	first := g.Admit(t.Context(), attempt)
	if v := g.Admit(t.Context(), attempt); v.Outcome != Refuse {
		t.Fatalf("%s, want a full log", v.Outcome)
	}
	g.Settle(t.Context(), &first)
	second := g.Admit(t.Context(), attempt)
	if second.Outcome != Accept {
		t.Errorf("after the refund: %s", second.Outcome)
	}
	second.Keep()
	g.Settle(t.Context(), &second)
	if v := g.Admit(t.Context(), attempt); v.Outcome != Refuse {
		t.Errorf("after one that is kept: %s", v.Outcome)
	}
}

func TestBadConfigurationIsNamed(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"LIMIT_SUBSCRIBE": "many", "LIMIT_CONFIRM": "5/10m", "LIMIT_UNSUBSCRIBE": "0/10m@host", "MIN_FILL_TIME": "soon",
	} {
		env := config.FromMap(map[string]string{name: value})
		ReadConfig(env)
		if err := env.Err(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

// TestALostRedisIsReported, because the visitor who met it is served and nobody else would say so.
func TestALostRedisIsReported(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var reports []string
	sentry := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		reports = append(reports, string(body))
	}))
	t.Cleanup(sentry.Close)
	reporter, err := capture.Open(capture.Config{DSN: config.Seal("http://key@" + sentry.Listener.Addr().String() + "/1")}, nil, "subscribe")
	if err != nil {
		t.Fatal(err)
	}
	lost, err := redistls.Open(redistls.Config{URL: config.Seal("rediss://127.0.0.1:1")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lost.Close() })
	now := start
	g := newGate(t, lost, &now, nil)
	ctx := reporter.Begin(t.Context(), "request")
	if v := g.Admit(ctx, Attempt{Endpoint: Subscribe, Client: netip.MustParseAddr("192.0.2.1")}); v.Outcome != Accept || v.Limit.Reason != "refused" {
		t.Errorf("%s because %s", v.Outcome, v.Limit.Reason)
	}
	reporter.Flush(ctx, 20*time.Second)
	mu.Lock()
	defer mu.Unlock()
	if len(reports) != 1 || !strings.Contains(reports[0], "count in Redis") || strings.Contains(reports[0], "192.0.2.1") {
		t.Errorf("reports: %v", reports)
	}
}
