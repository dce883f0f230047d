package subscription

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/fixtures/testenv"
	"newsletter/shared/config"
	"newsletter/shared/pseudonym"
)

// A fixture is a store on its own database, with a clock that tests move and a connection with administrator rights.
type fixture struct {
	*testing.T
	server *testenv.Database
	store  *Store
	optIn  OptIn // used by request
	db     database
	admin  *pgx.Conn
	clock  *atomic.Int64 // nanoseconds after now
}

func (b *fixture) now() time.Time          { return now.Add(time.Duration(b.clock.Load())) }
func (b *fixture) advance(d time.Duration) { b.clock.Add(int64(d)) }

// on returns a store like b's on another view of the database.
func (b *fixture) on(db database) *Store {
	return NewStore(db, b.store.key, b.now)
}

// setup connects as the functions do: with their role, through the pooler, over verified TLS.
func setup(t *testing.T) *fixture {
	t.Helper()
	t.Parallel()
	server := testenv.Postgres(t)
	db := server.Pool(t)
	b := &fixture{T: t, server: server, db: db, admin: server.Conn(t), clock: &atomic.Int64{}}
	b.store = NewStore(db, testKey(t), b.now)
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
