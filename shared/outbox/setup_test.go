package outbox

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/fixtures/testenv"
	"newsletter/shared/postgres"
)

// bundle is a worker on its own database, with a clock that tests advance.
type bundle struct {
	*testing.T
	db     *postgres.DB
	worker *Worker
	admin  *pgx.Conn
	clock  atomic.Int64 // nanoseconds after start
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (b *bundle) now() time.Time          { return start.Add(time.Duration(b.clock.Load())) }
func (b *bundle) advance(d time.Duration) { b.clock.Add(int64(d)) }

func (b *bundle) one(sql string) int {
	b.Helper()
	var n int
	if err := b.admin.QueryRow(b.Context(), sql).Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}

// claimSome claims up to n messages.
func (b *bundle) claimSome(n int) []Delivery {
	b.Helper()
	claimed, err := b.worker.Claim(b.Context(), Limits{Due: n}, lease)
	if err != nil {
		b.Fatal(err)
	}
	return claimed
}

// setup connects as the functions do: with their role, through the pooler, over verified TLS.
func setup(t *testing.T) *bundle {
	t.Helper()
	t.Parallel()
	server := testenv.Postgres(t)
	db := server.Pool(t)
	b := &bundle{T: t, db: db, admin: server.Conn(t)}
	b.worker = NewWorker(db, b.now)
	return b
}
