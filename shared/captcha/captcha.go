// Package captcha verifies Cloudflare Turnstile and hCaptcha challenges.
//
// Invariants: the provider accepts a response once; the challenge must have been solved on one of the configured hosts;
// the secret is only in the request's body; redirects are not followed.
//
// Failure policy: if the provider does not respond in time, sends an invalid answer or rejects the secret, the error is
// reported and the caller has no result. A circuit breaker keeps an unavailable provider from delaying every request.
package captcha

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"newsletter/shared/breaker"
	"newsletter/shared/capture"
)

// timeout bounds one verification, including the connection.
const timeout = time.Second

// After breakerFailures consecutive failures, the provider is asked again only after up to breakerPause.
const (
	breakerFailures = 3
	breakerPause    = 10 * time.Second
)

// maxAnswer is the number of bytes read from an answer; real ones are below 1 KiB.
const maxAnswer = 64 << 10

// Verifier verifies responses with one provider. It is safe for concurrent use.
type Verifier struct {
	config  Config
	client  *http.Client
	breaker *breaker.Breaker
}

// New returns a Verifier, or nil if cfg names no provider. It does no I/O.
func New(cfg Config, now func() time.Time) *Verifier {
	if cfg.Provider == "" {
		return nil
	}
	return &Verifier{
		config: cfg,
		client: &http.Client{
			Timeout:       timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		breaker: breaker.New(breakerFailures, breakerPause, now),
	}
}

// Verify reports whether answer, the widget's response, is a challenge solved just now on our
// site. known is false if the provider cannot decide; Verify has then reported the cause.
func (v *Verifier) Verify(ctx context.Context, answer string) (passed, known bool) {
	if !plausible(answer) {
		return false, true
	}
	if !v.breaker.Allow() {
		return false, false
	}
	began := time.Now()
	passed, err := v.ask(ctx, answer)
	v.breaker.Report(err == nil)
	outcome := "failed"
	switch {
	case err != nil:
		outcome = "unavailable"
		capture.Error(ctx, err)
	case passed:
		outcome = "passed"
	}
	capture.Breadcrumb(ctx, "captcha", outcome, time.Since(began))
	return passed, err == nil
}

// plausible reports whether answer consists of token characters. Other answers are not sent to the provider, so that
// none can trigger the provider's own request filter.
func plausible(answer string) bool {
	for i := range len(answer) {
		c := answer[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("-_.~+/=:", rune(c)) {
			return false
		}
	}
	return answer != ""
}

// verdict is the answer of siteverify, which has the same format at both providers.
type verdict struct {
	Success  *bool    `json:"success"`
	Hostname string   `json:"hostname"`
	Errors   []string `json:"error-codes"`
}

func (v *Verifier) ask(ctx context.Context, answer string) (passed bool, err error) {
	form := url.Values{"secret": {v.config.Secret.Reveal()}, "response": {answer}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, v.config.endpoint(), strings.NewReader(form.Encode()))
	if err != nil {
		return false, errors.New("verify CAPTCHA: invalid URL")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := v.client.Do(request)
	if err != nil {
		return false, fmt.Errorf("verify CAPTCHA: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return false, fmt.Errorf("verify CAPTCHA: read answer: %w", err)
	}
	var said verdict
	if err := json.Unmarshal(body, &said); err != nil || said.Success == nil || response.StatusCode >= http.StatusInternalServerError ||
		response.StatusCode == http.StatusTooManyRequests {
		return false, fmt.Errorf("verify CAPTCHA: status %d without a verdict", response.StatusCode)
	}
	return v.judge(said)
}

// notTheVisitors lists the error codes that a visitor cannot cause. Every other code, such as sitekey-secret-mismatch
// for a response from another site's widget, is a failed CAPTCHA, so that a visitor cannot choose to be unverified.
var notTheVisitors = [...]string{"missing-input-secret", "invalid-input-secret", "internal-error"}

func (v *Verifier) judge(said verdict) (passed bool, err error) {
	if *said.Success {
		ours := slices.Contains(v.config.Hostnames, strings.ToLower(said.Hostname))
		return ours, nil
	}
	for _, code := range notTheVisitors {
		if slices.Contains(said.Errors, code) {
			return false, fmt.Errorf("verify CAPTCHA: provider returned %s", code)
		}
	}
	return false, nil
}
