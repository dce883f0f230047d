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

var errNoBatch = errors.New("the event is not a batch of queued unsubscribe requests")

// apply ends the subscriptions of a batch from the queue. SQS redelivers each message that apply reports as failed, and
// moves it to the dead-letter queue after its last delivery.
func (h *handler) apply(ctx context.Context, event json.RawMessage) (any, error) {
	var batch events.SQSEvent
	if err := json.Unmarshal(event, &batch); err != nil || len(batch.Records) == 0 {
		return nil, errNoBatch
	}
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	lost := false
	for _, record := range batch.Records {
		var err error
		if !lost { // the remaining messages would time out too
			err = h.applyOne(ctx, record.Body)
			lost = errors.Is(err, postgres.ErrUnavailable)
		}
		if err != nil {
			capture.Error(ctx, err)
			lambdafn.Logger(ctx).ErrorContext(ctx, "queued unsubscribe failed", "err", err)
		}
		if err != nil || lost {
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: record.MessageId})
		}
	}
	return answer, nil
}

func (h *handler) applyOne(ctx context.Context, body string) error {
	request, err := unsubscribequeue.ParseRequest(body)
	if err != nil {
		return err
	}
	link := token.Link{SubscriberID: request.SubscriberID, Epoch: request.Epoch}
	visit := subscription.Visit{RequestID: request.RequestID, Channel: "queue", HappenedAt: request.At}
	_, err = h.Store.Unsubscribe(ctx, link, visit)
	return err
}
