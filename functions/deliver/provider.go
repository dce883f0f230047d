package main

import (
	"context"
	"errors"

	"newsletter/shared/audience"
	"newsletter/shared/config"
	"newsletter/shared/mail"
	"newsletter/shared/outbound"
)

var errNoLoops = errors.New("LOOPS_TRANSACTIONAL_ID: is of use only with LOOPS_API_KEY")

// readSender makes the sender of our mails. Mistakes are added to env.
func readSender(env *config.Env) sender {
	template, account := audience.ReadTemplate(env).ID, audience.ReadConfig(env)
	if template != "" && !account.Enabled() {
		env.Add(errNoLoops)
	}
	if template != "" {
		return loopsSender{audience.New(account, outbound.New(outbound.ReadConfig(env), nil)), template}
	}
	ses, err := mail.NewSender(mail.ReadConfig(env))
	env.Add(err)
	return ses
}

// loopsSender sends through Loops.
type loopsSender struct {
	account  *audience.Loops
	template string
}

// Send implements sender. Loops drops a repetition by the delivery's id.
func (l loopsSender) Send(ctx context.Context, m mail.Message) (string, error) {
	return "", l.account.Send(ctx, audience.Mail{
		To: m.To, TransactionalID: l.template, Key: m.DeliveryID,
		Variables: map[string]string{"subject": m.Subject, "text": m.Text, "unsubscribe": m.UnsubscribeTo},
	})
}
