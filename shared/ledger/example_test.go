package ledger_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
)

// ExampleAppend appends the event to the batch of the change that it records. Its context can be deleted later, the
// event never.
func ExampleAppend() {
	b, now := &pgx.Batch{}, time.Now()
	event := ledger.Event{
		ID: uuid.New(), At: now, Kind: ledger.Confirmed, SubscriberID: uuid.New(), Actor: ledger.Subscriber, Channel: "link",
		Data: ledger.Data{Outcome: "confirmed", Provider: "google"},
	}
	ledger.Append(b, event)
	ledger.AppendContext(b, ledger.Context{EventID: event.ID, At: now, IP: netip.MustParseAddr("192.0.2.7"), UserAgent: "Browser/1.0"})
	fmt.Println(b.Len())
	// Output: 2
}

func ExampleDeclarations_Reduce() {
	declared := ledger.SourceConfig{Declared: []string{"/blog/*", "spring-*"}}.Declare("https://example.org")
	kept := declared.Reduce(ledger.SentSource{Page: "https://example.org/blog/jane?x=1", Campaign: "spring-sale", Ref: "jane@example.org"})
	fmt.Println(kept.JSON())
	// Output: {"page":"https://example.org/blog/*","ref":"other","utm_campaign":"spring-*"}
}
