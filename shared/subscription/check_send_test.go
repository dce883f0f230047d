package subscription

import (
	"cmp"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/config"
	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/postgres"
)

// TestABacklogReachesAMailboxAsOneEmail queues a few emails within the budget of each day while none can be sent.
func TestABacklogReachesAMailboxAsOneEmail(t *testing.T) {
	b := setup(t)
	for i := range 12 {
		b.request(spelling(i), ConfirmationQueued)
		if b.advance(confirmPause); i%3 == 2 {
			b.advance(budgetWindow)
		}
	}
	sent := b.deliver()
	if len(sent) != 1 || sent[0].to != spelling(11) {
		t.Errorf("sent %v, want only the newest", sent)
	}
	if got := b.outcomes(); got["sent"] != 1 || got["superseded"] != 11 {
		t.Errorf("outcomes %v", got)
	}
	b.request(spelling(12), ConfirmationOverBudget) // a sent email counts from the time of sending
	sent = append(sent, b.deliverFor(time.Hour)...)
	b.request(spelling(12), ConfirmationQueued)
	if sent = append(sent, b.deliverFor(time.Hour)...); len(sent) != 2 {
		t.Errorf("sent %v", sent)
	}
	b.expectSendings(sent)
}

// TestReleasedEmailsAreNoBurst holds emails over several days and releases all of them at once.
func TestReleasedEmailsAreNoBurst(t *testing.T) {
	b := setup(t)
	var sent []sentEmail
	for day := range 6 {
		for i := range 3 {
			b.requestHeld(spelling(3*day+i), ConfirmationQueued)
			b.advance(confirmPause)
		}
		b.advance(budgetWindow)
	}
	for i := range 3 {
		b.request(spelling(100+i), ConfirmationQueued)
		sent = append(sent, b.deliverFor(confirmPause)...)
	}
	holds, err := b.store.ListHeld(t.Context(), 100)
	if err != nil || len(holds) != 18 {
		t.Fatalf("%d holds, %v", len(holds), err)
	}
	for _, h := range holds {
		if err := b.store.ReleaseHeld(t.Context(), h.ID, operator); err != nil {
			t.Fatal(err)
		}
	}
	if sent = append(sent, b.deliverFor(48*time.Hour)...); len(sent) != 3 {
		t.Errorf("sent %v, want the emails that were not held: they are newer", sent)
	}
	b.expectSendings(sent)
	if got := b.outcomes(); got["sent"] != 3 || got["superseded"] != 18 {
		t.Errorf("outcomes %v", got)
	}
}

// TestAReleasedEmailWaitsForThePause releases the newest email just after an older one was sent.
func TestAReleasedEmailWaitsForThePause(t *testing.T) {
	b := setup(t)
	b.request(spelling(1), ConfirmationQueued)
	b.advance(confirmPause)
	b.requestHeld(spelling(2), ConfirmationQueued)
	b.advance(time.Hour)
	sent := b.deliver()
	if len(sent) != 1 || sent[0].to != spelling(1) {
		t.Fatalf("sent %v: a held email supersedes an older one", sent)
	}
	if err := b.store.ReleaseHeld(t.Context(), b.held().ID, operator); err != nil {
		t.Fatal(err)
	}
	if sent := b.deliverFor(confirmPause - time.Second); len(sent) != 0 {
		t.Errorf("sent %v within the pause", sent)
	}
	if sent := b.deliver(); len(sent) != 1 || sent[0].to != spelling(2) {
		t.Errorf("sent %v, want the released email", sent)
	}
}

// TestAnOutdatedEmailIsNotSent also checks that emails outlast a weekend without an email service.
func TestAnOutdatedEmailIsNotSent(t *testing.T) {
	b := setup(t)
	b.activate(john)
	b.request(john, AlreadySubscribed)
	b.request(jane, ConfirmationQueued)
	b.requestLink(john, ExportLinkEmail, LinkQueued)
	b.advance(3 * 24 * time.Hour)
	sent := b.deliver()
	if len(sent) != 2 || b.outcomes()["outdated"] != 1 {
		t.Errorf("sent %v, outcomes %v", sent, b.outcomes())
	}
	b.exec(`update outbox set state = 'ready', finished_at = null, outcome = null where outcome = 'sent'`) // as if requeued
	b.advance(5 * 24 * time.Hour)
	if sent := b.deliver(); len(sent) != 0 || b.outcomes()["outdated"] != 3 {
		t.Errorf("sent %v, outcomes %v", sent, b.outcomes())
	}
}

// TestASuppressedEmailSupersedesNone checks that a newer email which will not be sent does not supersede an older one.
func TestASuppressedEmailSupersedesNone(t *testing.T) {
	b := setup(t)
	b.request(spelling(1), ConfirmationQueued)
	b.advance(confirmPause)
	b.request(spelling(2), ConfirmationQueued)
	b.suppress(Suppression{Address: address(t, spelling(2)), Reason: Bounce, Actor: ledger.Operator}, SuppressedNow)
	if sent := b.deliver(); len(sent) != 1 || sent[0].to != spelling(1) {
		t.Errorf("sent %v", sent)
	}
}

// TestTheDomainLimitAppliesToABacklog checks that a backlog does not flood the mailboxes of a company.
func TestTheDomainLimitAppliesToABacklog(t *testing.T) {
	b := setup(t)
	b.store.domainLimit.Limit = 3
	for i := range 12 {
		b.request(fmt.Sprintf("jane%d@example.org", i), ConfirmationQueued)
		b.request(fmt.Sprintf("jane%d@gmail.com", i), ConfirmationQueued)
		if i%3 == 2 {
			b.advance(domainWindow)
		}
	}
	if sent := b.deliver(); len(sent) != 12+3 {
		t.Errorf("%d emails at once, want those to the large provider and as many as the domain limit", len(sent))
	}
	b.advance(time.Second)
	sent := b.deliverFor(4 * domainWindow)
	b.expectSendings(sent)
	if len(sent) != 9 {
		t.Errorf("%d emails later, want all that waited", len(sent))
	}
}

// TestConcurrentChecksKeepTheBudgets checks emails that share a budget in parallel.
func TestConcurrentChecksKeepTheBudgets(t *testing.T) {
	b := setup(t)
	const n = 12
	at := func(i int) string { return fmt.Sprintf("jane%d@example.org", i) }
	for i := range n {
		b.activate(at(i))
		b.requestLink(at(i), ExportLinkEmail, LinkQueued)
	}
	b.deliver()
	b.advance(budgetWindow)
	for i := range n { // two links, the whole budget of a day
		b.requestLink(at(i), ExportLinkEmail, LinkQueued)
		b.requestLink(at(i), EraseLinkEmail, LinkQueued)
	}
	b.exec(`update email_log set sent_at = $1 where purpose = 'privacy_export' and sent_at is not null`, b.now().Add(-time.Hour)) // the first one was sent late
	for i := range n {
		b.request(at(n+i), ConfirmationQueued)
	}
	b.store.domainLimit.Limit = 3

	db, err := postgres.New(t.Context(), postgres.Config{URL: config.Seal(b.server.AppURL), CAFile: b.server.CAFile, MaxConns: n})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	store := b.on(db)
	claimed, err := outbox.NewWorker(b.db, b.now).Claim(t.Context(), outbox.Limits{Due: 100}, time.Minute)
	if err != nil || len(claimed) != 3*n {
		t.Fatal(len(claimed), err)
	}
	var all sync.WaitGroup
	for _, d := range claimed {
		all.Go(func() {
			if _, _, err := store.CheckSend(t.Context(), d); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	links := b.count(`email_log where purpose like 'privacy%' and sent_at = $1`, b.now())
	confirmations := b.count(`email_log where purpose = 'confirm' and sent_at = $1`, b.now())
	if links != n || confirmations != 3 {
		t.Errorf("%d links, want %d; %d emails to one domain, want 3", links, n, confirmations)
	}
}

func TestDecideSend(t *testing.T) {
	mine := outbox.Delivery{ID: uuid.UUID{5}, Kind: ConfirmEmail.Kind(), CreatedAt: now.Add(-time.Minute)}
	ago := func(d time.Duration) *time.Time { at := now.Add(-d); return &at }
	earlier := func(n byte, sent time.Duration) logEntry {
		return logEntry{uuid.UUID{n}, ConfirmEmail, ago(sent), false}
	}
	older, newer := uuid.UUID{4}, uuid.UUID{6}
	for name, c := range map[string]struct {
		kind   outbox.Kind
		log    []logEntry
		domain time.Duration
		age    time.Duration
		want   SendDecision
	}{
		"alone":                          {},
		"itself, tried before":           {log: []logEntry{{mine.ID, ConfirmEmail, ago(time.Second), true}}},
		"a later one waits":              {log: []logEntry{{newer, ConfirmEmail, nil, true}}, want: SendDecision{DropReason: "superseded"}},
		"a later one was sent":           {log: []logEntry{{newer, ConfirmEmail, ago(0), false}}, want: SendDecision{DropReason: "superseded"}},
		"a later one is held, or ended":  {log: []logEntry{{newer, ConfirmEmail, nil, false}}},
		"a later one of another purpose": {kind: ExportLinkEmail.Kind(), log: []logEntry{{newer, EraseLinkEmail, nil, true}}},
		"one was sent before an erasure": {
			log: []logEntry{{uuid.MustParse("ffffffff-ffff-4fff-bfff-ffffffffffff"), ConfirmEmail, ago(confirmPause), false}},
		},
		"an earlier one waits":             {log: []logEntry{{older, ConfirmEmail, nil, true}}},
		"an earlier one was just sent":     {log: []logEntry{{older, ConfirmEmail, ago(5 * time.Minute), false}}, want: SendDecision{DeferFor: 10 * time.Minute}},
		"an earlier one was sent long ago": {log: []logEntry{{older, ConfirmEmail, ago(confirmPause), false}}},
		"three were sent today": {
			log:  []logEntry{earlier(1, 20*time.Hour), earlier(2, time.Hour), earlier(3, 2*time.Hour)},
			want: SendDecision{DeferFor: 4 * time.Hour},
		},
		"three were sent, one of them a day ago": {
			log: []logEntry{earlier(1, budgetWindow), earlier(2, time.Hour), earlier(3, 2*time.Hour)},
		},
		"a reminder has the purpose confirm": {
			kind: ReminderEmail.Kind(), log: []logEntry{{older, ConfirmEmail, ago(time.Minute), false}}, want: SendDecision{DeferFor: 14 * time.Minute},
		},
		"two links share their budget": {
			kind: EraseLinkEmail.Kind(), log: []logEntry{{older, ExportLinkEmail, ago(2 * time.Hour), false}, {uuid.UUID{3}, EraseLinkEmail, ago(time.Hour), false}},
			want: SendDecision{DeferFor: 22 * time.Hour},
		},
		"the domain limit is reached": {domain: 30 * time.Minute, want: SendDecision{DeferFor: 30 * time.Minute}},
		"the mailbox for longer than the domain": {
			domain: time.Minute, log: []logEntry{{older, ConfirmEmail, ago(5 * time.Minute), false}}, want: SendDecision{DeferFor: 10 * time.Minute},
		},
		"after a week":         {age: emailLifetime + time.Second, want: SendDecision{DropReason: "outdated"}},
		"a notice after a day": {kind: AlreadySubscribedEmail.Kind(), age: noticeLifetime + time.Second, want: SendDecision{DropReason: "outdated"}},
	} {
		d := mine
		d.Kind = cmp.Or(c.kind, d.Kind)
		d.CreatedAt = d.CreatedAt.Add(-c.age)
		if got := decideSend(now, d, c.log, now.Add(c.domain)); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
