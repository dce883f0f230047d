package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/apikey"
)

// call returns a request of a server. A body is posted.
func call(t *testing.T, sample, key, body string) events.APIGatewayV2HTTPRequest {
	t.Helper()
	event := functiontest.SampleHTTP(t, "engagement", sample, "")
	event.Headers["authorization"] = "Bearer " + key
	if body != "" {
		event.Body, event.IsBase64Encoded = body, false
	}
	return event
}

func report(email, reason string) string {
	return `{"email":"` + email + `","reason":"` + reason + `"}`
}

func TestReportsEndSubscriptions(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	for _, name := range []string{"left", "bounced", "complained"} {
		b.Activate(name + "@example.org")
	}
	b.SignUp("waits@example.org")
	text, key := b.Key(apikey.Suppressions)
	api := b.Open(open).HTTP
	body := `{"suppressions":[` + strings.Join([]string{
		report("left@example.org", "unsubscribed"), report("bounced@example.org", "bounced"), report("complained@example.org", "complained"),
		report("waits@example.org", "unsubscribed"), report("unknown@example.org", "unsubscribed"), report("jane", "bounced"),
	}, ",") + `]}`
	accepted := strings.Repeat(`{"status":"accepted"},`, 5)
	var before map[string]int
	for i := range 2 {
		functiontest.ExpectResponse(t, "a list", functiontest.Serve(t, api, call(t, "suppressions", text, body)), 200, `{"results":[`+accepted+`{"status":"refused",`)
		if i == 0 {
			before = b.CountRows()
		}
	}
	b.ExpectRows(before) // the second time changes nothing
	got := strings.Join(b.Strings(`select email_norm || ' ' || status || coalesce(' ' || returning_from, '') from subscribers order by 1`), ", ")
	if want := "bounced@example.org suppressed, complained@example.org suppressed, left@example.org unsubscribed, " +
		"unknown@example.org unsubscribed, waits@example.org pending unsubscribed"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, event := range b.Strings(`select actor || ' ' || channel || ' ' || (data ->> 'key_id') from ledger_events where data ? 'key_id'`) {
		if event != "provider api "+key.ID.String() {
			t.Errorf("recorded %s", event)
		}
	}
}

// TestGravestReportCounts checks that a complaint is not lost beside an unsubscribe of the same address.
func TestGravestReportCounts(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Activate("jane@example.org")
	text, _ := b.Key(apikey.Suppressions)
	body := `{"suppressions":[` + report("jane@example.org", "unsubscribed") + "," + report("Jane@example.org", "complained") + `]}`
	functiontest.ExpectResponse(t, "both", functiontest.Serve(t, b.Open(open).HTTP, call(t, "suppressions", text, body)), 200, "accepted")
	expect(b, `select reason from suppressions`, "complaint")
}

// TestNewerConsentStays checks that a report of an old unsubscribe does not end a newer subscription.
func TestNewerConsentStays(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Activate("jane@example.org")
	text, _ := b.Key(apikey.Suppressions)
	api := b.Open(open).HTTP
	for at, want := range map[string]string{"2020-01-31T12:00:00Z": "active"} {
		body := `{"email":"jane@example.org","reason":"unsubscribed","at":"` + at + `"}`
		functiontest.ExpectResponse(t, at, functiontest.Serve(t, api, call(t, "suppressions", text, body)), 200, `{"results":[{"status":"accepted"}]}`)
		expect(b, `select status from subscribers`, want)
	}
	body := `{"email":"jane@example.org","reason":"unsubscribed","at":"2099-01-31T12:00:00Z"}`
	functiontest.ExpectResponse(t, "the future", functiontest.Serve(t, api, call(t, "suppressions", text, body)), 200, "accepted")
	expect(b, `select status from subscribers`, "unsubscribed")
}

func TestTenThousandReportsTwice(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	text, _ := b.Key(apikey.Suppressions)
	api := b.Open(open).HTTP
	var before map[string]int
	for round := range 2 {
		for part := range 100 {
			all := make([]string, maxReports)
			for i := range all {
				all[i] = report(fmt.Sprintf("p%d@example.org", part*maxReports+i), []string{"unsubscribed", "bounced", "complained"}[i%3])
			}
			got := api.Serve(t.Context(), call(t, "suppressions", text, `{"suppressions":[`+strings.Join(all, ",")+`]}`))
			if got.Response.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", got.Response.StatusCode, got.Response.Body)
			}
		}
		if round == 0 {
			before = b.CountRows()
		}
	}
	b.ExpectRows(before)
	expect(b, `select count(*)::text from ledger_events`, "10000")
}

func TestWrongReports(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	text, _ := b.Key(apikey.Suppressions)
	api, before := b.Open(open).HTTP, b.CountRows()
	for body, pointer := range map[string]string{
		`{}`: "#/email", report("jane@example.org", "moved"): "#/reason",
		`{"suppressions":[]}`: "#/suppressions",
		`{"suppressions":[` + strings.Repeat(report("jane@example.org", "bounced")+",", 100) + report("jane@example.org", "bounced") + `]}`: "#/suppressions",
		`{"suppressions":[` + report("", "bounced") + `]}`: "#/suppressions/0/email", `{"suppressions":[` + report("jane@example.org", "") + `]}`: "#/suppressions/0/reason",
		`{"email":"jane@example.org","reason":"bounced","suppressions":[` + report("jane@example.org", "bounced") + `]}`: "#/suppressions",
		`{"email":"jane@example.org","reason":"bounced","at":"yesterday"}`:                                               "#/at",
		`{"email":"jane@example.org","reason":"bounced","more":1}`:                                                       "#/more",
	} {
		functiontest.ExpectResponse(t, body[:min(60, len(body))], functiontest.Serve(t, api, call(t, "suppressions", text, body)), 422, `"pointer":"`+pointer+`"`)
	}
	b.ExpectRows(before)
}

func TestServersNeedTheirKey(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	jane := b.Activate("jane@example.org")
	all := apikey.SignUp | apikey.Suppressions | apikey.Read
	valid, key := b.Key(all)
	leaked, _ := apikey.ReadRing(b.Env()).Mint(uuid.Must(uuid.NewV7()), all)
	foreign, _ := functiontest.New(t).Key(all)
	api := b.Open(open).HTTP
	requests := map[string]func(string) events.APIGatewayV2HTTPRequest{
		"suppressions": func(k string) events.APIGatewayV2HTTPRequest {
			return call(t, "suppressions", k, report("joe@example.org", "bounced"))
		},
		"look-up": func(k string) events.APIGatewayV2HTTPRequest { return lookUp(t, k, jane.SubscriberID.String()) },
	}
	for name, request := range requests {
		functiontest.ExpectResponse(t, name, functiontest.Serve(t, api, request(valid)), 200, "")
	}
	before := b.CountRows()
	b.Exec(`update api_keys set revoked_at = now() where id = $1::uuid`, key.ID.String())
	signUp, _ := b.Key(apikey.SignUp)
	for name, request := range requests {
		for what, text := range map[string]string{"none": "", "forged": valid[:len(valid)-1], "leaked ring": leaked, "another ring": foreign, "revoked": valid} {
			functiontest.ExpectResponse(t, name+", "+what, functiontest.Serve(t, api, request(text)), 401, "invalid-key")
		}
		functiontest.ExpectResponse(t, name+", another scope", functiontest.Serve(t, api, request(signUp)), 403, "missing-scope")
		without := request("")
		delete(without.Headers, "authorization")
		functiontest.ExpectResponse(t, name+", no header", functiontest.Serve(t, api, without), 401, "invalid-key")
	}
	b.ExpectRows(before)
}

func lookUp(t *testing.T, key, id string) events.APIGatewayV2HTTPRequest {
	t.Helper()
	event := call(t, "subscriber", key, "")
	event.RawPath = "/api/newsletter/subscribers/" + id
	event.RequestContext.HTTP.Path = event.RawPath
	return event
}

func TestLookUp(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	jane := b.Activate("jane@example.org").SubscriberID.String()
	text, key := b.Key(apikey.Read)
	api := b.Open(open).HTTP
	got := functiontest.Serve(t, api, lookUp(t, text, jane))
	var found struct{ ID, State, Email, Locale string }
	if err := json.Unmarshal([]byte(got.Response.Body), &found); err != nil || found.ID != jane || found.State != "active" || found.Email != "jane@example.org" || found.Locale != "de" {
		t.Errorf("%d %s", got.Response.StatusCode, got.Response.Body)
	}
	expect(b, `select subscriber_id || ' ' || (data ->> 'key_id') || ' ' || (data ->> 'outcome') from ledger_events where kind = 'subscriber.read'`,
		jane+" "+key.ID.String()+" active")
	other := lookUp(t, text, jane)
	other.RouteKey, other.RequestContext.RouteKey, other.RawPath = "$default", "$default", "/news"+other.RawPath+"/"
	functiontest.ExpectResponse(t, "below a base path", functiontest.Serve(t, api, other), 200, jane)
	before := b.CountRows()
	for _, id := range []string{uuid.NewString(), "jane", "%00"} {
		functiontest.ExpectResponse(t, id, functiontest.Serve(t, api, lookUp(t, text, id)), 404, "not-found")
	}
	b.ExpectRows(before)
	b.Exec(`insert into suppressions (email_hmac, mailbox_hmac, key_id, reason, created_at) select email_hmac, mailbox_hmac, key_id, 'restriction', now() from identities`)
	functiontest.ExpectResponse(t, "restricted", functiontest.Serve(t, api, lookUp(t, text, jane)), 200, `{"id":"`+jane+`","state":"restricted","source":{}}`)
}

func TestLookUpsAreLimited(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["REDIS_URL"] = "" // half of the limit in this process
	text, _ := b.Key(apikey.Read)
	api := b.Open(open).HTTP
	for i := range 301 {
		got := api.Serve(t.Context(), lookUp(t, text, uuid.NewString()))
		if want := map[bool]int{true: 404, false: 429}[i < 300]; got.Response.StatusCode != want {
			t.Fatalf("look-up %d: %d %s", i, got.Response.StatusCode, got.Response.Body)
		}
	}
}

func TestServersWithoutADatabase(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	text, _ := b.Key(apikey.Read | apikey.Suppressions)
	b.Variables["DATABASE_URL"] = "postgres://app:password@127.0.0.1:1/newsletter"
	api := b.Open(open).HTTP
	functiontest.ExpectResponse(t, "a report", functiontest.Serve(t, api, call(t, "suppressions", text, report("jane@example.org", "bounced"))), 503, "service-unavailable")
	functiontest.ExpectResponse(t, "a look-up", functiontest.Serve(t, api, lookUp(t, text, uuid.NewString())), 503, "service-unavailable")
}
