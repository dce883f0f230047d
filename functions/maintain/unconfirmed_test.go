package main

import (
	"slices"
	"strings"
	"testing"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/field"
	"newsletter/shared/ledger"
	"newsletter/shared/subscription"
)

// TestUnconfirmedRequestsEnd follows what robots and mistyped addresses leave: a sign-up that nobody confirms, one that
// bounces, one that is recognized as a bot's, one that is declined, and a request for a link. After their periods, no row
// of the database has anything that was sent with them, except the suppressions; the ledger still has what happened
// when, and its seals are valid. A subscriber who confirmed keeps the proof.
func TestUnconfirmedRequestsEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	visit := functiontest.Visit
	visit.RequestID = "gateway-id"
	source := ledger.Source{Page: "https://example.org/robots-page", Origin: "robots-campaign"}
	request := func(typed, hold string) {
		t.Helper()
		r := subscription.Request{Address: b.Address(typed), Locale: "fr-CA", Source: source, Visit: visit, Hold: hold, Reasons: []string{"honeypot"}, Fields: field.Values{"company": "robots-company"}}
		if _, err := b.Store.Request(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for _, typed := range []string{"never@gmail.com", "bounced@gmail.com", "declined@gmail.com"} {
		request(typed, "")
	}
	request("bot@gmail.com", "honeypot")
	if _, err := b.Store.RequestLink(t.Context(), subscription.LinkRequest{Address: b.Address("never2@gmail.com"), Email: subscription.EraseLinkEmail, Visit: visit}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Store.Suppress(t.Context(), subscription.Suppression{Address: b.Address("bounced@gmail.com"), Reason: subscription.Bounce, Actor: ledger.Provider, Visit: visit}); err != nil {
		t.Fatal(err)
	}
	declined := b.SignUp("declined@gmail.com").Link
	if _, err := b.Store.Decline(t.Context(), declined, b.Address("declined@gmail.com"), visit); err != nil {
		t.Fatal(err)
	}
	ids := b.Strings(`select id::text from ledger_events`)
	b.Activate("jane@example.org")
	happened := `select concat_ws(' ', id, at, kind, subscriber_id, actor, channel, data ->> 'outcome', data ->> 'from', data ->> 'to')
		from ledger_events where kind <> 'maintenance.run' and kind <> 'subscription.expired' order by at, id`
	before := b.Strings(happened)
	sent := []string{"gmail.com", "google", "fr-CA", "robots-", "gateway-id", "192.0.2.7", "honeypot", "email-form"}
	if rows := b.rowsWith(sent, ids); len(rows) < 10 {
		t.Fatalf("planted in %d rows", len(rows))
	}

	b.Exec(`update outbox set state = 'done', hold_reason = null, outcome = 'outdated', finished_at = created_at + interval '72 hours' where state = 'held'`) // as deliver does

	b.run(34.9)
	if n := b.count("subscribers"); n != 4 { // never, bounced, bot, jane
		t.Errorf("%d subscribers before the end", n)
	}
	if got := b.run(36).Counts; got["expired"] != 3 || b.count("subscribers") != 1 || b.count("suppressions where reason = 'bounce'") != 1 {
		t.Errorf("%v: the address that bounced is kept, or not suppressed any more", got)
	}
	if got := b.run(89.9).Counts["tombstones"]; got != 0 || b.count("identities") != 1 {
		t.Errorf("%d tombstones, %d identities", got, b.count("identities"))
	}
	if got, want := b.run(90.1).Counts["tombstones"], int64(len(ids)); got != want {
		t.Errorf("%d tombstones, want %d", got, want)
	}
	if got := b.run(126.1).Counts["tombstones"]; got != 3 { // the three that expired on day 36
		t.Errorf("%d tombstones of the ends", got)
	}
	for _, row := range b.rowsWith(sent, ids) {
		t.Errorf("left: %s", row)
	}
	if after := b.Strings(happened); !slices.Equal(after, before) {
		t.Errorf("what happened is\n%s, want\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	if n := b.count("ledger_events where kind = 'subscription.confirmed' and content_hash is null and consent_text_id is not null"); n != 1 {
		t.Error("the proof of a subscriber's consent is gone")
	}
	if got := b.run(127); got.Verified == nil || len(got.Verified.Findings) != 0 {
		t.Errorf("%+v", got.Verified)
	}
}

// rowsWith returns the rows of all tables that have one of the texts, and the events among ids with a consent text.
func (b *fixture) rowsWith(texts, ids []string) (found []string) {
	b.Helper()
	for _, table := range b.Strings(`select table_name::text from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`) {
		for _, row := range b.Strings(`select to_jsonb(t)::text from "` + table + `" t`) {
			if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(row, text) }) && !strings.Contains(row, "jane@example.org") {
				found = append(found, table+" "+row)
			}
		}
	}
	return append(found, b.Strings(`select 'consent text of ' || id from ledger_events where id::text = any ($1) and consent_text_id is not null`, ids)...)
}
