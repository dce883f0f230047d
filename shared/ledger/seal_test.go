package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/internal/fixtures/testenv"
	"newsletter/shared/ledger"
	"newsletter/shared/postgres"
)

// sealTest is a database with a clock that tests move.
type sealTest struct {
	*testing.T
	db    *postgres.DB
	owner *pgx.Conn
	now   time.Time
}

func newLedger(t *testing.T) *sealTest {
	t.Helper()
	database := testenv.Postgres(t)
	db := database.KeeperPool(t)
	return &sealTest{t, db, database.Conn(t), time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC)}
}

func (l *sealTest) sealer() *ledger.Sealer {
	return ledger.NewSealer(l.db, func() time.Time { return l.now })
}

// write appends an event at the current time.
func (l *sealTest) write() uuid.UUID {
	l.Helper()
	id := uuid.Must(uuid.NewV7())
	err := l.db.Batch(l.Context(), func(b *pgx.Batch) {
		ledger.Append(b, ledger.Event{ID: id, At: l.now, Kind: ledger.Requested, Actor: ledger.Visitor, Channel: "form", RequestID: "r", Data: ledger.Data{Outcome: "o"}})
	})
	if err != nil {
		l.Fatal(err)
	}
	return id
}

// seal creates all seals that are due.
func (l *sealTest) seal() (made []ledger.Seal) {
	l.Helper()
	for {
		seal, more, err := l.sealer().Next(l.Context())
		if err != nil {
			l.Fatal(err)
		}
		if !more {
			return made
		}
		made = append(made, seal)
	}
}

func (l *sealTest) verify(known ...[]byte) ledger.Report {
	l.Helper()
	report, err := l.sealer().Verify(l.Context(), ledger.Outside{Known: known})
	if err != nil {
		l.Fatal(err)
	}
	return report
}

func (l *sealTest) exec(sql string, args ...any) {
	l.Helper()
	if _, err := l.owner.Exec(l.Context(), sql, args...); err != nil {
		l.Fatalf("%s: %v", sql, err)
	}
}

func TestSealsCoverEverySettledEvent(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	if made := l.seal(); len(made) != 0 {
		t.Errorf("an empty ledger: %d seals", len(made))
	}
	for range 3 { // 10:30, 12:30 (an hour without an event between them), 14:30
		l.write()
		l.write()
		l.now = l.now.Add(2 * time.Hour)
	}
	l.now = time.Date(2026, 3, 1, 15, 19, 59, 0, time.UTC)
	made := l.seal()
	if len(made) != 2 || made[0].Events != 2 || made[1].From != made[0].To || made[1].To.Hour() != 13 {
		t.Errorf("%+v", made)
	}
	l.now = l.now.Add(time.Second) // the hour of 14:30 is settled now
	if made = l.seal(); len(made) != 1 || made[0].Events != 2 {
		t.Errorf("%+v", made)
	}
	report := l.verify(made[0].Hash)
	if report.Seals != 3 || report.Events != 6 || len(report.Findings) != 0 || report.Head != fmt.Sprintf("%x", made[0].Hash) {
		t.Errorf("%+v", report)
	}
	if report := l.verify([]byte("another chain's")); len(report.Findings) != 1 {
		t.Errorf("a hash that is not in the chain: %+v", report)
	}
}

// TestAForgedSeal checks that a forged seal, whatever its times, neither blocks Next forever nor goes unnoticed.
func TestAForgedSeal(t *testing.T) {
	t.Parallel()
	const (
		columns = "insert into ledger_seals (id, from_at, to_at, events, digest, previous, hash, created_at) select gen_random_uuid(), "
		follow  = ", 0, sha256(''), hash, sha256('x'), now() from ledger_seals order by to_at desc limit 1"
		// The hash of a seal, as Seal.hash computes it.
		formed = `, 0, sha256(''), p, sha256(convert_to('newsletter/seal/1', 'UTF8') || int8send(f) || int8send(t) || int8send(0) || sha256('') || p), now()
			from (select (extract(epoch from $1::timestamptz) * 1000000)::bigint as f, (extract(epoch from $2::timestamptz) * 1000000)::bigint as t, `
		last = `(select hash from ledger_seals order by to_at desc limit 1) as p) as s`
	)
	for name, test := range map[string]struct{ from, to, rest, found string }{
		"before all others":             {"1970-01-02", "1970-01-03", follow, "was changed"},
		"in the future":                 {"1970-01-02", "9000-01-01", follow, "was changed"},
		"well-formed, before all":       {"1970-01-02", "1970-01-03", formed + last, "the previous seal was changed"},
		"well-formed, in the future":    {"2026-03-01T11:00Z", "9000-01-01", formed + last, "ends in the future"},
		"a second beginning":            {"1970-01-02", "1970-01-03", formed + `'\x00'::bytea as p) as s`, "the previous seal was changed"},
		"a second chain, in the future": {"8999-01-01", "9000-01-01", formed + `'\x00'::bytea as p) as s`, "the previous seal was changed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLedger(t)
			l.write()
			l.now = l.now.Add(3 * time.Hour)
			l.seal()
			l.write()
			l.now = l.now.Add(3 * time.Hour)
			l.exec(columns+"$1::timestamptz, $2::timestamptz"+test.rest, test.from, test.to)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if seal, made, err := l.sealer().Next(ctx); !errors.Is(err, ledger.ErrBrokenChain) || made {
				t.Errorf("%+v %t %v", seal, made, err)
			}
			if report := l.verify(); !strings.Contains(fmt.Sprint(report.Findings), test.found) {
				t.Errorf("%+v", report)
			}
		})
	}
}

// TestASealOfTheFuture checks that a valid seal that ends in the future is found before an event of that time reveals
// it.
func TestASealOfTheFuture(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.write()
	now := l.now
	l.now = now.Add(48 * time.Hour)
	l.seal()
	l.now = now
	if _, _, err := l.sealer().Next(t.Context()); !errors.Is(err, ledger.ErrBrokenChain) {
		t.Error(err)
	}
	if report := l.verify(); len(report.Findings) != 1 || report.Findings[0].What != "the seal ends in the future" {
		t.Errorf("%+v", report)
	}
}

// TestOneChain checks that concurrent Sealers create one chain.
func TestOneChain(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for range 5 {
		l.write()
		l.now = l.now.Add(time.Hour)
	}
	l.now = l.now.Add(time.Hour)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for more := true; more; {
				var err error
				if _, more, err = l.sealer().Next(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if report := l.verify(); report.Seals != 5 || report.Events != 5 || len(report.Findings) != 0 {
		t.Errorf("%+v", report)
	}
}

// TestAFullHour seals more events in an hour than one read returns.
func TestAFullHour(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.exec(`insert into ledger_events (id, at, kind, actor, channel, request_id)
		select gen_random_uuid(), $1::timestamptz + n / 100 * interval '1 millisecond', 'subscription.requested', 'visitor', 'api', n::text
		from generate_series(1, 4321) as n`, l.now)
	l.now = l.now.Add(2 * time.Hour)
	if made := l.seal(); len(made) != 1 || made[0].Events != 4321 {
		t.Fatalf("%+v", made)
	}
	if report := l.verify(); len(report.Findings) != 0 {
		t.Errorf("%+v", report)
	}
	l.exec("update ledger_events set request_id = 'x' where request_id = '4000'")
	if report := l.verify(); len(report.Findings) != 1 {
		t.Errorf("%+v", report)
	}
}

// TestAppendOnly checks that the functions' role can append events and seals, and change neither.
func TestAppendOnly(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.write()
	l.now = l.now.Add(2 * time.Hour)
	l.seal()
	for _, table := range []string{"ledger_events", "ledger_seals", "consent_texts"} {
		for _, sql := range []string{"update " + table + " set id = id", "delete from " + table, "truncate " + table + " cascade", "drop table " + table} {
			err := l.db.Batch(t.Context(), func(b *pgx.Batch) { b.Queue(sql) })
			if err == nil || !strings.Contains(err.Error(), "42501") {
				t.Errorf("%s: %v, want 42501", sql, err)
			}
		}
	}
}
