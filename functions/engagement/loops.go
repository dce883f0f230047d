package main

import (
	"context"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/loops"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
	"newsletter/shared/telemetry"
)

// receive accepts one event that Loops signed. Repeating it is harmless. After any other answer than 204, Loops sends it
// again.
func (h *handler) receive(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if h.signatures == nil {
		return nil, httpapi.NotFound()
	}
	body, err := r.Body()
	if err != nil {
		return nil, err
	}
	id := r.Header.Get("Webhook-Id")
	if err := h.signatures.Verify(id, r.Header.Get("Webhook-Timestamp"), r.Header.Get("Webhook-Signature"), body); err != nil {
		telemetry.SecurityEvent(ctx, "webhook_forged")
		return nil, httpapi.Unsigned()
	}
	e, err := loops.ReadEvent(body)
	if err != nil {
		telemetry.Add(ctx, telemetry.FeedbackUnreadable, 1)
		lambdafn.Logger(ctx).WarnContext(ctx, "event of Loops unreadable")
		return nil, httpapi.Invalid(httpapi.FieldError{Pointer: "#/webhookSchemaVersion", Detail: "This version of an event is not known."})
	}
	outcome, err := h.apply(ctx, e, r.RequestID)
	if err != nil {
		return nil, err
	}
	return (&httpapi.Response{Status: http.StatusNoContent, Header: http.Header{}}).WithOutcome(outcome), nil
}

// apply applies an event of Loops, and returns what it did.
func (h *handler) apply(ctx context.Context, e loops.Event, requestID string) (outcome string, err error) {
	address, err := subscription.ParseAddress(e.Email)
	if e.Report == loops.Irrelevant || err != nil {
		return string(loops.Irrelevant), nil //nolint:nilerr // about no address that can be a subscriber's
	}
	about, err := h.store.FindByPseudonym(ctx, h.key.Address(address.Normalized))
	switch {
	case err != nil:
		return "", err
	case about.SubscriberID == uuid.Nil: // the owner has contacts at Loops who are none of our subscribers
		return "unknown", nil
	case e.Report != loops.Left:
		end := subscription.Suppression{SubscriberID: about.SubscriberID, Reason: subscription.Bounce}
		if e.Report == loops.Complained {
			end.Reason = subscription.Complaint
		}
		return string(e.Report), h.suppress(ctx, end, address, subscription.Visit{RequestID: requestID, Channel: outbox.Loops})
	case !about.IsSubscribed():
		return "unchanged", nil
	}
	at := h.now()
	if e.At.Before(at) { // never in the future
		at = e.At
	}
	err = h.db.Batch(ctx, func(b *pgx.Batch) {
		outbox.Enqueue(b, outbox.Message{
			ID: uuid.Must(uuid.NewV7()), Kind: outbox.CheckLoops, SubscriberID: about.SubscriberID, CreatedAt: at, DueAt: h.now(),
		})
	})
	return string(e.Report), err
}
