package main

import (
	"context"
	"encoding/hex"
	"errors"
	"net/mail"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"newsletter/shared/capture"
	"newsletter/shared/config"
	"newsletter/shared/email"
	"newsletter/shared/httpapi"
	"newsletter/shared/loops"
	"newsletter/shared/outbound"
	"newsletter/shared/outbox"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
)

// sender sends an email. The error is an *outbox.Failure.
type sender interface {
	Send(ctx context.Context, m email.Message) (string, error)
}

var errNoLoops = errors.New("LOOPS_TRANSACTIONAL_ID: requires LOOPS_API_KEY")

// readSender returns the configured sender of emails, and its address if it has one. It adds mistakes to env.
func readSender(env *config.Env) (to sender, from string) {
	template, account := config.Read[loops.SenderConfig](env).TransactionalID, readLoops(env)
	if template != "" && !account.Enabled() {
		env.Add(errNoLoops)
	}
	if template != "" {
		return loopsSender{loops.New(account, outbound.New(config.Read[outbound.Config](env), nil)), template}, ""
	}
	cfg := config.Read[email.Config](env)
	if env.Err() != nil {
		return nil, "" // report a mistake once
	}
	ses, err := email.NewSender(cfg)
	env.Add(err)
	return ses, cfg.From
}

// exemptDomains returns the registrable domains whose sign-ups wait for no slot: the configured ones and our own.
func exemptDomains(configured subscription.Exemptions, publicURL httpapi.PublicURL, from string) subscription.Exemptions {
	own := []string{}
	if site, err := url.Parse(string(publicURL)); err == nil {
		own = append(own, site.Hostname())
	}
	if sender, err := mail.ParseAddress(from); err == nil {
		own = append(own, sender.Address[strings.LastIndexByte(sender.Address, '@')+1:])
	}
	exempt := slices.Clone(configured)
	for _, host := range own {
		if domain, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(host)); err == nil {
			exempt = append(exempt, domain)
		}
	}
	return exempt
}

// pseudonymsOf returns the pseudonyms of domains, as the outbox returns them.
func pseudonymsOf(key pseudonym.Key, domains subscription.Exemptions) map[string]bool {
	all := map[string]bool{}
	for _, domain := range domains {
		all[hex.EncodeToString(key.Domain(domain))] = true
	}
	return all
}

// sendEmail sends one email if CheckSend allows it. The check is as late as possible, so that a subscriber who just left
// gets no email.
func (r *run) sendEmail(ctx context.Context, d outbox.Delivery) (outbox.Outcome, error) {
	d, to, decision, err := r.subscribers.CheckSend(ctx, d)
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
