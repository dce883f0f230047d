package lists

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/ledger"
	"newsletter/shared/operate"
	"newsletter/shared/subscription"
)

// strange makes an address that ParseAddress takes, many of them such as a spreadsheet would run, or look guarded.
func (b *bundle) strange(random *rand.Rand, i int) subscription.Address {
	b.Helper()
	const signs = "'''+++---===!#$%&*/?^_`{|}~abcXYZ019"
	local := make([]byte, 1+random.IntN(6))
	for j := range local {
		local[j] = signs[random.IntN(len(signs))]
	}
	domain := []string{"example%d.org", "bücher%d.example", "mail.example%d.com"}[random.IntN(3)]
	address, err := subscription.ParseAddress(string(local) + "@" + fmt.Sprintf(strings.Replace(domain, ".example", ".net", 1), i))
	if err != nil {
		b.Fatal(err)
	}
	return address
}

func strangeText(random *rand.Rand) string {
	const signs = "'''+++---===@ab,;\"/ 1"
	text := make([]byte, random.IntN(6))
	for i := range text {
		text[i] = signs[random.IntN(len(signs))]
	}
	return string(text)
}

func (b *bundle) export(state subscription.State) string {
	b.Helper()
	text, _ := b.exportAll(operate.ExportSelection{States: []subscription.State{state}, Links: true})
	return text
}

// exportAll exports a selection as the tool does, and returns the number of subscribers.
func (b *bundle) exportAll(s operate.ExportSelection) (text string, n int) {
	b.Helper()
	var out bytes.Buffer
	var exporter *Exporter
	for {
		page, err := operate.Export.Do(b.Context(), b.Installation, s)
		if err == nil && exporter == nil {
			exporter, err = NewExporter(&out, s.Links, page.Fields)
		}
		if err == nil {
			err = exporter.Write(page.Subscribers)
		}
		if err != nil {
			b.Fatal(err)
		}
		n += len(page.Subscribers)
		if !page.More || len(page.Subscribers) == 0 {
			return out.String(), n
		}
		s.After = page.Subscribers[len(page.Subscribers)-1].ID
	}
}

// What was exported, in whatever state, changes nothing when it is imported again; elsewhere it has the same
// subscribers.
func TestAnExportThatIsImported(t *testing.T) {
	t.Parallel()
	b := setup(t)
	random := rand.New(rand.NewPCG(1, 2))
	people := map[subscription.State]int{}
	strange := make([]string, 200)
	for i := range strange {
		strange[i] = string("=+-'"[i%4]) + strangeText(random) // what a spreadsheet may run, and guards
	}
	declared := ledger.SourceConfig{Declared: strange}.Declare("https://www.example.net")
	pick := func() string { return strange[random.IntN(len(strange))] }
	for i := range 60 {
		address := b.strange(random, i)
		source := declared.Reduce(ledger.SentSource{Page: "https://www.example.net/" + pick(), Referrer: pick(), Origin: pick(), Medium: pick(), Campaign: pick()})
		request := subscription.Request{Address: address, Source: source, Visit: functiontest.Visit}
		if _, err := b.Store.Request(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		state := []subscription.State{subscription.Active, subscription.Pending, subscription.Unsubscribed, subscription.Suppressed}[i%4]
		people[state]++
		if state != subscription.Pending {
			leave := b.Activate(address.Mailbox)
			if state == subscription.Unsubscribed {
				if _, err := b.Store.Unsubscribe(t.Context(), leave.Link, functiontest.Visit); err != nil {
					t.Fatal(err)
				}
			}
		}
		if state == subscription.Suppressed {
			s := subscription.Suppression{Address: address, Reason: subscription.Complaint, Actor: ledger.Provider, Visit: functiontest.Visit}
			if _, err := b.Store.Suppress(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.Exec(`update subscribers set locale = case substr(md5(email), 1, 1) < '8' when true then 'en-GB' end`)
	b.run("email\nuntimed@example.org\n", Options{}, operate.ListPart{}) // without a time
	people[subscription.Active]++
	const rows = `select to_jsonb(s)::text || coalesce(to_jsonb(i)::text, '') from subscribers s left join identities i on i.subscriber_id = s.id order by s.id`
	before := strings.Join(b.Strings(rows), "\n")
	for state, n := range people {
		for _, part := range []operate.ListPart{{}, {Confirmed: true}, {Reconfirm: true}} {
			if state == subscription.Pending && part.Confirmed { // the owner's word
				continue
			}
			b.expect(b.run(b.export(state), Options{}, part), fmt.Sprintf("unchanged:%d", n))
		}
	}
	if strings.Join(b.Strings(rows), "\n") != before {
		t.Error("an import of what was exported changed something")
	}

	const active = `select concat_ws(' ', s.email, s.email_norm, s.status, s.locale, s.source->>'page', s.source->>'referrer', s.source->>'utm_source', s.source->>'utm_medium',
		s.source->>'utm_campaign', case when s.email <> 'untimed@example.org' then s.confirmed_at end) from subscribers s where s.status = 'active' order by s.email`
	other := setup(t)
	for state, n := range people {
		entries, err := readAll(b.export(state))
		if err != nil {
			t.Fatal(err)
		}
		results, err := other.Store.Import(t.Context(), subscription.ListImport{Entries: entries, Sources: declared})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if r.Became != state && state != subscription.Pending || state == subscription.Pending && r.Reason != "waiting" {
				t.Errorf("%s: %+v", state, r)
			}
		}
		if len(results) != n {
			t.Errorf("%s: %d results, want %d", state, len(results), n)
		}
	}
	got, want := other.Strings(active), b.Strings(active)
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("elsewhere: %d subscribers, want %d; they differ from the %d. on:\n%q\n%q", len(got), len(want), i+1, got[min(i, len(got)):], want[min(i, len(want)):])
		}
	}
	// An unknown time stays unknown.
	for _, line := range strings.Split(b.export(subscription.Active)+other.export(subscription.Active), "\n") {
		if strings.HasPrefix(line, "untimed@") && !strings.HasPrefix(line, "untimed@example.org,active,,,,,") {
			t.Errorf("a time of its own: %s", line)
		}
	}
	since := operate.ExportSelection{States: []subscription.State{subscription.Active}, Since: time.Now().AddDate(0, 0, -1)}
	if _, n := b.exportAll(since); n != people[subscription.Active]-1 {
		t.Errorf("since yesterday: %d", n)
	}
	if _, n := b.exportAll(operate.ExportSelection{States: operate.ExportedStates()}); n != 61 {
		t.Errorf("every state: %d", n)
	}
}

// A guarded cell begins with nothing that a spreadsheet runs, and unguard restores it.
func FuzzGuard(f *testing.F) {
	for _, cell := range []string{"", "'", "=1", "'=1", "''=1", "+a@example.org", "'a", "\t", "'\r", "''"} {
		f.Add(cell)
	}
	f.Fuzz(func(t *testing.T, cell string) {
		guarded := guard(cell)
		if unguard(guarded) != cell || guarded != "" && strings.ContainsRune(formula, rune(guarded[0])) {
			t.Errorf("%q is guarded as %q, which unguards to %q", cell, guarded, unguard(guarded))
		}
	})
}
