// Command engagement receives the events of Amazon SES, such as bounces, through SNS. It suppresses mailboxes that do
// not exist and subscribers who complain, and records all other events for the statistics.
//
// Lambda repeats a notification that fails. An unreadable event, or one about an unknown recipient, is recorded for an
// alert and never repeated. SNS invokes a function with its envelope only: it has no raw delivery to Lambda.
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

var errNoNotification = errors.New("the event is not an SNS notification")

// result is the response to an invocation: the number of events by outcome.
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
			return nil, err // Lambda repeats all records; recording one again is harmless
		}
		done.Outcomes[outcome]++
		lambdafn.Note(ctx, slog.Int("emails_"+outcome, done.Outcomes[outcome]))
	}
	return done, nil
}

// record records one event and suppresses its recipient if required.
func (h *handler) record(ctx context.Context, n events.SNSEntity) (outcome string, err error) {
	e, relevant := engagement.Read(n.Message, n.MessageID, n.Timestamp)
	if !relevant {
		return "ignored", nil
	}
	var emailHMAC, mailboxHMAC []byte
	address, _ := subscription.ParseAddress(e.Recipient) // the zero Address if it is not known
	if address.Normalized != "" {
		emailHMAC, mailboxHMAC = h.key.Address(address.Normalized), h.key.Mailbox(address.MailboxKey)
	}
	subject, err := engagement.Record(ctx, h.db, h.now(), e, emailHMAC, mailboxHMAC)
	switch {
	case err != nil:
		return "", err
	case !subject.Known:
		telemetry.Add(ctx, telemetry.FeedbackUnreadable, 1)
		lambdafn.Logger(ctx).WarnContext(ctx, "SES event unreadable or about an unknown recipient", "kind", string(e.Kind), "detail", e.Detail)
		if e.Kind == engagement.Unreadable {
			return "unreadable", nil
		}
		return "unknown", nil
	case e.Suppress:
		err = h.suppress(ctx, e.Kind, subject, address, n.MessageID)
	}
	return string(e.Kind), err
}

// suppress suppresses the recipient of a bounced or reported email. address is the zero Address if it is unknown.
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
	if address.Normalized == "" {
		return nil
	}
	// The subscriber was erased, or the request ended long ago.
	end.SubscriberID, end.Address = uuid.Nil, address
	_, err := h.store.Suppress(ctx, end)
	return err
}
