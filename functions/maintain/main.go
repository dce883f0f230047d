package main

import (
	"context"
	"errors"
	"time"

	"newsletter/shared/anchor"
	"newsletter/shared/config"
	"newsletter/shared/field"
	"newsletter/shared/lambdafn"
	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/retention"
	"newsletter/shared/subscription"
)

func main() { lambdafn.StartScheduled("maintain", open) }

func open(ctx context.Context, env *config.Env) (lambdafn.Function, error) {
	return openAt(ctx, env, time.Now)
}

// openAt returns the function with a clock.
func openAt(ctx context.Context, env *config.Env, now func() time.Time) (lambdafn.Function, error) {
	dbConfig, keyConfig, vault := postgres.ReadKeeperConfig(env), config.Read[pseudonym.Config](env), outbox.ReadVault(env)
	remindAfter, keep := config.Read[subscription.ReminderConfig](env).After, config.Read[retention.Config](env)
	anchorConfig, fields := config.Read[anchor.Config](env), config.Read[field.Config](env).Declarations()
	if err := env.Err(); err != nil {
		return lambdafn.Function{}, err
	}
	anchors, anchorErr := anchor.New(anchorConfig)
	key, keyErr := pseudonym.NewKey(keyConfig)
	db, dbErr := postgres.New(ctx, dbConfig)
	if err := errors.Join(keyErr, dbErr, anchorErr); err != nil {
		return lambdafn.Function{}, err
	}
	store := subscription.NewStore(db, key, now)
	h := &handler{db, store, subscription.NewEraser(store, vault), ledger.NewSealer(db, now), anchors, remindAfter, keep, fields, now}
	return lambdafn.Function{Event: h.event, Close: func(context.Context) { db.Close() }}, nil
}
