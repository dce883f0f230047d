// Package unsubscribequeue enqueues unsubscribe requests in SQS while the database is unavailable. They are applied
// when it is back.
//
// Invariants: a request's link is verified before it is enqueued. A message contains the link's ids and no token, email
// address or network address. Applying it twice is harmless.
//
// Failure policy: Enqueue tries once, for at most two seconds. After an error, assume that the request is not enqueued.
package unsubscribequeue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/uuid"

	"newsletter/shared/awssdk"
)

// enqueueTimeout leaves room for the preceding database timeouts within the function's timeout.
const enqueueTimeout = 2 * time.Second

// Config names the queue.
type Config struct {
	// Queue unsubscribes in this SQS queue while the database is unavailable. Empty: they are answered with 503, and
	// email providers retry them.
	QueueURL string `env:"UNSUBSCRIBE_QUEUE_URL" from:"template" example:"https://sqs.eu-central-1.amazonaws.com/123456789012/unsubscribe"`
}

// Enabled reports whether a queue is configured.
func (c Config) Enabled() bool { return c.QueueURL != "" }

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	if u, err := url.Parse(c.QueueURL); c.Enabled() && (err != nil || u.Host == "" || len(u.Path) < 2) {
		return errors.New("UNSUBSCRIBE_QUEUE_URL: must be the URL of an SQS queue")
	}
	return nil
}

// Request is an unsubscribe request by a verified link.
type Request struct {
	SubscriberID uuid.UUID `json:"subscriber_id"`
	Epoch        int32     `json:"epoch"`
	At           time.Time `json:"at"`
	RequestID    string    `json:"request_id"`
}

// Queue enqueues unsubscribe requests. It is safe for concurrent use.
type Queue struct {
	client *sqs.Client
	url    string
}

// New returns the queue of a Config, or nil if none is configured. It does no I/O.
func New(cfg Config) *Queue {
	if !cfg.Enabled() {
		return nil
	}
	return &Queue{url: cfg.QueueURL, client: sqs.New(sqs.Options{
		Region: awssdk.Region(), Credentials: awssdk.Credentials(), BaseEndpoint: awssdk.Endpoint("sqs"),
		HTTPClient: awshttp.NewBuildableClient().WithTimeout(enqueueTimeout),
		Retryer:    aws.NopRetryer{},
	})}
}

// EnqueueUnsubscribe sends a request to the queue.
func (q *Queue) EnqueueUnsubscribe(ctx context.Context, d Request) error {
	body, err := json.Marshal(d)
	if err != nil {
		return err
	}
	_, err = q.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: aws.String(string(body))})
	if err != nil {
		return fmt.Errorf("enqueue unsubscribe request: %w", err)
	}
	return nil
}

var errNotRequest = errors.New("parse unsubscribe request: not a message of Enqueue")

// ParseRequest parses a message that Enqueue sent.
func ParseRequest(body string) (Request, error) {
	var d Request
	if err := json.Unmarshal([]byte(body), &d); err != nil || d.SubscriberID == uuid.Nil || d.At.IsZero() {
		return Request{}, errNotRequest
	}
	return d, nil
}
