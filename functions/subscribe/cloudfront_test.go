package main

import (
	"net/http"
	"strings"
	"testing"

	"newsletter/internal/fixtures/functiontest"
)

// TestViewerBehindCloudFront checks that the viewer's address is limited and recorded, not CloudFront's.
func TestViewerBehindCloudFront(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	secret := strings.Repeat("0123456789abcdef", 2)
	b.Variables["CLOUDFRONT_SECRET"], b.Variables["LIMITS_SUBSCRIBE"] = secret, "1/10m@host"
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
