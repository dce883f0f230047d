// Package e2e tests the whole system from outside: real binaries, a real database through PgBouncer over TLS, a real
// Redis over TLS, and fakes of external services.
package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/fixtures/testenv"
	"newsletter/internal/local/devstack"
	"newsletter/internal/local/gobuild"
)

// A stack is a running system with direct access to its database.
type stack struct {
	*devstack.Stack
	base string
	site string // the origin of the owner's pages, in the shared system
	db   *testenv.Database
	dir  string
	logs *logWriter

	tampered []string // problems that the final validation must find
	ended    bool
}

// binaries builds the functions once for all tests, with the race detector if the tests use it.
var binaries = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "newsletter-e2e-")
	if err != nil {
		return "", err
	}
	return dir, gobuild.Functions(context.Background(), root, dir, buildFlags...)
})

var root = filepath.Join("..", "..", "..")

func TestMain(m *testing.M) {
	status := m.Run()
	closeShared()
	if dir, err := binaries(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(status)
}

// start starts a system for one test.
func start(t testing.TB, o devstack.Options) *stack {
	t.Helper()
	db := testenv.PgBouncer(t)
	if o.Redis == nil {
		redis := testenv.Redis(t)
		o.Redis = &devstack.Redis{URL: redis.URL, CAFile: redis.CAFile}
	}
	built, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	o.Root, o.Dir, o.Binaries = root, t.TempDir(), built
	if o.Database == nil {
		o.Database = &devstack.Database{AppURL: db.AppURL, AdminURL: db.AdminURL, CAFile: db.CAFile, AppPassword: db.AppPassword, KeeperPassword: db.KeeperPassword}
	}
	logs := &logWriter{t: t}
	o.Log = logs
	s, err := devstack.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	running := &stack{Stack: s, base: s.BaseURL, db: db, dir: o.Dir, logs: logs}
	t.Cleanup(func() {
		running.finish(t)
		logs.close()
	})
	return running
}

// tampers declares that a test damages the database, why, and the prefixes of the problems that the final validation
// must find.
func (s *stack) tampers(t testing.TB, reason string, found ...string) {
	t.Helper()
	t.Logf("the database is damaged: %s", reason)
	s.tampered = append(s.tampered, found...)
}

// finish stops a system and reports its problems. start calls it at the end of a test.
func (s *stack) finish(t testing.TB) {
	t.Helper()
	for _, problem := range s.end() {
		t.Error(problem)
	}
}

// end stops a system and returns its problems: the final validation of the database and requests that a fake refused.
func (s *stack) end() (problems []string) {
	if s.ended {
		return nil
	}
	s.ended = true
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Validate(ctx, s.tampered...); err != nil {
		problems = append(problems, err.Error())
	}
	s.Stop(ctx)
	for _, problem := range append(s.Fakes.SES.Problems(), s.Fakes.Sentry.Problems()...) {
		problems = append(problems, "a double refused a request: "+problem)
	}
	return problems
}

// generous has high limits for tests about other things, which share this machine's few networks.
var generous = map[string]string{
	"LIMITS_SUBSCRIBE": "5000/10m@host,9000/1h@site", "LIMITS_UNSUBSCRIBE": "5000/10m@host,9000/1h@site",
	"LIMITS_PRIVACY": "5000/10m@host,9000/1h@site",
}

// withoutBursts returns variables without burst detection, which would hold some of many sign-ups that look alike.
func withoutBursts(variables map[string]string) map[string]string {
	return with(with(variables, "UPSTASH_VECTOR_REST_URL", ""), "UPSTASH_VECTOR_REST_TOKEN", "")
}

func (s *stack) query(t testing.TB, into any, sql string, args ...any) {
	t.Helper()
	conn := s.db.Conn(t)
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(into); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// exec runs a statement as the superuser.
func (s *stack) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	conn := s.db.Conn(t)
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// execOnServer runs a statement in another database of the server, which works whatever the state of this one.
func (s *stack) execOnServer(t testing.TB, sql string, args ...any) {
	t.Helper()
	conn := s.db.ServerConn(t)
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// allowConnections lets the functions connect to the database, or ends their connections and refuses new ones.
func (s *stack) allowConnections(t testing.TB, allowed bool) {
	t.Helper()
	s.execOnServer(t, fmt.Sprintf("alter database %s allow_connections %t", s.db.Name, allowed))
	s.execOnServer(t, "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename = 'app'", s.db.Name)
}

// with returns a copy of variables with one more.
func with(variables map[string]string, name, value string) map[string]string {
	more := maps.Clone(variables)
	more[name] = value
	return more
}

// status returns the status of an address, "none" without a row.
func (s *stack) status(t testing.TB, address string) string {
	t.Helper()
	var status string
	s.query(t, &status, "select coalesce((select status from subscribers where email_norm = lower($1)), 'none')", address)
	return status
}

// ledger returns the kinds of the events of an address that has a row.
func (s *stack) ledger(t testing.TB, address string) []string {
	t.Helper()
	conn := s.db.Conn(t)
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), `select e.kind from ledger_events e join subscribers s on s.id = e.subscriber_id
		where s.email_norm = lower($1) order by e.at, e.id`, address)
	if err != nil {
		t.Fatal(err)
	}
	kinds, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return kinds
}

// count counts rows.
func (s *stack) count(t testing.TB, from string, args ...any) int {
	t.Helper()
	var n int
	s.query(t, &n, "select count(*) from "+from, args...)
	return n
}

// drained waits until the outbox has no messages but those that a budget or a slot defers.
func (s *stack) drained(t testing.TB) {
	t.Helper()
	eventually(t, "an empty outbox", func() bool {
		return s.count(t, "outbox where state = 'ready' and not coalesce(due_at = deferred_until and due_at > now(), false)") == 0
	})
}

// deliver runs deliver once; for systems without schedules.
func (s *stack) deliver(t testing.TB) {
	t.Helper()
	s.invoke(t, "deliver", tick)
}

// tick is the event of the schedules.
const tick = `{"scheduled":true}`

// invoke sends an event to a function and returns its answer.
func (s *stack) invoke(t testing.TB, function, event string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	result, err := s.Lambda.Invoke(ctx, function, []byte(event))
	if err != nil || result.FunctionError != "" {
		t.Fatalf("%s: %v %s", function, err, result.Payload)
	}
	return result.Payload
}
