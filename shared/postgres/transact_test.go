package postgres_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"newsletter/internal/fixtures/delayproxy"
	"newsletter/shared/postgres"
)

func TestTransactReadsThenWrites(t *testing.T) {
	b := setup(t)
	db := b.open(b.env.AppURL, 1)
	for range 2 {
		var before int
		err := db.Transact(t.Context(), 42,
			func(batch *pgx.Batch) {
				batch.Queue("select count(*) from scratch").QueryRow(func(row pgx.Row) error { return row.Scan(&before) })
			},
			func(batch *pgx.Batch) error {
				batch.Queue(insertSQL, string(rune('a'+before)), "text")
				batch.Queue("update scratch set note = note || '!' where id = $1", "a")
				return nil
			})
		if err != nil {
			t.Fatal(err)
		}
	}
	var notes string
	if err := b.admin.QueryRow(t.Context(), "select string_agg(id || '=' || note, ' ' order by id) from scratch").Scan(&notes); err != nil {
		t.Fatal(err)
	}
	if notes != "a=text!! b=text" {
		t.Errorf("the table holds %q", notes)
	}
}

func TestFailuresAreRolledBackAndReturned(t *testing.T) {
	b := setup(t)
	mine := errors.New("mine")
	for name, tc := range map[string]struct {
		load   func(*pgx.Batch)
		decide func(*pgx.Batch) error
		is     error  // the exact error
		code   string // of the server
		hidden string // must not be in the error's text
	}{
		"decide": {nothing, func(batch *pgx.Batch) error { _ = insert("1")(batch); return mine }, mine, "", ""},
		"a callback of load's": {func(batch *pgx.Batch) {
			batch.Queue(insertSQL, "2", "text").Exec(func(pgconn.CommandTag) error { return mine })
		}, insert("2b"), mine, "", ""},
		"no row": {func(batch *pgx.Batch) {
			batch.Queue("select id from scratch where id = $1", "nobody").QueryRow(func(row pgx.Row) error {
				var id string
				return row.Scan(&id)
			})
		}, insert("3"), pgx.ErrNoRows, "", ""},
		"a constraint, after other writes": {nothing, func(batch *pgx.Batch) error {
			batch.Queue(insertSQL, "4", "text")
			batch.Queue("insert into scratch (id, note) values ($1, $2)", "4", "jane@example.org")
			batch.Queue(insertSQL, "4b", "text")
			return nil
		}, nil, "23505", "jane@example.org"},
		"a NUL in a text, which the caller should have refused": {nothing, func(batch *pgx.Batch) error {
			batch.Queue(insertSQL, "5", "a\x00b")
			return nil
		}, nil, "22021", ""},
		"a NUL in a condition": {func(batch *pgx.Batch) {
			batch.Queue("select id from scratch where id = $1", "\x00")
		}, insert("6"), nil, "22021", ""},
		"invalid UTF-8": {nothing, func(batch *pgx.Batch) error {
			batch.Queue(insertSQL, "7", "\xff")
			return nil
		}, nil, "22021", ""},
		"a NUL in JSON": {func(batch *pgx.Batch) {
			batch.Queue("select $1::text::jsonb", `{"a":"\u0000"}`)
		}, insert("8"), nil, "22P05", ""},
		"not an id": {func(batch *pgx.Batch) {
			batch.Queue("select $1::text::uuid", "jane@example.org")
		}, insert("9"), nil, "22P02", "jane@example.org"},
		"a table that is not there": {func(batch *pgx.Batch) { batch.Queue("select 1 from missing") }, insert("10"), nil, "42P01", ""},
		"an argument that cannot be sent": {nothing, func(batch *pgx.Batch) error {
			batch.Queue(insertSQL, "11", make(chan int))
			return nil
		}, nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			db := b.open(b.env.AppURL, 1)
			err := db.Transact(t.Context(), 7, tc.load, tc.decide)
			if err == nil || errors.Is(err, postgres.ErrUnavailable) || errors.Is(err, postgres.ErrBusy) {
				t.Fatalf("got %v", err)
			}
			if tc.is != nil && err != tc.is { //nolint:errorlint // it must be returned unchanged
				t.Errorf("got %v, want %v itself", err, tc.is)
			}
			refused, ok := errors.AsType[*pgconn.PgError](err)
			if tc.code != "" && (!ok || refused.Code != tc.code) {
				t.Errorf("got %v, want code %s", err, tc.code)
			}
			if tc.hidden != "" && strings.Contains(err.Error(), tc.hidden) {
				t.Errorf("the error repeats a value: %v", err)
			}
			if s := db.Stats(); s.Acquired != 1 || s.InUse != 0 {
				t.Errorf("tried %d times, %d connections in use", s.Acquired, s.InUse)
			}
			if err := db.Transact(t.Context(), 7, nothing, insert("after")); err != nil {
				t.Errorf("the next transaction: %v", err)
			}
			if s := db.Stats(); s.Dialed != 1 {
				t.Errorf("%d connections were opened, want the first to be used again", s.Dialed)
			}
		})
	}
	if n := b.count(); n != 1 {
		t.Errorf("%d rows, want only the one that was written afterwards", n)
	}
	b.noneInTransaction()
}

// noneInTransaction fails if a connection of the functions is still in a transaction.
func (b *bench) noneInTransaction() {
	b.Helper()
	var n int
	const sql = `select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state like 'idle in%'`
	if err := b.admin.QueryRow(b.Context(), sql).Scan(&n); err != nil || n != 0 {
		b.Errorf("%d connections idle in a transaction, %v", n, err)
	}
}

func TestBatchIsOneTransaction(t *testing.T) {
	b := setup(t)
	db := b.open(b.env.AppURL, 1)
	err := db.Batch(t.Context(), func(batch *pgx.Batch) {
		_ = insert("1")(batch)
		batch.Queue("insert into scratch (id, note) values ('1', 'again')")
	})
	if refused, ok := errors.AsType[postgres.Refused](err); !ok || refused.Cause.ConstraintName != "scratch_pkey" {
		t.Fatalf("got %v", err)
	}
	if b.count() != 0 {
		t.Error("half of the batch was committed")
	}
	if err := db.Batch(t.Context(), func(batch *pgx.Batch) { _ = insert("1")(batch); _ = insert("2")(batch) }); err != nil || b.count() != 2 {
		t.Errorf("%v, %d rows", err, b.count())
	}
	if err := db.Batch(t.Context(), nothing); err != nil {
		t.Errorf("an empty batch: %v", err)
	}
}

func TestRoundTripsAreExact(t *testing.T) {
	b := setup(t)
	proxy, err := delayproxy.Start(host(t, b.env.AppURL), 5*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	db := b.open(at(t, b.env.AppURL, proxy.Addr()), 2)
	if err := db.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	read := func(batch *pgx.Batch) {
		for range 5 {
			batch.Queue("select id, note from scratch where id = $1", "x").Query(func(rows pgx.Rows) error {
				_, err := pgx.CollectRows(rows, pgx.RowTo[string])
				return err
			})
		}
	}
	write := func(batch *pgx.Batch) error {
		for _, id := range []string{"1", "2", "3", "4"} {
			batch.Queue(insertSQL, id, strings.Repeat("x", 1000))
		}
		return nil
	}
	for _, step := range []struct {
		name string
		want int
		do   func() error
	}{
		{"a transaction", 2, func() error { return db.Transact(t.Context(), 1, read, write) }},
		{"without a lock", 2, func() error { return db.Transact(t.Context(), 0, read, write) }},
		{"a batch", 1, func() error { return db.Batch(t.Context(), read) }},
		{"a ping", 1, func() error { return db.Ping(t.Context()) }},
		{"after 5 s idle", 2, func() error {
			time.Sleep(5 * time.Second)
			return db.Transact(t.Context(), 1, read, write)
		}},
	} {
		before := proxy.RoundTrips()
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := proxy.RoundTrips() - before; got != step.want {
			t.Errorf("%s took %d round trips, want %d", step.name, got, step.want)
		}
	}
	if proxy.Connections() != 1 {
		t.Errorf("%d connections were opened, want 1", proxy.Connections())
	}
}

func TestBusyLockIsRetriedWithoutAConnection(t *testing.T) {
	b := setup(t)
	b.exec("begin; select pg_advisory_xact_lock(42)")
	db := b.open(b.env.AppURL, 1)
	if err := db.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	warm := db.Stats().Acquired

	var free int
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				if db.Stats().InUse == 0 {
					free++
				}
			}
		}
	}()
	err := db.Transact(within(t, 20*time.Second), 42,
		func(batch *pgx.Batch) {
			batch.Queue("select 1").QueryRow(func(pgx.Row) error {
				t.Error("load saw what the lock's holder may be changing")
				return nil
			})
		},
		func(*pgx.Batch) error {
			t.Error("decided without the lock")
			return nil
		})
	close(done)
	<-watched
	if !errors.Is(err, postgres.ErrBusy) || errors.Is(err, postgres.ErrUnavailable) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	if tried := db.Stats().Acquired - warm; tried != postgres.LockTries {
		t.Errorf("tried %d times, want %d", tried, postgres.LockTries)
	}
	if free < 10 { // four pauses of at least 20 ms
		t.Errorf("the connection was free at %d looks only", free)
	}
	if err := db.Transact(t.Context(), 43, nothing, insert("other")); err != nil {
		t.Errorf("another subject: %v", err)
	}

	b.exec("commit")
	if err := db.Transact(t.Context(), 42, nothing, insert("now")); err != nil {
		t.Errorf("after the lock was freed: %v", err)
	}
}

func TestLockIsHeldUntilTheCommit(t *testing.T) {
	b := setup(t)
	db := b.open(b.env.AppURL, 4)
	var group sync.WaitGroup
	const callers = 8
	for range callers {
		group.Go(func() {
			for { // a caller answers ErrBusy with 503; here it tries again
				var n int
				err := db.Transact(within(t, 60*time.Second), 99,
					func(batch *pgx.Batch) {
						batch.Queue("select count(*) from scratch").QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
					},
					func(batch *pgx.Batch) error {
						batch.Queue("insert into scratch (id, note) values ($1, 'text')", strings.Repeat("x", n+1))
						return nil
					})
				if !errors.Is(err, postgres.ErrBusy) {
					if err != nil {
						t.Error(err) // two that read the same count would collide
					}
					return
				}
			}
		})
	}
	group.Wait()
	if n := b.count(); n != callers {
		t.Errorf("%d rows, want %d", n, callers)
	}
}
