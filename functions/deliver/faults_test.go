package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/internal/local/devstack"
	"newsletter/internal/local/samtemplate"
	"newsletter/shared/email"
	"newsletter/shared/lambdafn"
	"newsletter/shared/outbox"
	"newsletter/shared/postgres"
)

func (b *bundle) signUps(n int) { b.signUpsAt("example.org", n) }

// signUpsAt is for a domain whose sign-ups come over days, so that they have slots.
func (b *bundle) signUpsAt(domain string, n int) {
	b.Helper()
	for i := range n {
		b.SignUp(fmt.Sprintf("jane%03d@%s", i, domain))
	}
	b.Exec(`update outbox set due_at = created_at, deferred_until = null, waits_for = null where waits_for = 'slot'`)
}

// A failed delivery is retried later under the same id.
func TestRetry(t *testing.T) {
	b := setup(t)
	b.signUps(2)
	b.ses.Fail(devstack.SESFault{Status: http.StatusInternalServerError, Code: "InternalFailure", RetryAfter: 600})
	f := b.openWith(func(h *handler) { h.config.Concurrency = 1 })
	b.expect(b.run(t.Context(), f), `{"retry":1,"sent":1}`)
	if got := b.Strings(`select attempts || ' ' || outcome || ' ' || (due_at > now() + interval '9 minutes') from outbox where state = 'ready'`); len(got) != 1 || got[0] != "1 status_500 true" {
		t.Errorf("%v", got)
	}
	b.expect(b.run(t.Context(), f), `{}`) // not due
	b.due()
	b.expect(b.run(t.Context(), f), `{"sent":1}`)
	b.expectRows("email.confirm done sent "+b.attempts(0), "email.confirm done sent "+b.attempts(1))
	if got := len(b.ses.Emails()); got != 2 {
		t.Errorf("%d emails", got)
	}
}

func (b *bundle) attempts(i int) string {
	b.Helper()
	return b.Strings(`select attempts::text from outbox order by id`)[i]
}

func TestPermanentFailure(t *testing.T) {
	b := setup(t)
	b.signUps(1)
	b.ses.Fail(devstack.SESFault{Status: http.StatusBadRequest, Code: "MessageRejected"})
	f := b.Open(open)
	b.expect(b.run(t.Context(), f), `{"dead":1}`)
	b.expectRows("email.confirm dead rejected 1")
	b.due()
	b.expect(b.run(t.Context(), f), `{}`)
}

func TestLastAttempt(t *testing.T) {
	b := setup(t)
	b.signUps(1)
	b.Exec(`update outbox set attempts = $1`, outbox.MaxAttempts-1)
	b.ses.Fail(devstack.SESFault{Status: http.StatusBadGateway})
	b.expect(b.run(t.Context(), b.Open(open)), `{"dead":1}`)
	b.expectRows(fmt.Sprintf("email.confirm dead status_502 %d", outbox.MaxAttempts))
}

// While the email service throttles, emails are deferred and no attempt counts.
func TestThrottlingCostsNoAttempt(t *testing.T) {
	b := setup(t)
	b.signUps(8)
	slower := devstack.SESFault{Status: http.StatusTooManyRequests, Code: "TooManyRequestsException"}
	b.ses.Fail(slower, slower, slower)
	got := b.run(t.Context(), b.Open(open))
	if got["sent"] != 8 || got["deferred"] != 3 {
		t.Errorf("outcomes %v", got)
	}
	if got := b.Strings(`select distinct state || ' ' || attempts from outbox`); len(got) != 1 || got[0] != "done 1" {
		t.Errorf("outbox %v", got)
	}
}

// While no email can be sent until the owner acts, emails are deferred and no attempt counts.
func TestWrongSetUpCostsNoAttempt(t *testing.T) {
	b := setup(t)
	b.signUps(3)
	f := b.openWith(func(h *handler) { h.config.Concurrency = 1 })
	for _, answer := range []devstack.SESFault{
		{Status: http.StatusForbidden, Code: "AccessDeniedException"}, {Status: http.StatusBadRequest, Code: "SendingPausedException"},
		{Status: http.StatusNotFound, Code: "NotFoundException"},
	} {
		b.ses.Fail(answer)
		if _, err := f.Event(t.Context(), functiontest.Sample(t, "deliver", "scheduled")); err == nil {
			t.Errorf("%s: no error", answer.Code)
		}
	}
	b.expectRows("email.confirm ready not_set_up 0", "email.confirm ready not_set_up 0", "email.confirm ready not_set_up 0")
	b.expect(b.run(t.Context(), f), `{"sent":3}`)
}

// A message of an unknown kind is retried, for a newer version, and delays no other.
func TestUnknownKind(t *testing.T) {
	b := setup(t)
	b.signUps(3)
	b.Exec(`update outbox set kind = 'carrier.pigeon' where id = (select min(id::text)::uuid from outbox)`)
	b.expect(b.run(t.Context(), b.Open(open)), `{"retry":1,"sent":2}`)
	b.expectRows("carrier.pigeon ready unknown_kind 1", "email.confirm done sent 1", "email.confirm done sent 1")
}

// panickingSender panics at one email and passes the others on to the real sender.
type panickingSender struct{ sender }

func (p panickingSender) Send(ctx context.Context, m email.Message) (string, error) {
	if strings.HasPrefix(m.To, "jane001@") {
		panic("test")
	}
	return p.sender.Send(ctx, m)
}

func TestPanicAffectsOneDelivery(t *testing.T) {
	b := setup(t)
	b.signUps(4)
	h := b.handler()
	h.sender = panickingSender{h.sender}
	value, err := h.event(t.Context(), functiontest.Sample(t, "deliver", "scheduled"))
	if err != nil {
		t.Fatal(err)
	}
	b.expect(value.(result).Outcomes, `{"panic":1,"sent":3}`)
	b.expectRows("email.confirm done sent 1", "email.confirm ready panic 1", "email.confirm done sent 1", "email.confirm done sent 1")
}

// handler returns the function's handler, for tests that replace a part of it.
func (b *bundle) handler() *handler {
	b.Helper()
	h, db, err := wire(b.Context(), b.Env())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(db.Close)
	return h
}

func TestConcurrentRunsSendOnce(t *testing.T) {
	b := setup(t)
	const n = 40
	b.signUps(n)
	var both sync.WaitGroup
	for range 2 {
		f := b.openWith(func(h *handler) { h.config.Batch = 7 })
		both.Go(func() {
			if _, err := f.Event(t.Context(), functiontest.Sample(t, "deliver", "scheduled")); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	recipients := map[string]int{}
	for _, m := range b.ses.Emails() {
		recipients[m.To]++
	}
	if len(recipients) != n || len(b.ses.Emails()) != n {
		t.Errorf("%d emails to %d recipients, want %d", len(b.ses.Emails()), len(recipients), n)
	}
	if got := b.Strings(`select distinct state || ' ' || outcome || ' ' || attempts from outbox`); len(got) != 1 || got[0] != "done sent 1" {
		t.Errorf("outbox %v", got)
	}
}

// TestTimeoutExceedsTheDeadlines checks the template's Timeout: a run that lingers as long as the settings allow, and
// then sends a last batch, is not killed.
func TestTimeoutExceedsTheDeadlines(t *testing.T) {
	template, err := samtemplate.Load("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var longest outbox.WorkerConfig
	for longer := longest; longer.Validate() == nil; longer.Linger += time.Second {
		longest = longer
	}
	need := lambdafn.Reserve + postgres.Budget + longest.Linger + timeToSend
	if got := template.Functions["deliver"].Timeout; got <= need {
		t.Errorf("the Timeout is %v; the sum of the deadlines is %v", got, need)
	}
}

// Deliveries that cannot start in the remaining time are released without an attempt.
func TestTimeIsUp(t *testing.T) {
	b := setup(t)
	const n = 20
	b.signUps(n)
	f := b.openWith(func(h *handler) { h.config.Concurrency = 1 })
	ctx, cancel := context.WithTimeout(t.Context(), timeToSend-time.Second)
	b.expect(b.run(ctx, f), `{}`) // no claim
	cancel()
	for range n {
		b.ses.Fail(devstack.SESFault{Status: http.StatusInternalServerError, Delay: 500 * time.Millisecond})
	}
	ctx, cancel = context.WithTimeout(t.Context(), timeToSend+2*time.Second)
	defer cancel()
	started := b.run(ctx, f)["retry"]
	if started == 0 || started == n {
		t.Fatalf("%d of %d were started", started, n)
	}
	var released int
	b.Scan(`select count(*) from outbox where state = 'ready' and attempts = 0 and due_at <= now()`, nil, &released)
	if released != n-started {
		t.Errorf("%d were started, %d released, of %d", started, released, n)
	}
}

// A lease begins before the claim, so no email is sent after it ends.
func TestLeaseEnds(t *testing.T) {
	b := setup(t)
	b.signUps(1)
	h := b.handler()
	var mu sync.Mutex
	claimed, began := false, time.Now()
	h.now = func() time.Time { // 50 s pass while the message is claimed, then 10 s more
		mu.Lock()
		defer mu.Unlock()
		var attempts int
		b.Scan(`select attempts from outbox`, nil, &attempts)
		switch {
		case attempts > 0:
			claimed = true
			return began.Add(50 * time.Second)
		case claimed:
			return began.Add(60 * time.Second)
		}
		return began
	}
	ctx, cancel := context.WithDeadline(t.Context(), began.Add(50*time.Second+timeToSend+5*time.Second))
	defer cancel()
	if _, err := h.event(ctx, functiontest.Sample(t, "deliver", "scheduled")); err != nil {
		t.Fatal(err)
	}
	if sent := len(b.ses.Emails()); sent != 0 {
		t.Errorf("%d emails were sent after their lease", sent)
	}
	b.expectRows("email.confirm ready - 0")
}

func TestDatabaseUnavailable(t *testing.T) {
	b := setup(t)
	b.Variables["DATABASE_URL"] = "postgres://app:password@127.0.0.1:1/newsletter"
	if _, err := b.Open(open).Event(t.Context(), functiontest.Sample(t, "deliver", "scheduled")); err == nil {
		t.Error("no error")
	}
}

func TestConnectionsFollowTheConcurrency(t *testing.T) {
	for concurrency, want := range map[int]int{1: 2, 3: 3, 100: 4} {
		if got := (deliverConfig{WorkerConfig: outbox.WorkerConfig{Concurrency: concurrency}}).connections(); got != want {
			t.Errorf("%d: %d connections, want %d", concurrency, got, want)
		}
	}
}
