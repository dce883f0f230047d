package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"newsletter/migrations"
	"newsletter/shared/capture"
	"newsletter/shared/lambdafn"
)

const (
	// physicalID never changes, so that CloudFormation does not treat an update as a replacement and delete the old
	// resource.
	physicalID = "newsletter-schema"
	// maxResponse is CloudFormation's limit for a custom resource's response, in bytes.
	maxResponse = 4096
	// maxReason keeps the response below that even if every character is escaped.
	maxReason = 500
	// answerReserve is the part of the function's time that is kept for the response, at most half of it.
	answerReserve = 20 * time.Second
)

// deploy serves a stack's request and always answers it. Create and update migrate the schema up; an update to an older
// version, as in a rollback of the stack, does nothing; delete keeps the data.
//
// A failure is sent to CloudFormation and reported. It is an error result only if the response could not be delivered,
// so that Lambda retries.
func (h handler) deploy(ctx context.Context, raw json.RawMessage) (any, error) {
	var request cfn.Event
	if err := json.Unmarshal(raw, &request); err != nil {
		return nil, errors.New("parse CloudFormation request: malformed event")
	}
	response := cfn.NewResponse(&request)
	response.PhysicalResourceID = request.PhysicalResourceID
	if response.PhysicalResourceID == "" {
		response.PhysicalResourceID = physicalID
	}
	defer func() {
		if v := recover(); v != nil {
			response.Status, response.Reason = cfn.StatusFailed, reason(errors.New("migrate panicked"))
			_ = h.answer.send(ctx, request.ResponseURL, response) // the panic has more details
			panic(v)
		}
	}()

	result, err := h.serve(ctx, request.RequestType)
	if err != nil {
		capture.Error(ctx, err)
		lambdafn.Logger(ctx).ErrorContext(ctx, "migration for a stack failed", "err", err)
		response.Status, response.Reason = cfn.StatusFailed, reason(err)
	} else {
		response.Status = cfn.StatusSuccess
		response.Data = map[string]any{"Version": strconv.FormatInt(result.Version, 10)}
	}
	if err := h.answer.send(ctx, request.ResponseURL, response); err != nil {
		return nil, fmt.Errorf("answer CloudFormation: %w", err)
	}
	return response, nil
}

func (h handler) serve(ctx context.Context, kind cfn.RequestType) (migrations.Result, error) {
	if deadline, found := ctx.Deadline(); found {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-min(answerReserve, time.Until(deadline)/2)))
		defer cancel()
	}
	switch kind {
	case cfn.RequestCreate, cfn.RequestUpdate:
		return h.run(ctx, "up")
	case cfn.RequestDelete:
		return migrations.Result{}, nil
	}
	return migrations.Result{}, fmt.Errorf("unknown request type %.20q", kind)
}

// reason returns the text for a stack's events. The log has the complete error.
func reason(err error) string {
	text := err.Error()
	if runes := []rune(text); len(runes) > maxReason {
		text = string(runes[:maxReason]) + "…"
	}
	if lambdacontext.LogStreamName != "" {
		text += " (log stream " + lambdacontext.LogStreamName + ")"
	}
	return text
}

// sender delivers responses to the pre-signed URL of a request.
type sender struct {
	client *http.Client
	pause  time.Duration // before the second attempt; it doubles
}

// newSender returns a sender whose client follows no redirects and uses no proxy, because the URL must be
// CloudFormation's.
func newSender() sender {
	return sender{pause: time.Second, client: &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
			TLSHandshakeTimeout: 3 * time.Second,
			DisableKeepAlives:   true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// send sends the response, in up to four attempts. Errors do not contain the URL, which is a secret.
func (s sender) send(ctx context.Context, to string, response *cfn.Response) error {
	const tries = 4
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return errors.New("parse ResponseURL: not an https URL")
	}
	body, err := json.Marshal(response)
	if err != nil {
		return err
	}
	if len(body) > maxResponse {
		return fmt.Errorf("the response has %d bytes, more than CloudFormation accepts", len(body))
	}
	pause := s.pause
	for try := 1; ; try++ {
		if err = s.put(ctx, u, body); err == nil || try == tries {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
			pause *= 2
		}
	}
}

func (s sender) put(ctx context.Context, to *url.URL, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, to.String(), bytes.NewReader(body))
	if err != nil {
		return errors.New("parse ResponseURL: invalid URL")
	}
	answer, err := s.client.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // without the URL
		}
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxResponse))
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered with status %d", to.Host, answer.StatusCode)
	}
	return nil
}
