package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
)

const (
	active        = "jane@example.org active"
	before        = "requested:confirmation_queued, confirmed:confirmed"
	linkRequested = before + ", requested:link_queued"
	erased        = before + ", erased:erased"
	rectified     = linkRequested + ", requested:confirmation_queued"
	emails        = "email.confirm, change"
	change        = "change" // the other messages are erased
	nothing       = ""
)

// sample is the expected response to an event of events/privacy with the link of an active subscriber, and its effect.
type sample struct {
	purpose                     token.Purpose
	status                      int
	subscribers, ledger, outbox string
	body                        []string // substrings of the body
}

func samples() map[string]sample {
	const exported, erasing = token.Export, token.Erase
	return map[string]sample{
		"export-json":           {exported, 202, active, linkRequested, emails + ", email.privacy_export", []string{`{"status":"accepted","message":"If we keep any data`}},
		"erase-json":            {exported, 202, active, linkRequested, emails + ", email.privacy_erase", []string{`{"status":"accepted"`}},
		"export-form":           {exported, 202, active, linkRequested, emails + ", email.privacy_export", []string{`<html lang="de">`, "Bitte prüfen Sie Ihr Postfach"}},
		"show":                  {exported, 200, active, before, emails, []string{"Download my data", `<form method="post"><button`, "Use this address from now on"}},
		"scanner":               {erasing, 200, active, before, emails, nil},
		"show-form":             {exported, 200, active, before, emails, []string{"Enter your address", `value="export"`, `value="erase"`}},
		"download":              {exported, 200, active, before + ", exported:exported", emails, []string{`"schema": "urn:newsletter:privacy-export:2"`, `"email": "jane@example.org"`}},
		"erase-form":            {erasing, 200, nothing, erased, change, []string{"Your data has been deleted"}},
		"erase-and-object-form": {erasing, 200, nothing, erased, change, []string{"Your data has been deleted"}},

		"rectify-form":           {exported, 202, active + ", jane@new.example.org pending", rectified, emails + ", email.rectify", []string{"Please check the inbox of the new address"}},
		"rectify-bare":           {exported, 202, active + ", jane@new.example.org pending", rectified, emails + ", email.rectify", []string{`{"status":"accepted"`}},
		"rectify-invalid-form":   {exported, 422, active, before, emails, []string{"Please enter another address", `name="action" value="rectify"`, `name="email" type="email"`}},
		"rectify-same-form":      {exported, 422, active, before, emails, []string{"Please enter another address", `name="action" value="rectify"`}},
		"rectify-bare-invalid":   {exported, 422, active, before, emails, []string{`"pointer":"#/email"`}},
		"restrict-form":          {exported, 200, active, before + ", suppressed:restricted", emails + ", change", []string{"The use of your data is restricted"}},
		"restrict-unticked":      {exported, 422, active, before, emails, []string{"Please tick the box", `name="action" value="restrict"`, `name="agree" type="checkbox" value="yes" required>`}},
		"restrict-bare-unticked": {exported, 422, active, before, emails, []string{`"pointer":"#/agree"`}},
		"unrestrict-form":        {exported, 200, active, before, emails, []string{"The restriction has ended"}}, // there was none
		"unrestrict-unticked":    {exported, 422, active, before, emails, []string{"Please tick the box", `name="action" value="unrestrict"`}},
		"action-unknown":         {exported, 422, active, before, emails, []string{`"pointer":"#/action"`}},

		"honeypot":          {exported, 202, active, linkRequested, emails + ", email.privacy_erase held: honeypot", []string{`{"status":"accepted","message":"If we keep any data`}},
		"address-invalid":   {exported, 422, active, before, emails, []string{`"pointer":"#/email"`}},
		"request-unknown":   {exported, 422, active, before, emails, []string{`"pointer":"#/request"`}},
		"request-missing":   {exported, 422, active, before, emails, []string{`"pointer":"#/request"`}},
		"body-text":         {exported, 415, active, before, emails, []string{"unsupported-media-type"}},
		"token-malformed":   {exported, 404, active, before, emails, []string{"urn:newsletter:problem:not-found"}},
		"token-undecodable": {exported, 404, active, before, emails, []string{"urn:newsletter:problem:not-found"}},
	}
}

func TestBasePathsAndSlashes(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	link := privacyLink(b, token.Export)
	functiontest.CheckPaths(t, b.Open(open).HTTP, functiontest.SampleHTTP(t, "privacy", "show", link))
}

func TestSampleEvents(t *testing.T) {
	for _, name := range functiontest.SampleNames(t, "privacy") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, known := samples()[name]
			if !known {
				t.Fatal("add this event to samples")
			}
			b := functiontest.New(t)
			link := privacyLink(b, want.purpose)
			got := functiontest.Serve(t, b.Open(open).HTTP, functiontest.SampleHTTP(t, "privacy", name, link))
			if got.Response.StatusCode != want.status || got.Err != nil {
				t.Fatalf("%d %v %s, want %d", got.Response.StatusCode, got.Err, got.Response.Body, want.status)
			}
			for _, part := range want.body {
				if !strings.Contains(got.Response.Body, part) {
					t.Errorf("the response lacks %q: %s", part, got.Response.Body)
				}
			}
			if name != "download" && strings.Contains(got.Response.Body, "jane@") {
				t.Errorf("the response contains the address: %s", got.Response.Body)
			}
			b.ExpectState(want.subscribers, want.ledger, want.outbox)
		})
	}
}

// privacyLink returns the token of a link in an email to an active subscriber.
func privacyLink(b *functiontest.Fixture, p token.Purpose) string {
	b.Helper()
	claims := b.Activate("jane@example.org")
	return b.Sign(token.Claims{Purpose: p, Link: token.Link{SubscriberID: claims.SubscriberID, Epoch: claims.Epoch}, Expires: time.Now().Add(time.Hour)})
}

// TestExportIsComplete checks that the copy matches the published schema and contains all personal data.
func TestExportIsComplete(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["PRIVACY_RECIPIENTS"] = "Example Ltd: sending the newsletter"
	b.Exec(`insert into recipients values ('ses', now(), null), ('loops', now(), null), ('ga4', '2026-01-01', '2026-02-03')`)
	link := privacyLink(b, token.Export)
	got := functiontest.Serve(t, b.Open(open).HTTP, functiontest.SampleHTTP(t, "privacy", "download", link))
	if got.Response.Headers["Content-Disposition"] != `attachment; filename="my-data.json"` || got.Response.Headers["Cache-Control"] != "no-store" {
		t.Errorf("headers %v", got.Response.Headers)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(got.Response.Body))
	if err != nil {
		t.Fatal(err)
	}
	if err := jsonschema.NewCompiler().MustCompile("../../docs/privacy-export.schema.json").Validate(document); err != nil {
		t.Errorf("%v\n%s", err, got.Response.Body)
	}
	for _, part := range []string{
		`"ip": "192.0.2.7"`, `"user_agent": "Test/1.0"`, `"version": "default-1"`, "Ich möchte den Newsletter", `"kind": "email.confirm"`,
		`"name": "Amazon Web Services"`, `"name": "Amazon Simple Email Service"`, `"name": "Loops (audience)"`, `identifies the subscriber; until 2026-02-03"`,
		`"name": "Example Ltd"`, `"purpose": "sending the newsletter"`, `"consent_text": null`, `"kind": "privacy.exported"`, `"kind": "export"`,
	} {
		if !strings.Contains(got.Response.Body, part) {
			t.Errorf("the copy lacks %s:\n%s", part, got.Response.Body)
		}
	}
}

func TestErasure(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	api := b.Open(open).HTTP
	link := privacyLink(b, token.Erase)
	post := func(body, link string) (int, string) {
		t.Helper()
		event := functiontest.SampleHTTP(t, "privacy", "export-json", "")
		event.RawQueryString, event.Body = "token="+link, body
		event.QueryStringParameters = map[string]string{"token": link}
		got := functiontest.Serve(t, api, event)
		return got.Response.StatusCode, got.Response.Body
	}
	if status, body := post(`{"email":"john@example.org"}`, link); status != http.StatusUnprocessableEntity || !strings.Contains(body, "#/email") {
		t.Errorf("another address: %d %s", status, body)
	}
	if status, body := post(`{}`, link); status != http.StatusUnprocessableEntity {
		t.Errorf("no address: %d %s", status, body)
	}
	gone := b.Sign(token.Claims{Purpose: token.Erase, Link: token.Link{SubscriberID: uuid.New()}, Expires: time.Now().Add(time.Hour)})
	for _, typed := range []string{"jane@example.org", "john@example.org"} { // the answer does not tell who is known
		if status, body := post(`{"email":"`+typed+`"}`, gone); status != http.StatusOK || body != `{"status":"erased"}` {
			t.Errorf("the link of an erased subscriber: %d %s", status, body)
		}
	}
	confirm := b.Sign(token.Claims{Purpose: token.Confirm, Link: token.Link{SubscriberID: uuid.New()}, Expires: time.Now().Add(time.Hour)})
	if status, body := post(`{"email":"jane@example.org"}`, confirm); status != http.StatusNotFound {
		t.Errorf("a link for another purpose: %d %s", status, body)
	}
	b.ExpectState(active, before, emails)
	for range 2 { // erasure is idempotent
		if status, body := post(`{"email":"jane@example.org","object":true}`, link); status != http.StatusOK || body != `{"status":"erased"}` {
			t.Errorf("%d %s", status, body)
		}
	}
	b.ExpectState(nothing, erased, change)
	if got := b.Strings(`select reason from suppressions`); len(got) != 1 || got[0] != "objection" {
		t.Errorf("suppressions %v", got)
	}
	request := subscription.Request{Address: b.Address("jane@example.org"), Visit: functiontest.Visit}
	if outcome, err := b.Store.Request(t.Context(), request); err != nil || outcome != subscription.RequestSuppressed {
		t.Errorf("after the objection: %s %v", outcome, err)
	}
}

// TestNetworkLimit checks that requests for links are limited.
func TestNetworkLimit(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["LIMITS_PRIVACY"] = "1/1h@host"
	api := b.Open(open).HTTP
	for i, want := range []int{http.StatusAccepted, http.StatusTooManyRequests} {
		got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "privacy", "export-json", ""))
		if got.Response.StatusCode != want {
			t.Errorf("call %d: %d %s", i, got.Response.StatusCode, got.Response.Body)
		}
	}
	b.ExpectState("", "requested:link_unknown", "none")
}

var links = functiontest.Links{Open: open, Function: "privacy", Sample: "export-json"}

func TestBotSignals(t *testing.T) { links.TestBotSignals(t) }

func TestCircumstances(t *testing.T) { links.TestCircumstances(t) }

func TestBusyMailboxCountsAgainstLimit(t *testing.T) { links.TestBusyMailbox(t) }

func TestDatabaseUnavailable(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	link := privacyLink(b, token.Export)
	b.Variables["DATABASE_URL"] = "postgres://app:password@127.0.0.1:1/newsletter"
	api := b.Open(open).HTTP
	for _, name := range []string{"download", "export-json"} {
		got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "privacy", name, link))
		var problem struct{ Status int }
		if err := json.Unmarshal([]byte(got.Response.Body), &problem); got.Response.StatusCode != http.StatusServiceUnavailable && (err == nil || name != "download") {
			t.Errorf("%s: %d %s", name, got.Response.StatusCode, got.Response.Body)
		}
		if got.Response.Headers["Retry-After"] == "" {
			t.Errorf("%s: headers %v", name, got.Response.Headers)
		}
	}
}

func TestAnExpiredLinkHasAButtonForANewOne(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	claims := b.Activate("jane@example.org")
	api := b.Open(open).HTTP
	for _, purpose := range []token.Purpose{token.Export, token.Erase} {
		old := token.Claims{Purpose: purpose, Link: claims.Link, Expires: time.Date(2026, 1, 30, 0, 0, 0, 0, time.UTC)} // a day before the samples
		press := functiontest.SampleHTTP(t, "privacy", "download", b.Sign(old))
		press.Headers["accept"] = "text/html"
		for _, event := range []events.APIGatewayV2HTTPRequest{functiontest.SampleHTTP(t, "privacy", "show", b.Sign(old)), press} {
			got := functiontest.Serve(t, api, event)
			if got.Response.StatusCode != http.StatusGone || !strings.Contains(got.Response.Body, `name="action" value="renew"`) {
				t.Errorf("%d: %d %s", purpose, got.Response.StatusCode, got.Response.Body)
			}
		}
		press.Body = "action=renew"
		if got := functiontest.Serve(t, api, press); got.Response.StatusCode != http.StatusAccepted || got.Err != nil {
			t.Errorf("%d: %d %v", purpose, got.Response.StatusCode, got.Err)
		}
		b.Exec(`update email_log set at = at - interval '20 minutes'`)
	}
	b.ExpectState(active, before+", requested:link_queued, requested:link_queued", emails+", email.renewed_export, email.renewed_erase")

	old := token.Claims{Purpose: token.Erase, Link: claims.Link, Expires: time.Date(2026, 1, 30, 0, 0, 0, 0, time.UTC)}
	got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "privacy", "erase-form", b.Sign(old)))
	if got.Response.StatusCode != http.StatusGone {
		t.Errorf("an expired link erases: %d", got.Response.StatusCode)
	}
	old.Epoch++
	want := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "privacy", "erase-form", "no-token"))
	got = functiontest.Serve(t, api, functiontest.SampleHTTP(t, "privacy", "erase-form", b.Sign(old)))
	if got.Response.StatusCode != http.StatusNotFound || got.Response.Body != want.Response.Body {
		t.Errorf("of another epoch: %d %s", got.Response.StatusCode, got.Response.Body)
	}
}
