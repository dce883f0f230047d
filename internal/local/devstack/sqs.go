package devstack

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"newsletter/internal/fixtures/canary"
	"newsletter/internal/local/lambdalocal"
)

// SQS is a fake of a queue of Amazon SQS (JSON protocol): it takes messages, and hands them to a function as an event
// source does, again and again until the function has applied them. It is safe for concurrent use.
type SQS struct {
	faults
	messages []events.SQSMessage
	sent     int
}

// Waiting returns the bodies of the messages that are not applied yet.
func (q *SQS) Waiting() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []string
	for _, m := range q.messages {
		all = append(all, m.Body)
	}
	return all
}

// ServeHTTP implements http.Handler.
func (q *SQS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q.serve(canary.Queue, w, r, q.answer)
}

func (q *SQS) answer(w http.ResponseWriter, r *http.Request) {
	var message struct {
		QueueURL string `json:"QueueUrl"`
		Body     string `json:"MessageBody"`
	}
	err := json.NewDecoder(r.Body).Decode(&message)
	switch {
	case r.Method != http.MethodPost || r.Header.Get("X-Amz-Target") != "AmazonSQS.SendMessage":
		err = fmt.Errorf("%s %s", r.Method, r.Header.Get("X-Amz-Target"))
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "):
		err = fmt.Errorf("not signed")
	case err == nil && (message.QueueURL == "" || message.Body == "" || strings.Contains(message.Body, "@")):
		err = fmt.Errorf("no queue, no body, or an address in it")
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	if err != nil {
		q.problem(err.Error())
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"__type":"com.amazonaws.sqs#InvalidMessageContents","message":"refused"}`))
		return
	}
	sum := md5.Sum([]byte(message.Body))
	_ = json.NewEncoder(w).Encode(map[string]string{"MessageId": q.keep(message.Body), "MD5OfMessageBody": hex.EncodeToString(sum[:])})
}

func (q *SQS) keep(body string) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sent++
	id := fmt.Sprintf("local-%d", q.sent)
	q.messages = append(q.messages, events.SQSMessage{MessageId: id, Body: body, EventSource: "aws:sqs"})
	return id
}

// batchSize is that of the template.
const batchSize = 10

// pollInterval is the pause after an empty queue or a failure, in place of the visibility timeout.
const pollInterval = 500 * time.Millisecond

// feed sends the waiting messages to a function, until ctx ends.
func (q *SQS) feed(ctx context.Context, server *lambdalocal.Server, function string) {
	for pause := pollInterval; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = pollInterval
		q.mu.Lock()
		batch := slices.Clone(q.messages[:min(len(q.messages), batchSize)])
		q.mu.Unlock()
		if len(batch) == 0 {
			continue
		}
		payload, err := json.Marshal(events.SQSEvent{Records: batch})
		if err != nil {
			continue
		}
		result, err := server.Invoke(ctx, function, payload)
		var answer events.SQSEventResponse
		if err != nil || result.FunctionError != "" || json.Unmarshal(result.Payload, &answer) != nil {
			continue // the whole batch comes again
		}
		q.remove(batch, answer.BatchItemFailures)
		if len(answer.BatchItemFailures) == 0 {
			pause = 0
		}
	}
}

// remove removes the applied messages of a batch. The failed ones come after all others.
func (q *SQS) remove(batch []events.SQSMessage, failed []events.SQSBatchItemFailure) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = slices.Clone(q.messages[len(batch):]) // others only append
	for _, m := range batch {
		if slices.Contains(failed, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId}) {
			q.messages = append(q.messages, m)
		}
	}
}
