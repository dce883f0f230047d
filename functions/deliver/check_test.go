package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/internal/local/devstack"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

// report enqueues the check after a report of Loops about a subscriber.
func (b *bundle) report(subscriber uuid.UUID, at time.Time) {
	b.Helper()
	b.Exec(`insert into outbox (id, kind, subscriber_id, due_at, created_at) values ($1, $2, $3, $4, $4)`,
		uuid.Must(uuid.NewV7()), string(outbox.CheckLoops), subscriber, at)
}

// TestWhatLoopsReportsIsAsked checks that a report of Loops ends a subscription exactly if Loops has the contact as
// unsubscribed, and the subscription was confirmed before.
func TestWhatLoopsReportsIsAsked(t *testing.T) {
	const both, one = "list1,list2", "list1"
	for name, test := range map[string]struct {
		lists   string
		there   func(l *devstack.Loops)
		at      time.Duration // of the report, from now
		outcome string
		status  string
	}{
		"unsubscribed there": {there: func(l *devstack.Loops) { l.React("jane@example.org", "email.unsubscribed") }, outcome: "unsubscribed", status: "unsubscribed"},
		"reported as spam":   {there: func(l *devstack.Loops) { l.React("jane@example.org", "email.spamReported") }, outcome: "unsubscribed", status: "unsubscribed"},
		"from the only list": {
			lists: one, outcome: "unsubscribed", status: "unsubscribed",
			there: func(l *devstack.Loops) { l.Put(devstack.LoopsContact{Email: "jane@example.org", Subscribed: true}) },
		},
		"from one of two lists": {
			lists: both, outcome: "subscribed", status: "active",
			there: func(l *devstack.Loops) {
				l.Put(devstack.LoopsContact{Email: "jane@example.org", Subscribed: true, MailingLists: map[string]bool{"list2": true}})
			},
		},
		"deleted there by the owner": {
			outcome: "absent", status: "active",
			there: func(l *devstack.Loops) { l.Remove("jane@example.org") },
		},
		"subscribed again meanwhile": {outcome: "subscribed", status: "active", there: func(l *devstack.Loops) {
			l.React("jane@example.org", "email.unsubscribed")
			l.Put(devstack.LoopsContact{Email: "jane@example.org", Subscribed: true})
		}},
		"confirmed after the report": {
			there: func(l *devstack.Loops) { l.React("jane@example.org", "email.unsubscribed") }, at: -time.Hour, outcome: "stale", status: "active",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			o := b.outside()
			if test.lists != "" {
				b.Variables["LOOPS_MAILING_LISTS"] = test.lists
			}
			jane := b.Activate("jane@example.org")
			b.drain()
			test.there(o.loops)
			b.report(jane.SubscriberID, time.Now().Add(test.at))
			o.loops.Fail(devstack.Fault{Status: http.StatusBadGateway}, devstack.Fault{Status: http.StatusTooManyRequests}) // asked again
			for range 3 {
				b.due()
				b.drain()
			}
			if got := b.Strings(`select outcome from outbox where kind = 'check.loops' and state = 'done'`); len(got) != 1 || got[0] != test.outcome {
				t.Errorf("outcome %q", got)
			}
			if got := b.Strings(`select status from subscribers`); got[0] != test.status {
				t.Errorf("the subscriber is %s", got)
			}
			want := ""
			if test.status == "unsubscribed" {
				want = "subscription.unsubscribed provider loops"
			}
			if got := strings.Join(b.Strings(`select kind || ' ' || actor || ' ' || channel from ledger_events where channel = 'loops'`), ", "); got != want {
				t.Errorf("ledger %q, want %q", got, want)
			}
		})
	}
}

// TestAReportAboutNoSubscriber checks that Loops is not asked about who left meanwhile, or was erased.
func TestAReportAboutNoSubscriber(t *testing.T) {
	b := setup(t)
	o := b.outside()
	jane, joe := b.Activate("jane@example.org"), b.Activate("joe@example.org")
	b.drain()
	if _, err := b.Store.Unsubscribe(t.Context(), jane.Link, functiontest.Visit); err != nil {
		t.Fatal(err)
	}
	b.erase("joe@example.org")
	b.drain()
	calls := o.loops.Calls()["GET /api/v1/contacts/find"]
	b.report(jane.SubscriberID, time.Now())
	b.report(joe.SubscriberID, time.Now())
	b.expect(b.run(t.Context(), b.Open(open)), `{"stale":2}`)
	if o.loops.Calls()["GET /api/v1/contacts/find"] != calls {
		t.Error("Loops was asked")
	}
	delete(b.Variables, "LOOPS_API_KEY")
	b.report(jane.SubscriberID, time.Now())
	b.expect(b.run(t.Context(), b.Open(open)), `{"skipped":1}`)
}

// TestUnsubscribeElsewhereDuringTheCall checks that a subscriber who confirms again while Loops is asked stays subscribed.
func TestUnsubscribeElsewhereDuringTheCall(t *testing.T) {
	b := setup(t)
	jane := b.Activate("jane@example.org")
	at := time.Now()
	if _, err := b.Store.Unsubscribe(t.Context(), jane.Link, functiontest.Visit); err != nil {
		t.Fatal(err)
	}
	b.Activate("jane@example.org")
	for range 2 {
		if outcome, err := b.Store.UnsubscribeElsewhere(t.Context(), jane.SubscriberID, at, functiontest.Visit); err != nil || outcome != subscription.Unchanged {
			t.Errorf("%s %v", outcome, err)
		}
	}
}

// TestImportedSubscribersReachLoops checks that a contact of an imported subscriber has the unsubscribe link, and that one
// who left at Loops before is not subscribed there again.
func TestImportedSubscribersReachLoops(t *testing.T) {
	b := setup(t)
	o := b.outside()
	o.loops.Put(devstack.LoopsContact{Email: "left@example.org"})
	b.drain() // records Loops as a recipient
	_, err := b.Store.Import(t.Context(), subscription.ListImport{Entries: []subscription.ListEntry{
		{Line: 1, Email: "jane@example.org", State: subscription.ListIn}, {Line: 2, Email: "left@example.org", State: subscription.ListIn},
	}})
	if err != nil {
		t.Fatal(err)
	}
	b.due()
	b.drain()
	contacts := o.loops.Contacts()
	if len(contacts) != 2 || contacts[0].Subscribed || !contacts[1].Subscribed || !strings.Contains(fmt.Sprint(contacts[1].Properties["unsubscribeUrl"]), unsubscribePath+"?token=") {
		t.Errorf("%+v", contacts)
	}
	if got := strings.Join(b.Strings(`select outcome from outbox where kind = 'notify.loops' order by outcome`), ", "); got != "refused_unsubscribed, subscribed" {
		t.Errorf("outcomes %s", got)
	}
}
