package postgres_test

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"newsletter/shared/config"
	"newsletter/shared/postgres"
)

func TestConnectionsThatDiedSilentlyAreReplaced(t *testing.T) {
	b := setup(t)
	w := newWire(t, host(t, b.env.AppURL))
	db := b.open(at(t, b.env.AppURL, w.Addr().String()), 2)
	db.PingAfter(0)
	if err := db.Batch(t.Context(), func(batch *pgx.Batch) { batch.Queue("select pg_sleep(0.2)") }); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 2 { // both slots of the pool
		group.Go(func() {
			if err := db.Batch(t.Context(), func(batch *pgx.Batch) { batch.Queue("select pg_sleep(0.5)") }); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if db.Stats().Open != 2 {
		t.Fatalf("%+v, want two connections", db.Stats())
	}
	w.freeze()
	if err := db.Transact(t.Context(), 1, nothing, insert("1")); err != nil {
		t.Errorf("the first transaction after the freeze: %v", err)
	}
}

func TestFailoverReplacesAllConnections(t *testing.T) {
	b := setup(t)
	b.exec(fmt.Sprintf("alter database %s set default_transaction_read_only = on", b.env.Name))
	db := b.open(b.env.DirectURL, 2)
	var old sync.Map
	collect := func(into *sync.Map) {
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() {
				err := db.Batch(t.Context(), func(batch *pgx.Batch) {
					batch.Queue("select pg_backend_pid()").QueryRow(func(row pgx.Row) error {
						var pid int
						err := row.Scan(&pid)
						into.Store(pid, true)
						return err
					})
					batch.Queue("select pg_sleep(0.5)")
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
	collect(&old)
	runs := 0
	err := db.Transact(t.Context(), 1, nothing, func(batch *pgx.Batch) error {
		if runs++; runs == 1 { // new connections reach the new writer
			b.exec(fmt.Sprintf("alter database %s reset default_transaction_read_only", b.env.Name))
		}
		return insert("1")(batch)
	})
	if err != nil || runs != 2 {
		t.Fatalf("%v after %d runs", err, runs)
	}
	var now sync.Map
	collect(&now)
	now.Range(func(pid, _ any) bool {
		if _, stale := old.Load(pid); stale {
			t.Errorf("connection %v to the old writer is still used", pid)
		}
		return true
	})
}

func TestNoServerListens(t *testing.T) {
	b := setup(t)
	proxy := toxic(t, host(t, b.env.AppURL))
	dsn := at(t, b.env.AppURL, proxy.Listen)
	db := b.open(dsn, 1)
	proxy.Stop()
	unavailable(t, db.Warm(t.Context()), "")
	unavailable(t, db.Transact(t.Context(), 1, nothing, insert("1")), "")
	unavailable(t, db.Ping(t.Context()), "")

	late := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "late", proxy.Listen, host(t, b.env.AppURL))
	if err := late.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(late.Stop)
	if err := db.Transact(t.Context(), 1, nothing, insert("1")); err != nil {
		t.Errorf("after it came back: %v", err)
	}
}

func TestRotatedPasswordIsRenewed(t *testing.T) {
	b := setup(t)
	role := b.env.Name // unique, and dropped with its privileges
	rotate := func(password string) {
		b.exec(fmt.Sprintf("alter role %s password '%s'", role, password))
		b.exec("select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = $1", role)
	}
	b.exec(fmt.Sprintf("create role %s login; grant insert, select on scratch to %s", role, role))
	b.Cleanup(func() {
		admin, err := pgx.Connect(context.Background(), b.env.AdminURL)
		if err == nil {
			_, err = admin.Exec(context.Background(), fmt.Sprintf("drop owned by %s; drop role %s", role, role))
			_ = admin.Close(context.Background())
		}
		if err != nil {
			b.Error(err)
		}
	})
	u, err := url.Parse(b.env.DirectURL)
	if err != nil {
		t.Fatal(err)
	}
	dsn := func(password string) config.Sealed {
		u.User = url.UserPassword(role, password)
		return config.Seal(u.String())
	}
	stored, looks, clock := "first", 0, time.Now()
	rotate(stored)
	db, err := postgres.New(t.Context(), postgres.Config{URL: dsn(stored), CAFile: b.env.CAFile, Renew: func(context.Context) (postgres.Config, error) {
		looks++
		return postgres.Config{URL: dsn(stored)}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	b.Cleanup(db.Close)
	db.SetLoginNow(func() time.Time { return clock })
	for i, step := range []struct {
		server, stored string
		later          time.Duration
		ok             bool
		looks          int
	}{
		{"first", "first", 0, true, 0},
		{"second", "second", 0, true, 1},
		{"third", "third", time.Second, false, 1}, // too soon to renew again
		{"third", "third", time.Minute, true, 2},
		{"fourth", "third", time.Hour, false, 3}, // the secret is not updated yet
		{"fourth", "fourth", time.Second, false, 3},
		{"fourth", "fourth", time.Hour, true, 4},
	} {
		stored, clock = step.stored, clock.Add(step.later)
		rotate(step.server)
		err := db.Transact(t.Context(), 1, nothing, insert(fmt.Sprint(i)))
		if (err == nil) != step.ok || looks != step.looks {
			t.Errorf("step %d: %v after %d looks", i, err, looks)
		}
		if !step.ok {
			unavailable(t, err, "28P01")
		}
	}
}
