package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"time"

	"newsletter/shared/alert"
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
	"newsletter/shared/requeststats"
)

// databaseChecks is the number of concurrent queries of the checks: the server, the outbox, and the replica's when that
// is lost. With fewer connections, a slow one would make the others fail.
const databaseChecks = 3

func open(ctx context.Context, env *config.Env) (lambdafn.Function, error) {
	return openWith(ctx, env, config.Read[alert.Config](env))
}

// openWith opens the function with other thresholds than those of env.
func openWith(ctx context.Context, env *config.Env, alerts alert.Config) (lambdafn.Function, error) {
	api := config.Read[httpapi.Config](env)
	dbConfig, redisConfig := postgres.ReadConfigWithReplica(env), config.Read[redistls.Config](env)
	destinations, err := notify.New(config.Read[notify.Config](env), config.Read[outbound.Config](env), time.Now)
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
	requests := requeststats.NewRecorder(redis, time.Now)
	db.Alongside(requests.Alongside)
	lambdafn.Warm(ctx, db.Warm, func(ctx context.Context) error { return redistls.Warm(ctx, redis) })
	seen := &observed{feedbackKnown: loopsSends} // Loops reports no events
	ask := &asker{db: db, now: time.Now}
	checks := []healthcheck.Check{
		postgresCheck(ask), migrationsCheck(ask), redisCheck(redis), limiterCheck(redis, key, seen), poolCheck(db, ask, alerts),
		memoryCheck(alerts, seen), outboxCheck(ask, alerts, seen), integrationsCheck(ask, alerts), unsubscribesCheck(ask),
	}
	if !loopsSends {
		checks = append(checks, feedbackCheck(ask, seen))
	}
	if !dbConfig.ReadURL.IsZero() {
		checks = append(checks, replicaCheck(reader))
	}
	latency := requeststats.NewReader(db, time.Now)
	latency.Percent = alerts.SlowdownPercent
	store := alert.NewStore(db, alerts, time.Now)
	h := &handler{healthcheck.New(time.Now, checks...), &watcher{
		db: db, redis: redis, alerts: store, latency: latency, latencyMax: alerts.LatencyMax, seen: seen, now: time.Now,
		lost: &lostDatabase{store: alert.NewRedisStore(redis, store), destinations: destinations},
	}}
	return lambdafn.Function{HTTP: h.api(api), Event: h.event, OnRequest: requests.Count, Close: func(ctx context.Context) {
		requests.Close(ctx)
		db.Close()
	}}, nil
}

// ownKey returns a random key, whose pseudonyms collide with those of no other environment.
func ownKey() (pseudonym.Key, error) {
	pepper := make([]byte, 32)
	_, _ = rand.Read(pepper) // it never fails
	return pseudonym.NewKey(pseudonym.Config{Pepper: config.Seal(base64.StdEncoding.EncodeToString(pepper))})
}
