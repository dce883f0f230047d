// Command engagement hears from Amazon SES, through SNS, what became of mails. A mailbox that does not exist, and a person
// who complains, get no more mail; everything else is kept for the statistics.
//
// Lambda repeats a notification that fails. One that cannot be read, or is about a mail that is not known, is counted and
// never repeated.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"

	"newsletter/shared/audit"
	"newsletter/shared/engagement"
	"newsletter/shared/lambdafn"
	"newsletter/shared/postgres"
	"newsletter/shared/subscription"
)

type handler struct {
	db    *postgres.DB
	store *subscription.Store
}

var errNoNotification = errors.New("the event is not a notification of SNS")

// result is the answer to an invocation: how many events were what.
type result struct {
	Outcomes map[string]int `json:"outcomes"`
}

func (h *handler) event(ctx context.Context, event json.RawMessage) (any, error) {
	var notification events.SNSEvent
	if err := json.Unmarshal(event, &notification); err != nil || len(notification.Records) == 0 || notification.Records[0].EventSource != "aws:sns" {
		return nil, errNoNotification
	}
	done := result{Outcomes: map[string]int{}}
	for _, record := range notification.Records {
		outcome, err := h.take(ctx, record.SNS)
		if err != nil {
			return nil, err // all of it comes again; what was done is found done
		}
		done.Outcomes[outcome]++
		lambdafn.Note(ctx, slog.Int("mails_"+outcome, done.Outcomes[outcome]))
	}
	return done, nil
}

// take records one event and ends the mails to whom it says so.
func (h *handler) take(ctx context.Context, n events.SNSEntity) (outcome string, err error) {
	e, err := engagement.Read(n.Message)
	if errors.Is(err, engagement.ErrEvent) {
		lambdafn.Logger(ctx).Warn("a notification that is not about a mail of ours")
		return "unreadable", nil
	}
	subscriber, err := engagement.Record(ctx, h.db, e)
	if err != nil {
		return "", err
	}
	if subscriber == uuid.Nil {
		return "unknown", nil
	}
	reason := subscription.Complaint
	switch {
	case e.Kind == engagement.Bounce && e.Permanent:
		reason = subscription.Bounce
	case e.Kind != engagement.Complaint:
		return string(e.Kind), nil
	}
	_, err = h.store.Suppress(ctx, subscription.Suppression{
		SubscriberID: subscriber, Reason: reason, Actor: audit.Provider,
		Visit: subscription.Visit{RequestID: n.MessageID, Channel: "ses"},
	})
	return string(e.Kind), err
}
