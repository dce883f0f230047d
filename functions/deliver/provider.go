package main

import (
	"context"

	"newsletter/shared/audience"
	"newsletter/shared/config"
	"newsletter/shared/mail"
	"newsletter/shared/outbound"
)

// providerConfig says who sends the mails.
type providerConfig struct {
	// LoopsTemplate is the id of a transactional mail in Loops, with the data variables subject, text and unsubscribe. With
	// it Loops sends our mails in place of Amazon SES; it writes the unsubscribe headers by its own rules. Defaults to none:
	// SES sends.
	LoopsTemplate string `env:"LOOPS_TRANSACTIONAL_ID"`
}

// readSender makes the sender of our mails. Mistakes are added to env.
func readSender(env *config.Env) sender {
	var cfg providerConfig
	env.Read(&cfg)
	account := audience.ReadConfig(env)
	if cfg.LoopsTemplate != "" && account.Enabled() {
		return loopsSender{audience.New(account, outbound.New(outbound.ReadConfig(env), nil)), cfg.LoopsTemplate}
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
