package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/httpapi"
	"newsletter/shared/token"
)

const (
	requested = "requested:confirmation_queued"
	confirmed = requested + ", confirmed:confirmed"
)

// samples lists the expected response to each file of events/confirm with the link of a pending subscriber, and its
// effect.
var samples = map[string]struct {
	status        int
	state, ledger string
	body, absent  []string // substrings of the body
}{
	"show": {200, "pending", requested, []string{
		`<html lang="en">`, "Do you want to receive The Jane Letter?", "Newsletter per E-Mail erhalten", // the text that was shown: German
		`<input id="form0-agree" name="agree" type="checkbox" value="yes" required><span>Yes, I want to receive`, `name="action" value="decline"`,
	}, []string{"<script", "jane@"}},
	"show-json": {200, "pending", requested, []string{`{"status":"pending"}`}, nil},
	"scanner":   {200, "pending", requested, nil, nil},
	"button":    {200, "active", confirmed, []string{"You are subscribed"}, []string{"jane@"}},
	"bare":      {200, "active", confirmed, []string{`{"status":"active"}`}, nil},
	"decline":   {200, "none", requested + ", declined:declined", []string{"Your request was canceled", "30 days"}, nil},

	"unticked":              {422, "pending", requested, []string{"Please tick the box", `name="agree" type="checkbox" value="yes" required>`, "Newsletter per E-Mail erhalten"}, []string{"checked"}},
	"bare-unticked":         {422, "pending", requested, []string{`"pointer":"#/agree"`}, nil},
	"decline-page":          {200, "pending", requested, []string{"This wasn&#39;t you?", `name="action" value="decline"`, `name="email" type="email" autocomplete="email" required>`}, []string{"jane@"}},
	"decline-other-address": {422, "pending", requested, []string{"Please check the address", `name="action" value="decline"`, `name="email"`}, []string{"other@", "jane@"}},
	"decline-no-address":    {422, "pending", requested, []string{"Please check the address", `name="action" value="decline"`}, nil},

	"action-unknown":  {422, "pending", requested, []string{`"pointer":"#/action"`}, nil},
	"body-json":       {415, "pending", requested, []string{"unsupported-media-type"}, nil},
	"token-missing":   {404, "pending", requested, []string{"urn:newsletter:problem:not-found"}, nil},
	"token-malformed": {404, "pending", requested, []string{"urn:newsletter:problem:not-found"}, nil},
	"token-duplicate": {404, "pending", requested, []string{"urn:newsletter:problem:not-found"}, nil},
	"put":             {405, "pending", requested, []string{"method-not-allowed"}, nil},
}

func TestBasePathsAndSlashes(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	link := b.Sign(b.SignUp("jane@example.org"))
	functiontest.CheckPaths(t, b.Open(open).HTTP, functiontest.SampleHTTP(t, "confirm", "show", link))
}

func TestSampleEvents(t *testing.T) {
	for _, name := range functiontest.SampleNames(t, "confirm") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, known := samples[name]
			if !known {
				t.Fatal("add this event to samples")
			}
			b := functiontest.New(t)
			link := b.Sign(b.SignUp("jane@example.org"))
			got := functiontest.Serve(t, b.Open(open).HTTP, functiontest.SampleHTTP(t, "confirm", name, link))
			if got.Response.StatusCode != want.status || got.Err != nil {
				t.Fatalf("%d %v %s, want %d", got.Response.StatusCode, got.Err, got.Response.Body, want.status)
			}
			for _, part := range want.body {
				if !strings.Contains(got.Response.Body, part) {
					t.Errorf("the response lacks %q: %s", part, got.Response.Body)
				}
			}
			for _, part := range want.absent {
				if strings.Contains(got.Response.Body, part) {
					t.Errorf("the response contains %q: %s", part, got.Response.Body)
				}
			}
			subscribers := "jane@example.org " + want.state
			if want.state == "none" {
				subscribers = ""
			}
			outbox := "email.confirm"
			if want.state != "pending" {
				outbox += ", change"
			}
			b.ExpectState(subscribers, want.ledger, outbox)
		})
	}
}

func TestConfirmingTwice(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	event := functiontest.SampleHTTP(t, "confirm", "bare", b.Sign(b.SignUp("jane@example.org")))
	api := b.Open(open).HTTP
	first := functiontest.Serve(t, api, event)
	before := b.CountRows()
	second := functiontest.Serve(t, api, event)
	if second.Response.StatusCode != http.StatusOK || second.Response.Body != first.Response.Body {
		t.Errorf("%d %s, first %d %s", second.Response.StatusCode, second.Response.Body, first.Response.StatusCode, first.Response.Body)
	}
	b.ExpectRows(before)
	b.ExpectState("jane@example.org active", confirmed, "email.confirm, change")
}

// TestConfirmationRecordsConsentText checks that the consent is that of the request whose link is used.
func TestConfirmationRecordsConsentText(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	claims := b.SignUp("jane@example.org")
	functiontest.Serve(t, b.Open(open).HTTP, functiontest.SampleHTTP(t, "confirm", "button", b.Sign(claims)))
	var text, request, ip, requestID string
	b.Scan(`select t.version || '/' || t.locale, e.data->>'request_event', host(c.ip), e.request_id
		from ledger_events e join consent_texts t on t.id = e.consent_text_id join event_context c on c.event_id = e.id
		where e.kind = 'subscription.confirmed'`, nil, &text, &request, &ip, &requestID)
	if text != "default-1/de" || request != claims.EventID.String() || ip != "198.51.100.23" || !strings.HasPrefix(requestID, "JKJaXmPLvHcE") {
		t.Errorf("%s %s %s %s", text, request, ip, requestID)
	}
}

// TestSameResponseForEveryInvalidLink checks JSON and pages.
func TestSameResponseForEveryInvalidLink(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	claims := b.SignUp("jane@example.org")
	expired, stranger, old, leaving := claims, claims, claims, claims
	expired.Expires = time.Date(2025, 12, 20, 0, 0, 0, 0, time.UTC) // signed 44 days before the samples
	stranger.SubscriberID = uuid.New()
	old.Epoch++
	leaving.Purpose = token.Unsubscribe
	valid := b.Sign(claims)
	links := map[string]string{
		"expired": b.Sign(expired), "unknown": b.Sign(stranger), "of another epoch": b.Sign(old), "of another purpose": b.Sign(leaving),
		"changed": valid[:len(valid)-2] + "AA", "cut": valid[:40], "with a comma": valid + "," + valid,
	}
	api := b.Open(open).HTTP
	for _, sample := range []string{"bare", "button"} {
		want := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "confirm", sample, "no-token"))
		for name, link := range links {
			got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "confirm", sample, link))
			if got.Response.StatusCode != http.StatusNotFound || got.Response.Body != want.Response.Body || !sameHeaders(got, want) {
				t.Errorf("%s, %s: %d %s, want %s", sample, name, got.Response.StatusCode, got.Response.Body, want.Response.Body)
			}
		}
	}
	b.ExpectState("jane@example.org pending", requested, "email.confirm")
}

func sameHeaders(a, b httpapi.Result) bool {
	for name, value := range a.Response.Headers {
		if b.Response.Headers[name] != value {
			return false
		}
	}
	return len(a.Response.Headers) == len(b.Response.Headers)
}

func TestConfirmationsNeedNoRedis(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["REDIS_URL"], b.Variables["LIMITS_SUBSCRIBE"] = "rediss://:secret@127.0.0.1:1", "2/10m@host"
	event := functiontest.SampleHTTP(t, "confirm", "bare", b.Sign(b.SignUp("jane@example.org")))
	api := b.Open(open).HTTP
	for i := range 6 {
		got := functiontest.Serve(t, api, event)
		if got.Response.StatusCode != http.StatusOK || got.Response.Headers["Retry-After"] != "" {
			t.Fatalf("call %d: %d %v", i, got.Response.StatusCode, got.Response.Headers)
		}
	}
}

func TestPostIsLimitedAndGetIsNot(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["LIMITS_SUBSCRIBE"] = "2/10m@host"
	link := b.Sign(b.SignUp("jane@example.org"))
	api := b.Open(open).HTTP
	for i, want := range []int{200, 200, 429} {
		if got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "confirm", "bare", link)); got.Response.StatusCode != want {
			t.Errorf("call %d: %d, want %d", i, got.Response.StatusCode, want)
		}
	}
	if got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "confirm", "show", link)); got.Response.StatusCode != http.StatusOK {
		t.Errorf("the page: %d", got.Response.StatusCode)
	}
}

func TestDatabaseUnavailable(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	link := b.Sign(b.SignUp("jane@example.org"))
	b.Variables["DATABASE_URL"] = "postgres://app:password@127.0.0.1:1/newsletter"
	api := b.Open(open).HTTP
	for _, sample := range []string{"show", "bare"} {
		got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "confirm", sample, link))
		if got.Response.StatusCode != http.StatusServiceUnavailable || got.Response.Headers["Retry-After"] == "" || got.Err == nil {
			t.Errorf("%s: %d %v %v", sample, got.Response.StatusCode, got.Response.Headers, got.Err)
		}
	}
	if got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "confirm", "token-malformed", link)); got.Response.StatusCode != http.StatusNotFound {
		t.Errorf("a broken link: %d", got.Response.StatusCode)
	}
}
