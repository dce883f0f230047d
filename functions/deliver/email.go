package main

import (
	"context"
	"errors"

	"newsletter/shared/capture"
	"newsletter/shared/config"
	"newsletter/shared/email"
	"newsletter/shared/loops"
	"newsletter/shared/outbound"
	"newsletter/shared/outbox"
)

// sender sends an email. The error is an *outbox.Failure.
type sender interface {
	Send(ctx context.Context, m email.Message) (string, error)
}

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

// sendEmail sends one email if CheckSend allows it. The check is as late as possible, so that a subscriber who just left
// gets no email.
func (r *run) sendEmail(ctx context.Context, d outbox.Delivery) (outbox.Outcome, error) {
	to, decision, err := r.subscribers.CheckSend(ctx, d)
	switch {
	case err != nil:
		return outbox.Errored, err
	case decision.DropReason != "":
		return r.complete(ctx, d, decision.DropReason)
	case decision.DeferFor > 0:
		r.release(ctx, decision.DeferFor, d)
		return outbox.OverBudget, nil
	}
	message, known := r.writer.compose(d, to)
	if !known {
		return r.retry(ctx, d, unknownKind)
	}
	began := r.now()
	_, err = r.sender.Send(ctx, message)
	capture.Breadcrumb(ctx, "send", breadcrumb(outbox.Sent, err), r.now().Sub(began))
	return r.finish(ctx, d, outbox.Sent, err)
}
