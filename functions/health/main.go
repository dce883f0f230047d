// Command health says whether the service works: to load balancers and people by HTTP, in detail to a direct
// invocation, and to itself by schedule.
package main

import (
	"context"
	"errors"
	"time"

	"newsletter/shared/config"
	"newsletter/shared/healthcheck"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/postgres"
	"newsletter/shared/redistls"
)

func main() { lambdafn.Start("health", open) }

func open(ctx context.Context, env *config.Env) (lambdafn.Function, error) {
	api, dbConfig, redisConfig := httpapi.ReadConfig(env), postgres.ReadConfig(env), redistls.ReadConfig(env)
	if err := env.Err(); err != nil {
		return lambdafn.Function{}, err
	}
	db, dbErr := postgres.Open(ctx, dbConfig)
	reader, readerErr := postgres.OpenReader(ctx, dbConfig, db)
	redis, redisErr := redistls.Open(redisConfig)
	if err := errors.Join(dbErr, readerErr, redisErr); err != nil {
		return lambdafn.Function{}, err
	}
	lambdafn.Warm(ctx, db.Warm, func(ctx context.Context) error { return redistls.Warm(ctx, redis) })
	asked := checks(db, redis)
	if !dbConfig.ReadURL.IsZero() {
		asked = append(asked, replica(reader))
	}
	h := &handler{healthcheck.New(time.Now, asked...)}
	return lambdafn.Function{HTTP: h.api(api), Event: h.event, Close: func(context.Context) { db.Close() }}, nil
}
