package lists

import (
	"strings"
	"testing"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/field"
	"newsletter/shared/operate"
	"newsletter/shared/subscription"
)

// withFields returns an installation that declares fields, and how the tool reads lists for it.
func withFields(t *testing.T) (*bundle, Options) {
	t.Helper()
	b := setup(t)
	b.Variables["FIELDS"] = `{"company_size":{"type":"choice","purpose":"p","choices":["small","=large"]},"company":{"type":"text","purpose":"p"},
		"since":{"type":"date","purpose":"p"},"vip":{"type":"boolean","purpose":"p"}}`
	b.reopen()
	checked, err := operate.Import.Do(b.Context(), b.Installation, operate.ListPart{})
	if err != nil {
		t.Fatal(err)
	}
	return b, Options{Fields: checked.Fields}
}

const storedFields = `select email || ' ' || coalesce(fields::text, '') from subscribers order by email`

func TestFieldsOfAList(t *testing.T) {
	t.Parallel()
	b, options := withFields(t)
	options.Map = map[string]Meaning{"Firma": "field.company"}
	list := "email,Firma,Company size,field.vip,since,city\n" +
		"a@example.org,Acme,SMALL,yes,2024-02-29,Rome\nb@example.org,,huge,maybe,soon,Rome\nc@example.org,\"No, thanks\",,no,,\n"
	b.expect(b.run(list, options, operate.ListPart{}), "active:3 unreadable:field company_size:1 unreadable:field since:1 unreadable:field vip:1")
	want := `a@example.org {"vip": true, "since": "2024-02-29", "company": "Acme", "company_size": "small"}|b@example.org |c@example.org {"vip": false, "company": "No, thanks"}`
	if got := strings.Join(b.Strings(storedFields), "|"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	// Who is here keeps their values, and who left brings none.
	options.Map = nil
	b.expect(b.run("email,company,status\na@example.org,Other,subscribed\nd@example.org,Gone,unsubscribed\n", options, operate.ListPart{}), "unchanged:1 unsubscribed:1")
	if got := strings.Join(b.Strings(storedFields), "|"); got != want+"|d@example.org " {
		t.Errorf("after the second list: %s", got)
	}
	if all := strings.Join(b.Strings(`select to_jsonb(e)::text from ledger_events e`), "\n"); strings.Contains(all, "Acme") {
		t.Errorf("a value in the ledger: %s", all)
	}
	// A column of a field still stops an import if it may mean that people left.
	if _, err := b.try(t.Context(), strings.NewReader("email,company\ne@example.org,unsubscribed\n"), options, operate.ListPart{}); err == nil {
		t.Error("a leaver would be subscribed")
	}
	options.Map = map[string]Meaning{"Firma": "field.city"}
	if _, err := b.try(t.Context(), strings.NewReader(list), options, operate.ListPart{}); err == nil || !strings.Contains(err.Error(), `field "city" is not declared; declared: company, company_size, since, vip`) {
		t.Error(err)
	}
}

// Values of who is asked once more are theirs when they confirm.
func TestFieldsWaitForAConfirmation(t *testing.T) {
	t.Parallel()
	b, options := withFields(t)
	b.expect(b.run("email,status,company\na@example.org,unconfirmed,Acme\n", options, operate.ListPart{Reconfirm: true}), "pending:1")
	if got := b.Strings(storedFields); got[0] != "a@example.org " {
		t.Error(got)
	}
	if got := b.Strings(`select fields->>'company' from requested_fields r join ledger_events e on e.id = r.event_id and e.subscriber_id = r.subscriber_id`); len(got) != 1 || got[0] != "Acme" {
		t.Error(got)
	}
}

// What was exported is the same elsewhere, in the form that spreadsheets do not run, and only declared fields leave.
func TestExportedFieldsAreImported(t *testing.T) {
	t.Parallel()
	b, options := withFields(t)
	for typed, values := range map[string]field.Values{
		"a@example.org": {"company": "=1+1, \"Acme\"", "company_size": "=large", "vip": true, "since": "2024-02-29", "removed": "secret"}, "b@example.org": {"vip": false}, "c@example.org": nil,
	} {
		request := subscription.Request{Address: b.Address(typed), Fields: values, OptIn: subscription.SingleOptIn, Visit: functiontest.Visit}
		if _, err := b.Store.Request(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	active := []subscription.State{subscription.Active}
	exported, _ := b.exportAll(operate.ExportSelection{States: active})
	if strings.Contains(exported, "secret") {
		t.Errorf("a field that is not declared: %s", exported)
	}
	other, _ := withFields(t)
	other.expect(other.run(exported, options, operate.ListPart{}), "active:3")
	want := `a@example.org {"vip": true, "since": "2024-02-29", "company": "=1+1, \"Acme\"", "company_size": "=large"}|b@example.org {"vip": false}|c@example.org `
	if got := strings.Join(other.Strings(storedFields), "|"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	again, _ := other.exportAll(operate.ExportSelection{States: active})
	other.expect(other.run(again, options, operate.ListPart{}), "unchanged:3")

	for _, c := range []struct {
		fields map[string]string
		want   int
	}{{nil, 3}, {map[string]string{"vip": "no"}, 1}, {map[string]string{"vip": "true", "company_size": "=LARGE"}, 1}, {map[string]string{"vip": "true", "since": "2024-03-01"}, 0}} {
		if _, n := b.exportAll(operate.ExportSelection{States: active, Fields: c.fields}); n != c.want {
			t.Errorf("%v: %d subscribers, want %d", c.fields, n, c.want)
		}
	}
	for name, value := range map[string]string{"removed": "secret", "vip": "maybe"} {
		if _, err := operate.Export.Do(t.Context(), b.Installation, operate.ExportSelection{States: active, Fields: map[string]string{name: value}}); err == nil || strings.Contains(err.Error(), value) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFieldsAreRectifiedByLetter(t *testing.T) {
	t.Parallel()
	b, options := withFields(t)
	b.run("email,company,vip\na@example.org,Acme,yes\n", options, operate.ListPart{})
	b.Exec(`update subscribers set fields = fields || '{"removed": "x"}'`)
	rectify := func(p operate.PersonToRectify) error {
		p.Email = "a@example.org"
		_, err := operate.PrivacyRectify.Do(t.Context(), b.Installation, p)
		return err
	}
	if err := rectify(operate.PersonToRectify{Fields: map[string]string{"company": "Other", "vip": "", "removed": ""}}); err != nil {
		t.Fatal(err)
	}
	if got := b.Strings(storedFields); got[0] != `a@example.org {"company": "Other"}` {
		t.Error(got)
	}
	for _, p := range []operate.PersonToRectify{
		{}, {To: "b@example.org", Fields: map[string]string{"company": "X"}}, {Fields: map[string]string{"since": "soon"}}, {Fields: map[string]string{"city": "Rome"}},
	} {
		if err := rectify(p); err == nil {
			t.Errorf("%+v is accepted", p)
		}
	}
}
