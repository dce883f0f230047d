package main

import (
	"context"
	"errors"

	"newsletter/shared/config"
	"newsletter/shared/email"
	"newsletter/shared/loops"
	"newsletter/shared/outbound"
)

var errNoLoops = errors.New("LOOPS_TRANSACTIONAL_ID: requires LOOPS_API_KEY")

// readSender returns the configured sender of emails. It adds mistakes to env.
func readSender(env *config.Env) sender {
	template, account := config.Read[loops.SenderConfig](env).TransactionalID, readLoops(env)
	if template != "" && !account.Enabled() {
		env.Add(errNoLoops)
	}
	if template != "" {
		return loopsSender{loops.New(account, outbound.New(config.Read[outbound.Config](env), nil)), template}
	}
	cfg := config.Read[email.Config](env)
	if env.Err() != nil {
		return nil // report a mistake once
	}
	ses, err := email.NewSender(cfg)
	env.Add(err)
	return ses
}

// readLoops reads the configuration of Loops, or of its fake.
func readLoops(env *config.Env) loops.Config {
	cfg := config.Read[loops.Config](env)
	cfg.BaseURL = config.Read[outbound.Config](env).Service("loops", cfg.BaseURL)
	return cfg
}

// loopsSender sends through Loops.
type loopsSender struct {
	account  *loops.Client
	template string
}

// Send implements sender. Loops drops a repetition by the delivery's id.
func (l loopsSender) Send(ctx context.Context, m email.Message) (string, error) {
	return "", l.account.Send(ctx, loops.Email{
		To: m.To, TransactionalID: l.template, Key: m.DeliveryID,
		Variables: map[string]string{"subject": m.Subject, "text": m.Text, "unsubscribe": m.UnsubscribeTo},
	})
}
