package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"time"

	"newsletter/shared/alert"
	"newsletter/shared/baseline"
	"newsletter/shared/config"
	"newsletter/shared/healthcheck"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/loops"
	"newsletter/shared/notify"
	"newsletter/shared/outbound"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/redistls"
	"newsletter/shared/statistics"
)

// databaseChecks is how many questions go to the database side by side: about the server, about the outbox, and the
// replica's when that is lost. With fewer connections a slow one would make the others look lost.
const databaseChecks = 3

func open(ctx context.Context, env *config.Env) (lambdafn.Function, error) {
	return openWith(ctx, env, config.Read[alert.Config](env))
}

// openWith is open with other thresholds than those of env.
func openWith(ctx context.Context, env *config.Env, alerts alert.Config) (lambdafn.Function, error) {
	api := config.Read[httpapi.Config](env)
	dbConfig, redisConfig := postgres.ReadConfigWithReplica(env), config.Read[redistls.Config](env)
	notifiers, err := notify.New(config.Read[notify.Config](env), config.Read[outbound.Config](env), time.Now)
	env.Add(err)
	loopsSends := config.Read[loops.SenderConfig](env).TransactionalID != ""
	if err := env.Err(); err != nil {
		return lambdafn.Function{}, err
	}
	dbConfig.MaxConns = databaseChecks
	db, dbErr := postgres.New(ctx, dbConfig)
	reader, readerErr := postgres.NewReader(ctx, dbConfig, db)
	redis, redisErr := redistls.New(redisConfig)
	key, keyErr := ownKey()
	if err := errors.Join(dbErr, readerErr, redisErr, keyErr); err != nil {
		return lambdafn.Function{}, err
	}
	requests := statistics.NewRecorder(redis, time.Now)
	db.Alongside(requests.Alongside)
	lambdafn.Warm(ctx, db.Warm, func(ctx context.Context) error { return redistls.Warm(ctx, redis) })
	seen := &figures{feedbackKnown: loopsSends} // Loops tells us nothing
	ask := &asker{db: db, now: time.Now}
	asked := append(checks(ask, redis), limiter(redis, key, seen), pool(db, ask, alerts), memory(alerts, seen),
		queue(ask, alerts, seen), integrations(ask, alerts))
	if !loopsSends {
		asked = append(asked, feedback(ask, seen))
	}
	if !dbConfig.ReadURL.IsZero() {
		asked = append(asked, replica(reader))
	}
	speeds := baseline.NewReader(db, time.Now)
	speeds.Percent = alerts.SlowdownPercent
	h := &handler{healthcheck.New(time.Now, asked...), &watcher{
		db: db, redis: redis, alerts: alert.NewStore(db, alerts, time.Now), speeds: speeds,
		target: alerts.LatencyMax, seen: seen, now: time.Now,
		lost: &lostDatabase{redis: redis, voices: notifiers, remind: alerts.RepeatInterval, clear: alerts.ResolveAfter, now: time.Now},
	}}
	return lambdafn.Function{HTTP: h.api(api), Event: h.event, OnRequest: requests.Count, Close: func(ctx context.Context) {
		requests.Close(ctx)
		db.Close()
	}}, nil
}

// ownKey returns a key of this environment's own, for what is to collide with nobody's.
func ownKey() (pseudonym.Key, error) {
	pepper := make([]byte, 32)
	_, _ = rand.Read(pepper) // it never fails
	return pseudonym.NewKey(pseudonym.Config{Pepper: config.Seal(base64.StdEncoding.EncodeToString(pepper))})
}
