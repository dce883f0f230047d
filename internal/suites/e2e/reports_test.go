package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"newsletter/internal/fixtures/emfcheck"
	"newsletter/internal/local/devstack"
)

// TestErrorsAreReported checks that a lost database is reported once to Sentry and to the error webhook, with
// breadcrumbs, and that scheduled runs check in.
func TestErrorsAreReported(t *testing.T) {
	t.Parallel()
	s := start(t, devstack.Options{Variables: with(generous, "DELIVERY_LINGER", "0s"), NoSchedules: true, Concurrency: 1})
	for _, function := range []string{"deliver", "health", "maintain"} {
		if result, err := s.Lambda.Invoke(t.Context(), function, []byte(`{"scheduled":true}`)); err != nil || result.FunctionError != "" {
			t.Fatalf("%s: %v %s", function, err, result.Payload)
		}
	}
	s.allowConnections(t, false)
	defer s.allowConnections(t, true) // the database is validated at the end
	v := newVisitor(s.base, "127.43.1.1")
	var last answer
	for i := range 3 {
		last = v.send(t, http.MethodPost, subscribePath, fmt.Sprintf(`{"email":"lost%d@example.org"}`, i), asJSON)
		if last.Status != http.StatusServiceUnavailable {
			t.Fatalf("%d without a database", last.Status)
		}
	}

	eventually(t, "a report in Sentry", func() bool { return len(reportsOf(t, s, "subscribe")) > 0 })
	causes := map[string]event{}
	for _, e := range reportsOf(t, s, "subscribe") {
		var steps []string
		for _, crumb := range e.Breadcrumbs {
			steps = append(steps, crumb.Category+" "+crumb.Message)
		}
		if got := strings.Join(steps, ", "); got != "decode done, limit redis allowed, query unavailable" {
			t.Errorf("the steps are %q", got)
		}
		if _, twice := causes[e.Fingerprint[0]]; twice || len(e.Fingerprint) != 1 || e.Release != "local" || e.Tags["route"] != subscribePath ||
			e.Tags["request_id"] == "" || e.Tags["xray_trace_id"] == "" {
			t.Errorf("%+v", e)
		}
		causes[e.Fingerprint[0]] = e
	}
	eventually(t, "the calls of the error webhook", func() bool { return len(callsOf(s, "subscribe")) >= len(causes) })
	for _, c := range callsOf(s, "subscribe") {
		e, found := causes[c.Data["cause"]]
		if !found || c.Type != "error.captured" || c.ID != e.ID || c.Data["route"] != subscribePath || !strings.HasPrefix(c.Data["steps"], "decode done ") {
			t.Errorf("%+v", c)
		}
		delete(causes, c.Data["cause"])
	}
	checkCheckIns(t, s)
	for _, problem := range append(s.Fakes.Sentry.Problems(), s.Fakes.Errors.Problems()...) {
		t.Error(problem)
	}
}

// An event has the members of a Sentry event that these tests read.
type event struct {
	ID          string            `json:"event_id"`
	Release     string            `json:"release"`
	Server      string            `json:"server_name"`
	Fingerprint []string          `json:"fingerprint"`
	Tags        map[string]string `json:"tags"`
	Breadcrumbs []struct {
		Category string `json:"category"`
		Message  string `json:"message"`
	} `json:"breadcrumbs"`
}

// reportsOf returns a function's events in Sentry.
func reportsOf(t *testing.T, s *stack, function string) (all []event) {
	t.Helper()
	for _, raw := range s.Fakes.Sentry.Events() {
		var e event
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		if e.Server == function {
			all = append(all, e)
		}
	}
	return all
}

// callsOf returns the calls of the error webhook about a function.
func callsOf(s *stack, function string) []devstack.WebhookCall {
	return slices.DeleteFunc(s.Fakes.Errors.Received(), func(c devstack.WebhookCall) bool { return c.Data["function"] != function })
}

// checkCheckIns checks that each scheduled run checked in at its start and its end.
func checkCheckIns(t *testing.T, s *stack) {
	t.Helper()
	got := map[string][]string{}
	for _, c := range s.Fakes.Sentry.CheckIns() {
		got[c.Slug] = append(got[c.Slug], fmt.Sprintf("%s every %d %s", c.Status, c.Monitor.Schedule.Value, c.Monitor.Schedule.Unit))
	}
	for slug, every := range map[string]string{"newsletter-deliver": "1 minute", "newsletter-health": "1 minute", "newsletter-maintain": "1 hour"} {
		if want := []string{"in_progress every " + every, "ok every " + every}; !slices.Equal(got[slug], want) {
			t.Errorf("%s: %v, want %v", slug, got[slug], want)
		}
	}
	if len(got) != 3 {
		t.Errorf("check-ins of %d monitors", len(got))
	}
}

// security returns the number of security events by reason, and checks the metric format of each line.
func (l *logWriter) security(t *testing.T) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, text := range l.objects() {
		var line struct {
			Message     string  `json:"message"`
			Reason      string  `json:"reason"`
			Route       string  `json:"route"`
			Correlation string  `json:"correlation_id"`
			Events      float64 `json:"SecurityEvents"`
		}
		if json.Unmarshal([]byte(text), &line) != nil || line.Message != "security" {
			continue
		}
		if _, err := emfcheck.Parse([]byte(text)); err != nil || (line.Correlation == "" || line.Route == "") && line.Reason != "operator_action" {
			t.Errorf("line %s: %v", text, err)
		}
		counts[line.Reason] += int(line.Events)
	}
	return counts
}

// TestSecurityEvents checks that every refusal is counted by reason.
func TestSecurityEvents(t *testing.T) {
	t.Parallel()
	s := start(t, devstack.Options{NoSchedules: true, Concurrency: 1, Variables: map[string]string{
		"LIMITS_SUBSCRIBE": "3/1h@host", "SIGNUP_BLOCKED_DOMAINS": "blocked.org", "SIGNUP_DISPOSABLE_DOMAINS": "block",
	}})
	v := newVisitor(s.base, "127.44.1.1")
	v.send(t, http.MethodPost, subscribePath, `{"email":"jane@example.org"}`, asJSON)
	s.deliver(t)
	mail := v.mail(t, "jane@example.org", 1)
	link := mail.link(t, confirmPath)
	v.send(t, http.MethodPost, subscribePath, `{"email":"robot@example.org","website":"x"}`, asJSON)
	v.send(t, http.MethodPost, subscribePath, `{"email":"a@blocked.org"}`, asJSON)
	v.send(t, http.MethodPost, subscribePath, `{"email":"a@mailinator.com"}`, asJSON)
	for range 3 { // the third, the fourth and the fifth attempt
		v.send(t, http.MethodPost, subscribePath, `{"email":"more@example.org"}`, asJSON)
	}
	v.send(t, http.MethodPost, confirmPath+"?token=nonsense", "")
	v.send(t, http.MethodPost, link[:len(link)-6]+"AAAAAA", "")
	v.send(t, http.MethodPost, privacyPath+"?token=nonsense", "")

	want := map[string]int{"operator_action": 1, "honeypot": 1, "domain_blocked": 1, "disposable": 1, "rate_limited": 2, "link_malformed": 2, "link_forged": 1}
	if got := s.logs.security(t); !maps.Equal(got, want) { // lines are written before the response
		t.Errorf("%v, want %v", got, want)
	}
}
