package main

import (
	"encoding/json"
	"strings"
	"testing"

	"newsletter/internal/functiontest"
	"newsletter/shared/subscription"
)

// sampleDelivery is the delivery that the samples are about.
const sampleDelivery = "0192b3a4-c5d6-7e8f-9012-a3b4c5d6e7f8"

// samples says what each file of events/engagement does with an active subscriber.
var samples = map[string]struct{ outcome, status, recorded string }{
	"bounce":           {"bounce", "suppressed", "bounce General true"},
	"bounce-transient": {"bounce", "active", "bounce MailboxFull false"},
	"complaint":        {"complaint", "suppressed", "complaint abuse true"},
	"delivery":         {"delivery", "active", "delivery  false"},
	"open":             {"open", "active", "open  false"},
	"delay":            {"delay", "active", "delay MailboxFull false"},
	"unreadable":       {"unreadable", "active", ""},
}

func TestSampleEvents(t *testing.T) {
	for _, name := range functiontest.Names(t, "engagement") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := functiontest.New(t)
			b.Activate("jane@example.org")
			mail := b.Strings(`select id::text from outbox where kind = 'mail.confirm'`)[0]
			event := json.RawMessage(strings.ReplaceAll(string(functiontest.Raw(t, "engagement", name)), sampleDelivery, mail))
			f := b.Open(open)
			want, known := samples[name]
			if !known {
				if _, err := f.Event(t.Context(), event); err == nil {
					t.Error("it is taken")
				}
				return
			}
			for range 2 { // notifications come twice now and then
				value, err := f.Event(t.Context(), event)
				if err != nil || value.(result).Outcomes[want.outcome] != 1 {
					t.Fatalf("%v %v", value, err)
				}
			}
			if got := b.Strings(`select status from subscribers`); got[0] != want.status {
				t.Errorf("the subscriber is %s", got[0])
			}
			if got := strings.Join(b.Strings(`select kind || ' ' || detail || ' ' || permanent from engagement_events`), ","); got != want.recorded {
				t.Errorf("recorded %q, want %q", got, want.recorded)
			}
			if all := strings.Join(b.Strings(`select to_jsonb(e)::text from engagement_events e union all select to_jsonb(a)::text from audit_events a`), ""); strings.Contains(all, "@") || strings.Contains(all, "198.51.100") {
				t.Errorf("something personal: %s", all)
			}
		})
	}
}

func TestAMailThatIsNotKnown(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Activate("jane@example.org")
	value, err := b.Open(open).Event(t.Context(), functiontest.Raw(t, "engagement", "bounce"))
	if err != nil || value.(result).Outcomes["unknown"] != 1 {
		t.Errorf("%v %v", value, err)
	}
	if got := b.Strings(`select status from subscribers`); got[0] != "active" {
		t.Errorf("%v", got)
	}
}

// Without a database the notification fails, so that Lambda repeats it.
func TestALostDatabase(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["DATABASE_URL"] = "postgres://app:password@127.0.0.1:1/newsletter"
	if _, err := b.Open(open).Event(t.Context(), functiontest.Raw(t, "engagement", "bounce")); err == nil {
		t.Error("no error")
	}
}

// An address that bounced is not mailed again, whoever types it.
func TestAfterABounce(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.SignUp("jane@example.org")
	mail := b.Strings(`select id::text from outbox where kind = 'mail.confirm'`)[0]
	event := json.RawMessage(strings.ReplaceAll(string(functiontest.Raw(t, "engagement", "bounce")), sampleDelivery, mail))
	if _, err := b.Open(open).Event(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	r := subscription.Request{Address: b.Address("jane@example.org"), Visit: functiontest.Visit}
	if outcome, err := b.Store.Request(t.Context(), r); err != nil || outcome != subscription.Silenced {
		t.Errorf("%s %v", outcome, err)
	}
	if got := b.Strings(`select actor || ' ' || channel from audit_events where kind = 'subscription.suppressed'`); len(got) != 1 || got[0] != "provider ses" {
		t.Errorf("%v", got)
	}
}
