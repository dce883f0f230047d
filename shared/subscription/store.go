package subscription

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"newsletter/shared/ledger"
	"newsletter/shared/pseudonym"
)

// ErrUnknown means that a link does not, or no longer, open anything: never issued for this state, expired with its
// epoch, or its person is gone. Which of them is not told.
var ErrUnknown = errors.New("subscription: nothing is known by this link")

// database is what the store needs of a connection pool. Transact runs one transaction in two round trips: the advisory
// lock and the reads that load queues, then the writes that decide queues. Both functions run again from scratch when the
// transaction is repeated. An error of decide rolls everything back and is returned as it is. Batch is one round trip
// and one transaction.
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

// UnmarshalText reads the answer to the question whether opt-in is double.
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

// SignUpConfig is how sign-ups become subscriptions.
type SignUpConfig struct {
	// Ask every new subscriber to confirm by email. False activates a new address at once; subscribers who return
	// after an unsubscribe still confirm. Use false only if the sign-up form is behind a verified login.
	OptIn OptIn `env:"SIGNUP_DOUBLE_OPT_IN" envDefault:"true"`
}

// The workflows by which consent is given, with their versions: they stand in the ledger, so that a proof says how it was
// asked for. The version rises when what people see or do changes.
const (
	doubleOptIn = "double-opt-in/1"
	singleOptIn = "single-opt-in/1"
)

// workflow returns the one of a request that ended so: also where others are activated at once, some have to confirm.
func (d Decision) workflow(optIn OptIn) string {
	if optIn == DoubleOptIn || d.Outcome == ConfirmationQueued || d.Outcome == ConfirmationOverBudget {
		return doubleOptIn
	}
	return singleOptIn
}

// Store keeps the subscriptions. It is safe for concurrent use.
type Store struct {
	db        database
	key       pseudonym.Key
	domainCap DomainLimit
	now       func() time.Time
}

// NewStore makes a store in db. domainCap bounds the emails to one domain; key makes the pseudonyms under which addresses are recognised; now is the clock.
func NewStore(db database, key pseudonym.Key, domainCap DomainLimit, now func() time.Time) *Store {
	return &Store{db: db, key: key, domainCap: domainCap, now: now}
}

// Client is who called, as far as the network tells.
type Client struct {
	IP        netip.Addr // the zero Addr if unknown
	UserAgent string
}

// Visit is the call in which something happens.
type Visit struct {
	Client    Client
	RequestID string // of the gateway, for finding the call's log line
	Channel   string // "form", "api", "link", "one-click" and so on
	// HappenedAt is when it happened, if it is recorded only later; zero for now.
	HappenedAt time.Time
}

// clock returns the present in the precision of the database, so that what is stored compares equal to what was decided.
func (s *Store) clock() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// foldLock serialises everything that starts from a typed address.
func (s *Store) foldLock(a Address) int64 { return s.key.Lock("fold " + a.MailboxKey) }

// subscriberLock serialises what starts from a link. The row lock makes it wait for its counterpart under foldLock.
func (s *Store) subscriberLock(id uuid.UUID) int64 { return s.key.Lock("subscriber " + id.String()) }

// uniqueViolation is PostgreSQL's code for a second row of a unique value.
const uniqueViolation = "23505"

// transact returns the database's Transact with the clock. What decide is given was read when the locks were held: it is not
// before what others wrote until then, so decisions and rows take it. load is given the time before the locks, which is
// good for the bounds of a read alone: it finds a little more than decide needs.
//
// It is repeated once if a row came in past the lock. Nothing in this package does that: equal addresses fold equally and
// so share a lock. A tool that loads rows may, and then the second run finds the row.
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

// record queues a ledger event and its deletable context.
func (s *Store) record(b *pgx.Batch, e ledger.Event, visit Visit) {
	e.Channel, e.RequestID = visit.Channel, visit.RequestID
	if !visit.HappenedAt.IsZero() {
		e.Data.OriginalAt = visit.HappenedAt.UTC().Format(time.RFC3339Nano)
	}
	ledger.Append(b, e)
	ledger.AppendContext(b, ledger.Context{EventID: e.ID, At: e.At, IP: visit.Client.IP, UserAgent: visit.Client.UserAgent})
}

// newID makes an id that sorts by time, which keeps the indexes' right edge warm.
func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
