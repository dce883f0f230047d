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

	"newsletter/internal/devstack"
	"newsletter/internal/testenv"
	"newsletter/shared/alert"
)

const (
	// remindAfter and clearAfter stand in for hours and minutes.
	remindAfter = 3 * time.Second
	clearAfter  = time.Second
)

// watch is a system whose owner is told of trouble. Its health and deliver run when the test says so, as by schedule.
type watch struct {
	*stack
	t      *testing.T
	redis  *testenv.PrivateRedis // with statistics and losses of its own
	titles map[string]string     // of the rules, as the owner reads them

	open   []string    // what should be open now: "rule", or "rule/subject"
	looks  []time.Time // when health was asked
	asleep bool        // nothing runs deliver
}

// newWatch starts a system with thresholds.
func newWatch(t *testing.T, thresholds map[string]string) *watch {
	t.Helper()
	redis := testenv.RedisServer(t)
	variables := maps.Clone(generous)
	maps.Copy(variables, map[string]string{"DELIVERY_LINGER": "0s", "ALERTS_REPEAT_INTERVAL": remindAfter.String(), "ALERTS_RESOLVE_AFTER": clearAfter.String()})
	maps.Copy(variables, thresholds)
	return &watch{t: t, redis: redis, titles: pageOfAlerts(t), stack: start(t, devstack.Options{
		Variables: variables, NoSchedules: true, Redis: &devstack.Redis{URL: redis.URL, CAFile: redis.CAFile},
	})}
}

// name is how the stories call an alert: "rule", or "rule/subject".
func name(rule, subject string) string { return strings.TrimSuffix(rule+"/"+subject, "/") }

func names(alerts []alert.Alert) (all []string) {
	for _, a := range alerts {
		all = append(all, name(string(a.Rule), a.Subject))
	}
	slices.Sort(all)
	return all
}

// look lets health look, and deliver tell. It gives what is open.
func (w *watch) look() []alert.Alert {
	w.t.Helper()
	w.looks = append(w.looks, time.Now())
	var details struct{ Alerts []alert.Alert }
	if err := json.Unmarshal(w.invoke(w.t, "health", tick), &details); err != nil {
		w.t.Fatal(err)
	}
	if !w.asleep {
		w.deliver(w.t)
	}
	return details.Alerts
}

// lookTwiceAtOnce lets two environments of health look at the same time.
func (w *watch) lookTwiceAtOnce() {
	w.t.Helper()
	w.looks = append(w.looks, time.Now())
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

// opens looks until these alerts are open beside those that are.
func (w *watch) opens(rules ...string) {
	w.t.Helper()
	w.become(append(slices.Clone(w.open), rules...))
}

// ends looks until these alerts are over.
func (w *watch) ends(rules ...string) {
	w.t.Helper()
	w.become(slices.DeleteFunc(slices.Clone(w.open), func(rule string) bool { return slices.Contains(rules, rule) }))
}

// become looks until what is open is this. On the way nothing may open that is not wanted, nor end that is. The
// operator's tool has to say the same.
func (w *watch) become(want []string) {
	w.t.Helper()
	slices.Sort(want)
	eventually(w.t, fmt.Sprintf("%q to be open", want), func() bool {
		got := names(w.look())
		for _, rule := range slices.Concat(got, want, w.open) {
			was, is, wanted := slices.Contains(w.open, rule), slices.Contains(got, rule), slices.Contains(want, rule)
			if was == wanted && is != wanted {
				w.t.Fatalf("%s changes without a cause: open are %q, and %q are to follow %q", rule, got, want, w.open)
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

// reminds looks until the owner was reminded of everything that is open.
func (w *watch) reminds() {
	w.t.Helper()
	eventually(w.t, "reminders", func() bool {
		return !slices.ContainsFunc(w.look(), func(a alert.Alert) bool { return a.RemindedAt == nil })
	})
}

// history is every alert that was ever opened, with the times at which the owner was reminded of it.
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

// verify looks back at all alerts, which should be these and over: each was opened and closed once, told to every
// channel as often as it was to be, and counted.
func (w *watch) verify(rules []string) {
	w.t.Helper()
	all, reminders := w.history()
	if got, want := names(all), slices.Sorted(slices.Values(rules)); !slices.Equal(got, want) {
		w.t.Fatalf("alerts %q, want %q", got, want)
	}
	heard, counted := map[string][]string{}, map[string]float64{}
	for _, a := range all {
		if a.ClosedAt == nil {
			w.t.Errorf("%s is not over", a.Rule)
			continue
		}
		w.verifyTimes(a, reminders[name(string(a.Rule), a.Subject)])
		for _, message := range w.expected(a, len(reminders[name(string(a.Rule), a.Subject)])) {
			for channel, text := range message {
				heard[channel] = append(heard[channel], text)
			}
		}
		counted[string(a.Rule)]++
	}
	for channel, got := range w.heard() {
		if slices.Sort(heard[channel]); !slices.Equal(got, heard[channel]) {
			w.t.Errorf("%s heard\n%s\nwant\n%s", channel, strings.Join(got, "\n"), strings.Join(heard[channel], "\n"))
		}
	}
	eventually(w.t, "the metric of opened alerts in the log", func() bool { return maps.Equal(w.counted(), counted) })
	fit(w.t, w.Fakes)
}

// verifyTimes wants the owner to have been told of an alert again as soon as that was due, and not before.
func (w *watch) verifyTimes(a alert.Alert, reminders []time.Time) {
	w.t.Helper()
	if len(reminders) == 0 {
		w.t.Errorf("%s: no reminder", a.Rule)
	}
	told := a.OpenedAt
	for _, at := range reminders {
		due, late := told.Add(remindAfter), 0
		for _, look := range w.looks {
			if look.After(due) && look.Before(at) {
				late++
			}
		}
		if at.Before(due) || late > 1 { // the one look that brought it
			w.t.Errorf("%s: the reminder of %v was due from %v on, and %d looks passed", a.Rule, at, due, late)
		}
		told = at
	}
	for _, call := range w.Fakes.Webhooks.Received() {
		if want := map[string]time.Time{"alert.firing": a.OpenedAt, "alert.resolved": *a.ClosedAt}[call.Type]; !want.IsZero() &&
			call.Data["event_id"] == a.ID.String() && !call.At.Equal(want) {
			w.t.Errorf("%s: told %s of %v, want %v", a.Rule, call.Type, call.At, want)
		}
	}
}

// expected are the messages that should have been told of an alert that is over, each as every channel hears it.
func (w *watch) expected(a alert.Alert, reminders int) []map[string]string {
	title := w.titles[string(a.Rule)]
	mark := map[alert.Level]string{alert.Warning: "⚠️ ", alert.Alarm: "🔴 "}[a.Level]
	told := func(mark, level, prefix, kind string) map[string]string {
		return map[string]string{
			"Slack": mark + prefix + title, "Discord": prefix + title, "SNS": level + ": " + prefix + title,
			"the webhook": kind + " " + name(string(a.Rule), a.Subject) + " " + string(a.Level),
		}
	}
	all := []map[string]string{told(mark, string(a.Level), "", "alert.firing"), told("🟢 ", "good", "Over: ", "alert.resolved")}
	for range reminders {
		all = append(all, told(mark, string(a.Level), "Still: ", "alert.repeated"))
	}
	return all
}

// heard is what each channel heard of alerts, sorted; the chats hear other news as well.
func (w *watch) heard() map[string][]string {
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

// counted is the metric of opened alerts, by rule, as it stands in health's log.
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

// pageOfAlerts is what the owner reads of each rule, as the documentation says.
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
