package audit_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/audit"
)

// The event joins the statements of the change that it tells of; its context can be deleted later, the event never.
func ExampleQueue() {
	b, now := &pgx.Batch{}, time.Now()
	event := audit.Event{
		ID: uuid.New(), At: now, Kind: audit.Confirmed, SubscriberID: uuid.New(), Actor: audit.Subscriber, Channel: "link",
		Data: audit.Data{Outcome: "confirmed", Provider: "google"},
	}
	audit.Queue(b, event)
	audit.QueueContext(b, audit.Context{EventID: event.ID, At: now, IP: netip.MustParseAddr("192.0.2.7"), UserAgent: "Browser/1.0"})
	fmt.Println(b.Len())
	// Output: 2
}

func ExampleSource_Clean() {
	s := audit.Source{Page: "https://example.org/join?email=jane@example.org", Ref: "jane@example.org", Origin: "toot"}
	fmt.Println(s.Clean().JSON())
	// Output: {"page":"https://example.org/join","utm_source":"toot"}
}
