package subscription

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestImportDecisions checks every state of an address against every state of a list. A cell is the new state, = for a
// person whose state is in effect, or the reason of a refusal.
func TestImportDecisions(t *testing.T) {
	t.Parallel()
	columns := []State{None, Pending, Active, Unsubscribed, Suppressed, Erased}
	for listed, row := range map[ListState]string{
		ListIn:         "active not_confirmed = unsubscribed suppressed erased",
		ListWaiting:    "waiting = = unsubscribed suppressed erased",
		ListOther:      "not_subscribed not_subscribed not_subscribed not_subscribed not_subscribed not_subscribed",
		ListLeft:       "unsubscribed pending unsubscribed = = erased",
		ListBounced:    "suppressed suppressed suppressed suppressed = erased",
		ListSuppressed: "suppressed suppressed suppressed suppressed = erased",
		ListComplained: "suppressed suppressed suppressed suppressed = erased",
	} {
		for i, want := range strings.Fields(row) {
			f := importFacts{facts: facts{State: columns[i], Objected: columns[i] == Erased}, Listed: listed}
			if got := cellOf(f); got != want {
				t.Errorf("%s of a list, %s here: %s, want %s", listed, columns[i], got, want)
			}
		}
	}
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		f    importFacts
		want string
	}{
		"confirmed by the owner":             {importFacts{facts: facts{State: Pending}, Listed: ListIn, Confirmed: true}, "active"},
		"waiting, confirmed by the owner":    {importFacts{facts: facts{State: None}, Listed: ListWaiting, Confirmed: true}, "active"},
		"asked again":                        {importFacts{facts: facts{State: None}, Listed: ListWaiting, Reconfirm: true}, "pending"},
		"another spelling left":              {importFacts{facts: facts{State: None}, Listed: ListWaiting, Reconfirm: true, OtherSpelling: Unsubscribed}, "unsubscribed"},
		"another spelling is asked":          {importFacts{facts: facts{State: None}, Listed: ListWaiting, Reconfirm: true, OtherSpelling: Pending}, "other_spelling"},
		"muted":                              {importFacts{facts: facts{State: None, Muted: true}, Listed: ListWaiting, Reconfirm: true}, "suppressed"},
		"muted, in":                          {importFacts{facts: facts{State: None, Muted: true}, Listed: ListIn}, "suppressed"},
		"returning, on the owner's word":     {importFacts{facts: facts{State: Pending, Returning: true}, Listed: ListIn, Confirmed: true}, "unsubscribed"},
		"returning, left there too":          {importFacts{facts: facts{State: Pending, Returning: true}, Listed: ListLeft}, "="},
		"erased":                             {importFacts{facts: facts{State: None}, Erased: true, Listed: ListIn}, "erased"},
		"erased, and signed up by a visitor": {importFacts{facts: facts{State: Pending}, Erased: true, Listed: ListIn, Confirmed: true}, "erased"},
		"erased, left":                       {importFacts{facts: facts{State: None}, Erased: true, Listed: ListLeft}, "erased"},
		"erased, bounced":                    {importFacts{facts: facts{State: None}, Erased: true, Listed: ListBounced}, "erased"},
		"erased, and here again":             {importFacts{facts: facts{State: Active}, Erased: true, Listed: ListLeft}, "unsubscribed"},
		"left before they came here":         {importFacts{facts: facts{State: Active}, Listed: ListLeft, EndedAt: at, ConsentAt: at.Add(time.Hour)}, "newer_consent"},
		"left after":                         {importFacts{facts: facts{State: Active}, Listed: ListLeft, EndedAt: at, ConsentAt: at.Add(-time.Hour)}, "unsubscribed"},
		"left, consent of an unknown time":   {importFacts{facts: facts{State: Active}, Listed: ListLeft, EndedAt: at}, "unsubscribed"},
		"left at an unknown time":            {importFacts{facts: facts{State: Active}, Listed: ListLeft, ConsentAt: at}, "unsubscribed"},
		"bounced before they came here":      {importFacts{facts: facts{State: Pending}, Listed: ListBounced, EndedAt: at, ConsentAt: at.Add(time.Hour)}, "newer_consent"},
		"complained before they left here":   {importFacts{facts: facts{State: Unsubscribed}, Listed: ListComplained, EndedAt: at, ConsentAt: at.Add(time.Hour)}, "suppressed"},
		"left, and suppressed without a row": {importFacts{facts: facts{State: Suppressed}, Rowless: true, Listed: ListLeft}, "unsubscribed"},
		"muted by a decline, and then left":  {importFacts{facts: facts{State: None, Muted: true}, Listed: ListLeft}, "unsubscribed"},
	} {
		if got := cellOf(c.f); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func cellOf(f importFacts) string {
	d, reason := importEntry(f)
	switch {
	case d.Ledger != "":
		return string(d.To)
	case reason != "":
		return reason
	}
	return "="
}

// entries returns the entries of a list, such as "jane@example.org in".
func entries(lines ...string) []ListEntry {
	all := make([]ListEntry, len(lines))
	for i, line := range lines {
		email, state, _ := strings.Cut(line, " ")
		all[i] = ListEntry{Line: i + 1, Email: email, State: ListState(state)}
	}
	return all
}

func (b *fixture) importList(list ListImport) string {
	b.Helper()
	results, err := b.store.Import(b.Context(), list)
	if err != nil {
		b.Fatal(err)
	}
	var all []string
	for _, r := range results {
		all = append(all, fmt.Sprintf("%d %s%s", r.Line, r.Became, r.Reason))
	}
	return strings.Join(all, ", ")
}

// In every state of an address, whatever a list states: the row has the state of the result, each change is one event, and
// the same list changes nothing again. Only a new address becomes active.
func TestImportInEveryState(t *testing.T) {
	for name, bring := range inState() {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			for _, listed := range ListStates() {
				for i, list := range []ListImport{{}, {Reconfirm: true}} {
					typed := fmt.Sprintf("%s%d@example.org", listed, i)
					bring(b, typed)
					b.advance(time.Minute)
					list.Entries = entries(typed + " " + string(listed))
					before, events := b.row(typed), b.count("ledger_events")
					list.DryRun = true
					predicted := b.importList(list)
					if n := b.count("ledger_events"); n != events {
						t.Errorf("%s: a dry run wrote %d events", listed, n-events)
					}
					list.DryRun = false
					result := b.importList(list)
					after, n := b.row(typed), b.count("ledger_events")-events
					_, became, _ := strings.Cut(result, " ")
					if changed := after.state() != before.state() || after.Returning != before.Returning; result != predicted || changed && n != 1 || n > 1 {
						t.Errorf("%s: %q, predicted %q; %s became %s, %d events", listed, result, predicted, before.state(), after.state(), n)
					}
					if n == 1 && became != string(after.state()) && (!after.Returning || became != "unsubscribed") && became != "suppressed" {
						t.Errorf("%s: %q, but the row is %s", listed, result, after.state())
					}
					if after.state() == Active && before.state() != Active && (name != "none" || listed != ListIn) {
						t.Errorf("%s: %s became active", listed, name)
					}
					tables := b.tables()
					if again := b.importList(list); strings.Contains(again, "active") || b.tables() != tables {
						t.Errorf("%s, again: %q\n%s\n%s", listed, again, tables, b.tables())
					}
				}
			}
			for _, sql := range []string{
				`subscribers s where not exists (select from identities i where i.subscriber_id = s.id)`,
				`subscribers s where not exists (select from ledger_events e where e.id = s.request_event_id)`,
				`outbox o where o.event_id is not null and not exists (select from ledger_events e where e.id = o.event_id)`,
				`subscribers s where s.status = 'active' and not exists (select from ledger_events e where e.subscriber_id = s.id and e.data ->> 'to' = 'active')`,
			} {
				if n := b.count(sql); n > 0 {
					t.Errorf("%d %s", n, sql)
				}
			}
		})
	}
}

// tables returns the content of all tables that an import may change.
func (b *fixture) tables() string {
	b.Helper()
	var all []string
	for _, table := range []string{"subscribers", "identities", "suppressions", "ledger_events", "event_context", "outbox", "email_log", "erasures"} {
		all = append(all, b.strings("select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from "+table+" t")...)
	}
	return strings.Join(all, " ")
}

// A subscriber who left elsewhere may come back by an own sign-up and its confirmation, never by a list. One who
// complained elsewhere comes back by neither.
func TestComingBackAfterLeavingElsewhere(t *testing.T) {
	b := setup(t)
	left := time.Date(2021, 2, 3, 4, 5, 6, 0, time.UTC)
	list := entries("left@example.org left", "com.plained@gmail.com complained", "bounced@example.org bounced")
	for i := range list {
		list[i].EndedAt = left
	}
	if got := b.importList(ListImport{Entries: list}); got != "1 unsubscribed, 2 suppressed, 3 suppressed" {
		t.Fatal(got)
	}
	r := b.expectRow("left@example.org", Unsubscribed, 1, false)
	if r.EndedAt == nil || !r.EndedAt.Equal(left) || r.ConfirmedAt != nil {
		t.Errorf("%+v", r)
	}
	in := entries("left@example.org in", "complained@gmail.com in", "bounced@example.org in", "left@example.org waiting")
	if got := b.importList(ListImport{Entries: in, Confirmed: true}); got != "1 unsubscribed, 2 suppressed, 3 suppressed, 4 " {
		t.Errorf("a later list: %s", got)
	}
	b.request("complained@gmail.com", RequestSuppressed)
	b.request("bounced@example.org", RequestSuppressed)
	b.request("left@example.org", ConfirmationQueued)
	b.expectRow("left@example.org", Pending, 1, true)
	if sent := b.deliver(); len(sent) != 1 || sent[0].to != "left@example.org" {
		t.Errorf("%v", sent)
	}
	b.click(b.store.Confirm, b.link("left@example.org"), ConfirmedNow)
	b.expectRow("left@example.org", Active, 1, false)
	if got := b.importList(ListImport{Entries: list[:1]}); got != "1 newer_consent" {
		t.Errorf("the old list again: %s", got)
	}
	late := list[:1]
	late[0].EndedAt = b.now().Add(time.Hour)
	if got := b.importList(ListImport{Entries: late}); got != "1 unsubscribed" {
		t.Errorf("a newer end: %s", got)
	}
	b.expectRow("left@example.org", Unsubscribed, 2, false)
	if n := b.count(`outbox o join ledger_events e on e.id = o.event_id where o.kind = 'change' and e.kind = 'subscription.unsubscribed' and e.channel = 'import'`); n != 1 {
		t.Errorf("%d messages to destinations", n)
	}
	if n := b.count(`outbox where kind = 'notify.journal'`); n != 2 {
		t.Errorf("%d messages to the suppression journal", n)
	}
	// Retention counts from the import: the time that the list states may be long ago.
	if old, err := b.store.ListLongUnsubscribed(t.Context(), b.now().Add(-time.Hour), 10); err != nil || len(old) != 0 {
		t.Errorf("%v %v", old, err)
	}
}

// The emails of an import are due every six seconds, and what destinations receive twenty times a second, also over
// several calls. Contacts of Loops are due twice a second.
func TestImportIsSpread(t *testing.T) {
	b := setup(t)
	if got := b.importList(ListImport{Entries: entries("before@example.org in")}); got != "1 active" || b.count("outbox") != 0 {
		t.Errorf("%s, without Loops", got)
	}
	b.exec(`insert into recipients (name, since) values ('loops', now())`)
	for part := range 2 {
		var waiting, bounced []string
		for i := range 5 {
			waiting = append(waiting, fmt.Sprintf("i%d-%d@example.org in", part, i))
			waiting = append(waiting, fmt.Sprintf("w%d-%d@example.org waiting", part, i))
			bounced = append(bounced, fmt.Sprintf("b%d-%d@example.org bounced", part, i))
		}
		b.importList(ListImport{Entries: entries(append(waiting, bounced...)...), Reconfirm: true})
	}
	for kind, every := range map[string]time.Duration{"email.reconfirm": reconfirmEvery, "notify.journal": changeEvery, "notify.loops": joinEvery} {
		got := b.strings(`select extract(epoch from due_at - min(due_at) over ())::text from outbox where kind = $1 and due_at is not distinct from coalesce(deferred_until, due_at) order by due_at`, kind)
		for i, at := range got {
			if want := fmt.Sprintf("%.6f", (time.Duration(i) * every).Seconds()); at != want {
				t.Errorf("%s: the %d. is due after %s s, want %s", kind, i, at, want)
			}
		}
		if len(got) != 10 {
			t.Errorf("%s: %d messages", kind, len(got))
		}
	}
}
