// Package parking keeps unsubscriptions by link that the database cannot take at the moment, in an SQS queue, from where
// they are applied when it is back.
//
// Invariants: what is parked was verified before: it holds the ids of the link and no token, address or network address;
// applying it twice is harmless.
//
// Failure policy: parking is tried once, within two seconds; its error means that nothing was kept.
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

// parkTimeout leaves the database's own timeouts, which came before, room below the function's.
const parkTimeout = 2 * time.Second

// Config names the queue.
type Config struct {
	// Queue unsubscribes in this SQS queue while the database is unavailable. Empty: they are answered with 503, and
	// email providers retry them.
	QueueURL string `env:"UNSUBSCRIBE_QUEUE_URL" from:"template" example:"https://sqs.eu-central-1.amazonaws.com/123456789012/unsubscribe"`
}

// Enabled says whether there is a queue at all.
func (c Config) Enabled() bool { return c.QueueURL != "" }

// Validate implements the check of config.Env.ParseRequest.
func (c Config) Validate() error {
	if u, err := url.Parse(c.QueueURL); c.Enabled() && (err != nil || u.Host == "" || len(u.Path) < 2) {
		return errors.New("UNSUBSCRIBE_QUEUE_URL: must be the URL of an SQS queue")
	}
	return nil
}

// Request is an unsubscription by a verified link.
type Request struct {
	SubscriberID uuid.UUID `json:"subscriber_id"`
	Epoch        int32     `json:"epoch"`
	At           time.Time `json:"at"`
	RequestID    string    `json:"request_id"`
}

// Queue keeps departures. It is safe for concurrent use.
type Queue struct {
	client *sqs.Client
	url    string
}

// New gives the lot of a Config, nil if there is none. It does no I/O.
func New(cfg Config) *Queue {
	if !cfg.Enabled() {
		return nil
	}
	return &Queue{url: cfg.QueueURL, client: sqs.New(sqs.Options{
		Region: awssdk.Region(), Credentials: awssdk.Credentials(), BaseEndpoint: awssdk.Endpoint("sqs"),
		HTTPClient: awshttp.NewBuildableClient().WithTimeout(parkTimeout),
		Retryer:    aws.NopRetryer{},
	})}
}

// Park keeps a departure.
func (l *Queue) Park(ctx context.Context, d Request) error {
	body, err := json.Marshal(d)
	if err != nil {
		return err
	}
	_, err = l.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &l.url, MessageBody: aws.String(string(body))})
	if err != nil {
		return fmt.Errorf("park an unsubscription: %w", err)
	}
	return nil
}

// errDeparture says that a message is not one that Park wrote.
var errDeparture = errors.New("parking: the message is no parked unsubscription")

// ParseRequest reads what Park wrote.
func ParseRequest(body string) (Request, error) {
	var d Request
	if err := json.Unmarshal([]byte(body), &d); err != nil || d.SubscriberID == uuid.Nil || d.At.IsZero() {
		return Request{}, errDeparture
	}
	return d, nil
}
