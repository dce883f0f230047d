package main

import (
	"context"

	"newsletter/shared/ga4"
	"newsletter/shared/ledger"
)

// ga4Sink counts events in Google Analytics, without personal data.
type ga4Sink struct{ property *ga4.Client }

func (c ga4Sink) notify(ctx context.Context, t notification, _ subscribers) (string, error) {
	event := ga4.Event{
		Name: ga4.Confirmed, At: t.Change.At, Source: t.Change.Source.Origin, Medium: t.Change.Source.Medium, Campaign: t.Change.Source.Campaign,
	}
	switch t.Change.Kind {
	case ledger.Requested: // expanded only with single opt-in
		event.Name = ga4.SignedUp
	case ledger.Unsubscribed:
		event.Name = ga4.Unsubscribed
	default: // confirmed
	}
	return "counted", c.property.Send(ctx, event)
}
