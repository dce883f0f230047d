package main

import (
	"context"
	"errors"
	"time"

	"newsletter/shared/alert"
	"newsletter/shared/burst"
	"newsletter/shared/catalog"
	"newsletter/shared/config"
	"newsletter/shared/httpapi"
	"newsletter/shared/outbound"
	"newsletter/shared/outbox"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
)

// wire returns the handler for a configuration, and its database.
func wire(ctx context.Context, env *config.Env) (*handler, *postgres.DB, error) {
	publicURL, cfg, book := config.Read[httpapi.LinkConfig](env).PublicURL, config.Read[deliverConfig](env), catalog.Read(env)
	sender, from := readSender(env)
	dbConfig, keyConfig, vault := postgres.ReadConfig(env), config.Read[pseudonym.Config](env), outbox.ReadVault(env)
	rings := map[token.Purpose]*token.Ring{}
	for _, p := range []token.Purpose{token.Confirm, token.Unsubscribe, token.Export, token.Erase} {
		rings[p] = token.ReadRing(env, p)
	}
	key, keyErr := pseudonym.NewKey(keyConfig) // its error is one of env
	letters := writer{rings, book, publicURL, time.Now}
	destinations, burstConfig, slots := readDestinations(env, key, letters), config.Read[burst.Config](env), config.Read[subscription.SlotConfig](env)
	recipients := readRecipients(env, sender, destinations, burstConfig.Enabled())
	if err := env.Err(); err != nil {
		return nil, nil, err
	}
	dbConfig.MaxConns = cfg.connections()
	db, dbErr := postgres.New(ctx, dbConfig)
	if err := errors.Join(keyErr, dbErr); err != nil {
		return nil, nil, err
	}
	exempt := exemptDomains(slots.Exempt, publicURL, from)
	h := &handler{
		db:            db,
		config:        cfg,
		queue:         outbox.NewWorker(db, time.Now),
		subscribers:   subscription.NewStore(db, key, time.Now),
		writer:        letters,
		sender:        sender,
		vault:         vault,
		destinations:  destinations,
		alerts:        alert.NewStore(db, alert.Config{}, time.Now), // only reads
		domainLimiter: &domainLimiter{limit: cfg.DomainPerMinute, exempt: pseudonymsOf(key, exempt), now: time.Now},
		recipients:    recipients,
		exempt:        exempt,
		now:           time.Now,
	}
	if burstConfig.Enabled() {
		h.bursts = burst.New(burstConfig, key, outbound.New(config.Read[outbound.Config](env), nil), time.Now)
	}
	return h, db, nil
}
