package subscription

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"newsletter/shared/field"
	"newsletter/shared/ledger"
)

// TestEveryStateLooksTheSame also covers held emails and links. It runs them one after the other, because each writes
// to the log that the others measure. An observer on the network sees round trips and time; both depend on the
// statements, the rows and what a commit waits for.
func TestEveryStateLooksTheSame(t *testing.T) {
	b := setup(t)
	for _, hold := range []string{"", "disposable"} {
		b.expectStatesLookTheSame(func(s *Store, a Address) (Outcome, error) {
			return s.Request(t.Context(), Request{Address: a, Visit: visit, Hold: hold})
		})
	}
	for _, length := range []int{1, 5000} { // of values that become effective only with a confirmation
		values := field.Values{"company": strings.Repeat("x", length)}
		b.expectStatesLookTheSame(func(s *Store, a Address) (Outcome, error) {
			return s.Request(t.Context(), Request{Address: a, Visit: visit, Fields: values})
		})
	}
	for purpose, hold := range map[Email]string{UnsubscribeLinkEmail: "", ExportLinkEmail: "", EraseLinkEmail: "honeypot"} {
		b.expectStatesLookTheSame(func(s *Store, a Address) (Outcome, error) {
			return s.RequestLink(t.Context(), LinkRequest{Address: a, Email: purpose, Visit: visit, Hold: hold})
		})
	}
}

// asking is a request of an observer about an address.
type asking func(*Store, Address) (Outcome, error)

func (b *fixture) expectStatesLookTheSame(ask asking) {
	b.Helper()
	var want *recorder
	logged := map[string]int64{}
	for round := range 60 {
		for name, prepare := range indistinguishableStates() {
			typed := fmt.Sprintf("jane.doe.%04d@example.org", b.count("ledger_events"))
			prepare(b, typed)
			b.advance(time.Second)
			recorded := &recorder{database: b.db}
			wrote := b.measure(name, typed, ask, recorded)
			if least, found := logged[name]; !found || wrote < least {
				logged[name] = wrote
			}
			if want == nil {
				want = recorded
			}
			if !slices.Equal(recorded.first, want.first) || !slices.Equal(recorded.second, want.second) {
				b.Fatalf("%s: different statements:\n%q\n%q, want\n%q\n%q", name, recorded.first, recorded.second, want.first, want.second)
			}
		}
		// The log belongs to the whole server and sometimes contains page images, so the minimum of several rounds
		// counts.
		if round >= 2 && spread(logged) <= 0.05 {
			b.Logf("bytes of write-ahead log by state: %v", logged)
			return
		}
	}
	b.Errorf("the write-ahead log distinguishes the states: %v", logged)
}

// measure runs one request, checks that each table has one row more, and returns the bytes written to the log.

func (b *fixture) measure(name, typed string, ask asking, recorded *recorder) int64 {
	b.Helper()
	tables := []string{"ledger_events", "outbox", "event_context"}
	had := map[string]int{}
	for _, table := range tables {
		had[table] = b.count(table)
	}
	store, a := b.on(recorded), address(b, typed)
	before := b.walPosition()
	outcome, err := ask(store, a)
	wrote := b.walPosition() - before
	if err != nil {
		b.Fatalf("%s: %v", name, err)
	}
	for _, table := range tables {
		if b.count(table) != had[table]+1 {
			b.Errorf("%s (%s): want one more row in %s", name, outcome, table)
		}
	}
	return wrote
}

// spread returns how far the minimum is below the maximum, as a fraction.
func spread(values map[string]int64) float64 {
	all := slices.Collect(maps.Values(values))
	return 1 - float64(slices.Min(all))/float64(slices.Max(all))
}

func TestNothingPersonalInTheLedger(t *testing.T) {
	b := setup(t)
	sent := ledger.SentSource{
		Page: "https://example.org/join?email=jane@example.org#jane@example.org", Referrer: "https://u:p@example.net/jane%40example.org",
		Ref: "jane@example.org", Term: "jane%40example.org", Campaign: "spring\x00\x1b[31m" + strings.Repeat("x", 500),
	}
	declared := ledger.SourceConfig{Declared: []string{"/join", "spring*"}}.Declare("https://example.org")
	r := Request{Address: address(t, jane), Visit: visit, Locale: "de-jane-jane", Source: declared.Reduce(sent)}
	r.Visit.Sent = sent
	if _, err := b.store.Request(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	b.click(b.store.Confirm, b.link(jane), ConfirmedNow)
	b.click(b.store.Unsubscribe, b.unsubscribeLink(jane), UnsubscribedNow)
	all := strings.Join(b.strings(`select to_jsonb(e)::text from ledger_events e`), "\n")
	for _, personal := range []string{"jane", "Jane", "192.0.2.7", "Test/1.0", "\\u"} {
		if strings.Contains(all, personal) {
			t.Errorf("%q in the ledger:\n%s", personal, all)
		}
	}
	if !strings.Contains(all, "https://example.org/join") || !strings.Contains(all, "spring") {
		t.Errorf("the source is lost:\n%s", all)
	}
}
