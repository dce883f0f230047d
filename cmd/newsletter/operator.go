package main

import (
	"context"
	"time"

	"newsletter/shared/operate"
)

// operator is one run of the tool. As an operate.Runner it opens the installation when the first command needs it, so that
// help and wrong usage need none.
type operator struct {
	installation *operate.Installation
}

// Run implements operate.Runner.
func (o *operator) Run(ctx context.Context, call operate.Call) (operate.Answer, error) {
	if o.installation == nil {
		env, err := operatorEnv(ctx)
		if err != nil {
			return operate.Answer{}, err
		}
		if o.installation, err = operate.Open(ctx, env, time.Now); err != nil {
			return operate.Answer{}, err
		}
	}
	return o.installation.Run(ctx, call)
}

// close ends what the run has opened.
func (o *operator) close() {
	if o.installation != nil {
		o.installation.Close()
	}
}
