package operate

import (
	"slices"
	"strings"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/subscription"
)

// exportAll exports every page and returns the addresses, sorted.
func (f *fixture) exportAll(s ExportSelection) (emails []string, links map[string]string) {
	f.Helper()
	links = map[string]string{}
	for {
		page := do(f, Export, s)
		for _, one := range page.Subscribers {
			emails, links[one.Email] = append(emails, one.Email), one.UnsubscribeURL
		}
		if !page.More || len(page.Subscribers) == 0 {
			slices.Sort(emails)
			return emails, links
		}
		s.After = page.Subscribers[len(page.Subscribers)-1].ID
	}
}

// TestExport exports every state, filters by state and time, leaves out who restricts the use of their data, and records
// each page before it leaves.
func TestExport(t *testing.T) {
	f := setup(t)
	for _, name := range []string{"active", "restricts", "left", "suppressed", "erased"} {
		f.Activate(name + "@example.org")
	}
	f.SignUp("pending@example.org")
	leave := f.Activate("left@example.org")
	if _, err := f.Store.Unsubscribe(t.Context(), leave.Link, functiontest.Visit); err != nil {
		t.Fatal(err)
	}
	do(f, SuppressionAdd, Person{"suppressed@example.org"})
	do(f, PrivacyErase, PersonToErase{Email: "erased@example.org"})
	do(f, PrivacyRestrict, Person{"restricts@example.org"})
	tomorrow := time.Now().Add(24 * time.Hour)
	for name, test := range map[string]struct {
		selection ExportSelection
		want      string
	}{
		"active":    {ExportSelection{States: []subscription.State{subscription.Active}}, "active@example.org"},
		"all":       {ExportSelection{States: ExportedStates()}, "active@example.org left@example.org pending@example.org suppressed@example.org"},
		"two":       {ExportSelection{States: []subscription.State{subscription.Pending, subscription.Suppressed}}, "pending@example.org suppressed@example.org"},
		"since":     {ExportSelection{States: ExportedStates(), Since: tomorrow}, ""},
		"before":    {ExportSelection{States: ExportedStates(), Before: time.Now().Add(-time.Hour)}, ""},
		"in a time": {ExportSelection{States: []subscription.State{subscription.Active}, Since: time.Now().Add(-time.Hour), Before: tomorrow}, "active@example.org"},
	} {
		if got, _ := f.exportAll(test.selection); strings.Join(got, " ") != test.want {
			t.Errorf("%s: %v, want %s", name, got, test.want)
		}
	}
	got := f.Strings(`select data->>'counts' from ledger_events where kind = 'list.exported' order by at, id`)
	if len(got) != 6 || !slices.Contains(got, `{"active": 1, "pending": 1, "suppressed": 1, "unsubscribed": 1}`) {
		t.Errorf("%q", got)
	}
	refuse(f, Export, ExportSelection{}, Refusal{true, "at least one state"})
	refuse(f, Export, ExportSelection{States: []subscription.State{"none"}}, Refusal{true, "known: active, pending"})
	refuse(f, Export, ExportSelection{States: ExportedStates(), Since: tomorrow, Before: tomorrow}, Refusal{true, "the period is empty"})
}

// TestExportHasPages exports more subscribers than a page has, each once.
func TestExportHasPages(t *testing.T) {
	f := setup(t)
	f.Exec(`insert into subscribers (id, email, email_norm, status, epoch, request_event_id, requested_at, confirmed_at)
		select gen_random_uuid(), 'joe.' || n || '@example.org', 'joe.' || n || '@example.org', 'active', 1, gen_random_uuid(), now(), now() from generate_series(1, $1::integer) as n`, 2*maxExported+1)
	emails, _ := f.exportAll(ExportSelection{States: []subscription.State{subscription.Active}, Links: true})
	if n := len(slices.Compact(emails)); n != 2*maxExported+1 {
		t.Errorf("%d subscribers", n)
	}
	var events, exported int
	f.Scan(`select count(*), sum((data->'counts'->>'active')::integer) from ledger_events where kind = 'list.exported'`, nil, &events, &exported)
	if events < 3 || exported != 2*maxExported+1 {
		t.Errorf("%d events of %d subscribers", events, exported)
	}
}

// TestUnsubscribeLinksWork checks that an exported link unsubscribes its subscriber, and nobody before they are subscribed again.
func TestUnsubscribeLinksWork(t *testing.T) {
	f := setup(t)
	f.Activate("jane@example.org")
	f.Activate("joe@example.org")
	_, links := f.exportAll(ExportSelection{States: []subscription.State{subscription.Active}, Links: true})
	text, found := strings.CutPrefix(links["jane@example.org"], "https://api.example.org/api/newsletter/unsubscribe?token=")
	claims, err := f.unsubscribe.Verify(t.Context(), text, time.Now().AddDate(10, 0, 0))
	if !found || err != nil {
		t.Fatalf("%q: %v", links["jane@example.org"], err)
	}
	if _, err := f.Store.Unsubscribe(t.Context(), claims.Link, functiontest.Visit); err != nil {
		t.Fatal(err)
	}
	if got, _ := f.exportAll(ExportSelection{States: []subscription.State{subscription.Active}}); len(got) != 1 || got[0] != "joe@example.org" {
		t.Errorf("%v", got)
	}
	if _, links := f.exportAll(ExportSelection{States: ExportedStates()}); links["joe@example.org"] != "" {
		t.Errorf("a link that nobody asked for: %v", links)
	}
}
