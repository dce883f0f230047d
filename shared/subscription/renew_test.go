package subscription

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/token"
)

// claims returns a token of the newest confirm email to an address, signed now.
func (b *fixture) claims(p token.Purpose, typed string) token.Claims {
	b.Helper()
	c := token.Claims{Purpose: p, Link: b.link(typed), Expires: p.Expiry(b.now())}
	c.Epoch = max(c.Epoch, b.row(typed).Epoch)
	return c
}

func (b *fixture) renew(c token.Claims, want Outcome) {
	b.Helper()
	if got, err := b.store.Renew(b.Context(), c, visit); err != nil || got != want {
		b.Fatalf("%q, %v, want %q", got, err, want)
	}
}

func (b *fixture) expectUse(c token.Claims, want OldLink) {
	b.Helper()
	if got, err := b.store.OldLink(b.Context(), c); err != nil || got != want {
		b.Fatalf("the link is %d, %v, want %d", got, err, want)
	}
}

// expectUseless checks that a link does nothing and leaves no trace.
func (b *fixture) expectUseless(c token.Claims) {
	b.Helper()
	before := b.count("ledger_events") + b.count("outbox") + b.count("email_log")
	b.expectUse(c, Useless)
	if _, err := b.store.Renew(b.Context(), c, visit); !errors.Is(err, ErrUnknown) {
		b.Errorf("renewed: %v", err)
	}
	if _, err := b.store.EndMute(b.Context(), c.Link, visit); !errors.Is(err, ErrUnknown) {
		b.Errorf("mute ended: %v", err)
	}
	if after := b.count("ledger_events") + b.count("outbox") + b.count("email_log"); after != before {
		b.Errorf("%d rows more", after-before)
	}
}

func TestAnExpiredConfirmLinkLeadsToANewOne(t *testing.T) {
	b := setup(t)
	b.request(jane, ConfirmationQueued)
	old := b.claims(token.Confirm, jane)
	b.deliver()
	b.expectUse(old, Useless) // it still works
	b.advance(token.ConfirmLifetime)
	b.expectUse(old, Renewable)
	b.renew(old, LinkQueued)
	b.renew(old, LinkOverBudget) // within 15 minutes
	b.expectLedger("requested:confirmation_queued", "requested:link_queued", "requested:link_over_budget")
	if got := b.strings(`select actor || ' ' || (data->>'purpose') from ledger_events where kind = 'link.requested'`); !slices.Equal(got, []string{"subscriber renewed_confirm", "subscriber renewed_confirm"}) {
		t.Errorf("%v", got)
	}
	b.expectEmails(ConfirmEmail.Kind(), NewConfirmEmail.Kind())
	if sent := b.deliver(); len(sent) != 1 || sent[0].email != NewConfirmEmail {
		t.Fatalf("sent %v", sent)
	}
	var event string
	if err := b.admin.QueryRow(t.Context(), `select event_id::text from outbox where kind = 'email.renewed_confirm'`).Scan(&event); err != nil || uuid.MustParse(event) != old.EventID {
		t.Errorf("the new link is for the request %s, %v, not %s", event, err, old.EventID)
	}
	b.advance(pendingLifetime - token.ConfirmLifetime - time.Minute)
	if n, err := b.store.Expire(t.Context(), 10); err != nil || n != 0 {
		t.Fatalf("expired %d, %v", n, err)
	}
	b.click(b.store.Confirm, old.Link, ConfirmedNow)
	b.expectUseless(old) // nothing is left to confirm
}

// TestRenewalsAreOutsideTheMailboxBudget in both directions.
func TestRenewalsAreOutsideTheMailboxBudget(t *testing.T) {
	b := setup(t)
	b.request(jane, ConfirmationQueued)
	old := b.claims(token.Confirm, jane)
	b.deliver()
	b.advance(8 * oneDay)
	for range 2 {
		b.request(jane, ConfirmationQueued)
		b.deliver()
		b.advance(confirmRepeat)
	}
	b.request(jane, ConfirmationQueued)
	if sent := b.deliver(); len(sent) != 0 {
		t.Fatalf("sent %v above the budget", sent)
	}
	for range 3 {
		b.renew(old, LinkQueued)
		if sent := b.deliver(); len(sent) != 1 {
			t.Fatalf("sent %v", sent)
		}
		b.advance(confirmRepeat)
	}
	b.renew(old, LinkOverBudget)
	if sent := b.deliverFor(oneDay); len(sent) != 1 || sent[0].email != ConfirmEmail {
		t.Errorf("sent %v, want the email that waited for the budget", sent)
	}
}

// TestAnInvitationIsOutsideTheMailboxBudget, once.
func TestAnInvitationIsOutsideTheMailboxBudget(t *testing.T) {
	b := setup(t)
	for range 2 {
		b.request(jane, ConfirmationQueued)
		b.deliver()
		b.advance(confirmRepeat)
	}
	link := b.link(jane)
	b.click(b.decline, link, DeclinedNow)
	b.click(b.store.EndMute, link, MuteEnded)
	for _, want := range []int{1, 0} {
		b.advance(time.Minute)
		b.request(jane, ConfirmationQueued)
		if sent := b.deliver(); len(sent) != want {
			t.Errorf("sent %v, want %d", sent, want)
		}
		b.advance(confirmRepeat)
	}
	if got := b.strings(`select purpose from email_log order by at, purpose`); !slices.Equal(got, []string{"confirm", "confirm", "invited", "outside"}) {
		t.Errorf("logged %v", got)
	}
}

func TestRenewalsHaveLimits(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ago := func(all ...time.Duration) (times []time.Time) {
		for _, d := range all {
			times = append(times, now.Add(-d))
		}
		return times
	}
	const day = 24 * time.Hour
	var nine, ten []time.Duration
	for i := range 10 {
		ten = append(ten, time.Duration(i+2)*day)
	}
	nine = ten[:9]
	for name, c := range map[string]struct {
		asked []time.Time
		want  bool
	}{
		"never":                     {nil, true},
		"14 minutes ago":            {ago(14 * time.Minute), false},
		"15 minutes ago":            {ago(15 * time.Minute), true},
		"twice today":               {ago(time.Hour, 23*time.Hour), true},
		"three times today":         {ago(time.Hour, 2*time.Hour, 23*time.Hour), false},
		"three times until a day":   {ago(time.Hour, 2*time.Hour, day), true},
		"nine times in 30 days":     {ago(nine...), true},
		"ten times in 30 days":      {ago(ten...), false},
		"ten times, one long ago":   {ago(append(slices.Clone(nine), 30*day)...), true},
		"ten times, one not so ago": {ago(append(slices.Clone(nine), 30*day-time.Second)...), false},
	} {
		if got := allowsRenewal(now, c.asked); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestAMailboxRenewsOnce counts all spellings and purposes together.
func TestAMailboxRenewsOnce(t *testing.T) {
	b := setup(t)
	b.activate(spelling(1))
	b.advance(oneDay)
	b.request(spelling(2), ConfirmationQueued)
	export, erase, confirm := b.claims(token.Export, spelling(1)), b.claims(token.Erase, spelling(1)), b.claims(token.Confirm, spelling(2))
	b.advance(token.ConfirmLifetime)
	b.renew(export, LinkQueued)
	b.renew(erase, LinkOverBudget)
	b.renew(confirm, LinkOverBudget)
	b.deliver()
	b.advance(confirmRepeat)
	b.renew(erase, LinkQueued)
	b.advance(confirmRepeat)
	b.renew(confirm, LinkQueued)
	b.advance(confirmRepeat)
	b.renew(export, LinkOverBudget)
	if sent := b.deliver(); len(sent) != 2 {
		t.Errorf("sent %v", sent)
	}
	b.expectEmails(ConfirmEmail.Kind(), ConfirmEmail.Kind(), NewExportEmail.Kind(), NewEraseEmail.Kind(), NewConfirmEmail.Kind())
}

func TestAChangedSubscriptionIsNotRenewed(t *testing.T) {
	for name, c := range map[string]struct {
		purpose token.Purpose
		change  func(b *fixture, c *token.Claims)
	}{
		"confirmed": {token.Confirm, func(b *fixture, c *token.Claims) { b.click(b.store.Confirm, c.Link, ConfirmedNow) }},
		"left":      {token.Export, func(b *fixture, c *token.Claims) { b.click(b.store.Unsubscribe, c.Link, DeclinedNow) }},
		"left and gone": {token.Confirm, func(b *fixture, c *token.Claims) {
			b.click(b.store.Unsubscribe, c.Link, DeclinedNow)
			b.exec(`delete from identities`)
		}},
		"suppressed": {token.Erase, func(b *fixture, c *token.Claims) {
			b.suppress(Suppression{SubscriberID: c.SubscriberID, Reason: Complaint, Actor: ledger.Provider}, SuppressedNow)
		}},
		"erased":         {token.Export, func(b *fixture, c *token.Claims) { b.erase(Erasure{Address: address(b, jane)}, ErasedNow) }},
		"another epoch":  {token.Export, func(_ *fixture, c *token.Claims) { c.Epoch++ }},
		"another person": {token.Confirm, func(_ *fixture, c *token.Claims) { c.SubscriberID = uuid.New() }},
		"never expires":  {token.Unsubscribe, func(*fixture, *token.Claims) {}},
		"mailbox complains": {token.Confirm, func(b *fixture, _ *token.Claims) {
			b.suppress(Suppression{Address: address(b, "jane+x@example.org"), Reason: Complaint, Actor: ledger.Provider}, SuppressedNow)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			b.request(jane, ConfirmationQueued)
			old := b.claims(c.purpose, jane)
			b.advance(token.ConfirmLifetime)
			c.change(b, &old)
			if name == "left" { // the reader declined, by the link that ends everything
				if got, err := b.store.OldLink(t.Context(), old); err != nil || got != Useless {
					t.Errorf("%d, %v", got, err)
				}
				return
			}
			b.expectUseless(old)
		})
	}
}

// TestADeclineCanBeTakenBack until 35 days later, from the same link.
func TestADeclineCanBeTakenBack(t *testing.T) {
	for name, prepare := range map[string]func(b *fixture){
		"pending": func(b *fixture) { b.request(jane, ConfirmationQueued) },
		"active":  func(b *fixture) { b.activate(jane) },
		"returning": func(b *fixture) {
			b.activate(jane)
			b.click(b.store.Unsubscribe, b.unsubscribeLink(jane), UnsubscribedNow)
			b.advance(oneDay)
			b.request(jane, ConfirmationQueued)
		},
		"expired": func(b *fixture) {
			b.request(jane, ConfirmationQueued)
			b.exec(`update subscribers set requested_at = requested_at - interval '40 days'`)
			if n, err := b.store.Expire(b.Context(), 10); n != 1 || err != nil {
				b.Fatal(n, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			prepare(b)
			c := token.Claims{Purpose: token.Confirm, Link: b.link(jane), Expires: b.now().Add(token.ConfirmLifetime)}
			b.deliver()
			if _, err := b.decline(t.Context(), c.Link, visit); err != nil {
				t.Fatal(err)
			}
			b.expectUse(c, Declined)
			b.advance(mutePeriod - time.Hour)
			b.exec(`delete from identities where until < $1`, b.now())
			b.expectUse(c, Declined)
			if _, err := b.store.Confirm(t.Context(), c.Link, visit); !errors.Is(err, ErrUnknown) {
				t.Errorf("a declined link confirms: %v", err)
			}
			b.request(jane, RequestSuppressed)
			b.click(b.store.EndMute, c.Link, MuteEnded)
			if n := b.count(`suppressions`); n != 0 {
				t.Errorf("%d suppressions", n)
			}
			if n := b.count(`email_log where purpose = 'invited'`); n != 1 {
				t.Errorf("%d invitations", n)
			}
			last := b.strings(`select kind || ' ' || actor || ' ' || (data->>'outcome') || ' ' || (data->>'reasons') from ledger_events order by id desc limit 1`)
			if last[0] != `suppression.removed subscriber mute_ended ["declined"]` {
				t.Errorf("recorded %v", last)
			}
			if kinds := b.strings(`select kind from outbox order by id desc limit 1`); kinds[0] != string(outbox.Change) {
				t.Errorf("destinations learn nothing: %v", kinds)
			}
			b.expectUse(c, Declined) // until the reader signs up
			b.click(b.store.EndMute, c.Link, MuteEnded)
			if n := b.count(`email_log where purpose = 'invited'`); n != 1 {
				t.Errorf("%d invitations within 15 minutes", n)
			}
			b.request(jane, ConfirmationQueued)
			b.expectUseless(c)
			b.click(b.store.Confirm, b.link(jane), ConfirmedNow)
			b.expectUseless(c)
		})
	}
}

// TestADeclinedLinkEnds with its identity, and with every suppression that only the owner removes.
func TestADeclinedLinkEnds(t *testing.T) {
	b := setup(t)
	decline := func(typed string) token.Claims {
		b.request(typed, ConfirmationQueued)
		c := b.claims(token.Confirm, typed)
		b.click(b.decline, c.Link, DeclinedNow)
		b.expectUse(c, Declined)
		return c
	}
	old := decline(jane)
	b.advance(declinedGrace - time.Hour)
	b.exec(`delete from suppressions where until < $1`, b.now())
	b.exec(`delete from identities where until < $1`, b.now())
	b.expectUse(old, Declined) // the mute period is over, and the budget may be used up
	b.advance(time.Hour)
	b.exec(`delete from identities where until <= $1`, b.now())
	b.expectUseless(old)

	old = decline("bob@example.org")
	b.suppress(Suppression{Address: address(t, "bob@example.org"), Reason: Objection, Actor: ledger.Operator}, SuppressedNow)
	b.expectUseless(old)
	old = decline("cid@example.org")
	b.suppress(Suppression{Address: address(t, "cid+x@example.org"), Reason: Complaint, Actor: ledger.Provider}, SuppressedNow)
	b.expectUseless(old)
	b.request("dan@example.org", ConfirmationQueued)
	b.expectUseless(b.claims(token.Confirm, "dan@example.org"))
}

// TestEndMuteFreesTheMailbox from the declines of all its spellings.
func TestEndMuteFreesTheMailbox(t *testing.T) {
	b := setup(t)
	b.request(spelling(1), ConfirmationQueued)
	b.advance(confirmRepeat)
	b.request(spelling(2), ConfirmationQueued)
	first, second := b.claims(token.Confirm, spelling(1)), b.claims(token.Confirm, spelling(2))
	b.click(b.decline, first.Link, DeclinedNow)
	b.click(b.decline, second.Link, DeclinedNow)
	b.click(b.store.EndMute, second.Link, MuteEnded)
	b.advance(oneDay)
	b.request(victim, ConfirmationQueued)
}
