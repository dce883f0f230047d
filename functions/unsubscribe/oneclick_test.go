package main

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/httpapi"
)

// bodies are possible bodies of a POST to a link: email providers do not always send what RFC 8058 requires.
var bodies = map[string]struct {
	kind, text string
	encoded    bool
}{
	"none":                      {"", "", false},
	"as in RFC 8058":            {"application/x-www-form-urlencoded", "List-Unsubscribe=One-Click", false},
	"without a type":            {"", "List-Unsubscribe=One-Click", false},
	"17 KiB":                    {"application/x-www-form-urlencoded", strings.Repeat("x", 17<<10), false},
	"6 MB":                      {"application/octet-stream", strings.Repeat("x", 6<<20), false},
	"6 MB in base64":            {"application/octet-stream", strings.Repeat("AAAA", 6<<18), true},
	"text marked as base64":     {"text/plain", "List-Unsubscribe=One-Click", true},
	"truncated base64":          {"multipart/form-data; boundary=b", "LS1iDQo", true},
	"base64, not marked":        {"application/x-www-form-urlencoded", "TGlzdC1VbnN1YnNjcmliZT1PbmUtQ2xpY2s=", false},
	"invalid UTF-8":             {"text/plain; charset=utf-8", "\xff\xfe\x00", false},
	"malformed form":            {"application/x-www-form-urlencoded", "a=%zz&b=%", false},
	"multipart, no boundary":    {"multipart/form-data", "--b\r\n\r\n--b--", false},
	"multipart, cut":            {"multipart/form-data; boundary=b", "--b\r\nContent-Dis", false},
	"gzip":                      {"application/x-www-form-urlencoded", "H4sIAAAAAAAA", true},
	"malformed JSON":            {"application/json", `{"email":`, false},
	"address of another person": {"application/json", `{"email":"john@example.org"}`, false},
	"malformed type":            {"\x00;;=,", "x", false},
}

// oneClick returns a POST to a link with the body of a name.
func oneClick(t *testing.T, name, link string) events.APIGatewayV2HTTPRequest {
	t.Helper()
	body := bodies[name]
	event := functiontest.SampleHTTP(t, "unsubscribe", "one-click", link)
	event.Headers["content-type"], event.Body, event.IsBase64Encoded = body.kind, body.text, body.encoded
	if body.kind == "" {
		delete(event.Headers, "content-type")
	}
	if name == "gzip" {
		event.Headers["content-encoding"] = "gzip"
	}
	return event
}

// TestOneClickAcceptsAnyBody checks that the token alone decides (docs/openapi.yaml).
func TestOneClickAcceptsAnyBody(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	api := b.Open(open).HTTP
	n := 0
	for name := range bodies {
		n++
		address := fmt.Sprintf("jane.%d@example.org", n)
		event := oneClick(t, name, b.Sign(b.Activate(address)))
		for _, method := range []string{http.MethodHead, http.MethodGet, http.MethodPost} {
			event.RequestContext.HTTP.Method = method
			got := api.Serve(t.Context(), event) // functiontest.Serve cannot convert all of these events to requests
			if got.Response.StatusCode != http.StatusOK || got.Err != nil {
				t.Errorf("%s, %s: %d %s %v", name, method, got.Response.StatusCode, got.Response.Body, got.Err)
			}
			want := "active"
			if method == http.MethodPost {
				want = "unsubscribed"
			}
			if status := b.Strings(`select status from subscribers where email_norm = $1`, address); len(status) != 1 || status[0] != want {
				t.Errorf("%s, after %s: %v, want %s", name, method, status, want)
			}
		}
	}
	if got := b.Strings(`select kind from ledger_events where kind = 'subscription.unsubscribed'`); len(got) != n {
		t.Errorf("%d of %d ends are in the ledger", len(got), n)
	}
	if got := b.Strings(`select kind from outbox where kind = 'change'`); len(got) != 2*n {
		t.Errorf("%d changes queued for %d activations and %d ends", len(got), n, n)
	}
}

// TestSubscribeAgainFormAction checks that the form leads to the sign-up route from every base path.
func TestSubscribeAgainFormAction(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	api := b.Open(open).HTTP
	for _, page := range []string{"", "/news", "/news/v1", "/prod"} {
		for _, slash := range []string{"", "/"} {
			event := functiontest.SampleHTTP(t, "unsubscribe", "one-click", b.Sign(b.Activate("jane@example.org")))
			event.RawPath = page + httpapi.UnsubscribePath + slash
			body := functiontest.Serve(t, api, event).Response.Body
			action := regexp.MustCompile(`<form method="post" action="([^"]*)"`).FindStringSubmatch(body)
			if action == nil {
				t.Fatalf("%s: no form in %s", event.RawPath, body)
			}
			at, err := url.Parse("https://example.org" + event.RawPath + "?" + event.RawQueryString)
			if err != nil {
				t.Fatal(err)
			}
			if to, err := at.Parse(action[1]); err != nil || to.String() != "https://example.org"+page+"/api/newsletter/subscribe" {
				t.Errorf("from %s to %v, %v", event.RawPath, to, err)
			}
		}
	}
}

// TestBodyWithoutToken checks that the body is read if there is no token.
func TestBodyWithoutToken(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	api := b.Open(open).HTTP
	for name, status := range map[string]int{
		"17 KiB": 422, "6 MB": 413, "6 MB in base64": 413, "text marked as base64": 400, "malformed form": 422,
		"invalid UTF-8": 415, "none": 422, "as in RFC 8058": 422, "address of another person": 202,
	} {
		event := oneClick(t, name, "")
		event.RawQueryString, event.Headers["accept"] = "", "application/json"
		if got := api.Serve(t.Context(), event); got.Response.StatusCode != status || got.Err != nil {
			t.Errorf("%s: %d %s %v, want %d", name, got.Response.StatusCode, got.Response.Body, got.Err, status)
		}
	}
}
