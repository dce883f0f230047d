package lambdafn

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/aws/aws-lambda-go/events"

	"newsletter/shared/capture"
)

var errNoBatch = errors.New("unsupported event: this function takes batches of messages from its queue")

// ApplyBatch applies each message of a batch from an SQS queue, in order, and returns the response that names the failed
// ones (ReportBatchItemFailures). SQS redelivers these after the queue's visibility timeout, so apply must be
// idempotent. After an error that wraps lost, such as that of an unavailable database, the remaining messages fail
// without an attempt, because each would wait for it again. Every error is reported and logged. Any other event is an
// error.
func ApplyBatch(ctx context.Context, event json.RawMessage, lost error, apply func(context.Context, events.SQSMessage) error) (events.SQSEventResponse, error) {
	var batch events.SQSEvent
	if err := json.Unmarshal(event, &batch); err != nil || len(batch.Records) == 0 || batch.Records[0].EventSource != "aws:sqs" {
		return events.SQSEventResponse{}, errNoBatch
	}
	response := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	unavailable := false
	for _, message := range batch.Records {
		var err error
		if !unavailable {
			err = apply(ctx, message)
			unavailable = errors.Is(err, lost)
		}
		if err != nil {
			capture.Error(ctx, err)
			Logger(ctx).ErrorContext(ctx, "queued message failed", "err", err)
		}
		if err != nil || unavailable {
			response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: message.MessageId})
		}
	}
	return response, nil
}
