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
	expectNoProblems(t, func() (*fullstack.Report, error) {
		return run(t.Context(), plan{requests: 1200, networks: 60, victims: 20, people: 3, seed: 7, limit: 5 * time.Minute}, os.Stderr)
	})
}

// expectNoProblems runs an attack beside other tests: it mostly waits.
func expectNoProblems(t *testing.T, attack func() (*fullstack.Report, error)) {
	t.Helper()
	t.Parallel()
	if testing.Short() {
		t.Skip("a whole system is left out with -short")
	}
	report, err := attack()
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

func TestTallyFindsTooManyEmails(t *testing.T) {
	t.Parallel()
	email := func(to, kind string) devstack.Email {
		return devstack.Email{To: to, Tags: map[string]string{"delivery": kind}}
	}
	kinds := map[string]string{"c": "email.confirm", "a": "email.already_subscribed", "e": "email.privacy_export", "x": "email.privacy_erase"}
	for name, test := range map[string]struct {
		emails []devstack.Email
		want   string
	}{
		"within the budget": {[]devstack.Email{
			email("claramueller1002@gmail.com", "c"), email("Clara.mueller1002+a@googlemail.com", "c"), email("claramueller1002@gmail.com", "e"),
		}, ""},
		"a subscriber": {[]devstack.Email{
			email("annamueller1000@gmail.com", "c"), email("annamueller1000+c@gmail.com", "c"), email("annamueller1000+b@gmail.com", "a"),
			email("annamueller1000@gmail.com", "e"), email("annamueller1000@gmail.com", "x"),
		}, ""},
		"three": {[]devstack.Email{
			email("claramueller1002@gmail.com", "c"), email("clara.mueller1002@gmail.com", "c"), email("claramueller1002+b@gmail.com", "c"),
		}, `3 emails of "sign-up", 2 are allowed`},
		"two links":           {[]devstack.Email{email("davidmueller3@company-3.org", "e"), email("davidmueller3@company-3.org", "x")}, `2 emails of "rights", 1 are allowed`},
		"an email of no kind": {[]devstack.Email{email("davidmueller3@company-3.org", "?")}, `1 emails of "", 0 are allowed`},
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
