// Command deliver empties the outbox: by schedule it claims what is due, sends it, and lingers for more.
//
// It signs the links at the moment of sending, and asks once more how the person stands: no mail leaves after an
// unsubscription, cancellation or suppression has committed.
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
	api, cfg, mailConfig, owner := httpapi.ReadConfig(env), readConfig(env), mail.ReadConfig(env), phrases.ReadOwner(env)
	dbConfig, keyConfig := postgres.ReadConfig(env), pseudonym.ReadConfig(env)
	confirm, unsubscribe := token.ReadRing(env, token.Confirm), token.ReadRing(env, token.Unsubscribe)
	if err := env.Err(); err != nil {
		return lambdafn.Function{}, err
	}
	dbConfig.MaxConns = max(2, min(cfg.Concurrency, 4))
	key, keyErr := pseudonym.NewKey(keyConfig)
	db, dbErr := postgres.Open(ctx, dbConfig)
	book, bookErr := phrases.NewBook(owner)
	if err := errors.Join(keyErr, dbErr, bookErr); err != nil {
		return lambdafn.Function{}, err
	}
	lambdafn.Warm(ctx, db.Warm)
	store := subscription.NewStore(db, key, subscription.Config{DoubleOptIn: true}, time.Now)
	w := writer{confirm, unsubscribe, book, owner.Footer(), api.PublicURL, time.Now}
	h := &handler{cfg, outbox.NewQueue(db, time.Now), store, w, mail.NewSender(mailConfig), time.Now}
	return lambdafn.Function{Event: h.event, Close: func(context.Context) { db.Close() }}, nil
}
