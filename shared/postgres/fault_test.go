package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rs/zerolog"

	"newsletter/shared/postgres"
)

// unavailable checks that err is ErrUnavailable with the server's code; an empty code means no error of the server.
func unavailable(t *testing.T, err error, code string) {
	t.Helper()
	if !errors.Is(err, postgres.ErrUnavailable) {
		t.Fatalf("got %v, want ErrUnavailable", err)
	}
	refused, answered := errors.AsType[*pgconn.PgError](err)
	if answered != (code != "") || answered && refused.Code != code {
		t.Fatalf("got %v, want code %q", err, code)
	}
}

// toxic starts a proxy in front of the server at addr.
func toxic(t *testing.T, addr string) *toxiproxy.Proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", addr)
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	return proxy
}

func TestLostAcknowledgementConverges(t *testing.T) {
	b := setup(t)
	proxy := toxic(t, host(t, b.env.AppURL))
	db := b.open(at(t, b.env.AppURL, proxy.Listen), 1)
	var once sync.Once
	work := func() error {
		return db.Transact(t.Context(), 5, nothing, func(batch *pgx.Batch) error {
			once.Do(func() { // from here on, the server's answers are lost and the connection is closed
				if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(`{"name":"lost","type":"timeout","stream":"downstream","attributes":{"timeout":50}}`)); err != nil {
					t.Error(err)
				}
			})
			return insert("only")(batch)
		})
	}
	unavailable(t, work(), "")
	eventually(t, "the commit whose answer was lost is seen", func() bool { return b.count() == 1 })
	if err := proxy.Toxics.RemoveToxic(t.Context(), "lost"); err != nil {
		t.Fatal(err)
	}
	if err := work(); err != nil || b.count() != 1 {
		t.Errorf("repeated by the caller: %v, %d rows", err, b.count())
	}
}

func TestLostAcknowledgementIsRepeatedOnANewConnection(t *testing.T) {
	b := setup(t)
	w := newWire(t, host(t, b.env.AppURL))
	db := b.open(at(t, b.env.AppURL, w.Addr().String()), 1)
	runs, seen := 0, 0
	err := db.Transact(t.Context(), 5,
		func(batch *pgx.Batch) {
			batch.Queue("select count(*) from scratch").QueryRow(func(row pgx.Row) error { return row.Scan(&seen) })
		},
		func(batch *pgx.Batch) error {
			if runs++; runs == 1 {
				w.cut.Store(true)
			}
			return insert("only")(batch)
		})
	if err != nil || runs != 2 || b.count() != 1 {
		t.Fatalf("%v after %d runs, %d rows", err, runs, b.count())
	}
	if seen != 1 {
		t.Error("the second run did not see what the first had committed")
	}
	if dialled := db.Stats().Dialed; dialled != 2 {
		t.Errorf("%d connections, want 2", dialled)
	}
}

func TestTerminatedBackendIsRepeated(t *testing.T) {
	b := setup(t)
	for name, dsn := range map[string]string{"direct": b.env.DirectURL, "through the proxy": b.env.AppURL} {
		t.Run(name, func(t *testing.T) {
			db := b.open(dsn, 2)
			kill := func() {
				b.exec(`select pg_terminate_backend(pid, 10000) from pg_stat_activity
					where datname = current_database() and usename = 'app'`)
			}
			if err := db.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			kill()
			if err := db.Transact(t.Context(), 1, nothing, insert(name+" idle")); err != nil {
				t.Errorf("after an idle connection was ended: %v", err)
			}
			runs := 0
			err := db.Transact(t.Context(), 1, nothing, func(batch *pgx.Batch) error {
				if runs++; runs == 1 {
					kill()
				}
				return insert(name + " between")(batch)
			})
			if err != nil || runs != 2 {
				t.Errorf("ended between the two batches: %v after %d runs", err, runs)
			}
			err = db.Transact(t.Context(), 1, nothing, func(batch *pgx.Batch) error {
				kill()
				return insert(name + " always")(batch)
			})
			if !errors.Is(err, postgres.ErrUnavailable) {
				t.Errorf("ended each time: %v", err)
			}
		})
	}
	if n := b.count(); n != 4 {
		t.Errorf("%d rows, want 4", n)
	}
}

func TestTransientFailuresAreRepeatedOnce(t *testing.T) {
	b := setup(t)
	// A sequence is not rolled back, so the function counts its calls.
	b.exec(`create sequence calls;
		create function flaky(code text, failures int) returns bigint language plpgsql security definer as $$
		declare call bigint := nextval('calls');
		begin
			if call <= failures then raise exception 'failure % of %', call, failures using errcode = code; end if;
			return call;
		end $$`)
	for _, tc := range []struct {
		code     string
		failures int
		calls    int64 // of flaky, in total
		ok       bool
	}{
		{"40001", 1, 2, true},
		{"40P01", 1, 2, true},
		{"55P03", 1, 2, true},
		{"53300", 1, 2, true},
		{"08006", 1, 2, true},
		{"25006", 1, 2, true},
		{"40001", 9, 2, false},
		{"57014", 1, 1, false}, // statement_timeout: a second attempt would take as long
		{"53100", 1, 1, false}, // disk full
	} {
		t.Run(fmt.Sprint(tc.code, " ", tc.failures), func(t *testing.T) {
			b.exec("alter sequence calls restart")
			db := b.open(b.env.AppURL, 1)
			id := t.Name()
			err := db.Transact(t.Context(), 1, nothing, func(batch *pgx.Batch) error {
				batch.Queue("select flaky($1, $2)", tc.code, tc.failures)
				return insert(id)(batch)
			})
			if tc.ok && err != nil {
				t.Error(err)
			}
			if !tc.ok {
				unavailable(t, err, tc.code)
			}
			var calls, rows int64
			const sql = "select (select last_value from calls), (select count(*) from scratch where id = $1)"
			if err := b.admin.QueryRow(t.Context(), sql, id).Scan(&calls, &rows); err != nil {
				t.Fatal(err)
			}
			if calls != tc.calls || (rows == 1) != tc.ok {
				t.Errorf("%d calls, %d rows; want %d calls", calls, rows, tc.calls)
			}
		})
	}
	b.noneInTransaction()
}

func TestStatementTimeout(t *testing.T) {
	b := setup(t)
	b.exec(fmt.Sprintf("alter role app in database %s set statement_timeout = '200ms'", b.env.Name))
	db := b.open(b.env.AppURL, 1)
	err := db.Batch(t.Context(), func(batch *pgx.Batch) { batch.Queue("select pg_sleep(60)") })
	unavailable(t, err, "57014")
	if err := db.Ping(t.Context()); err != nil || db.Stats().Dialed != 1 {
		t.Errorf("the connection is lost: %v, %+v", err, db.Stats())
	}
}

func TestDeadlineFreesTheConnectionsSlot(t *testing.T) {
	b := setup(t)
	db := b.open(b.env.AppURL, 1)
	if err := db.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := db.Transact(within(t, 300*time.Millisecond), 1, func(batch *pgx.Batch) { batch.Queue("select pg_sleep(60)") }, insert("1"))
	unavailable(t, err, "")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the cause is lost: %v", err)
	}
	if err := db.Transact(within(t, 20*time.Second), 1, nothing, insert("2")); err != nil {
		t.Errorf("the next transaction: %v", err)
	}
	if b.count() != 1 {
		t.Error("the canceled transaction was committed")
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	unavailable(t, db.Ping(over), "")
}

func TestPoolDoesNotLeakUnderFaults(t *testing.T) {
	b := setup(t)
	db := b.open(b.env.AppURL, 4)
	mine := errors.New("mine")
	var group sync.WaitGroup
	var unexpected atomic.Int64
	for i := range 80 {
		group.Go(func() {
			ctx := within(t, 30*time.Second)
			if i%8 == 7 {
				ctx = within(t, 50*time.Millisecond)
			}
			err := func() (err error) {
				defer func() {
					if v := recover(); v != nil {
						err = mine
					}
				}()
				return db.Transact(ctx, 0, nothing, func(batch *pgx.Batch) error {
					switch i % 8 {
					case 1:
						return mine
					case 2:
						batch.Queue("insert into scratch (id, note) values ('x', null)")
					case 3:
						panic("mine")
					case 4:
						batch.Queue("select pg_terminate_backend(pg_backend_pid())")
					case 7:
						batch.Queue("select pg_sleep(0.2)")
					}
					return insert(fmt.Sprint(i))(batch)
				})
			}()
			if i%8 == 0 && err != nil && !errors.Is(err, postgres.ErrUnavailable) {
				unexpected.Add(1)
			}
		})
	}
	group.Wait()
	if s := db.Stats(); s.InUse != 0 || s.Open > 4 || unexpected.Load() != 0 {
		t.Errorf("%+v, %d unexpected errors", s, unexpected.Load())
	}
	for i := range 8 {
		if err := db.Transact(within(t, 30*time.Second), 0, nothing, insert(fmt.Sprint("after ", i))); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	}
	eventually(t, "no connection is left in a transaction", func() bool {
		var n int
		const sql = `select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state like 'idle in%'`
		return b.admin.QueryRow(t.Context(), sql).Scan(&n) == nil && n == 0
	})
}
