package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// secure sets the headers that every answer carries, unless the answer has set its own, as pages do.
func secure(h http.Header) {
	for name, value := range map[string]string{
		"Strict-Transport-Security":    "max-age=31536000; includeSubDomains",
		"X-Content-Type-Options":       "nosniff",
		"Cache-Control":                "no-store",
		"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin",
	} {
		if h.Get(name) == "" {
			h.Set(name, value)
		}
	}
}

// allowOrigin sets the CORS headers for an origin on the list. Never a wildcard, never credentials.
func (a *API) allowOrigin(h http.Header, origin string) {
	h.Add("Vary", "Origin")
	if !slices.Contains(a.config.AllowedOrigins, origin) {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "RateLimit, RateLimit-Policy, Retry-After")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

// options answers OPTIONS: a preflight from an allowed origin gets what it may do, everybody gets the methods.
func (a *API) options(r *Request, route Route) *Response {
	methods := strings.Join(route.methods(), ", ")
	header := http.Header{"Allow": {methods}}
	if slices.Contains(a.config.AllowedOrigins, r.Origin) {
		header.Set("Access-Control-Allow-Methods", methods)
		header.Set("Access-Control-Allow-Headers", "Content-Type")
		header.Set("Access-Control-Max-Age", "600")
	}
	return &Response{Status: http.StatusNoContent, Header: header, Outcome: "options"}
}

// isOrigin says whether s is an origin as browsers send it: scheme and host in lower case, nothing after.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && s == u.Scheme+"://"+u.Host &&
		s == strings.ToLower(s)
}
