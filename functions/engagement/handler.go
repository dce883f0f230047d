// Command engagement receives what senders report. The events of Amazon SES, such as bounces, come from a queue behind an
// SNS topic: it suppresses mailboxes that do not exist and subscribers who complain, and records all other events for the
// statistics. The events of Loops come as signed calls: it suppresses likewise, and has unsubscribes checked by deliver.
//
// A message that fails stays in the queue and is redelivered, so that a lost database loses no event; recording one
// again is harmless. An unreadable event, or one about an unknown recipient, is recorded for an alert and not
// redelivered. A message has SNS's envelope, whose id and time identify a repeated event. Its signature is not verified:
// only the topic may send to the queue, and only SES to the topic.
//
// Its other routes are for servers with keys: any sender reports who must get no more email, and receivers of webhooks look
// subscribers up.
package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"

	"newsletter/shared/apikey"
	"newsletter/shared/engagement"
	"newsletter/shared/httpapi"
	"newsletter/shared/keyring"
	"newsletter/shared/lambdafn"
	"newsletter/shared/ledger"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/ratelimit"
	"newsletter/shared/subscription"
	"newsletter/shared/telemetry"
	"newsletter/shared/webhook"
)

type handler struct {
	db    *postgres.DB
	key   pseudonym.Key
	store *subscription.Store
	// signatures verifies the events of Loops; nil if there is no secret, so that none is accepted.
	signatures *webhook.Verifier
	// keys and limiter are for servers with keys.
	keys    *apikey.Ring
	limiter *ratelimit.Limiter
	now     func() time.Time
}

// retryAfter is the Retry-After of a 503 and of a busy address. Loops retries by its own schedule.
const retryAfter = 2 * time.Second

// api serves Loops, which signs its calls, and servers with keys. Neither needs to come through the trusted proxy.
func (h *handler) api(cfg httpapi.Config) *httpapi.API {
	unavailable := func(cause error) *httpapi.Problem { return httpapi.Unavailable(retryAfter, cause) }
	return httpapi.New(cfg,
		httpapi.Route{Path: httpapi.LoopsPath, POST: h.receive, AllowBypass: true},
		httpapi.Route{Path: httpapi.SuppressionsPath, POST: h.suppressions, AllowBypass: true},
		httpapi.Route{Path: httpapi.SubscriberPath, GET: h.lookUp, AllowBypass: true},
	).
		Map(keyring.ErrReload, unavailable).
		Map(postgres.ErrBusy, func(error) *httpapi.Problem { return httpapi.Busy(retryAfter) }).
		Map(postgres.ErrUnavailable, unavailable)
}

// event records the events of a batch from the queue.
func (h *handler) event(ctx context.Context, event json.RawMessage) (any, error) {
	outcomes := map[string]int{}
	return lambdafn.ApplyBatch(ctx, event, postgres.ErrUnavailable, func(ctx context.Context, message events.SQSMessage) error {
		outcome, err := h.record(ctx, notification(message, h.now()))
		if err == nil {
			outcomes[outcome]++
			lambdafn.Note(ctx, slog.Int("emails_"+outcome, outcomes[outcome]))
		}
		return err
	})
}

// notification returns the SNS notification in a message. If there is none, it is an empty one with the message's id,
// which is recorded as unreadable.
func notification(message events.SQSMessage, now time.Time) events.SNSEntity {
	var n events.SNSEntity
	if err := json.Unmarshal([]byte(message.Body), &n); err != nil || n.Type != "Notification" || n.MessageID == "" {
		return events.SNSEntity{MessageID: message.MessageId, Timestamp: now}
	}
	return n
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
		end := subscription.Suppression{SubscriberID: subject.SubscriberID, Reason: subscription.Bounce}
		if e.Kind == engagement.Complaint {
			end.Reason = subscription.Complaint
		}
		err = h.suppress(ctx, end, address, subscription.Visit{RequestID: n.MessageID, Channel: "ses"})
	}
	return string(e.Kind), err
}

// suppress suppresses the recipient of a bounced or reported email. end has the subscriber, uuid.Nil for none, and the
// reason. address is the zero Address if it is unknown.
func (h *handler) suppress(ctx context.Context, end subscription.Suppression, address subscription.Address, visit subscription.Visit) error {
	end.Actor, end.Visit = ledger.Provider, visit
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
