package subscription

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/testenv"
	"newsletter/shared/config"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
)

// bundle is a store on a database of its own, a clock that tests move, and a connection that may see everything.
type bundle struct {
	*testing.T
	server *testenv.Database
	store  *Store
	optIn  OptIn // of what request sends
	db     database
	admin  *pgx.Conn
	clock  *atomic.Int64 // nanoseconds after now
}

func (b *bundle) now() time.Time          { return now.Add(time.Duration(b.clock.Load())) }
func (b *bundle) advance(d time.Duration) { b.clock.Add(int64(d)) }

// on is the bundle's store on another view of its database.
func (b *bundle) on(db database) *Store {
	return NewStore(db, b.store.key, b.store.domainLimit, b.now)
}

// setup connects the way the functions do: as their role, through the pooler, over verified TLS.
func setup(t *testing.T) *bundle {
	t.Helper()
	t.Parallel()
	server := testenv.Postgres(t)
	db, err := postgres.New(t.Context(), postgres.Config{URL: config.Seal(server.AppURL), CAFile: server.CAFile})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	b := &bundle{T: t, server: server, db: db, admin: server.Conn(t), clock: &atomic.Int64{}}
	b.store = NewStore(db, testKey(t), DomainLimit{}, b.now)
	return b
}

func testKey(t testing.TB) pseudonym.Key {
	t.Helper()
	key, err := pseudonym.NewKey(pseudonym.Config{Pepper: config.Seal(strings.Repeat("QUJD", 11))})
	if err != nil {
		t.Fatal(err)
	}
	return key
}
