// Package visitor is what the functions that visitors call have in common: subscribe, confirm, unsubscribe and privacy.
//
// A Service opens what each of them needs, admits requests, emails links, and renders responses as JSON or as a page in
// the visitor's language. A function keeps its handlers and reads only its own settings in addition.
package visitor

import (
	"context"
	"errors"
	"time"

	"newsletter/shared/admission"
	"newsletter/shared/catalog"
	"newsletter/shared/config"
	"newsletter/shared/httpapi"
	"newsletter/shared/keyring"
	"newsletter/shared/lambdafn"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/ratelimit"
	"newsletter/shared/redistls"
	"newsletter/shared/requeststats"
	"newsletter/shared/subscription"
)

// retryAfter is the Retry-After of a 503 and of a busy address. By then a failed-over database is usually back, or
// another execution environment is warm.
const retryAfter = 2 * time.Second

// Config is what differs between the functions.
type Config struct {
	Endpoint admission.Endpoint
	Limits   ratelimit.Policies
}

// Service is the common part of a function. It is safe for concurrent use.
type Service struct {
	DB           *postgres.DB
	Store        *subscription.Store
	Translations *catalog.Catalog
	Admission    *admission.Admission

	api      httpapi.Config
	requests *requeststats.Recorder
}

// Open reads the common settings and returns the Service. It also returns the mistakes in settings that the caller has
// read from env before. Connections are established in the background.
func Open(ctx context.Context, env *config.Env, cfg Config) (*Service, error) {
	api, translations, keyConfig := config.Read[httpapi.Config](env), catalog.Read(env), config.Read[pseudonym.Config](env)
	dbConfig, redisConfig := postgres.ReadConfig(env), config.Read[redistls.Config](env)
	if err := env.Err(); err != nil {
		return nil, err
	}
	key, keyErr := pseudonym.NewKey(keyConfig)
	db, dbErr := postgres.New(ctx, dbConfig)
	redis, redisErr := redistls.New(redisConfig)
	if err := errors.Join(keyErr, dbErr, redisErr); err != nil {
		return nil, err
	}
	requests := requeststats.NewRecorder(redis, time.Now)
	db.Alongside(requests.Alongside)
	// Even a request that needs no limiter sends statistics to Redis alongside its transaction, and a dial takes longer
	// than the transaction.
	lambdafn.Warm(ctx, db.Warm, func(ctx context.Context) error { return redistls.Warm(ctx, redis) })
	return &Service{
		DB: db, Store: subscription.NewStore(db, key, time.Now), Translations: translations,
		Admission: admission.New(ratelimit.New(redis, key, time.Now), cfg.Endpoint, cfg.Limits, time.Now),
		api:       api, requests: requests,
	}, nil
}

// Function returns the function that serves a route.
func (s *Service) Function(route httpapi.Route) lambdafn.Function {
	unavailable := func(cause error) *httpapi.Problem { return httpapi.Unavailable(retryAfter, cause) }
	api := httpapi.New(s.api, route).RenderPages(s.problemPage).
		Map(keyring.ErrReload, unavailable).
		Map(postgres.ErrBusy, func(error) *httpapi.Problem { return httpapi.Busy(retryAfter) }).
		Map(postgres.ErrUnavailable, unavailable)
	return lambdafn.Function{
		HTTP: api, OnRequest: s.requests.Count, Close: func(ctx context.Context) { s.requests.Close(ctx); s.DB.Close() },
	}
}

// Visit returns the context of a request for the ledger.
func Visit(r *httpapi.Request, channel string) subscription.Visit {
	return subscription.Visit{
		Client: subscription.Client{IP: r.Client, UserAgent: r.UserAgent}, RequestID: r.RequestID, Channel: channel,
	}
}
