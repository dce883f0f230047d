package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"newsletter/internal/devstack"
)

// A small attack on the real system: the caps hold, and people get what they asked for.
func TestASmallAttack(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole system is left out with -short")
	}
	report, err := run(t.Context(), plan{requests: 1200, networks: 60, victims: 20, people: 3, seed: 7, limit: 5 * time.Minute}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(report)
	for _, problem := range report.problems {
		t.Error(problem)
	}
}

func TestTheCountFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	doubles := &devstack.Fakes{SES: devstack.NewSES(time.Now), Sentry: &devstack.Sentry{}, Slack: &devstack.Slack{}, Errors: devstack.NewWebhooks(time.Now)}
	a := &attack{plan: plan{people: 10, alert: time.Minute}, statuses: map[int]int{202: 5, 503: 1, 0: 2}}
	a.confirmed.Store(8)
	if got := a.judge(doubles, nil, "none").problems; len(got) != 5 { // 503, no answer, no refusal, too few people, nobody told
		t.Errorf("%d problems: %v", len(got), got)
	}
}

func TestTheTallyFindsWhatIsTooMuchOrTooSoon(t *testing.T) {
	t.Parallel()
	now := time.Now()
	mail := func(to, kind string, after time.Duration) devstack.Email {
		return devstack.Email{To: to, Tags: map[string]string{"delivery": kind}, At: now.Add(after)}
	}
	kinds := map[string]string{"c": "email.confirm", "a": "email.already_subscribed", "e": "email.privacy_export", "x": "email.privacy_erase"}
	for name, test := range map[string]struct {
		mails []devstack.Email
		want  string
	}{
		"within the caps": {[]devstack.Email{
			mail("annamueller1000@gmail.com", "c", 0), mail("Anna.mueller1000+a@googlemail.com", "c", 15*time.Minute), mail("annamueller1000@gmail.com", "a", 0),
			mail("annamueller1000@gmail.com", "e", 0), mail("annamueller1000@gmail.com", "x", 0),
		}, ""},
		"too soon":           {[]devstack.Email{mail("annamueller1000@gmail.com", "c", 0), mail("anna.mueller1000@gmail.com", "c", 14*time.Minute)}, "14m0s apart"},
		"a subscriber twice": {[]devstack.Email{mail("annamueller1000@gmail.com", "a", 0), mail("annamueller1000+b@gmail.com", "a", time.Hour)}, `2 mails of "already_subscribed"`},
		"one purpose": {[]devstack.Email{
			mail("annasmith11@company-11.org", "e", 0), mail("annasmith11@company-11.org", "x", 0), mail("annasmith11@company-11.org", "x", 0),
		}, `3 mails of "privacy"`},
		"a mail of no kind": {[]devstack.Email{mail("annasmith11@company-11.org", "?", 0)}, `1 mails of "", 0 are allowed`},
	} {
		r := &report{}
		if got := tally(test.mails, plan{victims: 12}.folds(), kinds, r); got.mails != len(test.mails) || got.victims != 1 {
			t.Errorf("%s: %+v", name, got)
		}
		if got := strings.Join(r.problems, "; "); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
