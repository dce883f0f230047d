package main

import (
	"context"

	"newsletter/shared/ga4"
	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

// countedKinds returns the kinds of events that are counted.
func countedKinds() []ledger.Kind {
	return []ledger.Kind{ledger.Requested, ledger.Confirmed, ledger.Unsubscribed}
}

// ga4Sink counts events in Google Analytics, without personal data.
type ga4Sink struct{ property *ga4.Client }

func (g ga4Sink) deliver(ctx context.Context, c change, _ subscribers) (outbox.Outcome, error) {
	event := ga4.Event{
		Name: ga4.Confirmed, At: c.At, Source: c.Source.Origin, Medium: c.Source.Medium, Campaign: c.Source.Campaign,
	}
	switch c.Kind {
	case ledger.Requested: // expanded only with single opt-in
		event.Name = ga4.SignedUp
	case ledger.Unsubscribed:
		event.Name = ga4.Unsubscribed
	default: // confirmed
	}
	return outbox.Counted, g.property.Send(ctx, event)
}
