// Command engagement hears from Amazon SES, through SNS, what became of emails. A mailbox that does not exist, and a person
// who complains, get no more email; everything else is kept for the statistics.
//
// Lambda repeats a notification that fails. One that cannot be read, or is about nobody known, is recorded for an alert and
// never repeated. SNS invokes a function with its envelope only: it has no raw delivery to Lambda.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"

	"newsletter/shared/engagement"
	"newsletter/shared/lambdafn"
	"newsletter/shared/ledger"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
	"newsletter/shared/telemetry"
)

type handler struct {
	db    *postgres.DB
	key   pseudonym.Key
	store *subscription.Store
	now   func() time.Time
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
		outcome, err := h.record(ctx, record.SNS)
		if err != nil {
			return nil, err // all of it comes again; what was done is found done
		}
		done.Outcomes[outcome]++
		lambdafn.Note(ctx, slog.Int("mails_"+outcome, done.Outcomes[outcome]))
	}
	return done, nil
}

// take records one event and ends the emails to whom it says so.
func (h *handler) record(ctx context.Context, n events.SNSEntity) (outcome string, err error) {
	e, news := engagement.Read(n.Message, n.MessageID, n.Timestamp)
	if !news {
		return "ignored", nil
	}
	var emailHMAC []byte
	address, _ := subscription.ParseAddress(e.Recipient) // the zero Address if it is not known
	if address.Normalized != "" {
		emailHMAC = h.key.Address(address.Normalized)
	}
	subject, err := engagement.Record(ctx, h.db, h.now(), e, emailHMAC)
	switch {
	case err != nil:
		return "", err
	case !subject.Known:
		telemetry.Add(ctx, telemetry.FeedbackUnreadable, 1)
		lambdafn.Logger(ctx).WarnContext(ctx, "event of SES not readable, or about nobody known", "kind", string(e.Kind), "detail", e.Detail)
		if e.Kind == engagement.Unreadable {
			return "unreadable", nil
		}
		return "unknown", nil
	case e.Suppress:
		err = h.suppress(ctx, e.Kind, subject, address, n.MessageID)
	}
	return string(e.Kind), err
}

// suppress ends all email to whom a report is about. address is the recipient's, the zero Address if it is not known.
func (h *handler) suppress(ctx context.Context, kind engagement.Kind, about engagement.Subject, address subscription.Address, requestID string) error {
	end := subscription.Suppression{
		SubscriberID: about.SubscriberID, Reason: subscription.Bounce, Actor: ledger.Provider,
		Visit: subscription.Visit{RequestID: requestID, Channel: "ses"},
	}
	if kind == engagement.Complaint {
		end.Reason = subscription.Complaint
	}
	if end.SubscriberID != uuid.Nil {
		if outcome, err := h.store.Suppress(ctx, end); err != nil || outcome != subscription.Unchanged {
			return err
		}
	}
	if end.Reason != subscription.Complaint || address.Normalized == "" {
		return nil
	}
	// They were erased. That they want no more email is to be remembered; that a mailbox is gone is not.
	end.SubscriberID, end.Address = uuid.Nil, address
	_, err := h.store.Suppress(ctx, end)
	return err
}
