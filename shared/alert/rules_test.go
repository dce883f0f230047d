package alert

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"newsletter/shared/config"
	"newsletter/shared/outbox"
)

// defaults returns the default thresholds.
func defaults(t testing.TB) Config {
	t.Helper()
	env := config.FromMap(nil)
	c := config.Read[Config](env)
	if err := env.Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

// even returns the same counts for every window.
func even(requests, errors int64) map[time.Duration]Counts {
	all := map[time.Duration]Counts{}
	for _, w := range windows() {
		all[w] = Counts{requests, errors}
	}
	return all
}

// only returns the counts with those of one window replaced.
func only(in map[time.Duration]Counts, window time.Duration, requests, errors int64) map[time.Duration]Counts {
	in = maps.Clone(in)
	in[window] = Counts{requests, errors}
	return in
}

// failing returns the measurements of a destination whose deliveries fail.
func pages(all ...PageRequests) Measurements { return Measurements{Pages: all} }

func failing(destination string, age time.Duration) Measurements {
	return Measurements{Outbox: outbox.Depth{Failing: []outbox.FailingDestination{{Destination: destination, Count: 20, Age: age}}}}
}

// held returns the measurements of one held email for each reason.
func held(reasons ...string) Measurements {
	f := Measurements{Outbox: outbox.Depth{HeldByReason: map[string]int64{}}}
	for _, reason := range reasons {
		f.Outbox.HeldByReason[reason] = 1
	}
	return f
}

// TestRules checks each rule below and at its threshold.
func TestRules(t *testing.T) {
	t.Parallel()
	due := time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		measured Measurements
		want     string // "rule/subject/severity", in order
	}{
		"nothing":                          {Measurements{}, ""},
		"failed check":                     {Measurements{FailedChecks: []string{"migrations"}}, "check/migrations/critical"},
		"unknown measurements":             {Measurements{Unknown: []Rule{Slower, Trend}}, "check/alerts/warning"},
		"no errors":                        {Measurements{Requests: even(1000000, 0)}, ""},
		"within the objective":             {Measurements{Requests: even(1000000, 999)}, ""},
		"creeping":                         {Measurements{Requests: even(1000000, 1001)}, "errors/creeping/warning"},
		"slow":                             {Measurements{Requests: even(100000, 601)}, "errors/slow/critical errors/creeping/warning"},
		"slow, but ended half an hour ago": {Measurements{Requests: only(even(100000, 601), 30*time.Minute, 5000, 0)}, "errors/creeping/warning"},
		"fast":                             {Measurements{Requests: even(10000, 145)}, "errors/fast/critical errors/slow/critical errors/creeping/warning"},
		"fast, but ended five minutes ago": {Measurements{Requests: only(even(10000, 145), 5*time.Minute, 500, 0)},
			"errors/slow/critical errors/creeping/warning"},
		"four failures of a small site":   {Measurements{Requests: even(4, 4)}, ""},
		"five failures of a small site":   {Measurements{Requests: even(5, 5)}, "errors/fast/critical errors/slow/critical errors/creeping/warning"},
		"limiter without Redis for 1m59s": {Measurements{LimiterDown: 119 * time.Second}, ""},
		"limiter without Redis for 2m":    {Measurements{LimiterDown: 2 * time.Minute}, "limiter//warning"},
		"29 unconfirmed":                  {Measurements{Requested: 29}, ""},
		"30 unconfirmed":                  {Measurements{Requested: 30}, "bombing//critical"},
		"500 sign-ups, 40 % confirmed":    {Measurements{Requested: 500, Confirmed: 200}, ""},
		"9.9 % confirmed":                 {Measurements{Requested: 1000, Confirmed: 99}, "bombing//critical"},
		"10 % confirmed":                  {Measurements{Requested: 1000, Confirmed: 100}, ""},
		"sign-up burst":                   {held("signup_burst"), "signup_burst//warning"},
		"held for other reasons":          {held("disposable", "signup_burst", "captcha"), "held/captcha/warning held/disposable/warning signup_burst//warning"},
		"four requests of a page cleaned": {pages(PageRequests{"a", 4, 4, 0, []string{"locale"}}), ""},
		"half of a page's requests":       {pages(PageRequests{"a", 10, 5, 5, nil}), ""},
		"most of a page's requests":       {pages(PageRequests{"a", 9, 5, 0, []string{"locale"}}, PageRequests{"b", 100, 1, 51, nil}), "page/a/warning page/b/warning"},
		"filled honeypots":                {held("honeypot", "honeypot,too_fast"), "flagged//warning"},
		"4 bounces":                       {Measurements{Sent: 10, Bounced: 4}, ""},
		"5 bounces":                       {Measurements{Sent: 250, Bounced: 5}, "bounces//warning"},
		"1.9 % bounces":                   {Measurements{Sent: 1000, Bounced: 19}, ""},
		"email without events":            {Measurements{WithoutEvents: 1, SinceLastSent: time.Hour}, "feedback_missing//warning"},
		"unreadable event":                {Measurements{Unreadable: 1}, "feedback_unreadable//warning"},
		"email is paused":                 {Measurements{EmailPaused: "bounces"}, "email_paused//critical"},
		"a network is stopped":            {Measurements{Stopped: "one"}, "circuit_breaker//warning"},
		"unproven mailboxes are stopped":  {Measurements{Stopped: "all", AllStopped: true}, "circuit_breaker//critical"},
		"delivery not yet overdue":        {Measurements{Outbox: outbox.Depth{OldestDue: 5*time.Minute - 1}}, ""},
		"delivery overdue":                {Measurements{Outbox: outbox.Depth{OldestDue: 5 * time.Minute}}, "outbox_age//warning"},
		"delivery long overdue":           {Measurements{Outbox: outbox.Depth{OldestDue: 30 * time.Minute}}, "outbox_age//critical"},
		"emails fail for less than 5m":    {failing(outbox.Email, 5*time.Minute-1), ""},
		"emails fail for 5m":              {failing(outbox.Email, 5*time.Minute), "deliveries/email/warning"},
		"emails fail for 30m":             {failing(outbox.Email, 30*time.Minute), "deliveries/email/critical"},
		"Slack is down for 3h":            {failing("slack", 3*time.Hour), "deliveries/slack/warning"},
		"an email ends in a day":          {Measurements{Outbox: outbox.Depth{Overdue: 1}}, "email_overdue//warning"},
		"sign-ups wait for a slot":        {Measurements{Outbox: outbox.Depth{WithoutSlot: 2}}, "slots//warning"},
		"dead letter":                     {Measurements{Outbox: outbox.Depth{Dead: 1}}, "dead_letters//warning"},
		"slow route":                      {Measurements{Routes: []Route{{Name: "confirm GET"}, {Name: "subscribe POST", Slower: true}}}, "slower/subscribe POST/warning"},
		"rising": {Measurements{Routes: []Route{{Name: "a", Rising: true, CrossesIn: 7}, {Name: "b", Rising: true, CrossesIn: 7.1}}},
			"trend/a/warning"},
		"too slow for days": {Measurements{Routes: []Route{{Name: "a", DailyP95: 200 * time.Millisecond}, {Name: "b", DailyP95: 199 * time.Millisecond}}},
			"trend/a/warning"},
		"privacy request": {Measurements{PrivacyDue: 1, PrivacyDueAt: due}, "privacy_due//critical"},
	} {
		var got []string
		for _, f := range defaults(t).Findings(test.measured) {
			got = append(got, fmt.Sprintf("%s/%s/%s", f.Rule, f.Subject, f.Severity))
			if f.Summary == "" || strings.Contains(f.Summary, "%!") || strings.Contains(f.Summary, "NaN") {
				t.Errorf("%s: %s: summary %q", name, f.Rule, f.Summary)
			}
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%s: %q, want %q", name, text, test.want)
		}
	}
}

func TestBurnRateThresholds(t *testing.T) {
	t.Parallel()
	c := config.Read[Config](config.FromMap(nil))
	c.BurnFast, c.BurnSlow, c.BurnCreeping = 20, 30, 40
	for errors, want := range map[int64]int{199: 0, 200: 1, 300: 2, 400: 3} {
		if got := c.Findings(Measurements{Requests: even(10000, errors)}); len(got) != want {
			t.Errorf("%d errors: %+v, want %d", errors, got, want)
		}
	}
}

func TestInvalidThresholdsAreRejected(t *testing.T) {
	t.Parallel()
	env := config.FromMap(map[string]string{"ALERTS_OBJECTIVE_PERCENT": "100", "ALERTS_RESOLVE_AFTER": "0s", "ALERTS_LATENCY_MAX": "-1s", "ALERTS_OUTBOX_AGE_MAX": "31m"})
	config.Read[Config](env)
	for _, name := range []string{"ALERTS_OBJECTIVE_PERCENT", "ALERTS_RESOLVE_AFTER", "ALERTS_LATENCY_MAX", "ALERTS_OUTBOX_AGE_MAX"} {
		if err := env.Err(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not rejected: %v", name, err)
		}
	}
}

// docs/alerts.md lists the texts of every rule.
func TestDocumentationListsRules(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range slices.Sorted(maps.Keys(texts)) {
		row := fmt.Sprintf("| `%s` | %s | %s |", rule, texts[rule].title, texts[rule].advice)
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/alerts.md has no row %q", row)
		}
	}
}
