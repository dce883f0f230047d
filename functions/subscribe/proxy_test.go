package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"newsletter/internal/fixtures/functiontest"
)

// TestVisitorBehindProxy checks that the visitor's address is limited and recorded, not the proxy's.
func TestVisitorBehindProxy(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	secret := strings.Repeat("0123456789abcdef", 2)
	b.Variables["PROXY_SECRET"], b.Variables["LIMITS_SUBSCRIBE"] = secret, "1/10m@host"
	api := b.Open(open).HTTP
	event := functiontest.SampleHTTP(t, "subscribe", "json-minimal", "")
	event.Headers["cloudfront-viewer-address"] = "192.0.2.7:443"
	for _, wrong := range []string{"", "wrong", secret + ","} {
		event.Headers["x-origin-secret"] = wrong
		if got := functiontest.Serve(t, api, event); got.Response.StatusCode != http.StatusForbidden {
			t.Errorf("with %q: %d %s", wrong, got.Response.StatusCode, got.Response.Body)
		}
	}
	b.ExpectState("", "", "")
	event.Headers["x-origin-secret"] = secret
	for i, viewer := range []string{"192.0.2.7:443", "192.0.2.7:999", "2001:db8::7:443"} {
		event.Headers["cloudfront-viewer-address"] = viewer
		want := []int{http.StatusAccepted, http.StatusTooManyRequests, http.StatusAccepted}[i]
		if got := functiontest.Serve(t, api, event); got.Response.StatusCode != want {
			t.Errorf("%s: %d %s", viewer, got.Response.StatusCode, got.Response.Body)
		}
	}
	if got := strings.Join(b.Strings(`select host(ip) from event_context order by event_id`), " "); got != "192.0.2.7 2001:db8::7" {
		t.Errorf("recorded: %s", got)
	}
}

// TestVisitorsBehindHosts sends one sign-up more than the default limit allows a network, through each host of docs/proxies.md.
// A visitor's own headers change neither the limit nor the record.
func TestVisitorsBehindHosts(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("0123456789abcdef", 2)
	for _, header := range []string{"CloudFront-Viewer-Address", "CF-Connecting-IP", "x-vercel-forwarded-for", "x-nf-client-connection-ip"} {
		t.Run(header, func(t *testing.T) {
			t.Parallel()
			b := functiontest.New(t)
			b.Variables["PROXY_SECRET"], b.Variables["SITE_PROXY_ADDRESS_HEADER"] = secret, header
			api := b.Open(open).HTTP
			send := func(visitor string) int {
				event := functiontest.SampleHTTP(t, "subscribe", "json-minimal", "")
				event.Headers["x-origin-secret"], event.Headers["x-forwarded-for"] = secret, "203.0.113.9"
				if header == "CloudFront-Viewer-Address" {
					visitor += ":443"
				}
				event.Headers[strings.ToLower(header)] = "203.0.113.9, " + visitor
				return functiontest.Serve(t, api, event).Response.StatusCode
			}
			const limit = 60 // LIMITS_SUBSCRIBE for a host
			for i := range limit + 1 {
				if got := send(fmt.Sprintf("192.0.2.%d", i+1)); got != http.StatusAccepted {
					t.Fatalf("visitor %d: %d", i+1, got)
				}
			}
			for range limit - 1 {
				if got := send("192.0.2.1"); got != http.StatusAccepted {
					t.Fatalf("one visitor within the limit: %d", got)
				}
			}
			if got := send("192.0.2.1"); got != http.StatusTooManyRequests {
				t.Errorf("one visitor above the limit: %d", got)
			}
			if got := b.Strings(`select count(distinct ip)::text from event_context where ip << '192.0.2.0/24'`)[0]; got != "61" {
				t.Errorf("%s networks are recorded", got)
			}
		})
	}
}
