package loops

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"newsletter/shared/outbox"
)

const (
	// callTimeout bounds one call with its response. The longest method makes three, which is below the lease of a
	// delivery.
	callTimeout = 10 * time.Second
	// maxResponse is the number of bytes that are read of a response. A contact with all its properties has a few KB.
	maxResponse = 1 << 20
	// window is the window of Loops' rate limit, 10 requests (loops.so/docs/api-reference/intro, "Rate limiting").
	window = time.Second
)

// A call is one request.
type call struct {
	method, path string
	body         any
	key          string // the idempotency key
	response     any    // receives the response; nil for one that only reports success
}

// responseError is an error response. It omits the text, which may contain an address.
type responseError struct {
	status int
	path   string // the member of the request that Loops names, if any
}

func (e *responseError) Error() string {
	return fmt.Sprintf("loops answered %d for %q", e.status, e.path)
}

var (
	errNoSuccess = errors.New("the response does not report success")
	errNoStatus  = errors.New("the response does not report whether the contact is suppressed")
)

// found makes a call about a contact and reports whether it exists.
func (l *Client) found(ctx context.Context, c call) (bool, error) {
	err := l.call(ctx, c)
	if response, ok := errors.AsType[*responseError](err); ok && response.status == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

// call makes a call. The error is a *outbox.Failure.
func (l *Client) call(ctx context.Context, c call) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	request, err := l.request(ctx, c)
	if err != nil {
		return &outbox.Failure{Cause: "bad_request", Permanent: true, Err: err}
	}
	response, err := l.http.Do(request)
	if err != nil {
		return unreachable(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	if err != nil {
		return unreachable(err)
	}
	if response.StatusCode/100 != 2 {
		return refused(response, content)
	}
	return c.read(content)
}

func (l *Client) request(ctx context.Context, c call) (*http.Request, error) {
	var body io.Reader
	if c.body != nil {
		content, err := json.Marshal(c.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(content)
	}
	request, err := http.NewRequestWithContext(ctx, c.method, l.config.BaseURL+c.path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+l.config.APIKey.Reveal())
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		request.Header.Set("Idempotency-Key", c.key)
	}
	return request, nil
}

// read decodes a successful response, which may still report an error.
func (c call) read(content []byte) error {
	if c.response != nil {
		if err := json.Unmarshal(content, c.response); err != nil {
			return badResponse(err)
		}
		return nil
	}
	var response struct {
		Success *bool `json:"success"`
	}
	if err := json.Unmarshal(content, &response); err != nil {
		return badResponse(err)
	}
	if response.Success == nil || !*response.Success {
		return badResponse(errNoSuccess)
	}
	return nil
}

func badResponse(err error) *outbox.Failure { return &outbox.Failure{Cause: "bad_response", Err: err} }

// unreachable returns the failure of a call without a response. Loops may have executed it.
func unreachable(err error) *outbox.Failure {
	if failure, ok := errors.AsType[*outbox.Failure](err); ok { // from the Doer
		return failure
	}
	cause := "unreachable"
	if timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && timeout.Timeout() {
		cause = "timeout"
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok { // omit the URL, which may contain an address
		err = wrapped.Err
	}
	return &outbox.Failure{Cause: cause, Err: err}
}

// refused classifies error responses (loops.so/docs/api-reference/intro and the pages of the endpoints).
func refused(response *http.Response, content []byte) *outbox.Failure {
	var body struct {
		Path  string          `json:"path"`
		Error json.RawMessage `json:"error"` // an object with a path, or a sentence
	}
	var nested struct {
		Path string `json:"path"`
	}
	_ = json.Unmarshal(content, &body) // an unreadable body leaves the paths empty
	_ = json.Unmarshal(body.Error, &nested)
	status := response.StatusCode
	failure := &outbox.Failure{Cause: "status_" + strconv.Itoa(status), Err: &responseError{status, max(body.Path, nested.Path)}}
	switch {
	case status == http.StatusTooManyRequests:
		failure.Cause, failure.AffectsDestination, failure.RetryAfter = "throttled", true, max(window, retryAfter(response))
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		failure.Cause, failure.AffectsDestination, failure.NeedsOwner = "unauthorized", true, true
	case status/100 == 3: // the owner has to configure the new address
		failure.Cause, failure.AffectsDestination, failure.NeedsOwner = "moved", true, true
	case status == http.StatusBadRequest, status == http.StatusNotFound, status == http.StatusUnprocessableEntity:
		failure.Cause, failure.Permanent = "bad_request", true
	default:
		failure.RetryAfter = retryAfter(response)
	}
	return failure
}

func retryAfter(response *http.Response) time.Duration {
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, 86400)) * time.Second // the outbox waits no longer than a day
}
