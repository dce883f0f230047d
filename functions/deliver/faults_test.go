package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"newsletter/internal/devstack"
	"newsletter/internal/functiontest"
	"newsletter/shared/email"
	"newsletter/shared/outbox"
)

func (b *bundle) signUps(n int) {
	b.Helper()
	for i := range n {
		b.SignUp(fmt.Sprintf("jane%03d@example.org", i))
	}
}

// A failure is tried again later, as the same delivery.
func TestAFailureIsRepeated(t *testing.T) {
	b := setup(t)
	b.signUps(2)
	b.ses.Fail(devstack.SESFault{Status: http.StatusInternalServerError, Code: "InternalFailure", RetryAfter: 600})
	f := b.openWith(func(h *handler) { h.config.Concurrency = 1 })
	b.expect(b.run(t.Context(), f), `{"retry":1,"sent":1}`)
	if got := b.Strings(`select attempts || ' ' || outcome || ' ' || (due_at > now() + interval '9 minutes') from outbox where state = 'ready'`); len(got) != 1 || got[0] != "1 status_500 true" {
		t.Errorf("%v", got)
	}
	b.expect(b.run(t.Context(), f), `{}`) // it is not due
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

func TestAMailThatIsRefusedForGood(t *testing.T) {
	b := setup(t)
	b.signUps(1)
	b.ses.Fail(devstack.SESFault{Status: http.StatusBadRequest, Code: "MessageRejected"})
	f := b.Open(open)
	b.expect(b.run(t.Context(), f), `{"dead":1}`)
	b.expectRows("email.confirm dead rejected 1")
	b.due()
	b.expect(b.run(t.Context(), f), `{}`)
}

func TestTheLastAttempt(t *testing.T) {
	b := setup(t)
	b.signUps(1)
	b.Exec(`update outbox set attempts = $1`, outbox.MaxAttempts-1)
	b.ses.Fail(devstack.SESFault{Status: http.StatusBadGateway})
	b.expect(b.run(t.Context(), b.Open(open)), `{"dead":1}`)
	b.expectRows(fmt.Sprintf("email.confirm dead status_502 %d", outbox.MaxAttempts))
}

// When the service wants us to slow down, emails wait and no try counts.
func TestThrottlingCostsNoAttempt(t *testing.T) {
	b := setup(t)
	b.signUps(8)
	slower := devstack.SESFault{Status: http.StatusTooManyRequests, Code: "TooManyRequestsException"}
	b.ses.Fail(slower, slower, slower)
	got := b.run(t.Context(), b.Open(open))
	if got["sent"] != 8 || got["waits"] != 3 {
		t.Errorf("outcomes %v", got)
	}
	if got := b.Strings(`select distinct state || ' ' || attempts from outbox`); len(got) != 1 || got[0] != "done 1" {
		t.Errorf("outbox %v", got)
	}
}

// When nothing can be sent before the owner does something, all wait, however long that takes.
func TestASetUpThatIsWrongCostsNoAttempt(t *testing.T) {
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

// A kind that only a newer version knows is left to it, and holds up nothing.
func TestAnUnknownKind(t *testing.T) {
	b := setup(t)
	b.signUps(3)
	b.Exec(`update outbox set kind = 'carrier.pigeon' where id = (select min(id::text)::uuid from outbox)`)
	b.expect(b.run(t.Context(), b.Open(open)), `{"retry":1,"sent":2}`)
	b.expectRows("carrier.pigeon ready unknown_kind 1", "email.confirm done sent 1", "email.confirm done sent 1")
}

// poisonous panics at one email and passes the others on to the real sender.
type poisonous struct{ sender }

func (p poisonous) Send(ctx context.Context, m email.Message) (string, error) {
	if strings.HasPrefix(m.To, "jane001@") {
		panic("poison")
	}
	return p.sender.Send(ctx, m)
}

func TestPoisonIsAlone(t *testing.T) {
	b := setup(t)
	b.signUps(4)
	h := b.handler()
	h.sender = poisonous{h.sender}
	value, err := h.event(t.Context(), functiontest.Sample(t, "deliver", "scheduled"))
	if err != nil {
		t.Fatal(err)
	}
	b.expect(value.(result).Outcomes, `{"panic":1,"sent":3}`)
	b.expectRows("email.confirm done sent 1", "email.confirm ready panic 1", "email.confirm done sent 1", "email.confirm done sent 1")
}

// handler is the function's handler, for tests that put a fault between its parts.
func (b *bundle) handler() *handler {
	b.Helper()
	h, db, err := wire(b.Context(), b.Env())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(db.Close)
	return h
}

func TestTwoAtOnceSendEverythingOnce(t *testing.T) {
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
		t.Errorf("%d emails to %d people, want %d", len(b.ses.Emails()), len(recipients), n)
	}
	if got := b.Strings(`select distinct state || ' ' || outcome || ' ' || attempts from outbox`); len(got) != 1 || got[0] != "done sent 1" {
		t.Errorf("outbox %v", got)
	}
}

// What cannot be begun in the time left is given back, without an attempt.
func TestTheTimeIsUp(t *testing.T) {
	b := setup(t)
	const n = 20
	b.signUps(n)
	f := b.openWith(func(h *handler) { h.config.Concurrency = 1 })
	ctx, cancel := context.WithTimeout(t.Context(), timeToSend-time.Second)
	b.expect(b.run(ctx, f), `{}`) // not even begun
	cancel()
	for range n {
		b.ses.Fail(devstack.SESFault{Status: http.StatusInternalServerError, Delay: 500 * time.Millisecond})
	}
	ctx, cancel = context.WithTimeout(t.Context(), timeToSend+2*time.Second)
	defer cancel()
	begun := b.run(ctx, f)["retry"]
	if begun == 0 || begun == n {
		t.Fatalf("%d of %d were begun", begun, n)
	}
	var free int
	b.Scan(`select count(*) from outbox where state = 'ready' and attempts = 0 and due_at <= now()`, nil, &free)
	if free != n-begun {
		t.Errorf("%d were begun, %d are free, of %d", begun, free, n)
	}
}

// A lease runs from the claim: what happened between it and the sending is part of it.
func TestALeaseThatEnds(t *testing.T) {
	b := setup(t)
	b.signUps(1)
	h := b.handler()
	var mu sync.Mutex
	claimed, began := false, time.Now()
	h.now = func() time.Time { // 50 s go by while the row is this worker's, so that its lease ends too early, and then 10 s more
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
		t.Errorf("%d emails left after their lease", sent)
	}
	b.expectRows("email.confirm ready - 0")
}

// The minute is read when it is one's turn: an older one must not begin the count anew.
func TestThePacerReadsTheClockUnderItsLock(t *testing.T) {
	p := &domainLimiter{limit: 1}
	p.now = func() time.Time {
		if p.mu.TryLock() {
			p.mu.Unlock()
			t.Error("the clock is read without the lock")
		}
		return time.Now()
	}
	if wait := p.take("jane@example.org"); wait != 0 {
		t.Errorf("the first email waits %v", wait)
	}
}

func TestALostDatabase(t *testing.T) {
	b := setup(t)
	b.Variables["DATABASE_URL"] = "postgres://app:password@127.0.0.1:1/newsletter"
	if _, err := b.Open(open).Event(t.Context(), functiontest.Sample(t, "deliver", "scheduled")); err == nil {
		t.Error("no error")
	}
}

func TestConnectionsFollowTheConcurrency(t *testing.T) {
	for concurrency, want := range map[int]int{1: 2, 3: 3, 100: 4} {
		if got := (Config{WorkerConfig: outbox.WorkerConfig{Concurrency: concurrency}}).connections(); got != want {
			t.Errorf("%d: %d connections, want %d", concurrency, got, want)
		}
	}
}
