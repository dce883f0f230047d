package main

import (
	"context"
	"time"

	"newsletter/shared/operate"
)

// operator is one run of the tool. As an operate.Runner it opens the installation when the first command needs it, so that
// help and wrong usage need none.
type operator struct {
	functions functions
	runner    operate.Runner
	ends      func()
}

// open opens the installation: that of the stack, or of the local system or the environment in this process.
func (o *operator) open(ctx context.Context) error {
	if o.runner != nil {
		return nil
	}
	if o.functions.stack != "" {
		o.runner = stackRunner{&o.functions}
		return nil
	}
	env, err := operatorEnv(ctx)
	if err != nil {
		return err
	}
	installation, err := operate.Open(ctx, env, time.Now)
	if err != nil {
		return err
	}
	o.runner, o.ends = installation, installation.Close
	return nil
}

// Run implements operate.Runner.
func (o *operator) Run(ctx context.Context, call operate.Call) (operate.Answer, error) {
	if err := o.open(ctx); err != nil {
		return operate.Answer{}, err
	}
	return o.runner.Run(ctx, call)
}

// close ends what the run has opened.
func (o *operator) close() {
	if o.ends != nil {
		o.ends()
	}
}
