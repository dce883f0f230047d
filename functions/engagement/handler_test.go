package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
	"newsletter/shared/telemetry"
)

// sampleDelivery is the ID of the delivery in the samples.
const sampleDelivery = "0192b3a4-c5d6-7e8f-9012-a3b4c5d6e7f8"

// samples lists the effect of each file of events/engagement on an active subscriber.
var samples = map[string]struct{ status, recorded string }{
	"bounce":                      {"suppressed", "bounce General true"},
	"bounce-notification-headers": {"suppressed", "bounce NoEmail true"},
	"bounce-on-account-list":      {"suppressed", "bounce OnAccountSuppressionList true"},
	"bounce-transient":            {"active", "bounce MailboxFull false"},
	"complaint":                   {"suppressed", "complaint abuse true"},
	"complaint-not-spam":          {"active", "complaint not-spam false"},
	"complaint-notification-type": {"suppressed", "complaint abuse true"},
	"complaint-on-account-list":   {"suppressed", "complaint OnAccountSuppressionList true"},
	"delivery":                    {"active", "delivery  false"},
	"open":                        {"active", "open  false"},
	"delay":                       {"active", "delay MailboxFull false"},
	"send":                        {"active", ""},
	"topic-validated":             {"active", ""},
	"unreadable":                  {"active", "unreadable Vanished false"},
	"not-a-notification":          {"active", "unreadable text false"},
}

func TestSampleEvents(t *testing.T) {
	for _, name := range functiontest.SampleNames(t, "engagement") {
		if strings.HasPrefix(name, "loops-") { // TestCallsThatLoopsDidNotSign
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := functiontest.New(t)
			b.Activate("jane@example.org")
			delivery := b.Strings(`select id::text from outbox where kind = 'email.confirm'`)[0]
			event := event(t, name, delivery)
			f := b.Open(open)
			want, known := samples[name]
			if !known {
				if _, err := f.Event(t.Context(), event); err == nil {
					t.Error("an invalid event is accepted")
				}
				return
			}
			for range 2 { // SNS and SQS may repeat events
				invoke(t, f, event)
			}
			if got := b.Strings(`select status from subscribers`); got[0] != want.status {
				t.Errorf("the subscriber is %s", got[0])
			}
			if got := strings.Join(b.Strings(`select kind || ' ' || detail || ' ' || permanent from engagement_events`), ","); got != want.recorded {
				t.Errorf("recorded %q, want %q", got, want.recorded)
			}
			if all := strings.Join(b.Strings(`select to_jsonb(e)::text from engagement_events e union all select to_jsonb(a)::text from ledger_events a`), ""); strings.Contains(all, "@") || strings.Contains(all, "198.51.100") {
				t.Errorf("personal data is recorded: %s", all)
			}
		})
	}
}

// event returns a sample about a delivery.
func event(t *testing.T, name, delivery string) json.RawMessage {
	t.Helper()
	return json.RawMessage(strings.ReplaceAll(string(functiontest.Sample(t, "engagement", name)), sampleDelivery, delivery))
}

// expect compares the rows of a query.
func expect(b *functiontest.Fixture, query, want string) {
	b.Helper()
	if got := strings.Join(b.Strings(query), ", "); got != want {
		b.Errorf("%s: %q, want %q", query, got, want)
	}
}

const recorded = `select kind || ' ' || detail || ' ' || permanent || ' ' || (subscriber_id is not null) from engagement_events order by id`

// TestUnknownDelivery checks that an event about an unknown recipient suppresses nobody and is recorded for an alert.
func TestUnknownDelivery(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Activate("joe@example.org")
	f := b.Open(open)
	for _, name := range []string{"bounce", "complaint-notification-type", "delivery", "delivery"} { // SNS and SQS may repeat events
		ctx, metrics := telemetry.With(t.Context())
		if _, err := f.Event(ctx, functiontest.Sample(t, "engagement", name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if lines := metrics.Documents("n", time.Now(), nil); !strings.Contains(fmt.Sprint(lines), "FeedbackUnreadable") {
			t.Errorf("%s is not counted: %v", name, lines)
		}
	}
	expect(b, recorded, "unreadable bounce false false, unreadable complaint false false, unreadable delivery false false")
	expect(b, `select distinct (at > now() - interval '1 minute')::text from engagement_events`, "true")
	expect(b, `select status from subscribers`, "active")
}

// TestComplaintAboutDeletedDelivery checks that the recipient's address identifies the subscriber.
func TestComplaintAboutDeletedDelivery(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Activate("jane@example.org")
	b.Exec(`delete from outbox`)
	invoke(t, b.Open(open), event(t, "complaint", sampleDelivery))
	expect(b, `select status from subscribers`, "suppressed")
	expect(b, recorded, "complaint abuse true true")
}

// TestDeliveryByRecipientAndTime checks events of an identity, which contain no delivery ID.
func TestDeliveryByRecipientAndTime(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	for _, address := range []string{"jane@example.org", "joe@example.org"} {
		b.Activate(address)
	}
	// SES accepted jane's second email, and one to joe, at 12:00, the time of the sample.
	b.Exec(`update outbox set state = 'done', outcome = 'sent', finished_at = '2026-01-31T12:00:01Z' where kind = 'email.confirm'`)
	b.Exec(`insert into outbox (id, kind, subscriber_id, due_at, created_at, state, outcome, finished_at)
		select gen_random_uuid(), 'email.reminder', id, now(), now(), 'done', 'sent', '2026-01-31T11:59:30Z' from subscribers where email_norm = 'jane@example.org'`)
	f := b.Open(open)
	invoke(t, f, event(t, "complaint-notification-type", sampleDelivery))
	expect(b, `select o.kind || ' ' || s.email_norm from engagement_events e join outbox o on o.id = e.delivery_id join subscribers s on s.id = o.subscriber_id`,
		"email.confirm jane@example.org")
	expect(b, `select status from subscribers order by email_norm`, "suppressed, active")
}

// TestFeedbackAfterErasure checks that a complaint or bounce suppresses the address of an erased subscriber, and that
// nothing else about them is kept.
func TestFeedbackAfterErasure(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, reason, recorded string
		object, covers         bool // covers: another spelling is suppressed too
	}{
		{"complaint", "complaint", "complaint abuse true false", false, true},
		{"bounce", "bounce", "bounce General true false", false, false},
		{"complaint", "objection", "complaint abuse true false", true, true},
		{"bounce", "objection", "bounce General true false", true, true},
	} {
		t.Run(fmt.Sprint(test.name, " ", test.object), func(t *testing.T) {
			t.Parallel()
			b := functiontest.New(t)
			b.Activate("jane@example.org")
			delivery := b.Strings(`select id::text from outbox where kind = 'email.confirm'`)[0]
			erase(b, subscription.Erasure{Address: b.Address("jane@example.org"), Object: test.object, Visit: functiontest.Visit})
			f := b.Open(open)
			for range 2 {
				invoke(t, f, event(t, test.name, delivery))
			}
			expect(b, `select reason from suppressions`, test.reason)
			expect(b, recorded, test.recorded)
			expect(b, `select (created_at = date_trunc('day', created_at, 'UTC'))::text from suppressions`, "true")
			expect(b, `select count(*)::text from identities where until is null`, "0")
			for spelling, suppressed := range map[string]bool{"jane@example.org": true, "jane+again@example.org": test.covers} {
				r := subscription.Request{Address: b.Address(spelling), Visit: functiontest.Visit}
				if outcome, err := b.Store.Request(t.Context(), r); err != nil || (outcome == subscription.RequestSuppressed) != suppressed {
					t.Errorf("%s: %s %v", spelling, outcome, err)
				}
			}
		})
	}
}

// TestFeedbackAfterTheRequestEnded checks that a complaint suppresses an address of which only the email log is left.
func TestFeedbackAfterTheRequestEnded(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.SignUp("jane@example.org")
	b.Exec(`insert into email_log (id, mailbox_hmac, purpose, at) select gen_random_uuid(), mailbox_hmac, 'confirm', now() from identities`) // as deliver does
	b.Exec(`delete from subscribers; delete from identities; delete from outbox`)                                                            // as after an expiry and 14 days
	invoke(t, b.Open(open), event(t, "complaint", sampleDelivery))
	expect(b, `select reason from suppressions`, "complaint")
	expect(b, recorded, "complaint abuse true false")
}

// erase erases a subscriber as the operator's tool does.
func erase(b *functiontest.Fixture, p subscription.Erasure) {
	b.Helper()
	env := b.Env()
	vault := outbox.ReadVault(env)
	if err := env.Err(); err != nil {
		b.Fatal(err)
	}
	if outcome, err := subscription.NewEraser(b.Store, vault).Erase(b.Context(), p); err != nil || outcome != subscription.ErasedNow {
		b.Fatalf("%s %v", outcome, err)
	}
}

func TestNoEmailAfterBounce(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.SignUp("jane@example.org")
	delivery := b.Strings(`select id::text from outbox where kind = 'email.confirm'`)[0]
	invoke(t, b.Open(open), event(t, "bounce", delivery))
	r := subscription.Request{Address: b.Address("jane@example.org"), Visit: functiontest.Visit}
	if outcome, err := b.Store.Request(t.Context(), r); err != nil || outcome != subscription.RequestSuppressed {
		t.Errorf("%s %v", outcome, err)
	}
	if got := b.Strings(`select actor || ' ' || channel from ledger_events where kind = 'subscription.suppressed'`); len(got) != 1 || got[0] != "provider ses" {
		t.Errorf("%v", got)
	}
}
