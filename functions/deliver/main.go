package main

import (
	"context"

	"newsletter/shared/config"
	"newsletter/shared/lambdafn"
)

func main() { lambdafn.StartScheduled("deliver", open) }

func open(ctx context.Context, env *config.Env) (lambdafn.Function, error) {
	h, db, err := wire(ctx, env)
	if err != nil {
		return lambdafn.Function{}, err
	}
	lambdafn.Warm(ctx, db.Warm)
	return lambdafn.Function{Event: h.event, Close: func(context.Context) { db.Close() }}, nil
}
