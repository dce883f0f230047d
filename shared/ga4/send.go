package ga4

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
	// callTimeout bounds one call with its response, below the lease of a delivery.
	callTimeout = 10 * time.Second
	// maxAge is the maximum age of an event (the reference, "timestamp_micros": 72 hours), less an hour for clock skew.
	maxAge = 71 * time.Hour
	// maxResponse is the number of bytes that are read of a response, which is empty.
	maxResponse = 64 << 10
)

// errTooOld is the error for an event that Google would not count at its time.
var errTooOld = errors.New("the event is older than 71 hours")

// Send sends an event. The error is a *outbox.Failure.
func (p *Client) Send(ctx context.Context, e Event) error {
	if p.now().Sub(e.At) > maxAge {
		return &outbox.Failure{Cause: "too_old", Permanent: true, Err: errTooOld}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	request, err := p.request(ctx, e)
	if err != nil {
		return &outbox.Failure{Cause: "bad_request", Permanent: true, Err: err}
	}
	response, err := p.http.Do(request)
	if err != nil {
		return unreachable(err)
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, maxResponse)); err != nil { // reuse the connection
		return unreachable(err)
	}
	return refused(response)
}

func (p *Client) request(ctx context.Context, e Event) (*http.Request, error) {
	body, err := json.Marshal(e.payload())
	if err != nil {
		return nil, err
	}
	query := url.Values{"measurement_id": {p.config.MeasurementID}, "api_secret": {p.config.APISecret.Reveal()}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.config.base()+"/mp/collect?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the property's URL is invalid") // omit err: it contains the secret
	}
	request.Header.Set("Content-Type", "application/json")
	return request, nil
}

// unreachable returns the failure of a call without a response. Google may have counted the event.
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
	if wrapped, ok := errors.AsType[*url.Error](err); ok { // omit the URL: it contains the secret
		err = wrapped.Err
	}
	return &outbox.Failure{Cause: cause, Err: err}
}

// refused returns the failure of a response, or nil for success.
func refused(response *http.Response) error {
	status := response.StatusCode
	if status/100 == 2 {
		return nil
	}
	failure := &outbox.Failure{Cause: "status_" + strconv.Itoa(status), Err: fmt.Errorf("google answered %d", status)}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		failure.RetryAfter = time.Duration(min(seconds, 86400)) * time.Second // the outbox waits no longer than a day
	}
	switch {
	case status == http.StatusTooManyRequests:
		failure.Cause, failure.AffectsDestination, failure.RetryAfter = "throttled", true, max(failure.RetryAfter, time.Second)
	case status/100 == 3:
		failure.Cause, failure.AffectsDestination, failure.NeedsOwner = "moved", true, true
	case status/100 == 4: // the same for every event: a wrong address, or a proxy
		failure.AffectsDestination, failure.NeedsOwner = true, true
	}
	return failure
}
