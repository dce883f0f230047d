package subscription

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/config"
	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/postgres"
)

// TestABacklogReachesAMailboxAsOneEmail requests emails to spellings of a mailbox while none can be sent.
func TestABacklogReachesAMailboxAsOneEmail(t *testing.T) {
	b := setup(t)
	for i := range 12 {
		b.request(spelling(i), ConfirmationQueued)
		b.advance(5 * time.Hour)
	}
	sent := b.deliver()
	if len(sent) != 1 || sent[0].to != spelling(11) {
		t.Errorf("sent %v, want only the newest", sent)
	}
	if got := b.outcomes(); got["sent"] != 1 || got["superseded"] != 11 {
		t.Errorf("outcomes %v", got)
	}
	if n := b.count("email_log"); n != 1 {
		t.Errorf("%d entries in the email log", n)
	}
}

// TestTheNewestRequestLeavesWhenTheFirstIsDue: later requests cannot delay an email, whatever their source.
func TestTheNewestRequestLeavesWhenTheFirstIsDue(t *testing.T) {
	b := setup(t)
	victim := "victim@example.net"
	for i := range 5 {
		b.from(1, fmt.Sprintf("filler%d@example.net", i))
	}
	if wait := b.from(1, victim); wait < 59*time.Minute {
		t.Fatalf("waits for %s", wait)
	}
	b.advance(10 * time.Minute)
	if wait := b.from(1, victim); wait < 49*time.Minute {
		t.Fatalf("the second waits for %s", wait)
	}
	newest := b.row(victim).RequestEventID
	to := func(sent []sentEmail) bool {
		return slices.ContainsFunc(sent, func(s sentEmail) bool { return s.to == victim })
	}
	if to(b.deliverFor(49 * time.Minute)) {
		t.Fatal("sent before its slot")
	}
	if sent := b.deliverFor(2 * time.Minute); !to(sent) || len(sent) != 1 {
		t.Errorf("sent %v", sent)
	}
	if got := b.strings(`select event_id::text from outbox where outcome = 'sent' and subscriber_id = $1`, b.row(victim).ID.String()); !slices.Equal(got, []string{newest.String()}) {
		t.Errorf("the email names the requests %v, not %s", got, newest)
	}
	if to(b.deliverFor(2 * time.Hour)) {
		t.Error("sent twice")
	}
}

// TestAConfirmationIsNotRepeatedAtOnce, but one that a sign-up after an unsubscribe asks for leaves.
func TestAConfirmationIsNotRepeatedAtOnce(t *testing.T) {
	b := setup(t)
	b.request(jane, ConfirmationQueued)
	b.deliver()
	b.advance(confirmRepeat - time.Second)
	b.request(jane, ConfirmationQueued)
	if sent := b.deliver(); len(sent) != 0 || b.outcomes()["just_sent"] != 1 {
		t.Errorf("sent %v, outcomes %v", sent, b.outcomes())
	}
	b.advance(time.Second)
	b.request(jane, ConfirmationQueued)
	if sent := b.deliver(); len(sent) != 1 {
		t.Errorf("sent %v", sent)
	}
	b.advance(2 * oneDay)
	b.request(john, ConfirmationQueued)
	b.deliver()
	b.click(b.store.Confirm, b.link(john), ConfirmedNow)
	b.click(b.store.Unsubscribe, b.unsubscribeLink(john), UnsubscribedNow)
	b.advance(time.Minute)
	b.request(john, ConfirmationQueued)
	if sent := b.deliver(); len(sent) != 1 {
		t.Errorf("subscribe again: sent %v", sent)
	}
}

// TestANoticeIsSentOnceADay and the next one is dropped, not deferred: it would say the same.
func TestANoticeIsSentOnceADay(t *testing.T) {
	b := setup(t)
	b.activate(jane)
	for range 3 {
		b.request(jane, AlreadySubscribed)
		b.advance(time.Hour)
		b.deliver()
	}
	if got := b.outcomes(); got["sent"] != 1 || got["just_sent"] != 2 {
		t.Errorf("outcomes %v", got)
	}
}

// TestTheBudgetOfAMailbox requests each hour what a stranger can request, for two months.
func TestTheBudgetOfAMailbox(t *testing.T) {
	for name, c := range map[string]struct {
		prepare           func(*fixture)
		day, month, least int
	}{
		"unconfirmed": {func(b *fixture) { b.request(spelling(0), ConfirmationQueued) }, 3, 7, 7},
		"confirmed":   {func(b *fixture) { b.activate(spelling(0)) }, 6, 20, 18},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			c.prepare(b)
			var sent []sentEmail
			for i := range 60 * 6 {
				typed := spelling(i % 3)
				if _, err := b.store.Request(t.Context(), Request{Address: address(t, typed), Visit: visit}); err != nil {
					t.Fatal(err)
				}
				for _, email := range []Email{UnsubscribeLinkEmail, ExportLinkEmail, EraseLinkEmail} {
					if _, err := b.store.RequestLink(t.Context(), LinkRequest{Address: address(t, spelling(0)), Email: email, Visit: visit}); err != nil {
						t.Fatal(err)
					}
				}
				sent = append(sent, b.deliver()...)
				b.advance(4 * time.Hour)
			}
			b.expectSendings(sent)
			day, month := 0, 0
			for i := range sent {
				in := func(d time.Duration) (n int) {
					for _, other := range sent[i:] {
						if other.at.Before(sent[i].at.Add(d)) {
							n++
						}
					}
					return n
				}
				day, month = max(day, in(oneDay)), max(month, in(30*oneDay))
			}
			if day > c.day || month > c.month || month < c.least {
				t.Errorf("%d emails in a day and %d in 30 days, want at most %d and %d", day, month, c.day, c.month)
			}
		})
	}
}

// TestAnOutdatedEmailIsNotSent after three days, whatever it waited for.
func TestAnOutdatedEmailIsNotSent(t *testing.T) {
	b := setup(t)
	b.activate(john)
	b.request(john, AlreadySubscribed)
	b.request(jane, ConfirmationQueued)
	b.requestLink(john, ExportLinkEmail, LinkQueued)
	b.advance(outbox.MaxWait)
	if sent := b.deliver(); len(sent) != 3 {
		t.Errorf("sent %v, outcomes %v", sent, b.outcomes())
	}
	b.exec(`update outbox set state = 'ready', finished_at = null, outcome = null, due_at = $1 where outcome = 'sent'`, b.now()) // as if requeued
	b.advance(time.Second)
	if sent := b.deliver(); len(sent) != 0 || b.outcomes()["outdated"] != 3 {
		t.Errorf("sent %v, outcomes %v", sent, b.outcomes())
	}
	b.advance(30 * oneDay)
	for range 3 { // the third waits for the budget until it is outdated
		b.request(jane, ConfirmationQueued)
		b.deliver()
		b.advance(confirmRepeat)
	}
	b.advance(-oneDay / 24) // deliverFor begins before the budget of the day is free
	b.exec(`update email_log set at = $1`, b.now().Add(4*oneDay))
	if sent := b.deliverFor(outbox.MaxWait + 2*time.Hour); len(sent) != 0 || b.outcomes()["outdated"] != 4 || b.outcomes()["ready"] != 0 {
		t.Errorf("sent %v, outcomes %v", sent, b.outcomes())
	}
}

// TestASuppressedEmailSupersedesNone checks that a newer email which will not be sent does not supersede an older one.
func TestASuppressedEmailSupersedesNone(t *testing.T) {
	b := setup(t)
	b.request(spelling(1), ConfirmationQueued)
	b.advance(confirmRepeat)
	b.request(spelling(2), ConfirmationQueued)
	b.suppress(Suppression{Address: address(t, spelling(2)), Reason: Bounce, Actor: ledger.Operator}, SuppressedNow)
	if sent := b.deliver(); len(sent) != 1 || sent[0].to != spelling(1) {
		t.Errorf("sent %v", sent)
	}
}

// TestARetryIsCountedOnce also checks that it is the same email, whatever was requested since: reports about it must find
// its recipient. A request of the same address waits for it.
func TestARetryIsCountedOnce(t *testing.T) {
	b := setup(t)
	b.request(spelling(1), ConfirmationQueued)
	queue := outbox.NewWorker(b.db, b.now)
	for i := range 3 {
		claimed, err := queue.Claim(t.Context(), outbox.Limits{Due: 10}, time.Minute)
		if err != nil || len(claimed) == 0 {
			t.Fatal(claimed, err)
		}
		leaves, to, c, err := b.store.CheckSend(t.Context(), claimed[0])
		if err != nil || c != (SendDecision{}) || to.Mailbox != spelling(1) || leaves.ID != claimed[0].ID {
			t.Fatalf("attempt %d: %+v, %+v, %v", i, to, c, err)
		}
		if err := queue.Retry(t.Context(), claimed[0], "throttled", 0); err != nil {
			t.Fatal(err)
		}
		b.request(spelling(i+2), ConfirmationQueued)
		b.exec(`update outbox set due_at = created_at + interval '1 hour' where state = 'ready' and attempts = 0`)
		b.advance(30 * time.Minute)
	}
	if n := b.count("email_log"); n != 1 {
		t.Errorf("%d entries in the email log", n)
	}
	b.exec(`update outbox set due_at = case when counted then $1::timestamptz else $2 end where state = 'ready'`, b.now().Add(time.Hour), b.now().Add(oneDay))
	b.request(spelling(1), ConfirmationQueued)
	if sent := b.deliverFor(30 * time.Minute); len(sent) != 0 {
		t.Errorf("sent %v while the first is tried", sent)
	}
	if sent := b.deliverFor(time.Hour); len(sent) != 1 || sent[0].to != spelling(1) {
		t.Errorf("sent %v", sent)
	}
	if got := b.outcomes(); got["sent"] != 1 || got["just_sent"] != 1 {
		t.Errorf("%v", got)
	}
}

// TestConcurrentChecksKeepTheBudgets checks the emails of one mailbox in parallel.
func TestConcurrentChecksKeepTheBudgets(t *testing.T) {
	b := setup(t)
	const n = 12
	for i := range n {
		v := visit
		v.Client.IP = netip.AddrFrom4([4]byte{10, 0, byte(i), 1})
		if _, err := b.store.Request(t.Context(), Request{Address: address(t, spelling(i)), Visit: v}); err != nil {
			t.Fatal(err)
		}
		b.requestLink(spelling(i), UnsubscribeLinkEmail, LinkQueued)
		b.requestLink(spelling(i), ExportLinkEmail, LinkQueued)
	}
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
			if _, _, _, err := store.CheckSend(t.Context(), d); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := b.strings(`select purpose from email_log order by 1`); len(got) != 2 || got[0] != "confirm" {
		t.Errorf("counted %v, want one sign-up email and one rights email", got)
	}
}

func TestDecideSend(t *testing.T) {
	t.Parallel()
	email := func(id byte, kind Email, age time.Duration) waitingEmail {
		state := Pending
		if kind == AlreadySubscribedEmail {
			state = Active
		}
		return waitingEmail{
			Delivery: outbox.Delivery{ID: uuid.UUID{id}, Kind: kind.Kind(), Epoch: 1, CreatedAt: now.Add(-age)},
			to:       Recipient{SubscriberID: uuid.UUID{id}, State: state, Epoch: 1},
		}
	}
	changed := func(w waitingEmail, change func(*waitingEmail)) waitingEmail {
		change(&w)
		return w
	}
	mine := email(5, ConfirmEmail, time.Minute)
	newer := email(6, ConfirmEmail, 0)
	stale := changed(newer, func(w *waitingEmail) { w.to.Epoch = 2 })
	export := email(5, ExportLinkEmail, time.Minute)
	logged := func(purpose Email, ago ...time.Duration) (log []loggedEmail) {
		for _, d := range ago {
			log = append(log, loggedEmail{string(purpose), now.Add(-d)})
		}
		return log
	}
	sentAgo := func(w waitingEmail, d time.Duration) waitingEmail {
		return changed(w, func(w *waitingEmail) { w.lastSent = now.Add(-d) })
	}
	for name, c := range map[string]struct {
		email   waitingEmail
		facts   sendFacts
		leaves  byte
		purpose string
		want    SendDecision
	}{
		"alone":                {email: mine, leaves: 5, purpose: "confirm"},
		"the row is gone":      {email: mine, facts: sendFacts{waiting: []waitingEmail{}}, want: SendDecision{DropReason: "stale"}},
		"the newest leaves":    {email: mine, facts: sendFacts{waiting: []waitingEmail{newer, mine}}, leaves: 6, purpose: "confirm"},
		"unless it is stale":   {email: mine, facts: sendFacts{waiting: []waitingEmail{stale, mine}}, leaves: 5, purpose: "confirm"},
		"stale":                {email: stale, want: SendDecision{DropReason: "stale"}},
		"outdated":             {email: email(5, ConfirmEmail, outbox.MaxWait+time.Second), want: SendDecision{DropReason: "outdated"}},
		"just sent":            {email: sentAgo(mine, confirmRepeat), want: SendDecision{DropReason: "just_sent"}},
		"not so just":          {email: sentAgo(mine, confirmRepeat+time.Minute), leaves: 5, purpose: "confirm"},
		"a notice, sent today": {email: sentAgo(email(5, AlreadySubscribedEmail, 0), 23*time.Hour), want: SendDecision{DropReason: "just_sent"}},
		"another one leaves":   {email: changed(mine, func(w *waitingEmail) { w.leaving = true }), want: SendDecision{DeferFor: time.Minute}},
		"a retry is the same":  {email: mine, facts: sendFacts{counted: true, waiting: []waitingEmail{newer, mine}}, leaves: 5},
		"counted":              {email: mine, facts: sendFacts{counted: true, log: logged(ConfirmEmail, 0, 0, 0)}, leaves: 5},
		"two today": {
			email: mine, facts: sendFacts{log: logged(ConfirmEmail, time.Hour, 20*time.Hour)}, want: SendDecision{DeferFor: 4*time.Hour + time.Minute},
		},
		"two today, confirmed": {email: mine, facts: sendFacts{confirmed: true, log: logged(ConfirmEmail, time.Hour, 20*time.Hour)}, leaves: 5, purpose: "confirm"},
		"notices count, too": {
			email: mine, facts: sendFacts{log: append(logged(ConfirmEmail, time.Hour), logged(AlreadySubscribedEmail, 20*time.Hour)...)},
			want: SendDecision{DeferFor: 4*time.Hour + time.Minute},
		},
		"three in a week": {
			email: mine, facts: sendFacts{log: logged(ConfirmEmail, 30*time.Hour, 5*oneDay, 6*oneDay)}, want: SendDecision{DeferFor: oneDay + time.Minute},
		},
		"five in a month, until it is outdated": {
			email: mine, facts: sendFacts{log: logged(ConfirmEmail, 8*oneDay, 9*oneDay, 10*oneDay, 11*oneDay, 12*oneDay)},
			want: SendDecision{DeferFor: outbox.MaxWait - time.Minute + time.Second},
		},
		"rights have a reserve": {email: export, facts: sendFacts{log: logged(ConfirmEmail, 0, 0, 0, 0, 0)}, leaves: 5, purpose: "privacy_export"},
		"one link today": {
			email: export, facts: sendFacts{log: logged(UnsubscribeLinkEmail, time.Hour)}, want: SendDecision{DeferFor: 23*time.Hour + time.Minute},
		},
		"invited": {
			email: mine, facts: sendFacts{log: append(logged(ConfirmEmail, 0, 0, 0, 0, 0), logged(invited, time.Hour)...)}, leaves: 5, purpose: outsideBudget,
		},
		"the invitation was used": {
			email: mine, facts: sendFacts{log: append(logged(ConfirmEmail, time.Hour, time.Hour), append(logged(invited, time.Hour), logged(outsideBudget, time.Minute)...)...)},
			want: SendDecision{DeferFor: 23*time.Hour + time.Minute},
		},
	} {
		f := c.facts
		f.ready = true
		if f.waiting == nil {
			f.waiting = []waitingEmail{c.email}
		}
		leaves, purpose, got := decideSend(now, c.email.Delivery, f)
		if got != c.want || purpose != c.purpose || leaves.ID != (uuid.UUID{c.leaves}) {
			t.Errorf("%s: %+v, %v, %q; want %+v, %d, %q", name, got, leaves.ID, purpose, c.want, c.leaves, c.purpose)
		}
	}
}
