package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"newsletter/shared/awssdk"
	"newsletter/shared/outbox"
)

// TopicConfig configures an SNS topic.
type TopicConfig struct {
	// Publish alerts to this SNS topic, for email, SMS and paging. Empty: no topic.
	ARN string `env:"ALERTS_TOPIC_ARN" from:"template" example:"arn:aws:sns:eu-central-1:123456789012:newsletter"`
}

// Enabled reports whether a topic is configured.
func (c TopicConfig) Enabled() bool { return c.ARN != "" }

// Validate implements the check of config.Env.Read.
func (c TopicConfig) Validate() error {
	if parts := strings.Split(c.ARN, ":"); c.Enabled() && (len(parts) != 6 || parts[0] != "arn" || parts[2] != "sns") {
		return errors.New("ALERTS_TOPIC_ARN: must be the ARN of an SNS topic")
	}
	return nil
}

const (
	// publishTimeout bounds a call to SNS.
	publishTimeout = 5 * time.Second
	// maxSubject is the maximum length of an email's subject (Publish API: 100 characters, printable ASCII).
	maxSubject = 100
)

// topic publishes messages to an SNS topic. It is safe for concurrent use.
type topic struct {
	client *sns.Client
	arn    string
}

// newTopic returns the topic of an enabled TopicConfig. It does no I/O.
func newTopic(cfg TopicConfig) *topic {
	return &topic{arn: cfg.ARN, client: sns.New(sns.Options{
		Region: awssdk.Region(), Credentials: awssdk.Credentials(), BaseEndpoint: awssdk.Endpoint("sns"),
		HTTPClient: awshttp.NewBuildableClient().WithTimeout(publishTimeout),
		Retryer:    aws.NopRetryer{},
	})}
}

// post publishes a message. The error is a *outbox.Failure.
func (t *topic) post(ctx context.Context, m Message) error {
	m = m.clean()
	if m.Title == "" {
		return &outbox.Failure{Cause: "bad_message", Permanent: true, Err: errEmpty}
	}
	text := strings.Join(append([]string{m.Title}, m.Lines...), "\n")
	_, err := t.client.Publish(ctx, &sns.PublishInput{TopicArn: &t.arn, Subject: aws.String(subject(m)), Message: &text})
	if err == nil {
		return nil
	}
	failure := &outbox.Failure{Cause: "unreachable", Err: fmt.Errorf("publish to the topic: %w", err)}
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		switch status := response.HTTPStatusCode(); {
		case status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
			failure.Cause, failure.AffectsDestination = "throttled", true
		default: // no permission or no topic: a retry succeeds after the owner corrected it
			failure.Cause, failure.NeedsOwner = "refused", true
		}
	}
	return failure
}

// subject returns the level and the title as the subject of an email.
func subject(m Message) string {
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, string(m.Level)+": "+m.Title)
	return text[:min(len(text), maxSubject)]
}
