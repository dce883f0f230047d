package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/httpapi"
	"newsletter/shared/token"
)

const (
	active          = "jane@example.org active"
	left            = "jane@example.org unsubscribed"
	before          = "requested:confirmation_queued, confirmed:confirmed"
	after           = before + ", unsubscribed:unsubscribed"
	linkRequested   = before + ", requested:link_queued"
	emails          = "email.confirm, change" // of the activation
	emailsAndChange = emails + ", change"
)

// samples lists the expected response to each file of events/unsubscribe with the link of an active subscriber, and its
// effect.
var samples = map[string]struct {
	status                      int
	subscribers, ledger, outbox string
	body                        []string // substrings of the body
}{
	"one-click":                 {200, left, after, emailsAndChange, []string{"You are unsubscribed", `<form method="post" action="subscribe">`, "Subscribe again"}},
	"one-click-urlencoded":      {200, left, after, emailsAndChange, []string{"You are unsubscribed"}},
	"one-click-empty":           {200, left, after, emailsAndChange, []string{`{"status":"unsubscribed"}`}},
	"one-click-unexpected-body": {200, left, after, emailsAndChange, nil},
	"button":                    {200, left, after, emailsAndChange, []string{`<html lang="en">`, "You are unsubscribed", `type="email"`}},
	"show":                      {200, active, before, emails, []string{"Unsubscribe from The Jane Letter?", `<form method="post"><button`}},
	"scanner":                   {200, active, before, emails, nil},
	"show-address-form":         {200, active, before, emails, []string{"Enter your address", `action="?"`}},
	"address":                   {202, active, linkRequested, emails + ", email.unsubscribe_link", []string{`{"status":"accepted","message":"If this address is subscribed`}},
	"address-form":              {202, active, linkRequested, emails + ", email.unsubscribe_link", []string{`<html lang="de">`, "fordern Sie einen neuen Link an"}},

	"honeypot":          {202, active, linkRequested, emails + ", email.unsubscribe_link held: honeypot", []string{`{"status":"accepted","message":"If this address is subscribed`}},
	"address-invalid":   {422, active, before, emails, []string{`"pointer":"#/email"`}},
	"body-text":         {415, active, before, emails, []string{"unsupported-media-type"}},
	"token-in-body":     {422, active, before, emails, []string{`"pointer":"#/email"`}},
	"token-malformed":   {404, active, before, emails, []string{"urn:newsletter:problem:not-found"}},
	"token-undecodable": {404, active, before, emails, []string{"urn:newsletter:problem:not-found"}},
}

func TestBasePathsAndSlashes(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	link := b.Sign(b.Activate("jane@example.org"))
	functiontest.CheckPaths(t, b.Open(open).HTTP, functiontest.SampleHTTP(t, "unsubscribe", "show", link))
}

func TestSampleEvents(t *testing.T) {
	for _, name := range functiontest.SampleNames(t, "unsubscribe") {
		if name == queuedSample { // not an HTTP request
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, known := samples[name]
			if !known {
				t.Fatal("add this event to samples")
			}
			b := functiontest.New(t)
			link := b.Sign(b.Activate("jane@example.org"))
			got := functiontest.Serve(t, b.Open(open).HTTP, functiontest.SampleHTTP(t, "unsubscribe", name, link))
			if got.Response.StatusCode != want.status || got.Err != nil {
				t.Fatalf("%d %v %s, want %d", got.Response.StatusCode, got.Err, got.Response.Body, want.status)
			}
			for _, part := range want.body {
				if !strings.Contains(got.Response.Body, part) {
					t.Errorf("the response lacks %q: %s", part, got.Response.Body)
				}
			}
			if strings.Contains(got.Response.Body, "jane@") {
				t.Errorf("the response contains the address: %s", got.Response.Body)
			}
			if got.Response.Headers["Location"] != "" || got.Response.Headers["Set-Cookie"] != "" || len(got.Response.Cookies) > 0 {
				t.Errorf("RFC 8058 allows no redirect and needs no cookie: %v", got.Response.Headers)
			}
			b.ExpectState(want.subscribers, want.ledger, want.outbox)
		})
	}
}

// TestValidLinkAlwaysSucceeds checks that a valid link succeeds in every state of the subscriber.
func TestValidLinkAlwaysSucceeds(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	api := b.Open(open).HTTP
	confirm := b.SignUp("pending@example.org")
	links := map[string]token.Claims{
		"active":   b.Activate("active@example.org"),
		"pending":  {Purpose: token.Unsubscribe, Link: token.Link{SubscriberID: confirm.SubscriberID, Epoch: confirm.Epoch}},
		"nobody's": {Purpose: token.Unsubscribe, Link: token.Link{SubscriberID: uuid.New(), Epoch: 1}},
	}
	var first *httpapi.Result
	for name, claims := range links {
		for range 3 {
			got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "unsubscribe", "one-click", b.Sign(claims)))
			if got.Response.StatusCode != http.StatusOK || got.Err != nil {
				t.Fatalf("%s: %d %s", name, got.Response.StatusCode, got.Response.Body)
			}
			if first == nil {
				first = &got
			}
			if got.Response.Body != first.Response.Body {
				t.Errorf("%s: %s, first %s", name, got.Response.Body, first.Response.Body)
			}
		}
	}
	if got := b.Strings(`select status from subscribers`); len(got) != 1 || got[0] != "unsubscribed" {
		t.Errorf("subscribers: %v", got)
	}
	if got := b.Strings(`select kind from ledger_events where kind in ('subscription.unsubscribed', 'subscription.declined') order by kind`); len(got) != 2 {
		t.Errorf("each end must be in the ledger once: %v", got)
	}
}

// TestLinksAreNeverLimited checks that a link needs no limiter, because mailbox providers send from few addresses.
func TestLinksAreNeverLimited(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["LIMITS_UNSUBSCRIBE"] = "1/10m@host"
	link := functiontest.SampleHTTP(t, "unsubscribe", "one-click", b.Sign(b.Activate("jane@example.org")))
	address := functiontest.SampleHTTP(t, "unsubscribe", "address", "")
	api := b.Open(open).HTTP
	for i, want := range []int{http.StatusAccepted, http.StatusTooManyRequests} {
		if got := functiontest.Serve(t, api, address); got.Response.StatusCode != want {
			t.Errorf("address, call %d: %d, want %d", i, got.Response.StatusCode, want)
		}
	}
	link.RequestContext.HTTP.SourceIP = address.RequestContext.HTTP.SourceIP
	for range 3 {
		got := functiontest.Serve(t, api, link)
		if got.Response.StatusCode != http.StatusOK || got.Response.Headers["Ratelimit"] != "" {
			t.Errorf("link: %d %v", got.Response.StatusCode, got.Response.Headers)
		}
	}
}

var links = functiontest.Links{Open: open, Function: "unsubscribe", Sample: "address"}

func TestBotSignals(t *testing.T) { links.TestBotSignals(t) }

func TestCircumstances(t *testing.T) { links.TestCircumstances(t) }

func TestBusyMailboxCountsAgainstLimit(t *testing.T) { links.TestBusyMailbox(t) }

func TestUnknownAddressGetsSameResponseAndNoEmail(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	api := b.Open(open).HTTP
	unknown := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "unsubscribe", "address", ""))
	b.ExpectState("", "requested:link_unknown", "none")
	b.Activate("jane@example.org")
	known := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "unsubscribe", "address", ""))
	if known.Response.StatusCode != unknown.Response.StatusCode || known.Response.Body != unknown.Response.Body {
		t.Errorf("known %d %s, unknown %d %s", known.Response.StatusCode, known.Response.Body, unknown.Response.StatusCode, unknown.Response.Body)
	}
	if got := b.Strings(`select kind from outbox order by id`); got[len(got)-1] != "email.unsubscribe_link" {
		t.Errorf("outbox %v", got)
	}
}

func TestSameResponseForEveryInvalidLink(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	claims := b.Activate("jane@example.org")
	valid := b.Sign(claims)
	confirm := b.SignUp("joan@example.org")
	links := map[string]string{
		"empty": "", "of another purpose": b.Sign(confirm), "changed": valid[:len(valid)-2] + "AA", "cut": valid[:40], "twice": valid + "," + valid,
	}
	api := b.Open(open).HTTP
	for _, sample := range []string{"one-click-empty", "button", "show"} {
		want := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "unsubscribe", sample, "no-token"))
		for name, link := range links {
			event := functiontest.SampleHTTP(t, "unsubscribe", sample, link)
			if link == "" {
				event.RawQueryString = "token="
			}
			got := functiontest.Serve(t, api, event)
			if got.Response.StatusCode != http.StatusNotFound || got.Response.Body != want.Response.Body {
				t.Errorf("%s, %s: %d %s", sample, name, got.Response.StatusCode, got.Response.Body)
			}
		}
	}
	// The page offers another way to unsubscribe.
	page := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "unsubscribe", "button", "no-token"))
	if !strings.Contains(page.Response.Body, `action="?"`) {
		t.Errorf("the page has no form: %s", page.Response.Body)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	link := b.Sign(b.Activate("jane@example.org"))
	const closedPort = "127.0.0.1:1"
	unavailable := map[string]string{"REDIS_URL": "rediss://:secret@" + closedPort, "DATABASE_URL": "postgres://app:password@" + closedPort + "/newsletter"}
	for variable, want := range map[string]map[string]int{
		"DATABASE_URL": {"one-click": 503, "show": 200, "address": 503},
		"REDIS_URL":    {"one-click": 200, "show": 200, "address": 202},
	} {
		working := b.Variables[variable]
		b.Variables[variable] = unavailable[variable]
		api := b.Open(open).HTTP
		for sample, status := range want {
			got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "unsubscribe", sample, link))
			if got.Response.StatusCode != status || (got.Err != nil) != (status == 503) || (got.Response.Headers["Retry-After"] != "") != (status == 503) {
				t.Errorf("without %s, %s: %d %v %v", variable, sample, got.Response.StatusCode, got.Response.Headers, got.Err)
			}
		}
		b.Variables[variable] = working
	}
}

// TestNoSubscribeAgainFormWithCaptcha checks that a page without scripts has no form that requires a CAPTCHA.
func TestNoSubscribeAgainFormWithCaptcha(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["CAPTCHA_PROVIDER"] = "turnstile"
	got := functiontest.Serve(t, b.Open(open).HTTP, functiontest.SampleHTTP(t, "unsubscribe", "one-click", b.Sign(b.Activate("jane@example.org"))))
	body := got.Response.Body
	if got.Response.StatusCode != http.StatusOK || !strings.Contains(body, "You are unsubscribed") || strings.Contains(body, "<form") || strings.Contains(body, "Enter your address") {
		t.Errorf("%d %s", got.Response.StatusCode, body)
	}
}
