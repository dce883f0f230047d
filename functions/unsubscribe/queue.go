package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/aws/aws-lambda-go/events"

	"newsletter/shared/capture"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/postgres"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
	"newsletter/shared/unsubscribequeue"
	"newsletter/shared/visitor"
)

const enqueued subscription.Outcome = "enqueued"

// unsubscribe ends a subscription, or enqueues the request if the database is unavailable. Both are a success for the
// subscriber.
func (h *handler) unsubscribe(ctx context.Context, link token.Link, r *httpapi.Request) (subscription.Outcome, error) {
	outcome, err := h.Store.Unsubscribe(ctx, link, visitor.Visit(r, "link"))
	if err == nil || h.queue == nil || !errors.Is(err, postgres.ErrUnavailable) && !errors.Is(err, postgres.ErrBusy) {
		return outcome, err
	}
	capture.Error(ctx, err) // the request succeeds, so the lost database is reported here
	d := unsubscribequeue.Request{SubscriberID: link.SubscriberID, Epoch: link.Epoch, At: r.Time, RequestID: r.RequestID}
	if enqueueErr := h.queue.EnqueueUnsubscribe(ctx, d); enqueueErr != nil {
		capture.Error(ctx, enqueueErr)
		return "", err
	}
	return enqueued, nil
}

// apply ends the subscriptions of a batch from the queue.
func (h *handler) apply(ctx context.Context, event json.RawMessage) (any, error) {
	return lambdafn.ApplyBatch(ctx, event, postgres.ErrUnavailable, h.applyOne)
}

func (h *handler) applyOne(ctx context.Context, message events.SQSMessage) error {
	request, err := unsubscribequeue.ParseRequest(message.Body)
	if err != nil {
		return err
	}
	link := token.Link{SubscriberID: request.SubscriberID, Epoch: request.Epoch}
	visit := subscription.Visit{RequestID: request.RequestID, Channel: "queue", HappenedAt: request.At}
	_, err = h.Store.Unsubscribe(ctx, link, visit)
	return err
}
