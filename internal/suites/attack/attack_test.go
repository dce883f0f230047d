package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/internal/suites/fullstack"
)

// TestASmallAttack runs a small attack on the real system: the budgets hold, and people receive what they requested.
func TestASmallAttack(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole system is left out with -short")
	}
	report, err := run(t.Context(), plan{requests: 1200, networks: 60, victims: 20, people: 3, seed: 7, limit: 5 * time.Minute}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(report)
	for _, problem := range report.Problems {
		t.Error(problem)
	}
}

func TestJudgeFindsProblems(t *testing.T) {
	t.Parallel()
	fakes := &devstack.Fakes{SES: devstack.NewSES(time.Now), Sentry: &devstack.Sentry{}, Slack: &devstack.Slack{}, Errors: devstack.NewWebhooks(time.Now)}
	a := &attack{plan: plan{people: 10, alert: time.Minute}, statuses: map[int]int{202: 5, 503: 1, 0: 2}}
	a.confirmed.Store(8)
	if got := a.judge(fakes, nil, "none").Problems; len(got) != 5 { // 503, no answer, no refusal, too few people, owner not notified
		t.Errorf("%d problems: %v", len(got), got)
	}
}

func TestTallyFindsTooManyOrTooEarlyEmails(t *testing.T) {
	t.Parallel()
	now := time.Now()
	email := func(to, kind string, after time.Duration) devstack.Email {
		return devstack.Email{To: to, Tags: map[string]string{"delivery": kind}, At: now.Add(after)}
	}
	kinds := map[string]string{"c": "email.confirm", "a": "email.already_subscribed", "e": "email.privacy_export", "x": "email.privacy_erase"}
	for name, test := range map[string]struct {
		emails []devstack.Email
		want   string
	}{
		"within the caps": {[]devstack.Email{
			email("annamueller1000@gmail.com", "c", 0), email("Anna.mueller1000+a@googlemail.com", "c", 15*time.Minute), email("annamueller1000@gmail.com", "a", 0),
			email("annamueller1000@gmail.com", "e", 0), email("annamueller1000@gmail.com", "x", 0),
		}, ""},
		"too soon":           {[]devstack.Email{email("annamueller1000@gmail.com", "c", 0), email("anna.mueller1000@gmail.com", "c", 14*time.Minute)}, "14m0s apart"},
		"a subscriber twice": {[]devstack.Email{email("annamueller1000@gmail.com", "a", 0), email("annamueller1000+b@gmail.com", "a", time.Hour)}, `2 emails of "already_subscribed"`},
		"one purpose": {[]devstack.Email{
			email("annasmith11@company-11.org", "e", 0), email("annasmith11@company-11.org", "x", 0), email("annasmith11@company-11.org", "x", 0),
		}, `3 emails of "privacy"`},
		"an email of no kind": {[]devstack.Email{email("annasmith11@company-11.org", "?", 0)}, `1 emails of "", 0 are allowed`},
	} {
		r := &fullstack.Report{}
		if got := tally(test.emails, plan{victims: 12}.mailboxes(), kinds, r); got.emails != len(test.emails) || got.victims != 1 {
			t.Errorf("%s: %+v", name, got)
		}
		if got := strings.Join(r.Problems, "; "); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
