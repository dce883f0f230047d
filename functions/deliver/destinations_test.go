package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/internal/local/devstack"
	"newsletter/shared/config"
	"newsletter/shared/outbox"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
)

// outside is the fakes of destinations that receive changes.
type outside struct {
	loops   *devstack.Loops
	ga4     *devstack.GA4
	journal string
}

func (b *bundle) outside() *outside {
	b.Helper()
	o := &outside{loops: &devstack.Loops{}, ga4: devstack.NewGA4(time.Now), journal: b.TempDir()}
	b.Fake("/loops/", http.StripPrefix("/loops", o.loops))
	b.Fake("/ga4/", http.StripPrefix("/ga4", o.ga4))
	b.Variables["LOOPS_API_KEY"] = devstack.LoopsKey
	b.Variables["GA4_MEASUREMENT_ID"], b.Variables["GA4_API_SECRET"] = devstack.GA4ID, devstack.GA4Secret
	b.Variables["JOURNAL_URL"] = "file://" + o.journal
	b.Cleanup(func() {
		for _, problem := range append(o.loops.Problems(), o.ga4.Problems()...) {
			b.Errorf("a service would refuse: %s", problem)
		}
	})
	return o
}

// entries returns the journal's entries as "kind reason", with "mailbox" and the days of muting where they have them.
func (o *outside) entries(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(o.journal, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.Contains(string(content), "@") {
			t.Errorf("an address in the journal: %s", content)
		}
		if at := regexp.MustCompile(`"(at|until)":"[^"]*"`).FindAllString(string(content), -1); strings.Contains(strings.ReplaceAll(strings.Join(at, ""), "T00:00:00Z", ""), ":00") {
			t.Errorf("a time in the journal: %s", content)
		}
		var e struct {
			Kind, Reason string
			MailboxHMAC  []byte `json:"mailbox_hmac"`
			At, Until    time.Time
		}
		err = json.Unmarshal(content, &e)
		text := strings.TrimSpace(e.Kind + " " + e.Reason)
		if len(e.MailboxHMAC) > 0 {
			text += " mailbox"
		}
		if !e.Until.IsZero() {
			text += fmt.Sprintf(" until %g days later", e.Until.Sub(e.At).Hours()/24)
		}
		all = append(all, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// drain delivers until nothing is due: first the messages to expand, then those to the destinations.
func (b *bundle) drain() {
	b.Helper()
	f := b.Open(open)
	for range 3 {
		b.run(b.Context(), f)
	}
}

// The journal records whether an entry covers the mailbox or only one spelling of its address.
func TestJournalRecordsMailboxes(t *testing.T) {
	b := setup(t)
	o := b.outside()
	for _, reason := range []subscription.SuppressionReason{subscription.Complaint, subscription.Bounce} {
		_, err := b.Store.Suppress(t.Context(), subscription.Suppression{
			SubscriberID: b.Activate(string(reason) + "@example.org").SubscriberID, Reason: reason, Actor: "provider", Visit: functiontest.Visit,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Store.Decline(t.Context(), b.Activate("stranger@example.org").Link, b.Address("stranger@example.org"), functiontest.Visit); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Store.Unsubscribe(t.Context(), b.Activate("leaves@example.org").Link, functiontest.Visit); err != nil {
		t.Fatal(err)
	}
	b.Activate("objects@example.org")
	b.forget(subscription.Erasure{Address: b.Address("objects@example.org"), Object: true, Visit: functiontest.Visit})
	b.Activate("goes@example.org")
	b.erase("goes@example.org")
	b.drain()
	entries := o.entries(t)
	slices.Sort(entries)
	if got := strings.Join(entries, ", "); got != "erased, erased objection mailbox, suppressed bounce, suppressed complaint mailbox, unsubscribed, unsubscribed mailbox until 31 days later" {
		t.Errorf("journal: %s", got)
	}
}

func TestDestinationsFollowASubscription(t *testing.T) {
	b := setup(t)
	o := b.outside()
	left := b.Activate("Jane@example.org")
	b.drain()
	contacts := o.loops.Contacts()
	if len(contacts) != 1 || contacts[0].Email != "Jane@example.org" || !contacts[0].Subscribed || *contacts[0].UserID == left.SubscriberID.String() {
		t.Errorf("contacts %+v", contacts)
	}
	if entries := o.entries(t); len(entries) != 0 {
		t.Errorf("the journal has entries that are no suppression: %v", entries)
	}
	if _, err := b.Store.Unsubscribe(t.Context(), left.Link, functiontest.Visit); err != nil {
		t.Fatal(err)
	}
	b.drain()
	if contacts := o.loops.Contacts(); len(contacts) != 1 || contacts[0].Subscribed {
		t.Errorf("contacts %+v", contacts)
	}
	b.Activate("Jane@example.org") // a new consent
	b.drain()
	if contacts := o.loops.Contacts(); len(contacts) != 1 || !contacts[0].Subscribed {
		t.Errorf("contacts %+v", contacts)
	}
	b.erase("jane@example.org")
	b.drain()
	if contacts := o.loops.Contacts(); len(contacts) != 0 {
		t.Errorf("contacts %+v", contacts)
	}
	if entries := strings.Join(o.entries(t), ", "); entries != "unsubscribed, erased" {
		t.Errorf("journal: %s", entries)
	}
	if events := o.ga4.Events(); len(events) != 3 {
		t.Errorf("counted %+v", events)
	}
	if got := b.Strings(`select kind || ' ' || outcome from outbox where kind like 'notify.%' and outcome not in ('subscribed', 'unsubscribed', 'deleted', 'counted', 'written')`); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if got := b.Strings(`select id::text from outbox where sealed is not null`); len(got) != 0 {
		t.Errorf("%d sealed payloads are left", len(got))
	}
}

// Deliveries may be reordered: the subscription's state at the time of the call counts, not that of the event.
func TestLateDeliveryUsesCurrentState(t *testing.T) {
	b := setup(t)
	o := b.outside()
	left := b.Activate("jane@example.org")
	o.loops.Fail(devstack.Fault{Status: http.StatusBadGateway})
	b.drain() // the call fails
	if _, err := b.Store.Unsubscribe(t.Context(), left.Link, functiontest.Visit); err != nil {
		t.Fatal(err)
	}
	b.due()
	b.drain()
	if contacts := o.loops.Contacts(); len(contacts) != 0 {
		t.Errorf("an unsubscribed subscriber became a contact: %+v", contacts)
	}
}

// A failing destination delays neither emails nor other destinations.
func TestFailingDestination(t *testing.T) {
	b := setup(t)
	o := b.outside()
	b.Activate("jane@example.org")
	b.SignUp("john@example.org")
	f := b.Open(open)
	o.loops.Fail(devstack.Fault{Status: http.StatusTooManyRequests, RetryAfter: 9})
	got := b.run(t.Context(), f)
	if got["sent"] != 1 || got["deferred"] != 1 || got["counted"] != 1 {
		t.Errorf("outcomes %v", got)
	}
	if got := b.Strings(`select attempts || ' ' || (due_at > now() + interval '5 seconds') from outbox where kind = 'notify.loops'`); got[0] != "0 true" {
		t.Errorf("row %v", got)
	}
	b.due()
	o.loops.Fail(devstack.Fault{Status: http.StatusBadGateway})
	b.run(t.Context(), f)
	b.due()
	b.run(t.Context(), f)
	if contacts := o.loops.Contacts(); len(contacts) != 1 {
		t.Errorf("contacts %+v", contacts)
	}
}

// A message for a destination that is no longer configured is completed.
func TestRemovedDestination(t *testing.T) {
	b := setup(t)
	o := b.outside()
	b.Activate("jane@example.org")
	o.loops.Fail(devstack.Fault{Status: http.StatusBadGateway})
	b.drain()
	b.due()
	delete(b.Variables, "LOOPS_API_KEY")
	b.drain()
	if got := b.Strings(`select state || ' ' || outcome from outbox where kind = 'notify.loops'`); len(got) != 1 || got[0] != "done skipped" {
		t.Errorf("%v", got)
	}
}

// outbox.Destinations lists exactly the destinations that can be configured: the operator pauses them by these names.
func TestDestinationNames(t *testing.T) {
	b := setup(t)
	b.outside()
	b.channels()
	env := b.Env()
	got := []string{outbox.Email}
	for name := range readDestinations(env, pseudonym.Key{}, writer{}) {
		if strings.HasPrefix(name, outbox.WebhookPrefix) {
			name = outbox.WebhookPrefix
		}
		got = append(got, name)
	}
	want := append(outbox.Destinations(), outbox.WebhookPrefix)
	slices.Sort(got)
	slices.Sort(want)
	if err := env.Err(); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v: configured %q, want %q", err, got, want)
	}
}

// TestDestinationsHaveIDsOfTheirOwn checks that what stays at a destination has none of our ids, and none of another
// destination.
func TestDestinationsHaveIDsOfTheirOwn(t *testing.T) {
	b := setup(t)
	o := b.outside()
	left := b.Activate("jane@example.org")
	b.drain()
	if _, err := b.Store.Unsubscribe(t.Context(), left.Link, functiontest.Visit); err != nil {
		t.Fatal(err)
	}
	b.drain()
	ours := b.Strings(`select id::text from ledger_events union select subscriber_id::text from identities union
		select id::text from outbox where kind not like 'notify.journal' union select event_id::text from outbox where event_id is not null`)
	var outside []string
	for _, c := range o.loops.Contacts() {
		outside = append(outside, *c.UserID)
	}
	err := filepath.WalkDir(o.journal, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			content, readErr := os.ReadFile(path)
			outside, err = append(outside, path+string(content)), readErr
		}
		return err
	})
	if err != nil || len(outside) != 2 {
		t.Fatalf("%q %v", outside, err)
	}
	for _, id := range ours {
		for _, text := range outside {
			if strings.Contains(text, id) {
				t.Errorf("%s is outside: %s", id, text)
			}
		}
	}
	key, err := pseudonym.NewKey(pseudonym.Config{Pepper: config.Seal(b.Variables["PEPPER"])})
	if err != nil {
		t.Fatal(err)
	}
	if outside[0] != key.Outside("loops", left.SubscriberID).String() || key.Outside("slack", left.SubscriberID) == key.Outside("loops", left.SubscriberID) {
		t.Error("the id at Loops is not its own")
	}
}
