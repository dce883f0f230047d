package subscription

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"newsletter/shared/ledger"
)

func TestANewAddressBecomesPending(t *testing.T) {
	b := setup(t)
	b.request(jane, ConfirmationQueued)
	r := b.expectRow("jane@EXAMPLE.org", Pending, 1, false)
	if r.Email != "Jane@example.org" || r.Locale != "de-AT" || !r.RequestedAt.Equal(now) || r.Source.Origin != "toot" {
		t.Errorf("%+v", r)
	}
	b.expectLedger("requested:confirmation_queued")
	b.expectEmails(ConfirmEmail.Kind())
	if c := b.link(jane); c.EventID != r.RequestEventID || c.SubscriberID != r.ID || c.Epoch != 1 {
		t.Errorf("the link has %+v", c)
	}
	if got := b.strings(`select data::text || source::text || coalesce(consent_text_id::text, 'none') || request_id || actor || channel from ledger_events`)[0]; !strings.Contains(got, `"provider": "other"`) ||
		!strings.Contains(got, "https://example.org/blog") || !strings.Contains(got, `"text_to_show": "01900000-0000-7000-8000-000000000002"`) || // the German text
		!strings.Contains(got, "none") {
		t.Errorf("ledger: %s", got)
	}
	if n := b.count(`event_context where ip = '192.0.2.7' and user_agent = 'Test/1.0'`); n != 1 {
		t.Errorf("%d contexts", n)
	}
	if n := b.count(`email_log`); n != 0 {
		t.Errorf("%d entries in the email log before an email left", n)
	}
}

func TestParallelRequestsOfOneAddress(t *testing.T) {
	b := setup(t)
	spellings := []string{"jane@example.org", "JANE@example.org", "Jane@EXAMPLE.ORG", " jane@Example.org"}
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			r := Request{Address: address(t, spellings[i%len(spellings)]), Visit: visit}
			err := try(t.Context(), func() error {
				_, err := b.store.Request(t.Context(), r)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	b.expectRow(jane, Pending, 1, false)
	if rows, events := b.count("outbox where kind = 'email.confirm'"), b.count("ledger_events"); rows != 50 || events != 50 {
		t.Errorf("%d messages, %d events; want 50 each", rows, events)
	}
	if sent := b.deliver(); len(sent) != 1 {
		t.Errorf("sent %v", sent)
	}
	if n := b.count("subscribers"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestBudgetsCountByCanonicalMailbox(t *testing.T) {
	b := setup(t)
	for i, typed := range []string{"ja.ne@gmail.com", "jane+a@gmail.com", "j.ane+b@googlemail.com"} {
		b.request(typed, ConfirmationQueued)
		b.advance(confirmRepeat)
		if sent := b.deliver(); len(sent) != 1 && i < 2 || len(sent) != 0 && i == 2 {
			t.Fatalf("%s: sent %v", typed, sent)
		}
	}
	b.request("jane@example.org", ConfirmationQueued) // another mailbox
	if sent := b.deliver(); len(sent) != 1 {
		t.Errorf("sent %v", sent)
	}
	if sent := b.deliverFor(oneDay); len(sent) != 1 || sent[0].to != "j.ane+b@googlemail.com" {
		t.Errorf("a day later, sent %v", sent)
	}
}

func TestAResendKeepsTheEpochAndTheFirstSource(t *testing.T) {
	b := setup(t)
	b.request(jane, ConfirmationQueued)
	first := b.link(jane)
	b.advance(time.Hour)
	r := Request{Address: address(t, "JANE@example.org"), Visit: visit, Source: ledger.Source{Origin: "elsewhere"}}
	if got, err := b.store.Request(t.Context(), r); got != ConfirmationQueued || err != nil {
		t.Fatal(got, err)
	}
	stored := b.expectRow(jane, Pending, 1, false)
	if stored.Email != "JANE@example.org" || stored.Source.Origin != "toot" || stored.RequestEventID == first.EventID {
		t.Errorf("%+v", stored)
	}
}

func TestReturningNeedsANewConfirmation(t *testing.T) {
	b := setup(t)
	b.activate(jane)
	confirmed := b.row(jane).ConfirmedAt
	b.click(b.store.Unsubscribe, b.unsubscribeLink(jane), UnsubscribedNow)
	b.advance(time.Hour)
	b.request(jane, ConfirmationQueued)
	r := b.expectRow(jane, Pending, 2, true)
	if !r.ConfirmedAt.Equal(*confirmed) || r.EndedAt == nil {
		t.Errorf("%+v", r)
	}
	b.click(b.store.Confirm, b.link(jane), ConfirmedNow)
	if r := b.expectRow(jane, Active, 2, false); r.EndedAt != nil || !r.ConfirmedAt.Equal(now.Add(time.Hour)) {
		t.Errorf("%+v", r)
	}
}

func TestConsentTextOfARequest(t *testing.T) {
	b := setup(t)
	if _, err := b.admin.Exec(t.Context(), `insert into consent_texts (id, version, locale, body, sha256, created_at) values
		('01900000-0000-7000-8000-0000000000f0', '2026-01', 'en', 'old', sha256('old'), '2026-01-01'),
		('01900000-0000-7000-8000-0000000000f1', '2026-02', 'en', 'new', sha256('new'), '2026-02-01'),
		('01900000-0000-7000-8000-0000000000f2', '2026-02', 'pt-BR', 'novo', sha256('novo'), '2026-02-01')`); err != nil {
		t.Fatal(err)
	}
	i := 0
	for _, c := range []struct{ version, locale, shown, want string }{ // shown by the form; shown by the page
		{"", "", "none", "2026-02 en"}, {"", "de", "none", "2026-02 en"}, {"", "pt-br", "none", "2026-02 pt-BR"},
		{"default-1", "de-CH", "default-1 de", "default-1 de"}, {"default-1", "FR", "default-1 fr", "default-1 fr"},
		{"default-1", "ja", "none", "default-1 en"}, {"default-1", "", "none", "default-1 en"}, // a form in an unknown language
		{"2026-01", "de", "2026-01 en", "2026-01 en"}, // the only text of its version
		{"unheard-of", "", "none", "2026-02 en"}, {"unheard-of", "pt-BR", "none", "2026-02 pt-BR"},
	} {
		i++
		r := Request{Address: address(t, fmt.Sprintf("jane%d@example.org", i)), Visit: visit, Locale: ledger.Locale(c.locale), Consent: Consent{TextVersion: c.version}}
		if _, err := b.store.Request(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		got := b.strings(`select coalesce(t.version || ' ' || t.locale, 'none') || ' ' || coalesce(e.data->>'text_version', '') || coalesce(e.data->>'cleaned', '')
			from ledger_events e left join consent_texts t on t.id = e.consent_text_id order by e.id desc limit 1`)
		if named := strings.Replace(c.version, "unheard-of", `["text_version"]`, 1); got[0] != c.shown+" "+named {
			t.Errorf("%+v: %s", c, got[0])
		}
		if text, err := b.store.ConsentText(t.Context(), b.link(r.Address.Normalized)); err != nil || text.Version+" "+string(text.Locale) != c.want || text.Body == "" {
			t.Errorf("%+v: %+v, %v", c, text, err)
		}
		b.click(b.store.Confirm, b.link(r.Address.Normalized), ConfirmedNow)
		confirmed := b.strings(`select t.version || ' ' || t.locale from ledger_events e join consent_texts t on t.id = e.consent_text_id where e.kind = 'subscription.confirmed' order by e.id desc limit 1`)
		if len(confirmed) != 1 || confirmed[0] != c.want {
			t.Errorf("%+v: the consent is to %v", c, confirmed)
		}
	}
}

// TestAFlaggedRequestSendsNothing holds a request in every state: no email becomes due, and only a new or a former
// subscriber becomes pending.
func TestAFlaggedRequestSendsNothing(t *testing.T) {
	b := setup(t)
	i := 0
	for name, prepare := range inState() {
		i++
		typed := fmt.Sprintf("bot%d@example.org", i)
		prepare(b, typed)
		before, due := b.row(typed), b.count("outbox where state = 'ready'")
		r := Request{Address: address(t, typed), Visit: visit, Hold: "honeypot", Reasons: []string{"honeypot"}, OptIn: SingleOptIn}
		if _, err := b.store.Request(t.Context(), r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		after := b.row(typed)
		if after.state() != before.state() && after.state() != Pending || before.exists && after.Epoch != before.Epoch || b.count("outbox where state = 'ready'") != due {
			t.Errorf("%s: %+v became %+v", name, before, after)
		}
	}
	if n := b.count(`ledger_events e join outbox o on o.event_id = e.id where e.data @> '{"reasons": ["honeypot"]}' and o.state = 'held' and o.hold_reason = 'honeypot'`); n != i {
		t.Errorf("%d of %d recorded and held", n, i)
	}
}

func TestSingleOptInByConfiguration(t *testing.T) {
	b := setup(t)
	b.optIn = SingleOptIn
	b.request(jane, Activated)
	if r := b.expectRow(jane, Active, 1, false); !r.ConfirmedAt.Equal(now) {
		t.Errorf("%+v", r)
	}
	b.click(b.store.Unsubscribe, b.unsubscribeLink(jane), UnsubscribedNow)
	b.request(jane, ConfirmationQueued)
	b.expectRow(jane, Pending, 2, true)
	b.expectLedger("requested:activated", "unsubscribed:unsubscribed", "requested:confirmation_queued")
}

func TestARepeatedTransactionWritesOnce(t *testing.T) {
	b := setup(t)
	repeating := b.on(lostAnswer{b.db})
	r := Request{Address: address(t, jane), Visit: visit}
	if got, err := repeating.Request(t.Context(), r); err != nil || got != ConfirmationQueued {
		t.Fatal(got, err)
	}
	b.expectEmails(ConfirmEmail.Kind())
	b.click(repeating.Confirm, b.link(jane), AlreadyConfirmed)
	link := LinkRequest{Address: r.Address, Email: UnsubscribeLinkEmail, Visit: visit}
	if got, err := repeating.RequestLink(t.Context(), link); err != nil || got != LinkQueued {
		t.Fatal(got, err)
	}
	b.click(repeating.Unsubscribe, b.unsubscribeLink(jane), AlreadyEnded)
	b.expectLedger("requested:confirmation_queued", "confirmed:confirmed", "requested:link_queued", "unsubscribed:unsubscribed")
	b.expectEmails(ConfirmEmail.Kind(), UnsubscribeLinkEmail.Kind())
}

// A tool that loads rows does not take the lock. The request finds its row on the second attempt.
func TestARowInsertedWithoutTheLock(t *testing.T) {
	b := setup(t)
	intruding := between{b.db, &sync.Once{}, func() {
		if _, err := b.admin.Exec(t.Context(), `insert into subscribers (id, email, email_norm, status, request_event_id, requested_at, confirmed_at)
			values ('01900000-0000-7000-8000-0000000000aa', 'jane@example.org', 'jane@example.org', 'active',
			        '01900000-0000-7000-8000-0000000000ab', now(), now())`); err != nil {
			t.Error(err)
		}
	}}
	r := Request{Address: address(t, jane), Visit: visit}
	if got, err := b.on(intruding).Request(t.Context(), r); err != nil || got != AlreadySubscribed {
		t.Fatal(got, err)
	}
	b.expectRow(jane, Active, 1, false)
	b.expectLedger("requested:already_subscribed")
}

// Equal addresses share a lock, because the canonical mailbox is a function of the normalized address.
func TestEqualAddressesShareALock(t *testing.T) {
	store := NewStore(nil, testKey(t), time.Now)
	locks := map[string]int64{}
	for _, c := range emailCases(t) {
		a, err := ParseAddress(*c.Input)
		if err != nil {
			continue
		}
		lock := store.mailboxLock(a)
		again := store.mailboxLock(address(t, strings.ToUpper(a.Mailbox)))
		if known, found := locks[a.Normalized]; again != lock || found && known != lock || lock == 0 {
			t.Errorf("%q has several locks", a.Normalized)
		}
		locks[a.Normalized] = lock
	}
}
