package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// preflightSeconds is the time for which a browser may cache a preflight. It is short, so that a changed list of
// origins takes effect; Chromium caps it at 7200.
const preflightSeconds = "600"

// secure sets the security headers that the response has not set itself, as pages do.
func secure(h http.Header) {
	for name, value := range map[string]string{
		"Strict-Transport-Security":    "max-age=31536000; includeSubDomains",
		"X-Content-Type-Options":       "nosniff",
		"Cache-Control":                "no-store",
		"Content-Security-Policy":      "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin",
	} {
		if h.Get(name) == "" {
			h.Set(name, value)
		}
	}
}

// allowOrigin sets the CORS headers for an allowed origin. It never sets a wildcard or allows credentials.
func (a *API) allowOrigin(h http.Header, origin string) {
	h.Add("Vary", "Origin")
	if !slices.Contains(a.config.AllowedOrigins, origin) {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "RateLimit, RateLimit-Policy, Retry-After")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

// options returns the response to OPTIONS: the methods, and for an allowed origin the CORS preflight headers.
func (a *API) options(r *Request, route Route) *Response {
	methods := route.methods()
	header := http.Header{"Allow": {methods}}
	if slices.Contains(a.config.AllowedOrigins, r.Origin) {
		header.Set("Access-Control-Allow-Methods", methods)
		header.Set("Access-Control-Allow-Headers", allowedHeaders(r.Header.Get("Access-Control-Request-Headers")))
		header.Set("Access-Control-Max-Age", preflightSeconds)
	}
	return &Response{Status: http.StatusNoContent, Header: header, Outcome: "options"}
}

// allowedHeaders returns the headers that a preflight may allow of those that it asks for. These are all but Authorization,
// because pages send headers for tracing and those of their libraries with every request (traceparent, baggage, HX-Request,
// X-Requested-With), and none of them has a meaning here. A wildcard would do the same, but older browsers do not know it.
func allowedHeaders(requested string) string {
	allowed := []string{"Content-Type"}
	for name := range strings.SplitSeq(requested, ",") {
		name = http.CanonicalHeaderKey(strings.TrimSpace(name))
		if httpguts.ValidHeaderFieldName(name) && name != "Authorization" && name != "*" && !slices.Contains(allowed, name) {
			allowed = append(allowed, name)
		}
	}
	return strings.Join(allowed, ", ")
}
