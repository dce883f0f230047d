package alert

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

var thresholds = Config{RepeatInterval: 4 * time.Hour, ResolveAfter: 5 * time.Minute}

// step is one evaluation of a scenario, at a time after the one before it.
type step struct {
	after   time.Duration
	found   Severity // "" if the rule found nothing
	unknown bool
	want    string // the notification, and the severity if the alert is firing
}

func (s step) findings() (found []Finding, unknown []Rule) {
	if s.found != "" {
		found = []Finding{{Rule: Database, Severity: s.found, Summary: "It is lost."}}
	}
	if s.unknown {
		unknown = []Rule{Database}
	}
	return found, unknown
}

// TestFilledHoneypotsAreRepeatedOnceADay evaluates a day and an hour, every ten minutes.
func TestFilledHoneypotsAreRepeatedOnceADay(t *testing.T) {
	found := []Finding{{Rule: Flagged, Severity: Warning, Summary: "One is held."}}
	var firing []Alert
	var stages []string
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for range 25 * 6 {
		all := thresholds.Advance(firing, found, nil, now)
		if all[0].Notify != None {
			stages = append(stages, string(all[0].Notify))
		}
		firing, now = all.Firing(), now.Add(10*time.Minute)
	}
	if !slices.Equal(stages, []string{"firing", "repeated"}) {
		t.Errorf("notifications %q", stages)
	}
}

// got describes transitions as step.want does.
func got(transitions Transitions) string {
	var all []string
	for _, t := range transitions {
		text := string(t.Notify)
		if t.ResolvedAt == nil {
			text = strings.TrimSpace(text + " " + string(t.Severity))
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// scenarios are the lives of alerts of one rule. TestStoresConform applies them to both stores.
var scenarios = map[string][]step{
	"healthy": {{0, "", false, ""}, {time.Minute, "", false, ""}},
	"short": {
		{0, Warning, false, "firing warning"}, {5*time.Minute - time.Second, "", false, "warning"}, {time.Second, "", false, "resolved"},
		{time.Minute, "", false, ""},
	},
	"intermittent": {
		{0, Warning, false, "firing warning"}, {4 * time.Minute, "", false, "warning"}, {30 * time.Second, Warning, false, "warning"},
		{4 * time.Minute, "", false, "warning"}, {time.Minute, "", false, "resolved"},
	},
	"repeated": {
		{0, Critical, false, "firing critical"}, {4*time.Hour - time.Second, Critical, false, "critical"}, {time.Second, Critical, false, "repeated critical"},
		{4*time.Hour - time.Second, Critical, false, "critical"}, {time.Second, Critical, false, "repeated critical"}, {5 * time.Minute, "", false, "resolved"},
	},
	"escalated once": {
		{0, Warning, false, "firing warning"}, {time.Minute, Critical, false, "repeated critical"}, {time.Minute, Warning, false, "critical"},
		{time.Minute, Critical, false, "critical"}, {5 * time.Minute, "", false, "resolved"}, {time.Minute, Warning, false, "firing warning"},
	},
}

func TestAdvance(t *testing.T) {
	t.Parallel()
	cases := map[string][]step{
		"unknown does not resolve": {
			{0, Warning, false, "firing warning"}, {5 * time.Hour, "", true, "warning"}, {5*time.Minute - time.Second, "", false, "warning"},
			{time.Second, "", false, "resolved"},
		},
		"unknown does not fire": {{0, "", true, ""}},
	}
	for name, steps := range scenarios {
		cases[name] = steps
	}
	for name, steps := range cases {
		now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
		var firing []Alert
		for i, s := range steps {
			now = now.Add(s.after)
			found, unknown := s.findings()
			transitions := thresholds.Advance(firing, found, unknown, now)
			if got := got(transitions); got != s.want {
				t.Errorf("%s, step %d: %q, want %q", name, i, got, s.want)
			}
			firing = transitions.Firing()
		}
	}
}

// TestAdvanceKeepsInvariants checks random evaluations: an alert fires once, its severity never falls, notifications
// keep the interval unless it becomes critical, it resolves no sooner than it may, and no problem has two firing
// alerts.
func TestAdvanceKeepsInvariants(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	var firing []Alert
	known, lastFound, notified := map[uuid.UUID]Alert{}, map[string]time.Time{}, map[uuid.UUID]time.Time{}
	for range 20000 {
		now = now.Add(time.Duration(random.Int64N(int64(20 * time.Minute))))
		var found []Finding
		var unknown []Rule
		for _, rule := range []Rule{Held, Deliveries} {
			for _, subject := range []string{"a", "b"} {
				if random.IntN(3) == 0 {
					found = append(found, Finding{rule, subject, []Severity{Warning, Critical}[random.IntN(2)], now.String()})
					lastFound[string(rule)+subject] = now
				}
			}
			if random.IntN(10) == 0 {
				unknown = append(unknown, rule)
			}
		}
		transitions := thresholds.Advance(firing, found, unknown, now)
		seen := map[string]bool{}
		for i := range transitions {
			next := &transitions[i]
			problem := string(next.Rule) + next.Subject
			if seen[problem] {
				t.Fatalf("two alerts of %s", problem)
			}
			seen[problem] = true
			before, exists := known[next.ID]
			if exists == (next.Notify == Firing) {
				t.Fatalf("%+v: notification %q, known before: %v", next.Alert, next.Notify, exists)
			}
			if !exists {
				next.ID = uuid.New()
			}
			escalated := exists && before.Severity == Warning && next.Severity == Critical
			switch {
			case before.Severity == Critical && next.Severity != Critical:
				t.Fatalf("the severity falls: %+v", next.Alert)
			case next.Notify == Repeated && !escalated && now.Sub(notified[next.ID]) < thresholds.RepeatInterval:
				t.Fatalf("repeated after %v", now.Sub(notified[next.ID]))
			case next.Notify == Resolved && now.Sub(lastFound[problem]) < thresholds.ResolveAfter:
				t.Fatalf("resolved %v after the last finding", now.Sub(lastFound[problem]))
			case next.Notify == Resolved && slices.Contains(unknown, next.Rule):
				t.Fatal("resolved although unknown")
			case (next.Notify == Resolved) != (next.ResolvedAt != nil) || next.Notify != None && !next.At(next.Notify).Equal(now):
				t.Fatalf("%q at %v: %+v", next.Notify, now, next.Alert)
			}
			if next.Notify != None {
				notified[next.ID] = now
			}
			known[next.ID] = next.Alert
		}
		for _, f := range found {
			if !seen[string(f.Rule)+f.Subject] {
				t.Fatalf("no alert of %+v", f)
			}
		}
		firing = transitions.Firing()
	}
	if len(known) < 100 {
		t.Errorf("only %d alerts", len(known))
	}
}

func TestNotificationTexts(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	resolved := since.Add(4 * time.Hour)
	a := Alert{Rule: OutboxAge, Summary: "The oldest due delivery has waited for 6 minutes; 3 are ready.", FiringSince: since, ResolvedAt: &resolved}
	for stage, want := range map[Stage]struct{ title, lines string }{
		Firing:   {"Deliveries are overdue", a.Summary + "|Firing since 2026-03-02 10:00 UTC.|What to do: 'newsletter outbox list' shows"},
		Repeated: {"Still firing: Deliveries are overdue", a.Summary + "|Firing since"},
		Resolved: {"Resolved: Deliveries are overdue", "It was firing for 4 hours, since 2026-03-02 10:00 UTC.|Last finding: " + a.Summary},
	} {
		if title, lines := a.Title(stage), strings.Join(a.Lines(stage), "|"); title != want.title || !strings.HasPrefix(lines, want.lines) {
			t.Errorf("%s: %q %q", stage, title, lines)
		}
	}
	if title := (Alert{Rule: "newer"}).Title(Firing); title != "newer" {
		t.Error(title)
	}
	if got := fmt.Sprint(Transitions{{a, Resolved}}.Firing()); got != "[]" {
		t.Error(got)
	}
}
