package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/internal/local/devstack"
	"newsletter/shared/config"
	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
)

// operatorDB is the database of an installation, with the stores of the commands.
type operatorDB struct {
	*postgres.DB
	env   *config.Env
	key   pseudonym.Key
	store *subscription.Store
	queue *outbox.Worker
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
	store := subscription.NewStore(db, key, time.Now)
	return &operatorDB{db, env, key, store, outbox.NewWorker(db, time.Now)}, nil
}

// statsDB is the database that the read-only commands use: the replica, if there is one.
type statsDB struct {
	*postgres.Reader
	writer *postgres.DB
	name   string // the environment, where one is set, and the database
}

// openStats opens the database of the installation for reading statistics, which needs no keys. The caller closes it.
func openStats(ctx context.Context) (*statsDB, error) {
	env, err := operatorEnv(ctx)
	if err != nil {
		return nil, err
	}
	cfg := postgres.ReadConfigWithReplica(env)
	if err := env.Err(); err != nil {
		return nil, err
	}
	cfg.MaxConns = 1
	db, err := postgres.New(ctx, cfg)
	if err != nil {
		return nil, err
	}
	reader, err := postgres.NewReader(ctx, cfg, db)
	if err != nil {
		db.Close()
		return nil, err
	}
	name, _ := env.Lookup("ENVIRONMENT")
	if where, err := url.Parse(cfg.URL.Reveal()); err == nil {
		name = strings.TrimSpace(name + " " + where.Host + where.Path)
	}
	return &statsDB{reader, db, name}, nil
}

// Close ends the connections.
func (db *statsDB) Close() {
	db.Reader.Close()
	db.writer.Close()
}

// record applies a change and appends the event to the ledger, in one transaction. change queues the statement and
// passes the number of changed rows to done. Without changed rows no event is appended. The event has their number as
// "changed".
func (db *operatorDB) record(ctx context.Context, event ledger.Event, change func(b *pgx.Batch, done func(int64))) (changed int64, err error) {
	event.ID, event.At, event.Actor, event.Channel, event.RequestID = uuid.Must(uuid.NewV7()), time.Now(), ledger.Operator, "tool", "operator"
	err = db.Transact(ctx, 0, func(b *pgx.Batch) {
		changed = 0
		change(b, func(n int64) { changed = n })
	}, func(b *pgx.Batch) error {
		if changed > 0 {
			event.Data.Counts = map[string]int64{"changed": changed}
			ledger.Append(b, event)
		}
		return nil
	})
	return changed, err
}

// visit returns how the ledger records the operator's actions.
func (*operatorDB) visit(channel string) subscription.Visit {
	return subscription.Visit{RequestID: "operator", Channel: channel}
}

// parseAddress parses an address argument.
func parseAddress(typed string) (subscription.Address, error) {
	address, err := subscription.ParseAddress(typed)
	if refused, ok := errors.AsType[*subscription.AddressError](err); ok {
		return address, errUsage(fmt.Sprintf("%q is not an email address: %s", typed, refused.Detail))
	}
	return address, err
}
