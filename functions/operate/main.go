// Command operate runs the operator's commands where the data is. The operator's tool invokes it, with the credentials of
// the operator, who needs no connection to the database. It has no routes.
//
// Failure policy: what the operator can act on is a part of the answer. Any other error is an error result, without
// an address; the command can be repeated.
package main

import (
	"context"
	"time"

	"newsletter/shared/config"
	"newsletter/shared/lambdafn"
	"newsletter/shared/operate"
)

func main() { lambdafn.Start("operate", open) }

func open(ctx context.Context, env *config.Env) (lambdafn.Function, error) {
	installation, err := operate.Open(ctx, env, time.Now)
	if err != nil {
		return lambdafn.Function{}, err
	}
	h := handler{installation}
	return lambdafn.Function{Event: h.event, Close: func(context.Context) { installation.Close() }}, nil
}
