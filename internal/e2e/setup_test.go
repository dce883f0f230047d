// Package e2e tests the whole system from outside: real binaries, a real database through PgBouncer over TLS, a real
// Redis over TLS, and doubles of the services outside.
package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/devstack"
	"newsletter/internal/testenv"
)

// stack is a running system with its database opened for looking at.
type stack struct {
	*devstack.Stack
	base string
	db   *testenv.Database
	dir  string
	logs *logWriter

	tampered []string // what validate has to find in the end, because the test made it so
	ended    bool
}

// binaries are built once for all tests, with the race detector where the tests have it.
var binaries = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "newsletter-e2e-")
	if err != nil {
		return "", err
	}
	return dir, devstack.Build(context.Background(), root, dir, buildFlags...)
})

var root = filepath.Join("..", "..")

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
		o.Database = &devstack.Database{AppURL: db.AppURL, AdminURL: db.AdminURL, CAFile: db.CAFile, AppPassword: db.AppPassword}
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

// tampers says that a test damages the database on purpose, why, and how the problems begin that validate then has to
// find in the end.
func (s *stack) tampers(t testing.TB, reason string, found ...string) {
	t.Helper()
	t.Logf("the database is damaged: %s", reason)
	s.tampered = append(s.tampered, found...)
}

// finish ends a system and fails the test for what was wrong with it. A test that needs it stopped may call it;
// otherwise start sees to it.
func (s *stack) finish(t testing.TB) {
	t.Helper()
	for _, problem := range s.end() {
		t.Error(problem)
	}
}

// end stops a system and lists what was wrong with it in the end: whatever a test is about, its database is as it
// should be and no double was sent anything malformed.
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

// logWriter keeps the functions' log, and shows it with the test's until the test has ended.
type logWriter struct {
	t      testing.TB
	mu     sync.Mutex
	lines  []string
	closed bool
}

func (l *logWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p)) // lambdalocal writes whole lines
	if !l.closed {
		l.t.Logf("%s", p)
	}
	return len(p), nil
}

// objects gives the JSON object of each line of all functions.
func (l *logWriter) objects() (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if _, object, found := strings.Cut(line, "{"); found { // the emulator names the function first
			all = append(all, "{"+object)
		}
	}
	return all
}

// of gives the lines of one function.
func (l *logWriter) of(function string) (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if line, found := strings.CutPrefix(line, function+" | "); found {
			all = append(all, line)
		}
	}
	return all
}

func (l *logWriter) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

// generous limits are for tests that are about something else: they share this machine's few networks.
var generous = map[string]string{
	"LIMITS_SUBSCRIBE": "5000/10m@host,9000/1h@site", "LIMITS_UNSUBSCRIBE": "5000/10m@host,9000/1h@site",
	"LIMITS_PRIVACY": "5000/10m@host,9000/1h@site",
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

// execOnServer runs a statement from another database, so that it works whatever happens to this one.
func (s *stack) execOnServer(t testing.TB, sql string, args ...any) {
	t.Helper()
	conn := s.db.ServerConn(t)
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// allowConnections lets the functions reach the database, or ends their connections and lets them make no others.
func (s *stack) allowConnections(t testing.TB, allowed bool) {
	t.Helper()
	s.execOnServer(t, fmt.Sprintf("alter database %s allow_connections %t", s.db.Name, allowed))
	s.execOnServer(t, "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename = 'app'", s.db.Name)
}

// with adds a variable to a copy.
func with(variables map[string]string, name, value string) map[string]string {
	more := maps.Clone(variables)
	more[name] = value
	return more
}

// status is where an address stands; "none" without a row.
func (s *stack) status(t testing.TB, address string) string {
	t.Helper()
	var status string
	s.query(t, &status, "select coalesce((select status from subscribers where email_norm = lower($1)), 'none')", address)
	return status
}

// ledger lists the kinds of the events of an address that has a row.
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

// drained waits until the outbox has nothing left to do.
func (s *stack) drained(t testing.TB) {
	t.Helper()
	eventually(t, "an empty outbox", func() bool { return s.count(t, "outbox where state = 'ready'") == 0 })
}

// deliver runs deliver once; for systems without schedules.
func (s *stack) deliver(t testing.TB) {
	t.Helper()
	s.invoke(t, "deliver", tick)
}

// tick is what the schedules send.
const tick = `{"scheduled":true}`

// invoke sends an event to a function and gives its answer.
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

// sharedStack is one system for all tests that only look at addresses of their own.
var sharedStack struct {
	once  sync.Once
	stack *stack
	stop  func()
	err   error
}

// shared gives it. It outlives the test that comes first, so it is not built on that test's clean-up.
func shared(t testing.TB) *stack {
	t.Helper()
	sharedStack.once.Do(func() { sharedStack.stack, sharedStack.stop, sharedStack.err = startShared(t) })
	if sharedStack.err != nil {
		t.Fatal(sharedStack.err)
	}
	if sharedStack.stack == nil {
		t.Skip("the first test of the shared system said why it cannot run")
	}
	return sharedStack.stack
}

func startShared(t testing.TB) (*stack, func(), error) {
	owner := &ownerTB{TB: t}
	db := testenv.PgBouncer(owner)
	redis := testenv.Redis(owner)
	built, err := binaries()
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "newsletter-e2e-stack-")
	if err != nil {
		return nil, nil, err
	}
	s, err := devstack.Start(context.Background(), devstack.Options{
		Root: root, Dir: dir, Binaries: built, Redis: &devstack.Redis{URL: redis.URL, CAFile: redis.CAFile}, Variables: generous,
		Database: &devstack.Database{AppURL: db.AppURL, AdminURL: db.AdminURL, CAFile: db.CAFile, AppPassword: db.AppPassword},
	})
	if err != nil {
		return nil, nil, err
	}
	stop := func() {
		owner.cleanUp()
		_ = os.RemoveAll(dir)
	}
	return &stack{Stack: s, base: s.BaseURL, db: db}, stop, nil
}

func closeShared() {
	if sharedStack.stop == nil {
		return
	}
	for _, problem := range sharedStack.stack.end() {
		fmt.Println("the shared system:", problem)
		defer os.Exit(1)
	}
	sharedStack.stop()
}

// ownerTB keeps the clean-ups of what outlives a test until the end of all.
type ownerTB struct {
	testing.TB
	cleanups []func()
}

func (o *ownerTB) Cleanup(f func())         { o.cleanups = append(o.cleanups, f) }
func (o *ownerTB) Failed() bool             { return false }
func (o *ownerTB) Context() context.Context { return context.Background() }

func (o *ownerTB) cleanUp() {
	for i := len(o.cleanups) - 1; i >= 0; i-- {
		o.cleanups[i]()
	}
}
