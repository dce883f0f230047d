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

// defaults are the thresholds of an owner who has set none.
func defaults(t testing.TB) Config {
	t.Helper()
	env := config.FromMap(nil)
	c := config.Read[Config](env)
	if err := env.Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

// even are the same requests and errors in every window.
func even(requests, errors int64) map[time.Duration]Counts {
	all := map[time.Duration]Counts{}
	for _, w := range Windows() {
		all[w] = Counts{requests, errors}
	}
	return all
}

// only changes one window.
func only(in map[time.Duration]Counts, window time.Duration, requests, errors int64) map[time.Duration]Counts {
	in = maps.Clone(in)
	in[window] = Counts{requests, errors}
	return in
}

// failing is one way out that takes nothing.
func failing(way string, waiting time.Duration) Figures {
	return Figures{Outbox: outbox.Depth{Failing: []outbox.FailingDestination{{Destination: way, Count: 20, Age: waiting}}}}
}

// held is an email for each reason that waits for the owner.
func held(reasons ...string) Figures {
	f := Figures{Outbox: outbox.Depth{HeldByReason: map[string]int64{}}}
	for _, reason := range reasons {
		f.Outbox.HeldByReason[reason] = 1
	}
	return f
}

// TestEachRule goes up to each threshold and one step over it.
func TestEachRule(t *testing.T) {
	t.Parallel()
	due := time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		figures Figures
		want    string // "rule/subject/level", in order
	}{
		"nothing":                         {Figures{}, ""},
		"a check fails":                   {Figures{Failing: []string{"migrations"}}, "check/migrations/critical"},
		"a read that fails":               {Figures{Unknown: []Rule{Slower, Trend}}, "check/alerts/warning"},
		"no errors":                       {Figures{Requests: even(1000000, 0)}, ""},
		"within the objective":            {Figures{Requests: even(1000000, 999)}, ""},
		"creeping":                        {Figures{Requests: even(1000000, 1001)}, "errors/creeping/warning"},
		"slow":                            {Figures{Requests: even(100000, 601)}, "errors/slow/critical errors/creeping/warning"},
		"slow, but over for half an hour": {Figures{Requests: only(even(100000, 601), 30*time.Minute, 5000, 0)}, "errors/creeping/warning"},
		"fast":                            {Figures{Requests: even(10000, 145)}, "errors/fast/critical errors/slow/critical errors/creeping/warning"},
		"fast, but over for five minutes": {Figures{Requests: only(even(10000, 145), 5*time.Minute, 500, 0)},
			"errors/slow/critical errors/creeping/warning"},
		"four failures of a small site":    {Figures{Requests: even(4, 4)}, ""},
		"five failures of a small site":    {Figures{Requests: even(5, 5)}, "errors/fast/critical errors/slow/critical errors/creeping/warning"},
		"a limiter without Redis, shortly": {Figures{LimiterDown: 119 * time.Second}, ""},
		"a limiter without Redis":          {Figures{LimiterDown: 2 * time.Minute}, "limiter//warning"},
		"29 unconfirmed":                   {Figures{Asked: 29}, ""},
		"30 unconfirmed":                   {Figures{Asked: 30}, "bombing//critical"},
		"500 people after a mention":       {Figures{Asked: 500, Confirmed: 200}, ""},
		"9.9 % confirmed":                  {Figures{Asked: 1000, Confirmed: 99}, "bombing//critical"},
		"10 % confirmed":                   {Figures{Asked: 1000, Confirmed: 100}, ""},
		"a wave":                           {held("signup_burst"), "signup_burst//warning"},
		"held for other reasons":           {held("disposable", "signup_burst", "captcha"), "held/captcha/warning held/disposable/warning signup_burst//warning"},
		"4 bounces":                        {Figures{Sent: 10, Bounced: 4}, ""},
		"5 bounces":                        {Figures{Sent: 250, Bounced: 5}, "bounces//warning"},
		"1.9 % bounces":                    {Figures{Sent: 1000, Bounced: 19}, ""},
		"an email nothing is heard of":     {Figures{Unheard: 1, UnheardFor: time.Hour}, "feedback_missing//warning"},
		"a report that nobody understands": {Figures{Unreadable: 1}, "feedback_unreadable//warning"},
		"mail is paused":                   {Figures{MailPaused: "bounces"}, "mail_paused//critical"},
		"a delivery is late":               {Figures{Outbox: outbox.Depth{OldestDue: 5*time.Minute - 1}}, ""},
		"a delivery is later":              {Figures{Outbox: outbox.Depth{OldestDue: 5 * time.Minute}}, "outbox_age//warning"},
		"a delivery is too late":           {Figures{Outbox: outbox.Depth{OldestDue: 30 * time.Minute}}, "outbox_age//critical"},
		"emails fail, shortly":             {failing(outbox.Email, 5*time.Minute-1), ""},
		"emails fail":                      {failing(outbox.Email, 5*time.Minute), "deliveries/email/warning"},
		"emails fail for long":             {failing(outbox.Email, 30*time.Minute), "deliveries/email/critical"},
		"a chat is down for long":          {failing("slack", 3*time.Hour), "deliveries/slack/warning"},
		"a dead letter":                    {Figures{Outbox: outbox.Depth{Dead: 1}}, "dead_letters//warning"},
		"a slow route":                     {Figures{Endpoints: []Endpoint{{Name: "confirm GET"}, {Name: "subscribe POST", Slower: true}}}, "slower/subscribe POST/warning"},
		"rising": {Figures{Endpoints: []Endpoint{{Name: "a", Rising: true, CrossesIn: 7}, {Name: "b", Rising: true, CrossesIn: 7.1}}},
			"trend/a/warning"},
		"too slow for days": {Figures{Endpoints: []Endpoint{{Name: "a", Days: 200 * time.Millisecond}, {Name: "b", Days: 199 * time.Millisecond}}},
			"trend/a/warning"},
		"a letter": {Figures{PrivacyDue: 1, PrivacyDueAt: due}, "privacy_due//critical"},
	} {
		var got []string
		for _, f := range Evaluate(defaults(t), test.figures) {
			got = append(got, fmt.Sprintf("%s/%s/%s", f.Rule, f.Subject, f.Level))
			if f.Summary == "" || strings.Contains(f.Summary, "%!") || strings.Contains(f.Summary, "NaN") {
				t.Errorf("%s: %s says %q", name, f.Rule, f.Summary)
			}
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%s: %q, want %q", name, text, test.want)
		}
	}
}

// TestEachWindowHasItsOwnRate, at which it alerts and below which it does not.
func TestEachWindowHasItsOwnRate(t *testing.T) {
	t.Parallel()
	c := config.Read[Config](config.FromMap(nil))
	c.BurnFast, c.BurnSlow, c.BurnCreeping = 20, 30, 40
	for errors, want := range map[int64]int{199: 0, 200: 1, 300: 2, 400: 3} {
		if got := Evaluate(c, Figures{Requests: even(10000, errors)}); len(got) != want {
			t.Errorf("%d errors: %+v, want %d", errors, got, want)
		}
	}
}

func TestThresholdsAreChecked(t *testing.T) {
	t.Parallel()
	env := config.FromMap(map[string]string{"ALERTS_OBJECTIVE_PERCENT": "100", "ALERTS_RESOLVE_AFTER": "0s", "ALERTS_UNCONFIRMED_MIN": "-1", "ALERTS_OUTBOX_AGE_MAX": "31m"})
	config.Read[Config](env)
	for _, name := range []string{"ALERTS_OBJECTIVE_PERCENT", "ALERTS_RESOLVE_AFTER", "ALERTS_UNCONFIRMED_MIN", "ALERTS_OUTBOX_AGE_MAX"} {
		if err := env.Err(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not refused: %v", name, err)
		}
	}
}

// The page that owners read lists every rule with its words.
func TestThePageIsTheTable(t *testing.T) {
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
