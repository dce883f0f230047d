package lists

import (
	"context"
	"encoding/csv"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/ledger"
	"newsletter/shared/operate"
	"newsletter/shared/subscription"
)

func TestFormats(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC)
	for name, list := range map[string]string{
		"array":      `[{"email":"a@example.org","subscribedAt":"2024-05-01T10:00:00Z"},{"email":"b@example.org","timestamp":1714557600000},"c@example.org"]`,
		"object":     `{"version":1,"subscribers":[{"Email":"a@example.org","subscribed_at":"2024-05-01 10:00:00"},{"address":"b@example.org","createdAt":"2024-05-01T12:00:00+02:00"},{"email":"c@example.org"}]}`,
		"JSON lines": "{\"email\":\"a@example.org\",\"confirmed_at\":\"2024-05-01T10:00:00Z\",\"created_at\":\"2023-01-01\"}\n\n{\"email\":\"b@example.org\",\"date\":\"2024-05-01T10:00:00\"}\n{\"email\":\"c@example.org\"}",
		"CSV":        "\xef\xbb\xbfE-Mail,Confirmed At,Other\na@example.org,2024-05-01T10:00:00Z,x\n\"b@example.org\",2024-05-01 10:00:00,\nc@example.org,,\n",
		"semicolons": "name;email;subscribed_at\r\nA;a@example.org;2024-05-01 10:00:00\r\nB;b@example.org;2024-05-01T10:00:00Z\r\nC;c@example.org;\r\n",
		"tabs":       "email\tdate\na@example.org\t2024-05-01T10:00:00Z\nb@example.org\t2024-05-01T10:00:00Z\nc@example.org\t\n",
	} {
		people, err := readAll(list)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, line := range people {
			got = append(got, line.Email)
			if wantTime := line.Email != "c@example.org"; wantTime != line.At.Equal(at) {
				t.Errorf("%s: %s at %v", name, line.Email, line.At)
			}
		}
		if strings.Join(got, " ") != "a@example.org b@example.org c@example.org" {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestWhoIsImported(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Activate("active@example.org")
	b.SignUp("pending@example.org")
	left := b.Activate("left@example.org")
	if _, err := b.Store.Unsubscribe(t.Context(), left.Link, functiontest.Visit); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Store.Suppress(t.Context(), subscription.Suppression{Address: b.Address("complained@example.org"), Reason: subscription.Complaint, Actor: ledger.Provider, Visit: functiontest.Visit}); err != nil {
		t.Fatal(err)
	}
	b.Exec(`insert into erasures values (gen_random_uuid(), $1, 'k', now())`, b.key.Address("erased@example.org"))
	mails := len(b.Strings(`select id::text from outbox`))
	list := `email,status,confirmed_at,locale,source,ip,user_agent,evidence,consent_version
Jane@Example.org,,2024-05-01T10:00:00Z,de-AT,https://www.example.org/blog?x=1,203.0.113.9,Mozilla/5.0,Ticked the box,default-1
jane@example.org,,,,,,,,
active@example.org,,,,,,,,
pending@example.org,,,,,,,,
left@example.org,,,,,,,,
complained@example.org,,,,,,,,
complained+list@example.org,,,,,,,,
erased@example.org,,,,,,,,
gone@example.org,unsubscribed,,,,,,,
not an address,,,,,,,,
soon@example.org,,2999-01-01,,,,,,
odd@example.org,,yesterday,,,,,,
text@example.org,,,,,,,,nothing
spy@example.org,active,,,,,,his address is spy@example.org,
`
	const want = "active:4 duplicate:1 refused:bad_address:1 refused:erased:1 refused:not_confirmed:1 refused:suppressed:2 " +
		"refused:unknown_consent_version:1 refused:unsubscribed:1 unchanged:1 unreadable:evidence:1 unreadable:times:2 unsubscribed:1"
	rows := b.CountRows()
	b.expect(b.run(list, Options{}, operate.ListPart{DryRun: true}), want)
	b.ExpectRows(rows)
	b.expect(b.run(list, Options{}, operate.ListPart{}), want)
	got := b.Strings(`select s.email || ' ' || s.status || ' ' || coalesce(s.locale, '-') || ' ' || to_char(s.confirmed_at at time zone 'UTC', 'YYYY-MM-DD') || ' ' || e.data::text || ' ' || e.source::text || ' ' || s.evidence
		from subscribers s join ledger_events e on e.id = s.request_event_id where s.email = 'Jane@example.org'`)
	if len(got) != 1 || !strings.HasPrefix(got[0], "Jane@example.org active de-AT 2024-05-01 ") || !strings.Contains(got[0], "Ticked the box") ||
		!strings.Contains(got[0], `"original_at": "2024-05-01T10:00:00Z"`) || strings.Contains(got[0], "?x=1") {
		t.Errorf("%v", got)
	}
	// An unreadable or future time refuses no line, and is not replaced by the current time.
	untimed := b.Strings(`select s.email || ' ' || coalesce(e.data->>'original_at', '-') from subscribers s join ledger_events e on e.id = s.request_event_id
		where s.email in ('soon@example.org', 'odd@example.org') order by 1`)
	if fmt.Sprint(untimed) != "[odd@example.org - soon@example.org -]" {
		t.Errorf("%v", untimed)
	}
	if got := b.Strings(`select host(ip) || ' ' || user_agent || ' ' || c.source::text from event_context c join ledger_events e on e.id = c.event_id where e.kind = 'subscription.imported'`); len(got) != 1 || got[0] != `203.0.113.9 Mozilla/5.0 {"page": "https://www.example.org/blog"}` {
		t.Errorf("%v", got)
	}
	if all := strings.Join(b.Strings(`select to_jsonb(e)::text from ledger_events e`), ""); strings.Contains(all, "@") {
		t.Error("an address in the ledger")
	}
	if n := len(b.Strings(`select id::text from outbox`)); n != mails {
		t.Errorf("%d deliveries were queued", n-mails)
	}
	// The next time everybody is there. With the owner's word those who wait are active.
	b.expect(b.run("email\njane@example.org\npending@example.org\nleft@example.org", Options{}, operate.ListPart{Confirmed: true}), "active:1 refused:unsubscribed:1 unchanged:1")
	if got := b.Strings(`select status from subscribers where email_norm = 'pending@example.org'`); got[0] != "active" {
		t.Errorf("%v", got)
	}
	// What was imported can be proven, and can leave.
	proof, err := b.Store.Proof(t.Context(), b.Address("jane@example.org"), functiontest.Visit)
	if err != nil || len(proof.Steps) != 1 || proof.Steps[0].Text == nil || proof.Steps[0].Data.OriginalAt == "" {
		t.Errorf("%+v %v", proof, err)
	}
	if _, err := b.try(t.Context(), strings.NewReader("email\na@example.org\n"), Options{}, operate.ListPart{TextVersion: "nothing"}); err == nil {
		t.Error("an unknown version of the consent text is taken")
	}
}

// cutOff imports a list until its third part, as if the tool were killed.
func (b *bundle) cutOff(ctx context.Context, cancel func(), list string) (map[string]int, error) {
	parts := 0
	l, err := Open(strings.NewReader(list), Options{})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	var part operate.ListPart
	return nil, l.Entries(func(e subscription.ListEntry, _ Note) error {
		if part.Entries = append(part.Entries, e); len(part.Entries) < operate.MaxEntries {
			return nil
		}
		if parts++; parts == 3 {
			cancel()
		}
		_, err := operate.Import.Do(ctx, b.Installation, part)
		part.Entries = nil
		return err
	})
}

func many(n int) string {
	var list strings.Builder
	list.WriteString("email,confirmed_at\n")
	for i := range n {
		fmt.Fprintf(&list, "reader%06d@example%d.org,2024-05-01T10:00:00Z\n", i, i%97)
	}
	return list.String()
}

// An import that is cut off is run again, beside sign-ups of the same people.
func TestAgainAndAtTheSameTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const n = 5000
	list := many(n)
	ctx, cancel := context.WithCancel(t.Context())
	if totals, err := b.cutOff(ctx, cancel, list); err == nil {
		t.Fatalf("it was not cut off: %v", totals)
	}
	var signUps sync.WaitGroup
	for i := range 40 {
		signUps.Go(func() {
			r := subscription.Request{Address: b.Address(fmt.Sprintf("reader%06d@example%d.org", n-1-i, (n-1-i)%97)), Visit: functiontest.Visit}
			if _, err := b.Store.Request(t.Context(), r); err != nil {
				t.Error(err)
			}
		})
	}
	for range 2 {
		totals := b.run(list, Options{}, operate.ListPart{Confirmed: true})
		if sum := totals["active"] + totals["unchanged"]; sum != n {
			t.Errorf("%v", totals)
		}
		signUps.Wait()
	}
	for sql, want := range map[string]int{
		"subscribers where status = 'active'": n, "identities": n, "subscribers s join ledger_events e on e.id = s.request_event_id": n,
		"ledger_events where kind = 'subscription.imported'":                                     n,
		"subscribers s where not exists (select from identities i where i.subscriber_id = s.id)": 0,
	} {
		var got int
		b.Scan("select count(*) from "+sql, nil, &got)
		if got != want {
			t.Errorf("%s: %d, want %d", sql, got, want)
		}
	}
}

func TestExport(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(many(4500), Options{}, operate.ListPart{})
	b.Activate("+1@example.org")
	b.Exec(`update subscribers set source = '{"page":"=cmd|1","utm_campaign":"@SUM(1)"}' where email = '+1@example.org'`)
	active := operate.ExportSelection{States: []subscription.State{subscription.Active}}
	text, n := b.exportAll(active)
	if n != 4501 {
		t.Fatalf("%d", n)
	}
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(records) != 4502 {
		t.Fatalf("%d %v", len(records), err)
	}
	for _, record := range records {
		for _, cell := range record {
			if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
				t.Errorf("a formula: %q", cell)
			}
		}
	}
	if got := b.Strings(`select data->'counts'->>'active' from ledger_events where kind = 'list.exported'`); len(got) != 1 || got[0] != "4501" {
		t.Errorf("%v", got)
	}
	if _, n := b.exportAll(operate.ExportSelection{States: active.States, Since: time.Now().AddDate(0, 0, -1)}); n != 1 {
		t.Errorf("since yesterday: %d", n)
	}
	b.Exec(`insert into suppressions (email_hmac, key_id, reason, created_at) select i.email_hmac, i.key_id, 'restriction', now()
		from identities i join subscribers s on s.id = i.subscriber_id where s.email = '+1@example.org'`)
	if _, n := b.exportAll(active); n != 4500 {
		t.Errorf("with a restriction: %d", n)
	}
}

// The text of a line is that of its language; where the list leaves it open, none is stated.
func TestTheTextOfALine(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Exec(`insert into consent_texts (id, version, locale, body, sha256, created_at) values (gen_random_uuid(), 'only', 'en', 'x', sha256('x'), '2020-01-01')`)
	b.run(`email,locale,consent_version
en@example.org,en,default-1
at@example.org,de-AT,default-1
fr@example.org,FR,default-1
ja@example.org,ja,default-1
none@example.org,,default-1
single@example.org,,only
no@example.org,en,
`, Options{}, operate.ListPart{})
	got := b.Strings(`select split_part(s.email, '@', 1) || ' ' || coalesce(t.version || '/' || t.locale, '-') || ' ' || coalesce(e.data->>'text_version', '-')
		from subscribers s join ledger_events e on e.id = s.request_event_id left join consent_texts t on t.id = e.consent_text_id order by e.id`)
	const want = "en default-1/en default-1, at default-1/de default-1, fr default-1/fr default-1, ja - default-1, none - default-1, single only/en only, no - -"
	if strings.Join(got, ", ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}
