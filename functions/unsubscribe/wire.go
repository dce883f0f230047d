package main

import (
	"context"
	"errors"
	"time"

	"newsletter/shared/admission"
	"newsletter/shared/captcha"
	"newsletter/shared/catalog"
	"newsletter/shared/config"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/ratelimit"
	"newsletter/shared/redistls"
	"newsletter/shared/requeststats"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
	"newsletter/shared/unsubscribequeue"
)

func open(ctx context.Context, env *config.Env) (lambdafn.Function, error) {
	api, limits, translations := config.Read[httpapi.Config](env), config.Read[admission.UnsubscribeLimits](env), catalog.Read(env)
	dbConfig, redisConfig := postgres.ReadConfig(env), config.Read[redistls.Config](env)
	keyConfig, ring, again := config.Read[pseudonym.Config](env), token.ReadRing(env, token.Unsubscribe), again{config.Read[captcha.FormConfig](env)}
	queue := unsubscribequeue.New(config.Read[unsubscribequeue.Config](env))
	if err := env.Err(); err != nil {
		return lambdafn.Function{}, err
	}
	key, keyErr := pseudonym.NewKey(keyConfig)
	db, dbErr := postgres.New(ctx, dbConfig)
	redis, redisErr := redistls.New(redisConfig)
	if err := errors.Join(keyErr, dbErr, redisErr); err != nil {
		return lambdafn.Function{}, err
	}
	requests := requeststats.NewRecorder(redis, time.Now)
	db.Alongside(requests.Alongside)
	// Unsubscribe links do not wait for Redis, but request statistics go there alongside the transaction. Connect
	// early, because a dial takes longer than the transaction.
	lambdafn.Warm(ctx, db.Warm, func(ctx context.Context) error { return redistls.Warm(ctx, redis) })
	gate := admission.New(ratelimit.New(redis, key, time.Now), admission.Unsubscribe, limits.Policies, time.Now)
	store := subscription.NewStore(db, key, subscription.DomainLimit{}, time.Now)
	h := &handler{gate, store, ring, translations, again, queue}
	return lambdafn.Function{HTTP: h.api(api), Event: h.apply, OnRequest: requests.Count, Close: func(ctx context.Context) { requests.Close(ctx); db.Close() }}, nil
}
