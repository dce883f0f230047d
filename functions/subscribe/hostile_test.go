package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/ledger"
)

// TestCodeIsStoredAsText checks that text that is code in other languages is stored unchanged.
func TestCodeIsStoredAsText(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	api := b.Open(open).HTTP
	for _, code := range []string{
		"'); drop table subscribers; --", `"}'::jsonb; delete from outbox; --`, "$1", "%s%n%x", "{{7*7}}${7*7}", "<script>alert(1)</script>",
		"=cmd|' /C calc'!A1", "$(reboot)", "`reboot`", `\x00\u0000\'`, "*)(uid=*",
	} {
		b.Exec("truncate subscribers cascade")
		sent := ledger.SentSource{Ref: code, Origin: code, Medium: code, Campaign: code, Term: code, Content: code}
		body, err := json.Marshal(map[string]any{"email": "jane@example.org", "source": sent})
		if err != nil {
			t.Fatal(err)
		}
		event := post(t, string(body))
		event.RequestContext.HTTP.UserAgent = code
		event.RequestContext.RequestID = "\x00" + code + strings.Repeat("r", 100_000)
		got := functiontest.Serve(t, api, event)
		if got.Response.StatusCode != http.StatusAccepted || strings.Contains(got.Response.Body, code) {
			t.Errorf("%q: %d %s", code, got.Response.StatusCode, got.Response.Body)
		}
		stored := b.Strings("select source::text from event_context order by event_id desc limit 1")
		if len(stored) != 1 || ledger.SentSource(ledger.ParseSource(stored[0])) != sent {
			t.Errorf("%q is stored as %s", code, stored)
		}
		if agents := b.Strings("select user_agent from event_context order by event_id desc limit 1"); agents[0] != code {
			t.Errorf("%q is stored as %q", code, agents)
		}
		if id := b.Strings("select request_id from ledger_events order by id desc limit 1")[0]; !strings.HasPrefix(id, code) || len(id) != 64 {
			t.Errorf("%q is stored as %q", code, id)
		}
	}
}

// TestForgedClientAddress checks that no header that a visitor can send changes the network that is limited and
// recorded.
func TestForgedClientAddress(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["LIMITS_SUBSCRIBE"] = "3/1h@host"
	api := b.Open(open).HTTP
	forged := map[string]string{"x-origin-secret": strings.Repeat("0123456789abcdef", 2), "via": "1.1 abc.cloudfront.net (CloudFront)"}
	for _, header := range []string{
		"x-forwarded-for", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip", "fastly-client-ip",
		"x-vercel-forwarded-for", "x-nf-client-connection-ip",
	} {
		forged[header] = "203.0.113.9"
	}
	forged["forwarded"], forged["cloudfront-viewer-address"] = "for=203.0.113.9", "203.0.113.9:443"
	for i, want := range []int{http.StatusAccepted, http.StatusAccepted, http.StatusAccepted, http.StatusTooManyRequests} {
		event := functiontest.SampleHTTP(t, "subscribe", "json-minimal", "")
		if i > 0 {
			maps.Copy(event.Headers, forged)
		}
		if got := functiontest.Serve(t, api, event); got.Response.StatusCode != want {
			t.Errorf("call %d: %d %s, want %d", i, got.Response.StatusCode, got.Response.Body, want)
		}
	}
	if got := strings.Join(b.Strings("select distinct host(ip) from event_context"), " "); got != "198.51.100.23" {
		t.Errorf("recorded: %s", got)
	}
}
