package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/internal/local/devstack"
	"newsletter/shared/lambdafn"
	"newsletter/shared/outbox"
	"newsletter/shared/token"
)

// bundle is the function with a real database and a fake of the email service.
type bundle struct {
	*functiontest.Fixture
	ses *devstack.SES
}

// setup returns a bundle. Its tests do not run in parallel, because the AWS SDK reads the fake's address from the
// process's environment.
func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{functiontest.New(t), devstack.NewSES(time.Now)}
	b.Fake("/ses/", http.StripPrefix("/ses", b.ses))
	t.Setenv("FAKES_URL", b.Variables["FAKES_URL"]) // for the AWS SDK
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	b.Variables["DELIVERY_LINGER"] = "0s"
	t.Cleanup(func() {
		for _, problem := range b.ses.Problems() {
			t.Errorf("the service would refuse: %s", problem)
		}
	})
	return b
}

// openWith opens the function with a change that no setting makes.
func (b *bundle) openWith(change func(h *handler)) lambdafn.Function {
	b.Helper()
	h, db, err := wire(b.Context(), b.Env())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(db.Close)
	change(h)
	return lambdafn.Function{Event: h.event}
}

// run invokes the function once and returns the number of deliveries by outcome.
func (b *bundle) run(ctx context.Context, f lambdafn.Function) map[outbox.Outcome]int {
	b.Helper()
	value, err := f.Event(ctx, functiontest.Sample(b, "deliver", "scheduled"))
	if err != nil {
		b.Fatal(err)
	}
	return value.(result).Outcomes
}

// expect compares outcomes, written as JSON.
func (b *bundle) expect(got map[outbox.Outcome]int, want string) {
	b.Helper()
	text, err := json.Marshal(got)
	if err != nil || string(text) != want {
		b.Errorf("outcomes %s, want %s", text, want)
	}
}

// expectRows compares the outbox as "kind state outcome attempts", the oldest first.
func (b *bundle) expectRows(want ...string) {
	b.Helper()
	got := b.Strings(`select kind || ' ' || state || ' ' || coalesce(outcome, '-') || ' ' || attempts from outbox order by id`)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		b.Errorf("outbox\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// due makes all ready messages due now.
func (b *bundle) due() {
	b.Helper()
	b.Exec(`update outbox set due_at = now() - interval '1 second' where state = 'ready'`)
}

// age moves the outbox and the email log into the past.
func (b *bundle) age(interval string) {
	b.Helper()
	b.Exec(`update outbox set created_at = created_at - $1::interval, due_at = due_at - $1::interval, finished_at = finished_at - $1::interval`, interval)
	b.Exec(`update email_log set at = at - $1::interval`, interval)
}

// claims verifies the token of an email's first link to a path.
func (b *bundle) claims(m devstack.Email, path string, p token.Purpose) token.Claims {
	b.Helper()
	for _, link := range m.Links {
		if text, found := strings.CutPrefix(link, "https://api.example.org"+path+"?token="); found {
			env := b.Env()
			claims, err := token.ReadRing(env, p).Verify(b.Context(), text, time.Now())
			if err != nil {
				b.Fatalf("%s: %v", link, err)
			}
			return claims
		}
	}
	b.Fatalf("no link to %s: %v", path, m.Links)
	return token.Claims{}
}
