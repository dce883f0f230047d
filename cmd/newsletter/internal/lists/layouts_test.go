package lists

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"newsletter/shared/operate"
	"newsletter/shared/subscription"
)

// layoutCase is the expected result of the import of a file of testdata/layouts.
type layoutCase struct {
	layout, encoding string
	// refused are parts of the error of the file, separated by |. Then nothing is written.
	refused string
	options Options
	part    operate.ListPart
	totals  string
	// people is "local part status time network" of each subscriber: the time and the network are those of the consent,
	// or the time of the end for who left.
	people []string
	// suppressed is "reason time" of each suppression, with the time according to the list.
	suppressed []string
}

var layoutCases = map[string]layoutCase{
	"beehiiv.csv": {layout: "beehiiv", totals: "active:1 refused:waiting:1 unsubscribed:2", people: []string{
		"bh.inactive unsubscribed - -", "bh.off unsubscribed 2024-03-13T11:33:53Z -", "bh.on active 2023-03-24T10:23:10Z -",
	}},
	"brevo.csv":        {refused: "list of Brevo does not state who left|--as in"},
	"brevo-status.csv": {layout: "Brevo", totals: "active:1 unsubscribed:1", people: []string{"br.off unsubscribed - -", "br.on active 2022-03-04T05:06:07Z -"}},
	"buttondown.csv": {layout: "Buttondown", totals: "active:1 refused:waiting:1 unsubscribed:1", people: []string{
		"bd.off unsubscribed 2024-05-06T07:08:09Z -", "bd.on active 2024-02-03T04:05:06.789012Z -",
	}},
	"curated.csv": {layout: "Curated", totals: "active:1", people: []string{"cu.on active 2021-02-04T07:55:20Z -"}},
	"duplicates.csv": {totals: "active:1 duplicate:2 unsubscribed:1", people: []string{
		"Du.Twice unsubscribed - -", "du.same active - -",
	}},
	"excel-german-ansi.csv": {encoding: "Windows-1252", totals: "active:1", people: []string{"xl.ansi active 2022-03-04T05:06:00Z -"}},
	"excel-sep-line.csv":    {totals: "active:1", people: []string{"xl.sep active 2022-03-04T05:06:07Z -"}},
	"excel-us-date.csv":     {totals: "active:1 unreadable:times:1", people: []string{"xl.us active - -"}},
	"excel-us-dates.csv": {totals: "active:3", people: []string{
		"xl.april active 2022-04-28T05:06:00Z -", "xl.march active 2022-03-04T05:06:00Z -", "xl.serial active 2022-03-04T05:06:00Z -",
	}},
	"excel-utf16.txt":          {encoding: "UTF-16LE", totals: "active:1", people: []string{"xl.utf16 active 2022-03-04T05:06:07Z -"}},
	"friends-unsubscribed.csv": {refused: `the name of the file means "left"|--as left`},
	"ghost.csv": {layout: "Ghost", totals: "active:1 unsubscribed:2", people: []string{
		"gh.gone unsubscribed 2023-01-01T00:00:00Z -", "gh.off unsubscribed - -", "gh.on active 2022-03-04T05:06:07Z -",
	}},
	"hubspot.csv": {layout: "HubSpot", totals: "active:1 suppressed:1 unsubscribed:1",
		people: []string{"hs.off unsubscribed - -", "hs.on active 2025-08-09T11:12:00Z -"}, suppressed: []string{"bounce -"}},
	"keila.csv": {layout: "Keila", totals: "active:1 suppressed:1 unsubscribed:1",
		people: []string{"kl.off unsubscribed - -", "kl.on active - -"}, suppressed: []string{"bounce -"}},
	"kit.csv": {layout: "Kit", totals: "active:1 unsubscribed:1", people: []string{"kt.off unsubscribed - -", "kt.on active 2022-01-02T03:04:05Z -"}},
	"kit-state.csv": {layout: "Kit", totals: "active:1 refused:waiting:1 suppressed:2",
		people: []string{"kt.in active 2025-03-03T00:00:00Z -"}, suppressed: []string{"bounce -", "complaint -"}},
	"klaviyo.csv": {layout: "Klaviyo", totals: "active:1 refused:not_subscribed:1 suppressed:2 unsubscribed:1",
		people: []string{"kv.off unsubscribed - -", "kv.on active 2024-01-01T10:00:00Z -"}, suppressed: []string{"bounce -", "complaint -"}},
	"listmonk.csv": {layout: "listmonk", totals: "refused:waiting:2 suppressed:1", suppressed: []string{"operator -"}},
	"loops.csv":    {layout: "Loops", totals: "active:1 unsubscribed:1", people: []string{"lo.off unsubscribed - -", "lo.on active 2024-02-03T04:05:06Z -"}},
	"mac-cr.csv":   {totals: "active:2", people: []string{"cr.one active - -", "cr.two active - -"}},
	"mac-roman.csv": {encoding: "Mac OS Roman", totals: "active:2", people: []string{
		"mac.one active - -", "mac.two active - -",
	}},
	"mailchimp-cleaned.csv": {layout: "Mailchimp", totals: "suppressed:1", suppressed: []string{"bounce 2021-03-04T10:00:00Z"}},
	"mailchimp-german.csv": {layout: "Mailchimp", totals: "active:1", people: []string{
		"mc.german active 2018-03-04T18:06:58Z 192.0.2.13",
	}},
	"mailchimp-no-address.csv": {layout: "Mailchimp", totals: "active:2", people: []string{
		"mcn.both active 2021-05-04T08:12:00Z 192.0.2.11", "mcn.confirm active 2021-06-04T08:12:00Z 192.0.2.12",
	}},
	"mailchimp-subscribed.csv": {layout: "Mailchimp", totals: "active:2", people: []string{
		"mc.blank active 2021-06-04T08:12:00Z 192.0.2.12", "mc.full active 2021-05-04T08:12:00Z 192.0.2.11",
	}},
	"mailchimp-unsubscribed.csv": {layout: "Mailchimp", totals: "unsubscribed:1", people: []string{"mc.left unsubscribed 2022-07-08T09:10:11Z -"}},
	"mailerlite.csv": {layout: "MailerLite", totals: "active:1 unsubscribed:1", people: []string{
		"ml.off unsubscribed 2022-09-10T11:12:13Z -", "ml.on active 2022-03-04T05:06:07Z -",
	}},
	"newsletter-plugin.csv": {layout: "The Newsletter Plugin", totals: "active:1 refused:waiting:1 suppressed:2 unsubscribed:1",
		people: []string{"np.off unsubscribed - -", "np.on active 2022-03-04T05:06:07Z -"}, suppressed: []string{"bounce -", "complaint -"}},
	"nonsubscribed_email_audience_export.csv": {refused: `the name of the file means "other"|--as other`},
	"shopify.csv":       {layout: "Shopify", totals: "active:1 refused:not_subscribed:1", people: []string{"sh.on active - -"}},
	"substack.csv":      {layout: "Substack", totals: "active:2 unsubscribed:1", people: []string{"ss.free active 2020-12-19T08:03:04.977Z -", "ss.off unsubscribed - -", "ss.paid active 2020-01-05T23:26:30.536Z -"}},
	"substack-paid.csv": {layout: "Substack", totals: "active:1 unsubscribed:1", people: []string{"ss.payer active - -", "ss.quiet unsubscribed - -"}},
	"unknown-known-words.csv": {totals: "active:1 refused:waiting:1 suppressed:2 unsubscribed:1",
		people: []string{"uk.left unsubscribed 2023-01-02T03:04:05Z -", "uk.on active 2022-03-04T00:00:00Z -"}, suppressed: []string{"bounce -", "operator -"}},
	"unknown-words.csv": {totals: "active:1 unsubscribed:1", people: []string{"uw.off unsubscribed - -", "uw.on active - -"}},
}

const (
	listedPeople = `select split_part(s.email, '@', 1) || ' ' || s.status || ' ' || coalesce(e.data->>'original_at', '-') || ' ' || coalesce(host(c.ip), '-')
		from subscribers s join ledger_events e on e.id = s.request_event_id left join event_context c on c.event_id = e.id
		where e.kind = 'subscription.imported' and e.actor = 'operator' and e.channel = 'import' and e.data->>'to' = s.status
		  and (s.status = 'unsubscribed') = (s.confirmed_at is null)
		  and (s.status <> 'unsubscribed' or s.ended_at is not distinct from (e.data->>'original_at')::timestamptz)
		order by s.email collate "C"`
	listedSuppressions = `select p.reason || ' ' || coalesce(e.data->>'original_at', '-')
		from suppressions p join identities i using (email_hmac) join ledger_events e using (subscriber_id)
		where e.kind = 'subscription.suppressed' and e.actor = 'operator' and e.channel = 'import' and e.data->'reasons'->>0 = p.reason and p.until is null
		order by 1`
)

// TestLayouts checks the end state of an import of each file: rows, suppressions, and the ledger with its evidence. A
// second import changes nothing.
func TestLayouts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "layouts", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		want, found := layoutCases[name]
		if !found {
			t.Errorf("no case for %s", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			setup(t).importFile(file, want)
		})
	}
	if len(files) != len(layoutCases) {
		t.Errorf("%d files, %d cases", len(files), len(layoutCases))
	}
}

func (b *bundle) importFile(file string, want layoutCase) {
	b.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	want.options.Name = file
	before := b.CountRows()
	totals, err := b.try(b.Context(), strings.NewReader(string(content)), want.options, want.part)
	if want.refused != "" {
		for part := range strings.SplitSeq(want.refused, "|") {
			if err == nil || !strings.Contains(err.Error(), part) {
				b.Errorf("%v, which lacks %q", err, part)
			}
		}
		b.ExpectRows(before)
		return
	}
	if err != nil {
		b.Fatal(err)
	}
	b.expect(totals, want.totals)
	b.expectLayout(string(content), want)
	for sql, people := range map[string][]string{listedPeople: want.people, listedSuppressions: want.suppressed} {
		if got := b.Strings(sql); !slices.Equal(got, people) && len(got)+len(people) > 0 {
			b.Errorf("%q, want %q", got, people)
		}
	}
	if n := len(b.Strings(`select id::text from subscribers`)); n != len(want.people) {
		b.Errorf("%d subscribers, want %d", n, len(want.people))
	}
	if all := strings.Join(b.Strings(`select to_jsonb(e)::text from ledger_events e`), ""); strings.Contains(all, "@") {
		b.Error("an address in the ledger")
	}
	if sent := b.Strings(`select kind from outbox where kind <> 'notify.journal'`); len(sent) > 0 {
		b.Errorf("messages: %v", sent)
	}
	after := b.CountRows()
	if _, err := b.try(b.Context(), strings.NewReader(string(content)), want.options, want.part); err != nil {
		b.Error(err)
	}
	b.ExpectRows(after)
}

func (b *bundle) expectLayout(content string, want layoutCase) {
	b.Helper()
	l, err := Open(strings.NewReader(content), want.options)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	if encoding := max(want.encoding, "UTF-8"); l.Layout != want.layout || l.Encoding != encoding && want.encoding != l.Encoding {
		b.Errorf("layout %q in %s, want %q in %s", l.Layout, l.Encoding, want.layout, encoding)
	}
}

// Every layout has a file and a line in the documentation, meanings and states that exist, and a source.
func TestLayoutsAreComplete(t *testing.T) {
	docs, err := os.ReadFile("../../../../docs/import.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range Layouts() {
		has := slices.ContainsFunc(slices.Collect(func(yield func(layoutCase) bool) {
			for _, c := range layoutCases {
				if !yield(c) {
					return
				}
			}
		}), func(c layoutCase) bool { return c.layout == l.Name })
		if !has && l.Name != "this tool" { // TestAnExportThatIsImported
			t.Errorf("%s: no file", l.Name)
		}
		if !strings.Contains(string(docs), "| "+l.Name+" |") {
			t.Errorf("%s: no line in docs/import.md", l.Name)
		}
		if l.Source == "" || len(l.Has) < 2 {
			t.Errorf("%s: %+v", l.Name, l)
		}
		for heading, meaning := range l.Columns {
			if _, err := ParseMeaning(string(meaning)); err != nil {
				t.Errorf("%s: %s: %v", l.Name, heading, err)
			}
		}
		for word, state := range l.Words {
			if !slices.Contains(subscription.ListStates(), state) {
				t.Errorf("%s: %s: %s", l.Name, word, state)
			}
		}
	}
}

// A column that may mean an end stops the import until the operator states what it means.
func TestStatedColumns(t *testing.T) {
	t.Parallel()
	const list = "email,Kunde,Abgemeldet am,Marketing\na@example.org,ja,,yes\nb@example.org,nein,2024-01-02,no\nc@example.org,nein,gone,yes\n"
	stated := func(options Options) string {
		people, _, err := readNotes(list, options)
		if err != nil {
			return err.Error()
		}
		var states []string
		for _, p := range people {
			states = append(states, string(p.State)+strings.TrimPrefix(p.EndedAt.Format(" 2006-01-02"), " 0001-01-01"))
		}
		return strings.Join(states, ",")
	}
	for name, c := range map[string]struct {
		options Options
		want    string
	}{
		"nothing":         {Options{}, `"Abgemeldet am": "2024-01-02" in line 3`},
		"one of two":      {Options{Map: map[string]Meaning{"Abgemeldet am": Left}, As: subscription.ListIn}, "in,left 2024-01-02,left"},
		"other spelling":  {Options{Map: map[string]Meaning{"ABGEMELDET_AM": Left}}, "in,left 2024-01-02,left"},
		"ignored":         {Options{Ignore: []string{"Abgemeldet am", "Marketing"}}, "in,in,in"},
		"a wish":          {Options{Ignore: []string{"Abgemeldet am"}, Map: map[string]Meaning{"Marketing": Subscribed}}, "in,left,in"},
		"not there":       {Options{Ignore: []string{"Abgemeldet"}}, "--ignore Abgemeldet: the list has no such column"},
		"everyone left":   {Options{As: subscription.ListLeft}, "left,left,left"},
		"a graver column": {Options{As: subscription.ListWaiting, Map: map[string]Meaning{"Abgemeldet am": Bounced}, Ignore: []string{"Marketing"}}, "waiting,bounced 2024-01-02,bounced"},
	} {
		if got := stated(c.options); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if _, err := ParseMeaning("gone"); err == nil || !strings.Contains(err.Error(), "left") {
		t.Errorf("%v", err)
	}
	if got := fmt.Sprint(recognize([]string{"Email", "Name"}).Name); got != "" {
		t.Error(got)
	}
}
