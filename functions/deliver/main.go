package main

import (
	"context"
	"errors"
	"time"

	"newsletter/shared/config"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/mail"
	"newsletter/shared/outbox"
	"newsletter/shared/phrases"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
)

func main() { lambdafn.Start("deliver", open) }

func open(ctx context.Context, env *config.Env) (lambdafn.Function, error) {
	api, cfg, mailConfig, book := httpapi.ReadConfig(env), readConfig(env), mail.ReadConfig(env), phrases.ReadBook(env)
	dbConfig, keyConfig := postgres.ReadConfig(env), pseudonym.ReadConfig(env)
	confirm, unsubscribe := token.ReadRing(env, token.Confirm), token.ReadRing(env, token.Unsubscribe)
	if err := env.Err(); err != nil {
		return lambdafn.Function{}, err
	}
	dbConfig.MaxConns = cfg.connections()
	key, keyErr := pseudonym.NewKey(keyConfig)
	db, dbErr := postgres.Open(ctx, dbConfig)
	sender, mailErr := mail.NewSender(mailConfig)
	if err := errors.Join(keyErr, dbErr, mailErr); err != nil {
		return lambdafn.Function{}, err
	}
	lambdafn.Warm(ctx, db.Warm)
	store := subscription.NewStore(db, key, subscription.Config{}, time.Now) // it is only read
	h := &handler{cfg, outbox.NewQueue(db, time.Now), store, writer{confirm, unsubscribe, book, api.PublicURL, time.Now}, sender, time.Now}
	return lambdafn.Function{Event: h.event, Close: func(context.Context) { db.Close() }}, nil
}
