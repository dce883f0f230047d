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
	"newsletter/shared/outbound"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/ratelimit"
	"newsletter/shared/redistls"
	"newsletter/shared/requeststats"
	"newsletter/shared/subscription"
)

func open(ctx context.Context, env *config.Env) (lambdafn.Function, error) {
	api, limits, translations := config.Read[httpapi.Config](env), config.Read[admission.SubscribeLimits](env), catalog.Read(env)
	dbConfig, redisConfig := postgres.ReadConfig(env), config.Read[redistls.Config](env)
	keyConfig, domainCap := config.Read[pseudonym.Config](env), config.Read[subscription.DomainLimit](env)
	signUps, captchaConfig := config.Read[admission.SignUpConfig](env), config.Read[captcha.Config](env)
	optIn := config.Read[subscription.SignUpConfig](env).OptIn
	captchaConfig.URL = config.Read[outbound.Config](env).Service("captcha/siteverify", "")
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
	gate := admission.New(ratelimit.New(redis, key, time.Now), admission.Subscribe, limits.Policies, time.Now).
		SignUps(signUps, verifier(captchaConfig))
	h := &handler{gate, subscription.NewStore(db, key, domainCap, time.Now), optIn, translations}
	return lambdafn.Function{HTTP: h.api(api), OnRequest: requests.Count, Close: func(ctx context.Context) { requests.Close(ctx); db.Close() }}, nil
}
