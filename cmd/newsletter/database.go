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

	"newsletter/internal/devstack"
	"newsletter/shared/config"
	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
)

// operatorDB is what the commands on subscribers, the ledger and the queue work with.
type operatorDB struct {
	*postgres.DB
	env   *config.Env
	key   pseudonym.Key
	store *subscription.Store
	queue *outbox.Worker
}

// operatorEnv gives the variables of an installation: those of this process, with the secrets that SECRETS_ARN names, or
// those of the running local system if DATABASE_URL is not among them.
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
		return nil, fmt.Errorf("set DATABASE_URL and PEPPER, or run this in the repository beside `make dev`: %w", err)
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
	for name := range all { // what is set here wins, as for the functions
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
	dbConfig, keyConfig := postgres.ReadConfig(env), config.Read[pseudonym.Config](env)
	if err := env.Err(); err != nil {
		return nil, err
	}
	dbConfig.MaxConns = 4
	key, keyErr := pseudonym.NewKey(keyConfig)
	db, dbErr := postgres.New(ctx, dbConfig)
	if err := errors.Join(keyErr, dbErr); err != nil {
		return nil, err
	}
	store := subscription.NewStore(db, key, subscription.DomainLimit{}, time.Now)
	return &operatorDB{db, env, key, store, outbox.NewWorker(db, time.Now)}, nil
}

// figuresDB is what the commands on figures read: the replica, if there is one.
type statsDB struct {
	*postgres.Reader
	writer *postgres.DB
	name   string // the environment, where one is set, and the database
}

// openFigures opens the database of the installation for reading figures, which needs no keys. The caller closes it.
func openStats(ctx context.Context) (*statsDB, error) {
	env, err := operatorEnv(ctx)
	if err != nil {
		return nil, err
	}
	cfg := postgres.ReadConfig(env)
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

// record changes something and writes the event into the ledger, in one transaction. change queues the statement and has it
// say how many rows it changed; of no row nothing is written. The event counts them as "changed".
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

// visit is how the operator's acts stand in the ledger.
func (*operatorDB) visit(channel string) subscription.Visit {
	return subscription.Visit{RequestID: "operator", Channel: channel}
}

// parseAddress reads an address argument.
func parseAddress(typed string) (subscription.Address, error) {
	address, err := subscription.ParseAddress(typed)
	if refused, ok := errors.AsType[*subscription.AddressError](err); ok {
		return address, errUsage(fmt.Sprintf("%q is not an address: %s", typed, refused.Detail))
	}
	return address, err
}
