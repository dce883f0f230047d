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

// errorCaptured is the type of the event that the error webhook gets.
const errorCaptured = "error.captured"

// hookConfig says who besides Sentry hears of errors.
type hookConfig struct {
	// URL is told of each error that is reported, as the event "error.captured" (docs/webhooks.md): https, on port 443 or
	// 8443, at a public address. Defaults to none.
	URL config.Sealed `env:"ERROR_WEBHOOK_URL"`
	// Secrets sign these calls, as WEBHOOK_SECRETS do: "whsec_" and 24 to 64 random bytes in base64, separated by commas, the
	// newest first. Required with ERROR_WEBHOOK_URL.
	Secrets config.Sealed `env:"ERROR_WEBHOOK_SECRETS"`
}

func readHookConfig(e *config.Env) hookConfig {
	var c hookConfig
	e.Read(&c)
	return c
}

// open gives nil where nobody is to be told.
func (c hookConfig) open(guard outbound.Config) (capture.Hook, error) {
	if c.URL.IsZero() {
		return nil, nil //nolint:nilnil // none is wanted
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

// openReports makes the way of errors out of a function. Where it has mistakes they are added to env, and nothing is
// reported.
func openReports(env *config.Env, function string) *capture.Reporter {
	cfg := capture.ReadConfig(env)
	hook, hookErr := readHookConfig(env).open(outbound.ReadConfig(env))
	reporter, err := capture.Open(cfg, hook, function)
	if err = errors.Join(hookErr, err); err != nil {
		env.Add(err)
		return &capture.Reporter{}
	}
	return reporter
}
