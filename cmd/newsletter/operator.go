package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/shared/config"
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

// operatorEnv returns the variables of an installation: those of this process with the secrets of SECRETS_ARN or,
// without a DATABASE_URL, those of the running local system.
func operatorEnv(ctx context.Context) (*config.Env, error) {
	env, err := config.FromOS(ctx)
	if err != nil {
		return nil, err
	}
	if _, found := env.Lookup("DATABASE_URL"); found {
		return env, nil
	}
	root, err := devstack.Root(".")
	if err != nil {
		return nil, fmt.Errorf("set DATABASE_URL and PEPPER, or run the tool in the repository next to `make dev`: %w", err)
	}
	state, err := devstack.ReadState(localDir(root))
	if err != nil {
		return nil, fmt.Errorf("set DATABASE_URL and PEPPER, or: %w", err)
	}
	all := maps.Clone(state.Functions["operate"].Variables)
	for name := range all { // this process's variables override, as for the functions
		if value := os.Getenv(name); value != "" {
			all[name] = value
		}
	}
	return config.FromMap(all), nil
}
