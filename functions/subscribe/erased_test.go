package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
)

// planted are texts that visitors type or that links carry: names, a phone number, a bank account, an address, health
// data, a date of birth.
var planted = []string{"mustermann", "erika", "peter-meier", "+49 176 1234567", "491761234567", "DE89 3704", "DE89370400440532013000", "Hauptstr. 5", "HIV", "diabetes", "1961-03-04"}

// TestNothingTypedOutlivesAnErasure plants personal data in every field of a sign-up, leads it through a whole life and
// searches every row of the database after the erasure. Before it, only deletable tables have the texts.
func TestNothingTypedOutlivesAnErasure(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["SIGNUP_SOURCES"] = "/kunden/*,spring-*,toot"
	body, err := json.Marshal(map[string]any{
		"email": "erika.mustermann@example.org", "locale": "de-erika-muster",
		"source": map[string]string{
			"page": "https://www.example.org/kunden/peter-meier-1961-03-04", "referrer": "https://erika.mustermann.example/diabetes",
			"ref": "Peter Meier, Hauptstr. 5, HIV", "utm_source": "erika", "utm_medium": "diabetes", "utm_campaign": "spring-erika-mustermann",
			"utm_term": "+49 176 1234567", "utm_content": "DE89 3704 0044 0532 0130 00",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	event := functiontest.SampleHTTP(t, "subscribe", "json", "")
	event.Body = string(body)
	event.Headers["user-agent"] = "Erika's phone +49 176 1234567"
	event.RequestContext.HTTP.UserAgent = event.Headers["user-agent"]
	if got := functiontest.Serve(t, b.Open(open).HTTP, event); got.Response.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", got.Response.StatusCode, got.Response.Body)
	}
	var subscriber, request string
	link := token.Link{Epoch: 1}
	b.Scan(`select id::text, request_event_id::text from subscribers`, nil, &subscriber, &request)
	link.SubscriberID, link.EventID = uuid.MustParse(subscriber), uuid.MustParse(request)
	if _, err := b.Store.Confirm(t.Context(), link, functiontest.Visit); err != nil {
		t.Fatal(err)
	}
	for _, found := range search(b) {
		table, _, _ := strings.Cut(found, " ")
		if table != "subscribers" && table != "event_context" {
			t.Errorf("before the erasure: %s", found)
		}
	}
	want := `{"ref": "other", "page": "https://example.org/kunden/*", "referrer": "other", "utm_term": "other", "utm_medium": "other", "utm_source": "other", "utm_content": "other", "utm_campaign": "spring-*"}`
	for _, source := range b.Strings(`select source::text from ledger_events`) {
		if source != want {
			t.Errorf("the ledger keeps %s", source)
		}
	}
	env := b.Env()
	vault := outbox.ReadVault(env)
	if err := env.Err(); err != nil {
		t.Fatal(err)
	}
	erasure := subscription.Erasure{Address: b.Address("erika.mustermann@example.org"), SubscriberID: link.SubscriberID, Visit: functiontest.Visit}
	if outcome, err := subscription.NewEraser(b.Store, vault).Erase(t.Context(), erasure); err != nil || outcome != subscription.ErasedNow {
		t.Fatal(outcome, err)
	}
	if found := search(b); len(found) > 0 {
		t.Errorf("after the erasure: %s", strings.Join(found, "\n"))
	}
}

// search returns the rows of all tables with a planted text, as "table row".
func search(b *functiontest.Fixture) (found []string) {
	b.Helper()
	for _, table := range b.Strings(`select table_name::text from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`) {
		for _, row := range b.Strings(`select to_jsonb(t)::text from "` + table + `" t`) {
			for _, text := range planted {
				if strings.Contains(strings.ToLower(row), strings.ToLower(text)) {
					found = append(found, table+" "+row)
					break
				}
			}
		}
	}
	return found
}
