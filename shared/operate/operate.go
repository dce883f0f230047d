// Package operate has the operator's commands: typed functions from a request to a result, without flags and without
// printing. The operator's tool runs them in its own process beside a local system, or where the data is, through the
// function operate. Both decode the same requests and return the same results.
//
// A long command does a part in each call and returns what remains, so that it neither exceeds the time of a function
// nor loses what it did. Every call can be repeated.
//
// Failure policy: what the operator can act on is a Refusal; every other error is that of the database or of a service.
package operate

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/config"
	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
)

// Installation is what commands run on: the database of an installation, as the role keeper, and its settings. It is
// safe for concurrent use.
type Installation struct {
	db    *postgres.DB
	env   *config.Env
	key   pseudonym.Key
	store *subscription.Store
	queue *outbox.Worker
	now   func() time.Time
}

// maxConns bounds the connections to the database. A command uses one at a time.
const maxConns = 4

// Open opens an installation with the clock now. It reads all variables of all commands, and does no network I/O. The
// error has one line for each wrong variable.
func Open(ctx context.Context, env *config.Env, now func() time.Time) (*Installation, error) {
	dbConfig, keyConfig := postgres.ReadKeeperConfig(env), config.Read[pseudonym.Config](env)
	if err := env.Err(); err != nil {
		return nil, err
	}
	dbConfig.MaxConns = maxConns
	key, keyErr := pseudonym.NewKey(keyConfig)
	db, dbErr := postgres.New(ctx, dbConfig)
	if err := errors.Join(keyErr, dbErr); err != nil {
		return nil, err
	}
	return &Installation{db, env, key, subscription.NewStore(db, key, now), outbox.NewWorker(db, now), now}, nil
}

// Close ends the connections.
func (i *Installation) Close() { i.db.Close() }

// callable is a Command of any types.
type callable interface {
	Name() string
	Changes() bool
	call(ctx context.Context, i *Installation, encoded json.RawMessage) (json.RawMessage, error)
}

// commands are all commands.
var commands = []callable{
	HoldList, HoldRelease, HoldReject,
	OutboxList, OutboxSlots, OutboxRetry, OutboxDrop,
	SuppressionList, SuppressionAdd, SuppressionRemove,
}

// find returns the command of a name.
func find(name string) (callable, error) {
	for _, c := range commands {
		if c.Name() == name {
			return c, nil
		}
	}
	return nil, Wrong("unknown command %.40q", name)
}

// Changes reports whether a call changes anything. An unknown command changes nothing.
func Changes(name string) bool {
	c, err := find(name)
	return err == nil && c.Changes()
}

// Run implements Runner.
func (i *Installation) Run(ctx context.Context, call Call) (Answer, error) {
	c, err := find(call.Command)
	if err != nil {
		return refused(err)
	}
	result, err := c.call(ctx, i, call.Request)
	if err != nil {
		return refused(err)
	}
	return Answer{Result: result}, nil
}

// refused returns an answer for a Refusal, and any other error as it is.
func refused(err error) (Answer, error) {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return Answer{Refusal: refusal}, nil
	}
	return Answer{}, err
}

// visit returns how the ledger records the operator's actions.
func visit(channel string) subscription.Visit {
	return subscription.Visit{RequestID: "operator", Channel: channel}
}

// record applies a change and appends the event to the ledger, in one transaction. change queues the statement and
// passes the number of changed rows to done. Without changed rows no event is appended. The event has their number as
// "changed".
func (i *Installation) record(ctx context.Context, event ledger.Event, change func(b *pgx.Batch, done func(int64))) (changed int64, err error) {
	event.ID, event.At, event.Actor, event.Channel, event.RequestID = uuid.Must(uuid.NewV7()), i.now(), ledger.Operator, "tool", "operator"
	err = i.db.Transact(ctx, 0, func(b *pgx.Batch) {
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

// parseAddress parses an address of a request.
func parseAddress(typed string) (subscription.Address, error) {
	address, err := subscription.ParseAddress(typed)
	if refused, ok := errors.AsType[*subscription.AddressError](err); ok {
		return address, Wrong("%q is not an email address: %s", typed, refused.Detail)
	}
	return address, err
}
