// Package captcha asks Cloudflare Turnstile or hCaptcha whether a form's challenge was solved.
//
// Invariants: an answer counts once, because the provider remembers it; it must have been solved on a host of ours, and
// the secret stands in the body of the request alone; redirects are not followed.
//
// Failure policy: a provider that does not answer in time, answers nonsense or refuses our secret decides nothing. That
// is reported, and the caller has to do without; a circuit breaker keeps a lost provider from costing everybody the time.
package captcha

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"newsletter/shared/capture"
)

// timeout bounds one question, connecting included.
const timeout = time.Second

// maxAnswer bounds what is read of an answer; real ones are below 1 KiB.
const maxAnswer = 64 << 10

// Verifier asks one provider. It is safe for concurrent use.
type Verifier struct {
	config  Config
	client  *http.Client
	breaker *breaker
}

// New makes a Verifier, or gives nil where cfg names no provider. It connects to nobody.
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
		breaker: &breaker{now: now},
	}
}

// Verify says whether answer, which the widget gave to the visitor at client, stands for a challenge that was solved now
// and here. known is false when the provider cannot say; the cause has been reported then.
func (v *Verifier) Verify(ctx context.Context, answer string, client netip.Addr) (passed, known bool) {
	if !plausible(answer) {
		return false, true
	}
	if !v.breaker.allow() {
		return false, false
	}
	began := time.Now()
	passed, err := v.ask(ctx, answer, client)
	v.breaker.report(err == nil)
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

// plausible says whether answer is made of the characters of tokens. Others are not passed on, so that nobody finds one
// that the provider's own defences stumble over.
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

// verdict is the answer of siteverify, which both providers give in the same form.
type verdict struct {
	Success  *bool    `json:"success"`
	Hostname string   `json:"hostname"`
	Errors   []string `json:"error-codes"`
}

func (v *Verifier) ask(ctx context.Context, answer string, client netip.Addr) (passed bool, err error) {
	form := url.Values{"secret": {v.config.Secret.Reveal()}, "response": {answer}}
	if v.config.SendIP && client.IsValid() {
		form.Set("remoteip", client.String())
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, v.config.endpoint(), strings.NewReader(form.Encode()))
	if err != nil {
		return false, errors.New("ask the CAPTCHA's verifier: its address is not usable")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := v.client.Do(request)
	if err != nil {
		return false, fmt.Errorf("ask the CAPTCHA's verifier: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return false, fmt.Errorf("read the CAPTCHA verifier's answer: %w", err)
	}
	var said verdict
	if err := json.Unmarshal(body, &said); err != nil || said.Success == nil || response.StatusCode >= http.StatusInternalServerError ||
		response.StatusCode == http.StatusTooManyRequests {
		return false, fmt.Errorf("the CAPTCHA's verifier answers with status %d and no verdict", response.StatusCode)
	}
	return v.judge(said)
}

// notTheVisitors are the error codes that only we or the provider can be the cause of. Every other one, such as
// sitekey-secret-mismatch for an answer from another site's widget, must not let a visitor choose to be unverified.
var notTheVisitors = [...]string{"missing-input-secret", "invalid-input-secret", "internal-error"}

func (v *Verifier) judge(said verdict) (passed bool, err error) {
	if *said.Success {
		ours := slices.Contains(v.config.Hostnames, strings.ToLower(said.Hostname))
		return ours, nil
	}
	for _, code := range notTheVisitors {
		if slices.Contains(said.Errors, code) {
			return false, fmt.Errorf("the CAPTCHA's verifier refuses the question: %s", code)
		}
	}
	return false, nil
}
