package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"newsletter/internal/fixtures/testenv"
	"newsletter/internal/local/devstack"
	"newsletter/shared/alert"
)

const (
	// repeatInterval and resolveAfter are hours and minutes in production.
	repeatInterval = 3 * time.Second
	resolveAfter   = time.Second
)

// A watch is a system that sends alerts. Its health and deliver run when the test invokes them.
type watch struct {
	*stack
	t      *testing.T
	redis  *testenv.PrivateRedis // private, because the test stops it
	titles map[string]string     // of the rules

	open   []string    // expected firing alerts: "rule", or "rule/subject"
	runs   []time.Time // times of health's runs
	asleep bool        // deliver does not run
}

// newWatch starts a system with the given thresholds.
func newWatch(t *testing.T, thresholds map[string]string) *watch {
	t.Helper()
	redis := testenv.RedisServer(t)
	variables := maps.Clone(generous)
	maps.Copy(variables, map[string]string{"DELIVERY_LINGER": "0s", "ALERTS_REPEAT_INTERVAL": repeatInterval.String(), "ALERTS_RESOLVE_AFTER": resolveAfter.String()})
	maps.Copy(variables, thresholds)
	return &watch{t: t, redis: redis, titles: pageOfAlerts(t), stack: start(t, devstack.Options{
		Variables: variables, NoSchedules: true, Redis: &devstack.Redis{URL: redis.URL, CAFile: redis.CAFile},
	})}
}

// name returns an alert's name in the scenarios: "rule", or "rule/subject".
func name(rule, subject string) string { return strings.TrimSuffix(rule+"/"+subject, "/") }

func names(alerts []alert.Alert) (all []string) {
	for _, a := range alerts {
		all = append(all, name(string(a.Rule), a.Subject))
	}
	slices.Sort(all)
	return all
}

// runHealth runs health and then deliver, and returns the firing alerts.
func (w *watch) runHealth() []alert.Alert {
	w.t.Helper()
	w.runs = append(w.runs, time.Now())
	var details struct{ Alerts []alert.Alert }
	if err := json.Unmarshal(w.invoke(w.t, "health", tick), &details); err != nil {
		w.t.Fatal(err)
	}
	if !w.asleep {
		w.deliver(w.t)
	}
	return details.Alerts
}

// runHealthTwice runs health in two environments at the same time.
func (w *watch) runHealthTwice() {
	w.t.Helper()
	w.runs = append(w.runs, time.Now())
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if result, err := w.Lambda.Invoke(w.t.Context(), "health", []byte(tick)); err != nil || result.FunctionError != "" {
				w.t.Errorf("health: %v %s", err, result.Payload)
			}
		})
	}
	both.Wait()
}

// fires runs health until these alerts fire in addition to those that do.
func (w *watch) fires(rules ...string) {
	w.t.Helper()
	w.become(append(slices.Clone(w.open), rules...))
}

// resolves runs health until these alerts are resolved.
func (w *watch) resolves(rules ...string) {
	w.t.Helper()
	w.become(slices.DeleteFunc(slices.Clone(w.open), func(rule string) bool { return slices.Contains(rules, rule) }))
}

// become runs health until exactly these alerts are firing. Meanwhile no other alert may fire or resolve. The
// operator's tool must list the same alerts.
func (w *watch) become(want []string) {
	w.t.Helper()
	slices.Sort(want)
	eventually(w.t, fmt.Sprintf("%q to be firing", want), func() bool {
		got := names(w.runHealth())
		for _, rule := range slices.Concat(got, want, w.open) {
			was, is, wanted := slices.Contains(w.open, rule), slices.Contains(got, rule), slices.Contains(want, rule)
			if was == wanted && is != wanted {
				w.t.Fatalf("%s changed unexpectedly: firing %q, want %q after %q", rule, got, want, w.open)
			}
		}
		return slices.Equal(got, want)
	})
	w.open = want
	status, output := w.newsletter(w.t, "alerts", "list", "--json")
	var listed []alert.Alert
	if err := json.Unmarshal([]byte(output), &listed); err != nil {
		w.t.Fatalf("%v: %s", err, output)
	}
	if got := names(listed); !slices.Equal(got, want) || (status == 1) != (len(want) > 0) {
		w.t.Errorf("the tool lists %q with status %d, want %q", got, status, want)
	}
}

// repeats runs health until the notifications of all firing alerts were repeated.
func (w *watch) repeats() {
	w.t.Helper()
	eventually(w.t, "repeated notifications", func() bool {
		return !slices.ContainsFunc(w.runHealth(), func(a alert.Alert) bool { return a.RepeatedAt == nil })
	})
}

// history returns all alerts, and the times at which their notifications were repeated.
func (w *watch) history() (all []alert.Alert, reminders map[string][]time.Time) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(w.operator(w.t, "alerts", "list", "--all", "--json")), &all); err != nil {
		w.t.Fatal(err)
	}
	reminders = map[string][]time.Time{}
	for _, call := range w.Fakes.Webhooks.Received() {
		if call.Type == "alert.repeated" {
			of := name(call.Data["rule"], call.Data["subject"])
			reminders[of] = append(reminders[of], call.At)
		}
	}
	for _, times := range reminders {
		slices.SortFunc(times, time.Time.Compare)
	}
	return all, reminders
}

// verify checks all alerts after the scenario: exactly these fired and resolved once, every channel was notified as
// often as expected, and the metric counted them.
func (w *watch) verify(rules []string) {
	w.t.Helper()
	all, reminders := w.history()
	if got, want := names(all), slices.Sorted(slices.Values(rules)); !slices.Equal(got, want) {
		w.t.Fatalf("alerts %q, want %q", got, want)
	}
	want, counted := map[string][]string{}, map[string]float64{}
	for _, a := range all {
		if a.ResolvedAt == nil {
			w.t.Errorf("%s is not resolved", a.Rule)
			continue
		}
		w.verifyTimes(a, reminders[name(string(a.Rule), a.Subject)])
		for _, message := range w.expected(a, len(reminders[name(string(a.Rule), a.Subject)])) {
			for channel, text := range message {
				want[channel] = append(want[channel], text)
			}
		}
		counted[string(a.Rule)]++
	}
	for channel, got := range w.received() {
		if slices.Sort(want[channel]); !slices.Equal(got, want[channel]) {
			w.t.Errorf("%s received\n%s\nwant\n%s", channel, strings.Join(got, "\n"), strings.Join(want[channel], "\n"))
		}
	}
	eventually(w.t, "the metric of alerts in the log", func() bool { return maps.Equal(w.counted(), counted) })
	fit(w.t, w.Fakes)
}

// verifyTimes checks that notifications were repeated as soon as they were due, and not before.
func (w *watch) verifyTimes(a alert.Alert, reminders []time.Time) {
	w.t.Helper()
	if len(reminders) == 0 && a.Rule != alert.Flagged { // repeated once a day
		w.t.Errorf("%s: no repeated notification", a.Rule)
	}
	last := a.FiringSince
	for _, at := range reminders {
		due, late := last.Add(repeatInterval), 0
		for _, look := range w.runs {
			if look.After(due) && look.Before(at) {
				late++
			}
		}
		if at.Before(due) || late > 1 { // the run that sent it
			w.t.Errorf("%s: the notification repeated at %v was due at %v, and %d runs of health passed", a.Rule, at, due, late)
		}
		last = at
	}
	for _, call := range w.Fakes.Webhooks.Received() {
		if want := map[string]time.Time{"alert.firing": a.FiringSince, "alert.resolved": *a.ResolvedAt}[call.Type]; !want.IsZero() &&
			call.Data["event_id"] == a.ID.String() && !call.At.Equal(want) {
			w.t.Errorf("%s: %s notified at %v, want %v", a.Rule, call.Type, call.At, want)
		}
	}
}

// expected returns the notifications of a resolved alert, as each channel receives them.
func (w *watch) expected(a alert.Alert, reminders int) []map[string]string {
	title := w.titles[string(a.Rule)]
	mark := map[alert.Severity]string{alert.Warning: "⚠️ ", alert.Critical: "🔴 "}[a.Severity]
	notification := func(mark, level, prefix, kind string) map[string]string {
		return map[string]string{
			"Slack": mark + prefix + title, "Discord": prefix + title, "SNS": level + ": " + prefix + title,
			"the webhook": kind + " " + name(string(a.Rule), a.Subject) + " " + string(a.Severity),
		}
	}
	all := []map[string]string{notification(mark, string(a.Severity), "", "alert.firing"), notification("🟢 ", "good", "Resolved: ", "alert.resolved")}
	for range reminders {
		all = append(all, notification(mark, string(a.Severity), "Still firing: ", "alert.repeated"))
	}
	return all
}

// received returns the alert notifications of each channel, sorted. Chats also receive other messages.
func (w *watch) received() map[string][]string {
	w.t.Helper()
	all := map[string][]string{"SNS": titles(w.Fakes.SNS.Messages())}
	for channel, messages := range map[string][]devstack.ChatMessage{"Slack": w.Fakes.Slack.Messages(), "Discord": w.Fakes.Discord.Messages()} {
		for _, title := range titles(messages) {
			if slices.ContainsFunc(slices.Collect(maps.Values(w.titles)), func(alert string) bool { return strings.HasSuffix(title, alert) }) {
				all[channel] = append(all[channel], title)
			}
		}
	}
	for _, call := range w.Fakes.Webhooks.Received() {
		if strings.HasPrefix(call.Type, "alert.") {
			all["the webhook"] = append(all["the webhook"], call.Type+" "+name(call.Data["rule"], call.Data["subject"])+" "+call.Data["severity"])
		}
	}
	for _, messages := range all {
		slices.Sort(messages)
	}
	return all
}

// counted returns the metric of alerts by rule, as written to health's log.
func (w *watch) counted() map[string]float64 {
	all := map[string]float64{}
	for _, line := range w.logs.of("health") {
		var document struct {
			AWS         json.RawMessage `json:"_aws"`
			Rule        string
			AlertsFired float64
		}
		if json.Unmarshal([]byte(line), &document) == nil && strings.Contains(string(document.AWS), `"AlertsFired"`) {
			all[document.Rule] += document.AlertsFired
		}
	}
	return all
}

var rowOfAlerts = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([^|]+) \\|")

// pageOfAlerts returns the title of each rule from docs/alerts.md.
func pageOfAlerts(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs", "alerts.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, row := range rowOfAlerts.FindAllStringSubmatch(string(page), -1) {
		all[row[1]] = row[2]
	}
	return all
}
