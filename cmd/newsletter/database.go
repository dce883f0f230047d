package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"newsletter/internal/local/devstack"
	"newsletter/shared/config"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
)

// operatorDB is the database of an installation, for imports and exports.
type operatorDB struct {
	*postgres.DB
	env *config.Env
	key pseudonym.Key
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
	all := map[string]string{}
	for _, f := range state.Functions {
		for name, value := range f.Variables {
			if value != "" {
				all[name] = value
			}
		}
	}
	for name := range all { // this process's variables override, as for the functions
		if value := os.Getenv(name); value != "" {
			all[name] = value
		}
	}
	return config.FromMap(all), nil
}

// openDatabase opens the database of the installation. The caller closes it.
func openDatabase(ctx context.Context) (*operatorDB, error) {
	env, err := operatorEnv(ctx)
	if err != nil {
		return nil, err
	}
	dbConfig, keyConfig := postgres.ReadKeeperConfig(env), config.Read[pseudonym.Config](env)
	if err := env.Err(); err != nil {
		return nil, err
	}
	dbConfig.MaxConns = 4
	key, keyErr := pseudonym.NewKey(keyConfig)
	db, dbErr := postgres.New(ctx, dbConfig)
	if err := errors.Join(keyErr, dbErr); err != nil {
		return nil, err
	}
	return &operatorDB{db, env, key}, nil
}

// parseAddress parses an address argument.
func parseAddress(typed string) (subscription.Address, error) {
	address, err := subscription.ParseAddress(typed)
	if refused, ok := errors.AsType[*subscription.AddressError](err); ok {
		return address, errUsage(fmt.Sprintf("%q is not an email address: %s", typed, refused.Detail))
	}
	return address, err
}
