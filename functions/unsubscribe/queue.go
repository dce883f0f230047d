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
)

const parked subscription.Outcome = "parked"

// unsubscribe ends a subscription, or keeps the wish where the database cannot take it: whoever leaves is told that they
// have left, and they have.
func (h *handler) unsubscribe(ctx context.Context, claims token.Claims, r *httpapi.Request) (subscription.Outcome, error) {
	outcome, err := h.store.Unsubscribe(ctx, claims, visit(r, "link"))
	if err == nil || h.lot == nil || !errors.Is(err, postgres.ErrUnavailable) && !errors.Is(err, postgres.ErrBusy) {
		return outcome, err
	}
	capture.Error(ctx, err) // nobody else would say that the database is lost
	d := unsubscribequeue.Request{SubscriberID: claims.SubscriberID, Epoch: claims.Epoch, At: r.Time, RequestID: r.RequestID}
	if parkErr := h.lot.Park(ctx, d); parkErr != nil {
		capture.Error(ctx, parkErr)
		return "", err
	}
	return parked, nil
}

var errNoBatch = errors.New("the event is not a batch of parked unsubscriptions")

// apply ends the subscriptions of a batch of the queue. What cannot be applied yet goes back into the queue on its own;
// what cannot be read ends in the queue's dead letters.
func (h *handler) apply(ctx context.Context, event json.RawMessage) (any, error) {
	var batch events.SQSEvent
	if err := json.Unmarshal(event, &batch); err != nil || len(batch.Records) == 0 {
		return nil, errNoBatch
	}
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	lost := false
	for _, record := range batch.Records {
		var err error
		if !lost { // the others would wait for the same timeouts
			err = h.applyOne(ctx, record.Body)
			lost = errors.Is(err, postgres.ErrUnavailable)
		}
		if err != nil {
			capture.Error(ctx, err)
			lambdafn.Logger(ctx).Error("apply a parked unsubscription", "err", err)
		}
		if err != nil || lost {
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: record.MessageId})
		}
	}
	return answer, nil
}

func (h *handler) applyOne(ctx context.Context, body string) error {
	d, err := unsubscribequeue.ParseRequest(body)
	if err != nil {
		return err
	}
	claims := token.Claims{Purpose: token.Unsubscribe, SubscriberID: d.SubscriberID, Epoch: d.Epoch}
	_, err = h.store.Unsubscribe(ctx, claims, subscription.Visit{RequestID: d.RequestID, Channel: "parked", HappenedAt: d.At})
	return err
}
