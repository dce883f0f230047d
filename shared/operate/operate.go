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
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"newsletter/shared/anchor"
	"newsletter/shared/apikey"
	"newsletter/shared/catalog"
	"newsletter/shared/config"
	"newsletter/shared/field"
	"newsletter/shared/httpapi"
	"newsletter/shared/journal"
	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/postgres"
	"newsletter/shared/privacy"
	"newsletter/shared/pseudonym"
	"newsletter/shared/snapshot"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
	"newsletter/shared/webhook"
)

// Config has what the commands read and no other struct has without its secrets.
type Config struct {
	AllowedOrigins httpapi.Origins `env:"SITE_ALLOWED_ORIGINS"`
	WebhookURLs    []string        `env:"WEBHOOK_URLS"`
}

// Installation is what commands run on: the database of an installation, as the role keeper, and its settings. It runs
// one command at a time.
type Installation struct {
	name        string // the environment and the database
	db          *postgres.DB
	store       *subscription.Store
	eraser      *subscription.Eraser
	queue       *outbox.Worker
	sealer      *ledger.Sealer
	anchors     *anchor.Anchors
	journal     *journal.Journal // nil: none
	reader      *snapshot.Reader
	declared    ledger.Declarations
	fields      field.Declarations
	endpoints   []string // the owner's webhooks, by their names in the outbox
	privacy     privacy.Config
	controller  []string // the owner's name and postal address
	publicURL   httpapi.PublicURL
	unsubscribe *token.Ring
	keys        *apikey.Ring
	now         func() time.Time
}

// maxConns bounds the connections to the database. A command uses one at a time.
const maxConns = 2

// Open opens an installation with the clock now. It reads all variables of all commands, and does no network I/O. The
// error has one line for each wrong variable.
func Open(ctx context.Context, env *config.Env, now func() time.Time) (*Installation, error) {
	dbConfig, keyConfig, vault := postgres.ReadKeeperConfig(env), config.Read[pseudonym.Config](env), outbox.ReadVault(env)
	anchorConfig, journalConfig := config.Read[anchor.Config](env), config.Read[journal.Config](env)
	cfg, privacyConfig, controller, declared := config.Read[Config](env), config.Read[privacy.Config](env), catalog.Read(env).Footer, readSources(env)
	fields := config.Read[field.Config](env).Declarations()
	public, unsubscribe, keys := config.Read[httpapi.LinkConfig](env), token.ReadRing(env, token.Unsubscribe), apikey.ReadRing(env)
	if err := env.Err(); err != nil {
		return nil, err
	}
	dbConfig.MaxConns = maxConns
	key, keyErr := pseudonym.NewKey(keyConfig)
	anchors, anchorErr := anchor.New(anchorConfig)
	suppressions, journalErr := openJournal(journalConfig)
	db, dbErr := postgres.New(ctx, dbConfig)
	if err := errors.Join(keyErr, anchorErr, journalErr, dbErr); err != nil {
		return nil, err
	}
	store := subscription.NewStore(db, key, now)
	return &Installation{
		name: installationName(env, dbConfig), db: db, store: store, eraser: subscription.NewEraser(store, vault), queue: outbox.NewWorker(db, now),
		sealer: ledger.NewSealer(db, now), anchors: anchors, journal: suppressions, reader: snapshot.NewReader(db, now), declared: declared, fields: fields,
		endpoints: webhook.Config{URLs: cfg.WebhookURLs}.Names(), privacy: privacyConfig, controller: controller, publicURL: public.PublicURL, unsubscribe: unsubscribe, keys: keys, now: now,
	}, nil
}

// readSources returns the declared sources of sign-ups, as subscribe does.
func readSources(env *config.Env) ledger.Declarations {
	declared, owner := config.Read[ledger.SourceConfig](env), config.Read[catalog.Owner](env)
	public, sites := config.Read[httpapi.LinkConfig](env), config.Read[Config](env)
	return declared.Declare(append([]string{owner.URL, string(public.PublicURL)}, sites.AllowedOrigins...)...)
}

// openJournal returns the suppression journal, or nil if none is configured.
func openJournal(cfg journal.Config) (*journal.Journal, error) {
	if !cfg.Enabled() {
		return nil, nil //nolint:nilnil // none is configured
	}
	return journal.New(cfg)
}

// installationName returns the environment, where one is set, and the database.
func installationName(env *config.Env, cfg postgres.Config) string {
	name, _ := env.Lookup("ENVIRONMENT")
	if where, err := url.Parse(cfg.URL.Reveal()); err == nil {
		name = strings.TrimSpace(name + " " + where.Host + where.Path)
	}
	return name
}

// Close ends the connections.
func (i *Installation) Close() { i.db.Close() }

// callable is a Command of any types.
type callable interface {
	Name() string
	Recorded() bool
	call(ctx context.Context, i *Installation, encoded json.RawMessage) (Answer, error)
}

// commands are all commands.
var commands = []callable{
	AlertList, Perf, Monitor,
	ConsentAdd, ConsentList, ConsentProof,
	Export,
	DestinationList, DestinationPause, DestinationResume,
	Import,
	HoldList, HoldRelease, HoldReject,
	JournalList, JournalReplay,
	KeyCreate, KeyList, KeyRevoke,
	LedgerHead, LedgerVerify,
	OutboxList, OutboxSlots, OutboxRetry, OutboxDrop,
	PrivacyExport, PrivacyErase, PrivacyRestrict, PrivacyRectify, PrivacyOpen, PrivacyList,
	SourceList,
	SuppressionList, SuppressionAdd, SuppressionRemove,
}

// find returns the command of a name.
func find(name string) (callable, error) {
	for _, c := range commands {
		if c.Name() == name {
			return c, nil
		}
	}
	return nil, Wrong("the installation does not know this command: deploy the release of the tool")
}

// Known returns the name of a command, or "unknown", and whether the ledger has an event of each run.
func Known(name string) (known string, recorded bool) {
	c, err := find(name)
	if err != nil {
		return "unknown", false
	}
	return c.Name(), c.Recorded()
}

// Run implements Runner.
func (i *Installation) Run(ctx context.Context, call Call) (Answer, error) {
	c, err := find(call.Command)
	if err != nil {
		return refused(err)
	}
	answer, err := c.call(ctx, i, call.Request)
	if err != nil {
		return refused(err)
	}
	return answer, nil
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

// change applies a change and appends the event to the ledger, in one transaction. change queues the statement and
// passes the number of changed rows to done. Without changed rows no event is appended. The event has their number as
// "changed".
func (i *Installation) change(ctx context.Context, event ledger.Event, change func(b *pgx.Batch, done func(int64))) (changed int64, err error) {
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

// execCounted runs a statement and passes the number of rows that it changed to done.
func execCounted(b *pgx.Batch, done func(int64), sql string, args ...any) {
	b.Queue(sql, args...).Exec(func(tag pgconn.CommandTag) error {
		done(tag.RowsAffected())
		return nil
	})
}

// parseAddress parses an address of a request.
func parseAddress(typed string) (subscription.Address, error) {
	address, err := subscription.ParseAddress(typed)
	if refused, ok := errors.AsType[*subscription.AddressError](err); ok {
		return address, Wrong("%q is not an email address: %s", typed, refused.Detail)
	}
	return address, err
}
