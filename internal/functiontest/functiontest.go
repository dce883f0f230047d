// Package functiontest is the test fixture of a function: variables that point to real servers, the sample events of
// events/, subscribers, and checks of the database.
//
// A function is opened from its variables as in Lambda, and answers are checked against docs/openapi.yaml.
package functiontest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/internal/testenv"
	"newsletter/shared/config"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
)

// Fixture is the database and keys of one test. Its keys also separate its Redis keys from those of other tests.
type Fixture struct {
	testing.TB
	// Variables is the environment of the function. Change it before Open.
	Variables map[string]string
	// Admin connects as the superuser.
	Admin *pgx.Conn
	// Store performs what other functions do before and after the one under test.
	Store *subscription.Store

	fakes *http.ServeMux
}

// New returns a Fixture with the variables of every function.
func New(t testing.TB) *Fixture {
	t.Helper()
	recordLogs()
	database, redis := testenv.Postgres(t), testenv.Redis(t)
	f := &Fixture{TB: t, Admin: database.Conn(t), Variables: map[string]string{
		"SITE_PUBLIC_URL": "https://api.example.org", "SITE_ALLOWED_ORIGINS": "https://www.example.org",
		"DATABASE_URL": database.AppURL, "DATABASE_CA_FILE": database.CAFile,
		"REDIS_URL": redis.URL, "REDIS_CA_FILE": redis.CAFile,
		"PEPPER": key(), "TOKEN_KEYS_CONFIRM": "test:" + key(), "TOKEN_KEYS_UNSUBSCRIBE": "test:" + key(),
		"TOKEN_KEYS_PRIVACY": "test:" + key(), "OUTBOX_KEYS": "test:" + key(),
		"SITE_NAME": "The Jane Letter", "SITE_URL": "https://www.example.org", "SITE_POSTAL_ADDRESS": `1 Main St\n12345 Town`,
		"MAIL_FROM": "The Jane Letter <news@example.org>",
	}}
	env := f.Env()
	dbConfig, keyConfig := postgres.ReadConfig(env), config.Read[pseudonym.Config](env)
	db, err := postgres.New(t.Context(), dbConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	pepper, err := pseudonym.NewKey(keyConfig)
	if err != nil {
		t.Fatal(err)
	}
	f.Store = subscription.NewStore(db, pepper, subscription.DomainLimit{}, time.Now)
	return f
}

func key() string {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	return base64.StdEncoding.EncodeToString(random)
}

// Fake adds the fake of an external service below FAKES_URL and returns its URL.
func (f *Fixture) Fake(pattern string, fake http.Handler) string {
	f.Helper()
	if f.fakes == nil {
		f.fakes = http.NewServeMux()
		server := httptest.NewServer(f.fakes)
		f.Cleanup(server.Close)
		f.Variables["FAKES_URL"] = server.URL
	}
	f.fakes.Handle(pattern, fake)
	return f.Variables["FAKES_URL"] + pattern
}

// Env returns the variables as a function reads them.
func (f *Fixture) Env() *config.Env { return config.FromMap(maps.Clone(f.Variables)) }

// Open opens a function and closes it when the test ends.
func (f *Fixture) Open(open lambdafn.Open) lambdafn.Function {
	f.Helper()
	function, err := open(f.Context(), f.Env())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { function.Close(context.Background()) })
	return function
}

// Visit is the request context of calls to Store.
var Visit = subscription.Visit{
	Client: subscription.Client{IP: netip.MustParseAddr("192.0.2.7"), UserAgent: "Test/1.0"}, RequestID: "before", Channel: "api",
}

// Address parses an address.
func (f *Fixture) Address(typed string) subscription.Address {
	f.Helper()
	address, err := subscription.ParseAddress(typed)
	if err != nil {
		f.Fatal(err)
	}
	return address
}

// SignUp signs up an address and returns the claims of its confirmation link.
func (f *Fixture) SignUp(typed string) token.Claims {
	f.Helper()
	if _, err := f.Store.Request(f.Context(), subscription.Request{Address: f.Address(typed), Locale: "de", Visit: Visit}); err != nil {
		f.Fatal(err)
	}
	var subscriber, event string
	claims := token.Claims{Purpose: token.Confirm, Expires: time.Now().Add(token.ConfirmLifetime)}
	f.Scan(`select id::text, request_event_id::text, epoch from subscribers where email_norm = lower($1)`, []any{typed},
		&subscriber, &event, &claims.Epoch)
	claims.SubscriberID, claims.EventID = uuid.MustParse(subscriber), uuid.MustParse(event)
	return claims
}

// LockMailbox holds the lock of an address's mailbox, as another request does, until free is called.
func (f *Fixture) LockMailbox(typed string) (free func()) {
	f.Helper()
	env := f.Env()
	key, err := pseudonym.NewKey(config.Read[pseudonym.Config](env))
	if err := errors.Join(err, env.Err()); err != nil {
		f.Fatal(err)
	}
	lock := key.Lock("mailbox " + f.Address(typed).MailboxKey)
	f.Exec(`select pg_advisory_lock($1)`, lock)
	return func() { f.Exec(`select pg_advisory_unlock($1)`, lock) }
}

// ExpectBusy checks the answer to a request for a locked mailbox: the visitor should try again, and it is not our
// error.
func (f *Fixture) ExpectBusy(got httpapi.Result) {
	f.Helper()
	if got.Response.StatusCode != http.StatusTooManyRequests || got.Response.Headers["Retry-After"] == "" || got.Err != nil ||
		!strings.Contains(got.Response.Body, "urn:newsletter:problem:too-many-concurrent-requests") {
		f.Errorf("%d %v %s %v", got.Response.StatusCode, got.Response.Headers, got.Response.Body, got.Err)
	}
}

// Activate signs up an address, confirms it, and returns the claims of its unsubscribe link.
func (f *Fixture) Activate(typed string) token.Claims {
	f.Helper()
	claims := f.SignUp(typed)
	if _, err := f.Store.Confirm(f.Context(), claims.Link, Visit); err != nil {
		f.Fatal(err)
	}
	return token.Claims{Purpose: token.Unsubscribe, Link: token.Link{SubscriberID: claims.SubscriberID, Epoch: claims.Epoch}}
}

// Sign signs a token, as deliver does.
func (f *Fixture) Sign(c token.Claims) string {
	f.Helper()
	env := f.Env()
	ring := token.ReadRing(env, c.Purpose)
	if err := env.Err(); err != nil {
		f.Fatal(err)
	}
	return ring.Sign(c)
}

// Scan runs a query that returns one row, as the superuser.
func (f *Fixture) Scan(sql string, args []any, into ...any) {
	f.Helper()
	if err := f.Admin.QueryRow(f.Context(), sql, args...).Scan(into...); err != nil {
		f.Fatalf("%s: %v", sql, err)
	}
}

// Exec runs a statement as the superuser.
func (f *Fixture) Exec(sql string, args ...any) {
	f.Helper()
	if _, err := f.Admin.Exec(f.Context(), sql, args...); err != nil {
		f.Fatalf("%s: %v", sql, err)
	}
}

// Strings runs a query that returns one text column, as the superuser.
func (f *Fixture) Strings(sql string, args ...any) []string {
	f.Helper()
	rows, err := f.Admin.Query(f.Context(), sql, args...)
	if err != nil {
		f.Fatalf("%s: %v", sql, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		f.Fatalf("%s: %v", sql, err)
	}
	return found
}

// ExpectState compares the subscribers ("address status", by address), the ledger ("kind:outcome") and the outbox
// (kinds). The last two are in insertion order.
func (f *Fixture) ExpectState(subscribers, ledger, outbox string) {
	f.Helper()
	for _, part := range []struct{ what, sql, want string }{
		{"subscribers", `select email_norm || ' ' || status from subscribers order by email_norm`, subscribers},
		{"ledger", `select substr(kind, strpos(kind, '.') + 1) || ':' || (data->>'outcome') from ledger_events order by id`, ledger},
		{"outbox", `select kind from outbox order by id`, outbox},
	} {
		if got := f.Strings(part.sql); strings.Join(got, ", ") != part.want {
			f.Errorf("%s: %s, want %s", part.what, strings.Join(got, ", "), part.want)
		}
	}
}

// CountRows counts the rows of every table that a function writes.
func (f *Fixture) CountRows() map[string]int {
	f.Helper()
	rows := map[string]int{}
	for _, table := range []string{"subscribers", "ledger_events", "identities", "event_context", "email_log", "suppressions", "outbox"} {
		var n int
		f.Scan("select count(*) from "+table, nil, &n)
		rows[table] = n
	}
	return rows
}

// ExpectRows compares the current counts with those of CountRows.
func (f *Fixture) ExpectRows(want map[string]int) {
	f.Helper()
	got := f.CountRows()
	for _, table := range slices.Sorted(maps.Keys(want)) {
		if got[table] != want[table] {
			f.Errorf("%s: %d rows, want %d", table, got[table], want[table])
		}
	}
}
