package main

import (
	"os"
	"testing"
	"time"

	"newsletter/internal/devstack"
)

// A small attack on the real system: the caps hold, and people get what they asked for.
func TestASmallAttack(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole system is left out with -short")
	}
	report, err := run(t.Context(), plan{requests: 600, networks: 60, victims: 20, people: 3, seed: 7, limit: 5 * time.Minute}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(report)
	for _, problem := range report.problems {
		t.Error(problem)
	}
}

// The count finds what it is there to find.
func TestTheCountFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	ses := devstack.NewSES(time.Now)
	stack := &devstack.Stack{Doubles: &devstack.Doubles{SES: ses, Sentry: &devstack.Sentry{}, Slack: &devstack.Slack{}}}
	a := &attack{plan: plan{people: 10, alert: time.Minute}, statuses: map[int]int{202: 5, 503: 1, 0: 2}}
	a.confirmed.Store(8)
	if got := len(a.count(stack).problems); got != 4 { // 503, no answer, too few people, nobody told
		t.Errorf("%d problems, want 4", got)
	}
	mails := []devstack.Mail{}
	for _, to := range []string{"Victim.001smith@gmail.com", "victim001smith+a@googlemail.com", "victim001smith@gmail.com", "vic.tim001smith@gmail.com"} {
		mails = append(mails, devstack.Mail{To: to, Links: []string{"http://x/api/newsletter/confirm?token=a"}})
	}
	if most, _, victims := tally(mails); most["confirm"] != 4 || len(victims) != 1 {
		t.Errorf("%v to %d victims", most, len(victims))
	}
}
