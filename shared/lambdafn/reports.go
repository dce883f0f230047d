package lambdafn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"newsletter/shared/capture"
	"newsletter/shared/config"
	"newsletter/shared/outbound"
	"newsletter/shared/webhook"
)

// errorCaptured is the type of the events that the error webhook receives.
const errorCaptured = "error.captured"

// WebhookConfig configures the webhook that receives error reports besides Sentry.
type WebhookConfig struct {
	// Each reported error is sent to this URL as the event "error.captured" (docs/webhooks.md). It must be https on
	// port 443 or
	// 8443 at a public address. Empty: no webhook.
	URL config.Sealed `env:"ERROR_WEBHOOK_URL"`
	// The secrets that sign these calls, like WEBHOOK_SECRETS: "whsec_" and 24 to 64 random bytes in base64,
	// separated by
	// commas, newest first. Required with ERROR_WEBHOOK_URL.
	Secrets config.Sealed `env:"ERROR_WEBHOOK_SECRETS"`
}

// open returns nil if no webhook is configured.
func (c WebhookConfig) open(guard outbound.Config) (capture.Hook, error) {
	if c.URL.IsZero() {
		return nil, nil //nolint:nilnil // no webhook is configured
	}
	url := c.URL.Reveal()
	var problems []error
	if err := guard.CheckURL(url); err != nil {
		problems = append(problems, fmt.Errorf("ERROR_WEBHOOK_URL: %w", err))
	}
	endpoint, err := webhook.NewEndpoint(url, c.Secrets, outbound.New(guard, net.DefaultResolver), time.Now)
	switch {
	case c.Secrets.IsZero():
		problems = append(problems, errors.New("ERROR_WEBHOOK_SECRETS: required with ERROR_WEBHOOK_URL"))
	case err != nil:
		problems = append(problems, fmt.Errorf("ERROR_WEBHOOK_SECRETS: %w", err))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return func(ctx context.Context, r capture.Report) error {
		return endpoint.Send(ctx, r.ID, webhook.Event{Type: errorCaptured, At: r.At, EventID: r.ID, Data: r.Data})
	}, nil
}

// openReports creates the function's error reporter. It adds configuration errors to env; then nothing is reported.
func openReports(env *config.Env, function string, scheduled bool) *capture.Reporter {
	cfg := config.Read[capture.Config](env)
	if scheduled {
		cfg.Schedule = config.Read[capture.ScheduleConfig](env).Rate
	}
	hook, hookErr := config.Read[WebhookConfig](env).open(config.Read[outbound.Config](env))
	reporter, err := capture.New(cfg, hook, function)
	if err = errors.Join(hookErr, err); err != nil {
		env.Add(err)
		return &capture.Reporter{}
	}
	return reporter
}
