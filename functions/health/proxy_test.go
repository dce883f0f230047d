package main

import (
	"net/http"
	"strings"
	"testing"

	"newsletter/internal/fixtures/functiontest"
)

// TestBehindProxy checks that only the liveness path answers requests that bypass the proxy.
func TestBehindProxy(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["PROXY_SECRET"] = strings.Repeat("0123456789abcdef", 2)
	api := b.Open(open).HTTP
	for sample, want := range map[string]int{"live": http.StatusOK, "ready": http.StatusForbidden, "ready-head": http.StatusForbidden} {
		event := functiontest.SampleHTTP(t, "health", sample, "")
		if got := functiontest.Serve(t, api, event); got.Response.StatusCode != want {
			t.Errorf("%s, directly: %d %s", sample, got.Response.StatusCode, got.Response.Body)
		}
		event.Headers["x-origin-secret"], event.Headers["cloudfront-viewer-address"] = b.Variables["PROXY_SECRET"], "192.0.2.7:443"
		if got := functiontest.Serve(t, api, event); got.Response.StatusCode != http.StatusOK {
			t.Errorf("%s, through the proxy: %d %s", sample, got.Response.StatusCode, got.Response.Body)
		}
	}
}
