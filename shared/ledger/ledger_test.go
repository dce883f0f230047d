package ledger

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"newsletter/internal/fixtures/sqlcheck"
	"newsletter/internal/fixtures/testenv"
	"newsletter/shared/postgres"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func setup(t *testing.T) (*postgres.DB, *testenv.Database) {
	t.Helper()
	t.Parallel()
	server := testenv.Postgres(t)
	db := server.Pool(t)
	return db, server
}

func TestStatementsFitTheSchema(t *testing.T) {
	_, server := setup(t)
	sqlcheck.Prepare(t, server.Conn(t), ".")
}

func event() Event {
	return Event{
		ID: uuid.Must(uuid.NewV7()), At: at, Kind: Confirmed, SubscriberID: uuid.New(), Actor: Subscriber, Channel: "link",
		Source:        Source{Page: "https://example.org/blog", Origin: "toot"},
		ConsentTextID: uuid.MustParse("01900000-0000-7000-8000-000000000001"), RequestID: "r1",
		Data: Data{Outcome: "confirmed", Reasons: []string{"a", "b"}, Provider: "google", From: "pending", To: "active", Returning: true},
	}
}

func TestAnEventIsWrittenOnce(t *testing.T) {
	db, server := setup(t)
	e := event()
	e.RequestID = "r\x00\r\n1\xff" + strings.Repeat("é", 100_000)
	visit := Context{EventID: e.ID, At: at, IP: netip.MustParseAddr("::ffff:192.0.2.7%eth0"), UserAgent: "Te\x00st/\xff1.0" + strings.Repeat("é", 300),
		Source: SentSource{Page: "https://example.org/blog?email=jane@example.org", Ref: "jane@example.org"}}
	for range 2 {
		if err := db.Batch(t.Context(), func(b *pgx.Batch) {
			Append(b, e)
			AppendContext(b, visit)
			Append(b, Event{ID: uuid.Must(uuid.NewV7()), At: at, Kind: Expired, Actor: System})
		}); err != nil {
			t.Fatal(err)
		}
	}
	var kind, subscriber, actor, channel, source, text, request, data, ip, agent, sent string
	var when time.Time
	err := server.Conn(t).QueryRow(t.Context(), `select e.kind, e.subscriber_id::text, e.actor, e.channel, e.source::text,
		e.consent_text_id::text, e.request_id, e.data::text, host(c.ip), c.user_agent, c.source::text, e.at
		from ledger_events e join event_context c on c.event_id = e.id where e.id = $1`, e.ID.String()).
		Scan(&kind, &subscriber, &actor, &channel, &source, &text, &request, &data, &ip, &agent, &sent, &when)
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{
		kind: "subscription.confirmed", subscriber: e.SubscriberID.String(), actor: "subscriber", channel: "link",
		source: `{"page": "https://example.org/blog", "utm_source": "toot"}`, text: e.ConsentTextID.String(), request: "r1" + strings.Repeat("é", 31), ip: "192.0.2.7", sent: `{"page": "https://example.org/blog"}`,
		data: `{"to": "active", "from": "pending", "outcome": "confirmed", "reasons": ["a", "b"], "provider": "google", "returning": true}`,
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if !when.Equal(at) || !strings.HasPrefix(agent, "Test/1.0é") || len(agent) > maxUserAgent {
		t.Errorf("%v, %q", when, agent)
	}
}

// TestTheLedgerIsAppendOnly checks that the functions' role can append and read events, and cannot change them.
func TestTheLedgerIsAppendOnly(t *testing.T) {
	db, server := setup(t)
	e := event()
	if err := db.Batch(t.Context(), func(b *pgx.Batch) { Append(b, e) }); err != nil {
		t.Fatal(err)
	}
	conn := server.AppConn(t)
	for _, statement := range []string{
		"update ledger_events set kind = 'x'", "delete from ledger_events", "truncate ledger_events",
		"update consent_texts set body = 'x'", "delete from consent_texts", "drop table ledger_events",
		"alter table ledger_events add column x text", "create table x (y text)",
		"insert into ledger_events select * from ledger_events on conflict (id) do update set kind = 'x'",
	} {
		_, err := conn.Exec(t.Context(), statement)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "42501" { // insufficient privilege
			t.Errorf("%s: %v", statement, err)
		}
	}
	var count int
	if err := conn.QueryRow(t.Context(), "select count(*) from ledger_events where kind = 'subscription.confirmed'").Scan(&count); err != nil || count != 1 {
		t.Errorf("%d, %v", count, err)
	}
}

func TestEveryActorIsAllowedByTheSchema(t *testing.T) {
	db, _ := setup(t)
	for _, actor := range []Actor{Visitor, Subscriber, Provider, Operator, System} {
		e := event()
		e.ID, e.Actor = uuid.Must(uuid.NewV7()), actor
		if err := db.Batch(context.Background(), func(b *pgx.Batch) { Append(b, e) }); err != nil {
			t.Errorf("%s: %v", actor, err)
		}
	}
}
