package main

import (
	"context"
	"errors"
	"time"

	"newsletter/shared/config"
	"newsletter/shared/lambdafn"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
)

func main() { lambdafn.Start("engagement", open) }

func open(ctx context.Context, env *config.Env) (lambdafn.Function, error) {
	dbConfig, keyConfig := postgres.ReadConfig(env), config.Read[pseudonym.Config](env)
	if err := env.Err(); err != nil {
		return lambdafn.Function{}, err
	}
	key, keyErr := pseudonym.NewKey(keyConfig)
	db, dbErr := postgres.New(ctx, dbConfig)
	if err := errors.Join(keyErr, dbErr); err != nil {
		return lambdafn.Function{}, err
	}
	h := &handler{db, key, subscription.NewStore(db, key, time.Now), time.Now}
	return lambdafn.Function{Event: h.event, Close: func(context.Context) { db.Close() }}, nil
}
