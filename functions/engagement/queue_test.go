package main

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/lambdafn"
)

// invoke invokes the function with an event, none of whose messages may fail.
func invoke(t *testing.T, f lambdafn.Function, event json.RawMessage) {
	t.Helper()
	if failed := failures(t, f, event); len(failed) > 0 {
		t.Fatalf("failed: %v", failed)
	}
}

// failures invokes the function with an event, and returns the messages that it reports as failed.
func failures(t *testing.T, f lambdafn.Function, event json.RawMessage) (failed []string) {
	t.Helper()
	value, err := f.Event(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	for _, failure := range value.(events.SQSEventResponse).BatchItemFailures {
		failed = append(failed, failure.ItemIdentifier)
	}
	return failed
}

// batch joins the messages of samples about deliveries to one batch. Message 0 is the first one.
func batch(t *testing.T, samples ...json.RawMessage) json.RawMessage {
	t.Helper()
	var all events.SQSEvent
	for i, sample := range samples {
		var one events.SQSEvent
		if err := json.Unmarshal(sample, &one); err != nil {
			t.Fatal(err)
		}
		one.Records[0].MessageId = strconv.Itoa(i)
		all.Records = append(all.Records, one.Records...)
	}
	event, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// TestLostDatabaseLosesNoComplaint checks that all messages of a batch stay in the queue while the database is lost, and
// that their redelivery, also a second one, has the same effect as one delivery.
func TestLostDatabaseLosesNoComplaint(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	var complaints []json.RawMessage
	for _, address := range []string{"jane@example.org", "joe@example.org"} {
		b.Activate(address)
	}
	for _, id := range b.Strings(`select id::text from outbox where kind = 'email.confirm' order by id`) {
		complaints = append(complaints, event(t, "complaint", id))
	}
	all := batch(t, append(complaints, functiontest.Sample(t, "engagement", "unreadable"))...)
	available := b.Variables["DATABASE_URL"]
	b.Variables["DATABASE_URL"] = "postgres://app:password@127.0.0.1:1/newsletter"
	if failed := failures(t, b.Open(open), all); strings.Join(failed, " ") != "0 1 2" {
		t.Errorf("without the database, %v failed", failed)
	}
	b.Variables["DATABASE_URL"] = available
	f := b.Open(open)
	for range 2 {
		invoke(t, f, all)
	}
	expect(b, `select distinct status from subscribers`, "suppressed")
	expect(b, `select kind || ' ' || count(*) from engagement_events group by kind order by kind`, "complaint 2, unreadable 1")
	expect(b, `select count(*)::text from ledger_events where kind = 'subscription.suppressed'`, "2")
}

// TestOneFailureKeepsTheOthers checks that a message that fails is the only one that is redelivered.
func TestOneFailureKeepsTheOthers(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	for _, address := range []string{"jane@example.org", "joe@example.org"} {
		b.Activate(address)
	}
	var complaints []json.RawMessage
	for _, id := range b.Strings(`select o.id::text from outbox o join subscribers s on s.id = o.subscriber_id where o.kind = 'email.confirm' order by s.email_norm`) {
		complaints = append(complaints, event(t, "complaint", id))
	}
	b.Exec(`create function refuse() returns trigger language plpgsql as $$ begin raise 'refused by the test'; end $$`)
	b.Exec(`create trigger refuse before update on subscribers for each row when (old.email_norm = 'jane@example.org') execute function refuse()`)
	f := b.Open(open)
	if failed := failures(t, f, batch(t, complaints...)); strings.Join(failed, " ") != "0" {
		t.Errorf("%v failed, want 0", failed)
	}
	expect(b, `select status from subscribers order by email_norm`, "active, suppressed")
	b.Exec(`drop trigger refuse on subscribers`)
	invoke(t, f, complaints[0])
	expect(b, `select status from subscribers order by email_norm`, "suppressed, suppressed")
	expect(b, `select count(*)::text from engagement_events`, "2")
}
