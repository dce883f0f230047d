package subscription

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"newsletter/shared/apikey"
	"newsletter/shared/ledger"
	"newsletter/shared/pseudonym"
)

// ErrUnknown is the error for a link that has no effect: never issued for this state, from an earlier epoch, or of a
// deleted subscriber. It does not reveal which.
var ErrUnknown = errors.New("subscription: unknown link")

// database is the part of a connection pool that a Store uses. Transact runs one transaction in two round trips: the
// advisory lock and the reads that load queues, then the writes that decide queues. Both functions run again when the
// transaction is repeated. An error of decide rolls the transaction back and is returned unchanged. Batch is one round
// trip and one transaction.
type database interface {
	Transact(ctx context.Context, lock int64, load func(*pgx.Batch), decide func(*pgx.Batch) error) error
	Batch(ctx context.Context, queue func(*pgx.Batch)) error
}

// OptIn is how a sign-up becomes a subscription. The zero value is the safe one.
type OptIn uint8

// The ways to opt in.
const (
	DoubleOptIn OptIn = iota // every new subscriber confirms by email
	SingleOptIn              // a new address is active at once
)

// UnmarshalText parses true as DoubleOptIn and false as SingleOptIn.
func (o *OptIn) UnmarshalText(text []byte) error {
	switch string(text) {
	case "true":
		*o = DoubleOptIn
	case "false":
		*o = SingleOptIn
	default:
		return errors.New("must be true or false")
	}
	return nil
}

// SignUpConfig is the settings of sign-ups.
type SignUpConfig struct {
	// Ask every new subscriber to confirm by email. False activates a new address at once; subscribers who return
	// after an unsubscribe still confirm. Use false only if the sign-up form is behind a verified login.
	OptIn OptIn `env:"SIGNUP_DOUBLE_OPT_IN" envDefault:"true"`
}

// The consent workflows, with their versions. The ledger records them as part of the proof. The version rises when what
// visitors see or do changes.
const (
	doubleOptIn = "double-opt-in/1"
	singleOptIn = "single-opt-in/1"
)

// workflow returns the consent workflow of a decision. Even with SingleOptIn, some requests must be confirmed.
func (d decision) workflow(optIn OptIn) string {
	if optIn == DoubleOptIn || d.Outcome == ConfirmationQueued {
		return doubleOptIn
	}
	return singleOptIn
}

// Store stores subscriptions. It is safe for concurrent use.
type Store struct {
	db  database
	key pseudonym.Key
	now func() time.Time
}

// NewStore returns a Store in db. key makes the pseudonyms by which addresses are recognized; now is the clock.
func NewStore(db database, key pseudonym.Key, now func() time.Time) *Store {
	return &Store{db: db, key: key, now: now}
}

// Client is what the network reports about a caller.
type Client struct {
	IP        netip.Addr // the zero Addr if unknown
	UserAgent string
}

// Visit is the call that causes an event.
type Visit struct {
	Client    Client
	RequestID string // the gateway's id, which finds the log line
	Channel   string // "form", "api", "link", "one-click" and so on
	// HappenedAt is the time of an event that is recorded later; zero for now.
	HappenedAt time.Time
	// Key is the server's key that authenticates the call; nil for none. Client is then the visitor that the server names.
	Key *apikey.Key
	// Sent is the source as the form sent it, for the deletable context; empty for other calls.
	Sent ledger.SentSource
}

// clock returns the current time in the precision of the database, so that stored and decided times compare equal.
func (s *Store) clock() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// mailboxLock returns the lock that serializes operations on an address.
func (s *Store) mailboxLock(a Address) int64 { return s.key.Lock("mailbox " + a.MailboxKey) }

// subscriberLock returns the lock that serializes operations on a link. The row lock serializes them with operations
// under mailboxLock.
func (s *Store) subscriberLock(id uuid.UUID) int64 { return s.key.Lock("subscriber " + id.String()) }

// uniqueViolation is PostgreSQL's code for a duplicate key.
const uniqueViolation = "23505"

// transact runs a transaction and passes the time to both functions. decide gets the time read under the locks, which
// is not before what other transactions have written; decisions and rows use it. load gets the time before the locks,
// which only limits reads: they return slightly more than decide needs.
//
// It repeats once if a row was inserted without the lock. This package does not do that: equal addresses have one
// canonical mailbox and share a lock. A tool that loads rows may, and then the second run finds the row.
func (s *Store) transact(
	ctx context.Context, lock int64, load func(*pgx.Batch, time.Time), decide func(*pgx.Batch, time.Time) error,
) error {
	run := func() error {
		return s.db.Transact(ctx, lock,
			func(b *pgx.Batch) { load(b, s.clock()) },
			func(b *pgx.Batch) error { return decide(b, s.clock()) })
	}
	err := run()
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == uniqueViolation {
		err = run()
	}
	return err
}

// cause returns e as caused by the visit.
func (v Visit) cause(e ledger.Event) ledger.Event {
	e.Channel, e.RequestID = v.Channel, v.RequestID
	if v.Key != nil {
		e.Data.KeyID = v.Key.ID.String()
	}
	if !v.HappenedAt.IsZero() {
		e.Data.OriginalAt = v.HappenedAt.UTC().Format(time.RFC3339Nano)
	}
	return e
}

// record appends an event to the ledger, with its deletable context.
func (s *Store) record(b *pgx.Batch, e ledger.Event, visit Visit) {
	ledger.Append(b, visit.cause(e))
	ledger.AppendContext(b, ledger.Context{EventID: e.ID, At: e.At, IP: visit.Client.IP, UserAgent: visit.Client.UserAgent, Source: visit.Sent})
}

// newID returns an id that sorts by time, so inserts go to the right edge of the indexes, which stays cached.
func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
