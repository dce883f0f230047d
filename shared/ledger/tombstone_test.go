package ledger_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
)

// append writes an event of a subscriber at the current time, with all the content that an event can have.
func (l *sealTest) append(kind ledger.Kind, subscriber uuid.UUID, from, to string) uuid.UUID {
	l.Helper()
	e := ledger.Event{
		ID: uuid.Must(uuid.NewV7()), At: l.now, Kind: kind, SubscriberID: subscriber, Actor: ledger.Visitor, Channel: "form", RequestID: "gateway-1",
		Source:        ledger.Source{Page: "https://example.org/blog", Origin: "toot"},
		ConsentTextID: uuid.MustParse("01900000-0000-7000-8000-000000000001"),
		Data:          ledger.Data{Outcome: "o", From: from, To: to, Provider: "google", Locale: "de-AT", Reasons: []string{"honeypot"}},
	}
	if err := l.db.Batch(l.Context(), func(b *pgx.Batch) { ledger.Append(b, e) }); err != nil {
		l.Fatal(err)
	}
	return e.ID
}

// identify stores the identity of a subscriber.
func (l *sealTest) identify(subscriber uuid.UUID) {
	l.Helper()
	l.exec(`insert into identities (subscriber_id, email_hmac, mailbox_hmac, key_id) values ($1, '\x00', '\x00', 'k')`, subscriber)
}

// tombstones returns the ids of the tombstones.
func (l *sealTest) tombstones() (ids []uuid.UUID) {
	l.Helper()
	rows, err := l.owner.Query(l.Context(), `select id from ledger_events where content_hash is not null order by at, id`)
	if err != nil {
		l.Fatal(err)
	}
	if ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID]); err != nil {
		l.Fatal(err)
	}
	return ids
}

// writeTombstones writes tombstones of everything that became due since a time.
func (l *sealTest) writeTombstones(last time.Time) int64 {
	l.Helper()
	n, err := l.sealer().WriteTombstones(l.Context(), last)
	if err != nil {
		l.Fatal(err)
	}
	return n
}

// TestTombstones checks which events become tombstones, when, what is left of them, and that their seals stay valid.
func TestTombstones(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const active, none = "active", "none"
	first := l.now
	confirmed, optIn, imported, returning, known, robot, erased := uuid.New(), uuid.New(), uuid.New(), uuid.New(), uuid.New(), uuid.New(), uuid.New()
	l.identify(known)
	for _, kept := range []struct {
		kind       ledger.Kind
		subscriber uuid.UUID
		from, to   string
	}{
		{ledger.Requested, confirmed, none, "pending"},
		{ledger.Confirmed, confirmed, "pending", active},
		{ledger.Erased, confirmed, active, "erased"},
		{ledger.Requested, optIn, none, active},
		{ledger.Imported, imported, none, active},
		{ledger.Requested, returning, "unsubscribed", "pending"},
		{ledger.Suppressed, known, none, "suppressed"},
		{ledger.ListExported, uuid.Nil, "", ""},
		{ledger.Suppressed, uuid.Nil, none, "suppressed"},
	} {
		l.append(kept.kind, kept.subscriber, kept.from, kept.to)
	}
	due := []uuid.UUID{
		l.append(ledger.Requested, robot, none, "pending"),
		l.append(ledger.Requested, uuid.Nil, none, none),
		l.append(ledger.LinkRequested, uuid.Nil, "", ""),
		l.append(ledger.Requested, erased, none, "pending"),
		l.append(ledger.Erased, erased, "pending", "erased"),
	}
	l.now = l.now.Add(40 * 24 * time.Hour)
	end := l.append(ledger.Expired, robot, "pending", none)
	l.now = l.now.Add(3 * time.Hour)
	made := l.seal()
	head := made[len(made)-1].Hash

	l.now = first.Add(ledger.TombstoneAge)
	if n := l.writeTombstones(first); n != 0 {
		t.Errorf("%d tombstones before the time", n)
	}
	before := l.now
	l.now = l.now.Add(time.Second)
	if n, got := l.writeTombstones(before), l.tombstones(); n != 5 || !slices.Equal(got, due) {
		t.Errorf("%d tombstones %v, want %v", n, got, due)
	}
	if n := l.writeTombstones(time.Time{}); n != 0 {
		t.Errorf("%d tombstones once more", n)
	}
	before = l.now
	l.now = first.Add(41*24*time.Hour + ledger.TombstoneAge)
	if n, got := l.writeTombstones(before), l.tombstones(); n != 1 || !slices.Equal(got, append(due, end)) {
		t.Errorf("%d tombstones %v, want the end, too", n, got)
	}
	var left string
	err := l.owner.QueryRow(t.Context(), `
		select concat_ws(' ', kind, subscriber_id, actor, channel, source, consent_text_id, request_id, data, octet_length(content_hash), salt, at = $2)
		from ledger_events where id = $1`, due[0], first).Scan(&left)
	if want := fmt.Sprintf(`subscription.requested %s visitor form {}  {"to": "pending", "from": "none", "outcome": "o"} 32 t`, robot); err != nil || left != want {
		t.Errorf("left is %s, want %s, %v", left, want, err)
	}
	if report := l.verify(head); len(report.Findings) != 0 || report.Events != 15 {
		t.Errorf("%+v", report)
	}
}

// TestALateEndTakesEarlierEvents checks that the end of a long series of requests makes all of them tombstones, though
// they are much older than the last run, and that a missed run is made up for.
func TestALateEndTakesEarlierEvents(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	robot := uuid.New()
	l.identify(robot)
	var last time.Time
	run := func(want int64) {
		t.Helper()
		if n := l.writeTombstones(last); n != want {
			t.Errorf("%s: %d tombstones, want %d", l.now, n, want)
		}
		last = l.now
	}
	for range 12 { // a request a month
		l.append(ledger.Requested, robot, "none", "pending")
		l.now = l.now.AddDate(0, 1, 0)
		run(0)
	}
	l.append(ledger.Expired, robot, "pending", "none")
	l.exec(`delete from identities`)
	l.now = l.now.Add(ledger.TombstoneAge + 400*24*time.Hour)
	run(13)
	// A clock that was wrong does not hide anything.
	l.append(ledger.Requested, uuid.Nil, "none", "none")
	last = l.now.AddDate(100, 0, 0)
	l.now = l.now.Add(ledger.TombstoneAge + time.Second)
	run(1)
}

// TestTamperingWithTombstonesIsFound tries to pass off other deletions and changes as tombstones, as the owner of the
// schema can, with the right hash of what is deleted. No seal is touched.
func TestTamperingWithTombstonesIsFound(t *testing.T) {
	t.Parallel()
	const (
		bury = `update ledger_events set content_hash = sha256(uuid_send(salt) || convert_to(jsonb_build_array(source, consent_text_id, request_id,
			data - '{outcome,from,to}'::text[])::text, 'UTF8')), salt = null, source = '{}', consent_text_id = null, request_id = '',
			data = jsonb_build_object('outcome', data -> 'outcome', 'from', data -> 'from', 'to', data -> 'to') where id = $1`
		changed, deleted = "changed", "content of"
	)
	for name, test := range map[string]struct {
		kind  ledger.Kind
		of    string // none, robot, confirmed, optIn or known
		age   time.Duration
		sql   string
		found string // empty: nothing is wrong
	}{
		"a request that ended":              {ledger.Requested, "robot", 0, bury, ""},
		"a confirmation":                    {ledger.Confirmed, "confirmed", 0, bury, deleted},
		"the request that was confirmed":    {ledger.Requested, "confirmed", 0, bury, deleted},
		"a single opt-in":                   {ledger.Requested, "optIn", 0, bury, deleted},
		"a subscriber with an identity":     {ledger.Requested, "known", 0, bury, deleted},
		"too early":                         {ledger.Requested, "robot", -time.Hour, bury, deleted},
		"an act of the operator":            {ledger.ListExported, "none", 0, bury, deleted},
		"another hash":                      {ledger.Requested, "robot", 0, strings.Replace(bury, "source, consent", "'{}'::jsonb, consent", 1), changed},
		"other content in place of it":      {ledger.Requested, "robot", 0, strings.Replace(bury, "source = '{}'", `source = '{"page": "x"}'`, 1), changed},
		"other data in place of it":         {ledger.Requested, "robot", 0, strings.Replace(bury, "jsonb_build_object(", `jsonb_build_object('granted', true, `, 1), changed},
		"another outcome":                   {ledger.Requested, "robot", 0, strings.Replace(bury, "data -> 'to'", `'"active"'::jsonb`, 1), changed},
		"a confirmation made a request":     {ledger.Confirmed, "confirmed", 0, strings.Replace(bury, " where", ", kind = 'subscription.requested', subscriber_id = null where", 1), changed},
		"another salt":                      {ledger.Requested, "robot", 0, `update ledger_events set salt = gen_random_uuid() where id = $1`, changed},
		"a hash beside the content":         {ledger.Requested, "robot", 0, strings.Replace(bury, ", salt = null, source = '{}', consent_text_id = null, request_id = ''", ", salt = null", 1), changed},
		"a tombstone without what it keeps": {ledger.Requested, "robot", 0, `update ledger_events set content_hash = null, salt = null where id = $1`, changed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLedger(t)
			l.exec(`alter table ledger_events drop constraint ledger_events_check`) // the owner can
			of := map[string]uuid.UUID{"none": uuid.Nil, "robot": uuid.New(), "confirmed": uuid.New(), "optIn": uuid.New(), "known": uuid.New()}
			l.identify(of["known"])
			l.append(ledger.Confirmed, of["confirmed"], "pending", "active")
			to := map[string]string{"optIn": "active"}[test.of]
			id := l.append(test.kind, of[test.of], "none", to)
			first := l.now
			l.now = l.now.Add(24 * time.Hour)
			l.seal()
			l.now = first.Add(ledger.TombstoneAge + time.Second + test.age)
			if report := l.verify(); len(report.Findings) != 0 {
				t.Fatalf("before: %+v", report)
			}
			l.exec(test.sql, id)
			report := l.verify()
			if test.found == "" && len(report.Findings) == 0 {
				return
			}
			if len(report.Findings) != 1 || !strings.Contains(report.Findings[0].What, test.found) || test.found == "" {
				t.Errorf("%+v, want %q", report.Findings, test.found)
			}
		})
	}
}
