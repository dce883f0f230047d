package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"newsletter/shared/apikey"
	"newsletter/shared/config"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/loops"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/ratelimit"
	"newsletter/shared/redistls"
	"newsletter/shared/subscription"
	"newsletter/shared/webhook"
)

func main() { lambdafn.Start("engagement", open) }

func open(ctx context.Context, env *config.Env) (lambdafn.Function, error) {
	dbConfig, keyConfig := postgres.ReadConfig(env), config.Read[pseudonym.Config](env)
	api, redisConfig, keys := config.Read[httpapi.Config](env), config.Read[redistls.Config](env), apikey.ReadRing(env)
	signatures := readVerifier(env)
	if err := env.Err(); err != nil {
		return lambdafn.Function{}, err
	}
	key, keyErr := pseudonym.NewKey(keyConfig)
	db, dbErr := postgres.New(ctx, dbConfig)
	redis, redisErr := redistls.New(redisConfig)
	if err := errors.Join(keyErr, dbErr, redisErr); err != nil {
		return lambdafn.Function{}, err
	}
	h := &handler{
		db: db, key: key, store: subscription.NewStore(db, key, time.Now), now: time.Now,
		signatures: signatures, keys: keys, limiter: ratelimit.New(redis, key, time.Now),
	}
	return lambdafn.Function{HTTP: h.api(api), Event: h.event, Close: func(context.Context) { db.Close() }}, nil
}

// readVerifier returns the verifier of the events of Loops, or nil if there is no secret.
func readVerifier(env *config.Env) *webhook.Verifier {
	cfg := config.Read[loops.EventConfig](env)
	if cfg.SigningSecret.IsZero() {
		return nil
	}
	verifier, err := webhook.NewVerifier(cfg.SigningSecret, time.Now)
	if err != nil {
		env.Add(fmt.Errorf("LOOPS_SIGNING_SECRET: %w", err))
	}
	return verifier
}
