package postgres_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/fixtures/testenv"
	"newsletter/shared/config"
	"newsletter/shared/postgres"
)

// bench is a database with a table to write to, reached as the functions reach theirs.
type bench struct {
	*testing.T
	env   *testenv.Database
	admin *pgx.Conn
}

// setup returns a bench whose AppURL goes through PgBouncer.
func setup(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	b := &bench{T: t, env: testenv.PgBouncer(t)}
	b.admin = b.env.Conn(t)
	b.exec(`create table scratch (id text primary key, note text not null);
		grant select, insert, update, delete on scratch to app`)
	return b
}

// exec runs a statement as the superuser.
func (b *bench) exec(sql string, args ...any) {
	b.Helper()
	if _, err := b.admin.Exec(b.Context(), sql, args...); err != nil {
		b.Fatal(err)
	}
}

// count counts the rows of scratch.
func (b *bench) count() (n int) {
	b.Helper()
	if err := b.admin.QueryRow(b.Context(), "select count(*) from scratch").Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}

// open opens a pool of maxConns connections to dsn.
func (b *bench) open(dsn string, maxConns int) *postgres.DB {
	b.Helper()
	db, err := postgres.New(b.Context(), postgres.Config{URL: config.Seal(dsn), CAFile: b.env.CAFile, MaxConns: maxConns})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(db.Close)
	return db
}

const insertSQL = "insert into scratch (id, note) values ($1, $2) on conflict (id) do nothing"

// insert queues one row.
func insert(id string) func(*pgx.Batch) error {
	return func(batch *pgx.Batch) error {
		batch.Queue(insertSQL, id, "text")
		return nil
	}
}

// nothing queues no query.
func nothing(*pgx.Batch) {}

// within returns a context with a deadline that a busy machine can meet.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// eventually polls until condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timeout: waiting until %s", what)
		}
	}
}

// at returns dsn with another address.
func at(t *testing.T, dsn, addr string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = addr
	return u.String()
}

// host returns dsn's address.
func host(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// wire is a TCP proxy that can treat existing connections differently from new ones, which toxiproxy cannot.
type wire struct {
	net.Listener
	target string
	frozen atomic.Int64 // connections with a lower number transfer nothing any more, and stay open
	opened atomic.Int64
	cut    atomic.Bool // the next answer is dropped, and its connection closed
	mu     sync.Mutex
	conns  []net.Conn
}

func newWire(t *testing.T, target string) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: listener, target: target}
	go w.accept()
	t.Cleanup(func() {
		_ = listener.Close()
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, c := range w.conns {
			_ = c.Close()
		}
	})
	return w
}

// freeze silences the existing connections.
func (w *wire) freeze() { w.frozen.Store(w.opened.Load()) }

func (w *wire) accept() {
	for {
		client, err := w.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", w.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		w.mu.Lock()
		w.conns = append(w.conns, client, server)
		w.mu.Unlock()
		number := w.opened.Add(1)
		go w.pipe(server, client, number, false)
		go w.pipe(client, server, number, true)
	}
}

func (w *wire) pipe(dst, src net.Conn, number int64, answers bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := src.Read(buffer)
		if number <= w.frozen.Load() {
			if err != nil {
				return
			}
			continue
		}
		if answers && n > 0 && w.cut.CompareAndSwap(true, false) {
			_ = dst.Close()
			_ = src.Close()
			return
		}
		if n > 0 {
			if _, err := dst.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				_ = dst.(*net.TCPConn).CloseWrite()
			}
			return
		}
	}
}
