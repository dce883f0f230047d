package subscription

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/token"
)

// A key is a value that rows can be joined by: an id, a hash or a text, or a minute. Two columns of equal type that
// hold equal values hold the same key.
type key struct{ kind, value string }

// A tableRow is a row of any table, with all its keys.
type tableRow struct {
	table string
	text  string
	keys  []key
	// dated is set if an id in the row contains the time.
	dated bool
}

// rows reads every row of the schema. It reads the columns from the catalog, so that it covers new ones. Numbers and
// booleans have too few values to join by.
func (b *fixture) rows() []tableRow {
	b.Helper()
	types := map[string]map[string]string{}
	for _, line := range b.strings(`
		select table_name || ' ' || column_name || ' ' || data_type from information_schema.columns
		where table_schema = 'public' and table_name not in ('goose_db_version', 'goose_lock', 'migration_checksums')`) {
		fields := strings.SplitN(line, " ", 3)
		if types[fields[0]] == nil {
			types[fields[0]] = map[string]string{}
		}
		types[fields[0]][fields[1]] = fields[2]
	}
	var all []tableRow
	for table, columns := range types {
		for _, text := range b.strings("select to_jsonb(t)::text from " + pgx.Identifier{table}.Sanitize() + " t") {
			var values map[string]any
			if err := json.Unmarshal([]byte(text), &values); err != nil {
				b.Fatal(err)
			}
			r := tableRow{table: table, text: text}
			for column, dataType := range columns {
				r.add(dataType, values[column])
			}
			all = append(all, r)
		}
	}
	return all
}

// add adds the keys of a value: a JSON object or array has those of its leaves.
func (r *tableRow) add(dataType string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, leaf := range v {
			r.add(dataType, leaf)
		}
	case []any:
		for _, leaf := range v {
			r.add(dataType, leaf)
		}
	case string:
		if id, err := uuid.Parse(v); err == nil {
			r.keys = append(r.keys, key{"id", id.String()})
			r.dated = r.dated || id.Version() == 7
			return
		}
		if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
			r.keys = append(r.keys, key{"minute", at.UTC().Format("2006-01-02T15:04")})
			return
		}
		if v != "" {
			r.keys = append(r.keys, key{dataType, v})
		}
	}
}

// walk follows equal keys from the start through any number of rows, and returns the first path to a row for which end
// returns true; "" without one. It does not follow the ignored keys, which many rows have.
func walk(rows []tableRow, start []key, ignored map[key]bool, end func(tableRow) bool) string {
	holders := map[key][]int{}
	for i, r := range rows {
		for _, c := range r.keys {
			holders[c] = append(holders[c], i)
		}
	}
	paths := map[key]string{}
	for _, c := range start {
		paths[c] = c.kind
	}
	for queue := slices.Clone(start); len(queue) > 0; queue = queue[1:] {
		for _, i := range holders[queue[0]] {
			path := paths[queue[0]] + " → " + rows[i].table
			if end(rows[i]) {
				return path + ": " + rows[i].text
			}
			for _, c := range rows[i].keys {
				if _, seen := paths[c]; !seen && !ignored[c] {
					paths[c] = path + " → " + c.kind + " " + c.value
					queue = append(queue, c)
				}
			}
		}
	}
	return ""
}

// live leads a subscriber through everything that is stored: a sign-up that expires, another one that is declined and a
// third one that is confirmed, sent emails, all links, letters, feedback, an unsubscribe, a return and a complaint.
func (b *fixture) live(typed string) {
	b.Helper()
	step := func() { b.advance(26*time.Hour + 7*time.Minute) }
	b.requestLink(typed, ExportLinkEmail, LinkUnknown)
	step()
	b.request(typed, ConfirmationQueued)
	b.deliver()
	b.advance(pendingLifetime)
	if _, err := b.store.Expire(b.Context(), 10); err != nil {
		b.Fatal(err)
	}
	step()
	b.request(typed, ConfirmationQueued)
	b.deliver()
	b.advance(3 * time.Minute)
	b.click(b.decline, b.link(typed), DeclinedNow)
	b.advance(mutePeriod + 3*time.Hour + 5*time.Minute)
	b.activate(typed)
	step()
	b.request(typed, AlreadySubscribed)
	b.deliver()
	step()
	b.click(b.store.Unsubscribe, b.unsubscribeLink(typed), UnsubscribedNow)
	step()
	b.activate(typed)
	for _, right := range []Right{RightOfAccess, RightOfErasure} {
		step()
		if _, err := b.store.RecordPrivacyRequest(b.Context(), address(b, typed), right, b.now().UTC()); err != nil {
			b.Fatal(err)
		}
	}
	step()
	b.requestLink(typed, ExportLinkEmail, LinkQueued)
	b.deliver()
	b.advance(2 * time.Minute)
	if _, err := b.store.Export(b.Context(), token.Link{SubscriberID: b.row(typed).ID}, visit); err != nil {
		b.Fatal(err)
	}
	step()
	if _, err := b.store.Proof(b.Context(), address(b, typed), visit); err != nil {
		b.Fatal(err)
	}
	b.exec(`insert into engagement_events (id, at, kind, subscriber_id, delivery_id)
		select gen_random_uuid(), finished_at, 'delivery', subscriber_id, id from outbox where kind like 'email.%' and subscriber_id = $1`, b.row(typed).ID)
	step()
	b.requestLink(typed, EraseLinkEmail, LinkQueued)
	b.deliver()
	b.advance(2 * time.Minute)
	b.suppress(Suppression{SubscriberID: b.row(typed).ID, Reason: Complaint, Actor: ledger.Provider}, SuppressedNow)
	step()
}

// hashesOf returns the keys of an address's pseudonyms.
func (b *fixture) hashesOf(typed string) []key {
	b.Helper()
	h := newPseudonyms(b.store.key, address(b, typed))
	return []key{{"bytea", `\x` + hex.EncodeToString(h.email)}, {"bytea", `\x` + hex.EncodeToString(h.mailbox)}}
}

// TestErasureLeavesNoTrail checks that no path of equal ids, hashes, texts or minutes leads from the pseudonyms of an
// erased subscriber to their events. That someone else's rows share a value says nothing about whose rows they are:
// such values are those of another subscriber with the same life.
func TestErasureLeavesNoTrail(t *testing.T) {
	b := setup(t)
	b.live("john@example.org")
	common := map[key]bool{}
	for _, r := range b.rows() {
		for _, c := range r.keys {
			common[c] = true
		}
	}
	b.live(jane)
	history := map[string]bool{}
	for _, id := range b.strings(`
		select e.id::text from ledger_events e join identities i using (subscriber_id) where i.email_hmac = $1`, b.store.key.Address("jane@example.org")) {
		history[id] = true
	}
	trail := func() string {
		return walk(b.rows(), b.hashesOf(jane), common, func(r tableRow) bool {
			return r.dated && r.table != "ledger_events" && !strings.HasPrefix(r.table, "ledger_seals") ||
				r.table == "ledger_events" && slices.ContainsFunc(r.keys, func(c key) bool { return history[c.value] })
		})
	}
	if len(history) < 12 || trail() == "" {
		t.Fatalf("%d events, and before the erasure no path was found", len(history))
	}
	b.erase(Erasure{Address: address(t, jane), SubscriberID: b.row(jane).ID, Object: true}, ErasedNow)
	b.deliver() // the change
	for _, id := range b.strings(`select id::text from ledger_events where kind = 'subscription.erased'`) {
		history[id] = true
	}
	if path := trail(); path != "" {
		t.Errorf("a path leads to the events: %s", path)
	}

	// Each of these traces would be found.
	event, at := b.strings(`select id::text from ledger_events where kind = 'subscription.confirmed' order by at desc`)[0], "(select max(at) from ledger_events)"
	for name, trace := range map[string]string{
		"the time of a suppression":      `update suppressions set created_at = ` + at + ` where email_hmac = $1`,
		"the time of an erasure":         `update erasures set at = ` + at + ` where email_hmac = $1`,
		"an id with the time":            `update erasures set id = '0192b3a4-c5d6-7e8f-9012-a3b4c5d6e7f8' where email_hmac = $1`,
		"the event of an erasure":        `update erasures set id = '` + event + `' where email_hmac = $1`,
		"a sent email":                   `update email_log set at = ` + at + ` where mailbox_hmac = (select mailbox_hmac from suppressions where email_hmac = $1)`,
		"a message and a privacy letter": `with m as (update email_log set at = '2020-02-02 02:02Z' where mailbox_hmac = (select mailbox_hmac from suppressions where email_hmac = $1)) update privacy_requests set received_at = '2020-02-02 02:02:59Z', due_at = ` + at + ` where $1::bytea is not null`,
	} {
		tx, err := b.admin.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b.exec(trace, b.store.key.Address("jane@example.org"))
		if path := trail(); path == "" {
			t.Errorf("%s is not found", name)
		} else {
			t.Logf("%s: %s", name, path)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestErasureLeavesNoTrailOfADomain checks the same for the pseudonym of a domain where one subscriber is alone: a
// sign-up has taken a slot there a short time before, and one is held.
func TestErasureLeavesNoTrailOfADomain(t *testing.T) {
	b := setup(t)
	const typed = "jane@jane-alone.net"
	b.live(typed)
	if _, err := b.store.Request(t.Context(), Request{Address: address(t, typed), Visit: visit, Hold: "honeypot"}); err != nil {
		t.Fatal(err)
	}
	b.advance(7 * time.Minute)
	start := []key{{"bytea", `\x` + hex.EncodeToString(b.store.limitedDomain(address(t, typed)))}}
	trail := func() string {
		return walk(b.rows(), start, nil, func(r tableRow) bool { return r.table == "ledger_events" })
	}
	if trail() == "" || b.count("signup_slots") == 0 {
		t.Fatal("before the erasure no path was found")
	}
	b.erase(Erasure{Address: address(t, typed)}, ErasedNow)
	b.deliver() // the change
	if path := trail(); path != "" {
		t.Errorf("a path leads to the events: %s", path)
	}
	b.exec(`update signup_slots set at = (select date_trunc('minute', max(at)) from ledger_events)`)
	if trail() == "" {
		t.Error("the minute of a slot is not found")
	}
}

// TestErasuresOfADay reports what remains: the day of an erasure. Where one subscriber a day is erased, it names one
// history (docs/privacy.md).
func TestErasuresOfADay(t *testing.T) {
	b := setup(t)
	for i := range 4 {
		for j := range max(1, i) {
			typed := fmt.Sprintf("jane%d%d@example.org", i, j)
			b.activate(typed)
			b.erase(Erasure{Address: address(t, typed)}, ErasedNow)
		}
		b.advance(24 * time.Hour)
	}
	shared := b.strings(`
		select count(distinct x.id) || ' erasures, ' || count(distinct e.subscriber_id) || ' histories'
		from erasures x join ledger_events e on e.kind = 'subscription.erased' and date_trunc('day', e.at, 'UTC') = x.at group by x.at order by x.at`)
	t.Logf("of a day: %v", shared)
	if want := []string{"1 erasures, 1 histories", "1 erasures, 1 histories", "2 erasures, 2 histories", "3 erasures, 3 histories"}; !slices.Equal(shared, want) {
		t.Errorf("%q, want %q", shared, want)
	}
}
