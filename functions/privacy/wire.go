package main

import (
	"context"
	"errors"
	"time"

	"newsletter/shared/admission"
	"newsletter/shared/catalog"
	"newsletter/shared/config"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/outbox"
	"newsletter/shared/postgres"
	"newsletter/shared/privacy"
	"newsletter/shared/pseudonym"
	"newsletter/shared/ratelimit"
	"newsletter/shared/redistls"
	"newsletter/shared/requeststats"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
)

func open(ctx context.Context, env *config.Env) (lambdafn.Function, error) {
	api, limits, translations, cfg := config.Read[httpapi.Config](env), config.Read[admission.PrivacyLimits](env), catalog.Read(env), config.Read[privacy.Config](env)
	dbConfig, redisConfig := postgres.ReadConfig(env), config.Read[redistls.Config](env)
	keyConfig, vault := config.Read[pseudonym.Config](env), outbox.ReadVault(env)
	export, erase := token.ReadRing(env, token.Export), token.ReadRing(env, token.Erase)
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
	lambdafn.Warm(ctx, db.Warm, func(ctx context.Context) error { return redistls.Warm(ctx, redis) })
	gate := admission.New(ratelimit.New(redis, key, time.Now), admission.Privacy, limits.Policies, time.Now)
	store := subscription.NewStore(db, key, subscription.DomainLimit{}, time.Now)
	uses := func(ctx context.Context) ([]privacy.Use, error) { return privacy.Uses(ctx, db) }
	h := &handler{gate, store, subscription.NewEraser(store, vault), export, erase, translations, cfg, uses}
	return lambdafn.Function{HTTP: h.api(api), OnRequest: requests.Count, Close: func(ctx context.Context) { requests.Close(ctx); db.Close() }}, nil
}
