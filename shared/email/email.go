// Package email composes emails and sends them through Amazon SES (API v2).
//
// The recipient's address is the only visitor input in an email, so the form cannot be abused to send text to others.
// Every email has a text part, an HTML part and the two headers of one-click unsubscribe (RFC 8058). SES receives the
// parts ("simple" content), assembles the message and signs it, headers included. No raw message is built here, so no
// value can inject a header.
//
// Failure policy: Send calls SES once. Its error reports whether and when a retry may help, and whether the owner must
// act first. The outbox retries.
package email

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"

	"newsletter/shared/awssdk"
	"newsletter/shared/outbox"
)

// sendTimeout limits one call of SES. It is shorter than the lease of a message in the outbox.
const sendTimeout = 10 * time.Second

// Message is an email to one recipient.
type Message struct {
	To            string
	Subject       string
	Text, HTML    string
	DeliveryID    string // the same for every attempt, so that duplicates can be recognized
	UnsubscribeTo string // the one-click unsubscribe URL (POST)
}

// throttled is the Failure.Cause of an email above the sending rate or the daily quota.
const throttled = "throttled"

// Sender sends emails. It is safe for concurrent use.
type Sender struct {
	client           *sesv2.Client
	from             string
	configurationSet string
}

// NewSender returns a Sender for a valid Config. It does no I/O.
func NewSender(cfg Config) (*Sender, error) {
	from, err := cfg.sender()
	if err != nil {
		return nil, err
	}
	return &Sender{from: from, configurationSet: cfg.ConfigurationSet, client: sesv2.New(sesv2.Options{
		Region: awssdk.Region(), Credentials: awssdk.Credentials(), BaseEndpoint: awssdk.Endpoint("ses"),
		HTTPClient: awshttp.NewBuildableClient().WithTimeout(sendTimeout),
		Retryer:    aws.NopRetryer{}, // the outbox retries, and counts the attempts
	})}, nil
}

// Send sends an email through SES and returns the message id that SES assigned. The error is a *outbox.Failure.
func (s *Sender) Send(ctx context.Context, m Message) (string, error) {
	output, err := s.client.SendEmail(ctx, s.input(m))
	if err != nil {
		return "", classify(err)
	}
	return aws.ToString(output.MessageId), nil
}

func (s *Sender) input(m Message) *sesv2.SendEmailInput {
	utf8 := func(data string) *types.Content {
		return &types.Content{Data: aws.String(data), Charset: aws.String("UTF-8")}
	}
	header := func(name, value string) types.MessageHeader {
		return types.MessageHeader{Name: aws.String(name), Value: aws.String(value)}
	}
	input := &sesv2.SendEmailInput{
		FromEmailAddress: aws.String(s.from),
		Destination:      &types.Destination{ToAddresses: []string{m.To}},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: utf8(m.Subject),
			Body:    &types.Body{Text: utf8(m.Text), Html: utf8(m.HTML)},
			Headers: []types.MessageHeader{
				header("List-Unsubscribe", "<"+m.UnsubscribeTo+">"),
				header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
				header("Auto-Submitted", "auto-generated"), // RFC 3834: no out-of-office answers
				header("X-Entity-Ref-ID", m.DeliveryID),
			},
		}},
		EmailTags: []types.MessageTag{{Name: aws.String("delivery"), Value: aws.String(m.DeliveryID)}},
	}
	if s.configurationSet != "" {
		input.ConfigurationSetName = aws.String(s.configurationSet)
	}
	return input
}

// classify returns the Failure for an error of SES (API reference of SendEmail, "Errors").
func classify(err error) *outbox.Failure {
	failure := &outbox.Failure{Cause: "unreachable", Err: err}
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok && response.HTTPStatusCode() != 0 {
		failure.Cause = "status_" + strconv.Itoa(response.HTTPStatusCode())
		if response.HTTPStatusCode() == http.StatusForbidden {
			failure.AffectsDestination, failure.NeedsOwner = true, true
		}
		seconds, err := strconv.Atoi(response.Response.Header.Get("Retry-After"))
		if err == nil && seconds > 0 {
			failure.RetryAfter = time.Duration(seconds) * time.Second
		}
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return failure
	}
	switch api.ErrorCode() {
	case "MessageRejected":
		failure.Cause, failure.Permanent = "rejected", true
		if strings.Contains(api.ErrorMessage(), "not verified") { // the sender, or in the sandbox the recipient
			failure.Cause, failure.Permanent, failure.NeedsOwner = "not_verified", false, true
		}
	case "BadRequestException":
		failure.Cause, failure.Permanent = "bad_request", true
	case "TooManyRequestsException", "LimitExceededException":
		failure.Cause, failure.AffectsDestination = throttled, true
	case "SendingPausedException", "AccountSuspendedException":
		failure.Cause, failure.AffectsDestination, failure.NeedsOwner = "sending_paused", true, true
	case "MailFromDomainNotVerifiedException", "NotFoundException":
		failure.Cause, failure.AffectsDestination, failure.NeedsOwner = "not_set_up", true, true
	}
	return failure
}
