package e2e

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"newsletter/shared/config"
	"newsletter/shared/redistls"
	"newsletter/shared/requeststats"
	"newsletter/shared/telemetry"
)

// A scenario causes alerts in one system and then removes the causes.
type scenario struct {
	thresholds map[string]string
	alerts     []string // that fire, each once: "rule", or "rule/subject"
	run        func(t *testing.T, w *watch)
}

var scenarios = map[string]scenario{
	"servers are unavailable": {
		map[string]string{"ALERTS_LIMITER_DOWN_MAX": "1s", "ALERTS_OBJECTIVE_PERCENT": "97"},
		[]string{"limiter", "database", "errors/fast", "errors/slow", "errors/creeping"}, serversAreLost,
	},
	"feedback is missing":     {nil, []string{"feedback_missing", "feedback_unreadable"}, feedbackIsMissing},
	"emails fail":             {nil, []string{"bounces", "circuit_breaker", "dead_letters", "email_paused"}, emailsFail},
	"strangers are signed up": {map[string]string{"SIGNUP_DISPOSABLE_DOMAINS": "hold"}, []string{"signup_burst", "held/disposable", "bombing", "flagged"}, strangersAreSignedUp},
	"work is not done": {
		map[string]string{"ALERTS_OUTBOX_AGE_MAX": "2s"},
		[]string{"privacy_due", "check/migrations", "slower/subscribe POST", "trend/confirm GET", "outbox_age", "deliveries/loops"}, workIsLeftUndone,
	},
	"a page is at fault":       {nil, []string{"page/unsubscribe_link"}, pageIsAtFault},
	"emails wait":              {nil, []string{"slots", "email_overdue"}, emailsWait},
	"the ledger is not proven": {nil, []string{"ledger/seals", "ledger/anchors", "ledger/verification"}, ledgerIsNotProven},
	"database roles change":    {nil, []string{"role/app", "role/keeper"}, rolesChange},
}

// TestEveryAlertFiresAndResolves causes every alert and checks that each channel is notified once when it fires,
// repeatedly while it lasts, and once when it resolves, and that no other alert fires.
func TestEveryAlertFiresAndResolves(t *testing.T) {
	t.Parallel()
	for name, s := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatch(t, s.thresholds)
			w.become(nil)
			s.run(t, w)
			w.become(nil)
			w.verify(s.alerts)
		})
	}
}

func TestEveryRuleHasAScenario(t *testing.T) {
	t.Parallel()
	covered := map[string]bool{}
	for _, s := range scenarios {
		for _, about := range s.alerts {
			rule, _, _ := strings.Cut(about, "/")
			covered[rule] = true
		}
	}
	if got, want := slices.Sorted(maps.Keys(covered)), slices.Sorted(maps.Keys(pageOfAlerts(t))); !slices.Equal(got, want) {
		t.Errorf("scenarios for %q, rules %q", got, want)
	}
}

// answersSlowly records requests in the last five slots of five minutes, as other environments would.
func (w *watch) answersSlowly(endpoint string, took time.Duration) {
	w.t.Helper()
	client, err := redistls.New(redistls.Config{URL: config.Seal(w.redis.URL), CAFile: w.redis.CAFile})
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	if err := redistls.Warm(w.t.Context(), client); err != nil {
		w.t.Fatal(err)
	}
	for i := range 5 {
		at := time.Now().Truncate(5 * time.Minute).Add(time.Duration(-1-i) * 5 * time.Minute)
		recorder := requeststats.NewRecorder(client, func() time.Time { return at })
		for range 60 {
			recorder.Count(telemetry.Request{Endpoint: endpoint, Status: http.StatusAccepted, Duration: took})
		}
		recorder.Close(w.t.Context())
	}
}
