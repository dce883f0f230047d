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

	"newsletter/internal/fixtures/testenv"
	"newsletter/shared/capture"
	"newsletter/shared/config"
	"newsletter/shared/pseudonym"
	"newsletter/shared/ratelimit"
	"newsletter/shared/redistls"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newAdmission returns the Admission of a route with limits, in this process or in Redis.
func newAdmission(t *testing.T, client redis.UniversalClient, now *time.Time, endpoint Endpoint, limits string) *Admission {
	t.Helper()
	env := config.FromMap(map[string]string{"LIMITS_SUBSCRIBE": limits})
	policies := config.Read[SubscribeLimits](env).Policies
	if err := env.Err(); err != nil {
		t.Fatal(err)
	}
	key, err := pseudonym.NewKey(pseudonym.Config{Pepper: config.Seal(base64.StdEncoding.EncodeToString([]byte(
		fmt.Sprintf("%-32s%d", t.Name(), rand.Uint64()))))})
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return *now }
	return New(ratelimit.New(client, key, clock), endpoint, policies, clock)
}

func inRedis(t *testing.T) redis.UniversalClient {
	t.Helper()
	server := testenv.Redis(t)
	client, err := redistls.New(redistls.Config{URL: config.Seal(server.URL), CAFile: server.CAFile})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func TestSignalsOfBots(t *testing.T) {
	t.Parallel()
	now := start
	a := newAdmission(t, nil, &now, Subscribe, "")
	for name, c := range map[string]struct {
		request Request
		want    []string
		outcome Outcome
	}{
		"no signal":              {Request{StartedAt: now.Add(-time.Minute)}, nil, Accept},
		"no start":               {Request{}, nil, Accept},
		"just in time":           {Request{StartedAt: now.Add(-minFillTime)}, nil, Accept},
		"too fast":               {Request{StartedAt: now.Add(-minFillTime + time.Nanosecond)}, []string{reasonTooFast}, Accept},
		"at once":                {Request{StartedAt: now}, []string{reasonTooFast}, Accept},
		"a clock that is ahead":  {Request{StartedAt: now.Add(time.Minute)}, nil, Accept},
		"a clock far behind":     {Request{StartedAt: now.Add(-1000 * time.Hour)}, nil, Accept},
		"the honeypot":           {Request{Honeypot: "https://spam.example"}, []string{reasonHoneypot}, Hold},
		"the honeypot, too fast": {Request{Honeypot: " ", StartedAt: now}, []string{reasonHoneypot, reasonTooFast}, Hold},
	} {
		c.request.Client = netip.AddrFrom4([4]byte{10, byte(rand.N(250)), byte(rand.N(250)), 1})
		v := a.Admit(t.Context(), c.request)
		if v.Outcome != c.outcome || !slices.Equal(v.Reasons, c.want) {
			t.Errorf("%s: %s because %v, want %s because %v", name, v.Outcome, v.Reasons, c.outcome, c.want)
		}
	}
}

// TestBotsAreCountedLikePeople checks that the limiter's headers do not reveal that a bot was detected.
func TestBotsAreCountedLikePeople(t *testing.T) {
	t.Parallel()
	now := start
	bots, people := newAdmission(t, nil, &now, Subscribe, "6/10m@host"), newAdmission(t, nil, &now, Subscribe, "6/10m@host")
	for i := range 4 {
		bot := bots.Admit(t.Context(), Request{Client: netip.MustParseAddr("192.0.2.1"), Honeypot: "x"})
		person := people.Admit(t.Context(), Request{Client: netip.MustParseAddr("192.0.2.1")})
		if want := []Outcome{Hold, Refuse}[i/3]; bot.Outcome != want {
			t.Errorf("bot's call %d: %s, want %s", i, bot.Outcome, want)
		}
		if want := []Outcome{Accept, Refuse}[i/3]; person.Outcome != want {
			t.Errorf("person's call %d: %s, want %s", i, person.Outcome, want)
		}
		if got, want := bot.Limit.Headers(), person.Limit.Headers(); got.Get("RateLimit") != want.Get("RateLimit") || len(got) != len(want) {
			t.Errorf("call %d: a bot gets %v, a person %v", i, got, want)
		}
	}
}

// TestEveryRouteHasItsOwnLimits checks the settings of the limits.
func TestEveryRouteHasItsOwnLimits(t *testing.T) {
	t.Parallel()
	env := config.FromMap(map[string]string{"LIMITS_SUBSCRIBE": "2/1h@host", "LIMITS_UNSUBSCRIBE": "4/1h@host", "LIMITS_PRIVACY": "6/1h@host"})
	for want, got := range map[int]ratelimit.Policies{
		2: config.Read[SubscribeLimits](env).Policies, 4: config.Read[UnsubscribeLimits](env).Policies, 6: config.Read[PrivacyLimits](env).Policies,
	} {
		if len(got) != 1 || got[0].Limit != want {
			t.Errorf("%v, want a limit of %d", got, want)
		}
	}
	if err := env.Err(); err != nil {
		t.Error(err)
	}
}

// TestLimitsWithoutRedis checks that only requests that cause an email are limited locally.
func TestLimitsWithoutRedis(t *testing.T) {
	t.Parallel()
	now := start
	confirmations, requests := newAdmission(t, nil, &now, Confirm, "4/1h@host"), newAdmission(t, nil, &now, Unsubscribe, "4/1h@host")
	for i := range 12 {
		client := netip.MustParseAddr("192.0.2.1")
		confirm := confirmations.Admit(t.Context(), Request{Client: client})
		if confirm.Outcome != Accept || confirm.Limit.Headers().Get("Retry-After") != "" {
			t.Errorf("confirmation %d: %s, %v", i, confirm.Outcome, confirm.Limit.Headers())
		}
		unsubscribe := requests.Admit(t.Context(), Request{Client: client})
		if (unsubscribe.Outcome == Accept) != (i < 2) {
			t.Errorf("unsubscribe request %d: %s", i, unsubscribe.Outcome)
		}
		if i >= 2 {
			confirmations.Refund(t.Context(), confirm) // it was not counted, so nothing is refunded
			if v := confirmations.Admit(t.Context(), Request{Client: client}); v.Limit.States != nil {
				t.Fatal("the refund of a confirmation that was not counted took back another one")
			}
		}
	}
}

func TestConfirmationsAreLimitedInRedis(t *testing.T) {
	t.Parallel()
	now := start
	a := newAdmission(t, inRedis(t), &now, Confirm, "2/1h@host")
	byRedis := 0
	var last Decision
	for range 50 { // a busy machine may answer some calls too late
		if last = a.Admit(t.Context(), Request{Client: netip.MustParseAddr("192.0.2.1")}); last.Limit.Backend == ratelimit.Redis {
			byRedis++
		}
		if byRedis == 3 {
			break
		}
		now = now.Add(time.Minute)
	}
	if last.Outcome != Refuse || len(last.Limit.Violated()) != 1 {
		t.Errorf("the third one: %s by %s, %v", last.Outcome, last.Limit.Backend, last.Limit.Violated())
	}
}

func TestRefund(t *testing.T) {
	t.Parallel()
	now := start
	a := newAdmission(t, nil, &now, Subscribe, "1/1h@host")
	request := Request{Client: netip.MustParseAddr("192.0.2.1")}
	first := a.Admit(t.Context(), request)
	if v := a.Admit(t.Context(), request); v.Outcome != Refuse {
		t.Fatalf("%s, want a full limit", v.Outcome)
	}
	a.Refund(t.Context(), first)
	if v := a.Admit(t.Context(), request); v.Outcome != Accept {
		t.Errorf("after the refund: %s", v.Outcome)
	}
	a.Refund(t.Context(), first)
	if v := a.Admit(t.Context(), request); v.Outcome != Refuse {
		t.Errorf("after a second refund of the same request: %s", v.Outcome)
	}
}

func TestInvalidLimits(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"LIMITS_SUBSCRIBE": "many", "LIMITS_PRIVACY": "5/10m", "LIMITS_UNSUBSCRIBE": "0/10m@host",
	} {
		env := config.FromMap(map[string]string{name: value})
		config.Read[SubscribeLimits](env)
		config.Read[UnsubscribeLimits](env)
		config.Read[PrivacyLimits](env)
		if err := env.Err(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

// TestRedisFailureIsReported checks that the failure is reported although the visitor is served.
func TestRedisFailureIsReported(t *testing.T) {
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
	reporter, err := capture.New(capture.Config{DSN: config.Seal("http://key@" + sentry.Listener.Addr().String() + "/1")}, nil, "subscribe")
	if err != nil {
		t.Fatal(err)
	}
	lost, err := redistls.New(redistls.Config{URL: config.Seal("rediss://127.0.0.1:1")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lost.Close() })
	now := start
	a := newAdmission(t, lost, &now, Subscribe, "")
	ctx := reporter.Begin(t.Context(), "request")
	if v := a.Admit(ctx, Request{Client: netip.MustParseAddr("192.0.2.1")}); v.Outcome != Accept || v.Limit.Reason != "refused" {
		t.Errorf("%s because %s", v.Outcome, v.Limit.Reason)
	}
	reporter.Flush(ctx, 20*time.Second)
	mu.Lock()
	defer mu.Unlock()
	if len(reports) != 1 || !strings.Contains(reports[0], "count in Redis") || strings.Contains(reports[0], "192.0.2.1") {
		t.Errorf("reports: %v", reports)
	}
}
