package httpapi

import (
	"strings"
	"testing"
)

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	bad64 := post(jsonPath, "application/json", "%%%")
	bad64.IsBase64Encoded = true
	api := newTestAPI()
	results := map[string]Result{
		"json":           api.Serve(t.Context(), post(jsonPath, "application/json", `{}`)),
		"text":           api.Serve(t.Context(), newEvent("GET", formPath)),
		"page":           api.Serve(t.Context(), post(formPath, "application/x-www-form-urlencoded", "email=x")),
		"options":        api.Serve(t.Context(), newEvent("OPTIONS", formPath)),
		"404":            api.Serve(t.Context(), newEvent("GET", "/x")),
		"405":            api.Serve(t.Context(), newEvent("PUT", formPath)),
		"415":            api.Serve(t.Context(), post(jsonPath, "text/plain", "x")),
		"400":            api.Serve(t.Context(), bad64),
		"limited":        api.Serve(t.Context(), withQuery(newEvent("GET", failPath), "token=limited")),
		"503":            api.Serve(t.Context(), withQuery(newEvent("GET", failPath), "token=lost")),
		"500":            api.Serve(t.Context(), withQuery(newEvent("GET", failPath), "token=bug")),
		"panic":          api.Failed(newEvent("GET", formPath)),
		"error, as page": api.Failed(post(formPath, "application/x-www-form-urlencoded", "email=x")),
	}
	for name, got := range results {
		h := got.Response.Headers
		for header, want := range map[string]string{
			"Strict-Transport-Security":    "max-age=31536000; includeSubDomains",
			"X-Content-Type-Options":       "nosniff",
			"Cache-Control":                "no-store",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Vary":                         "Origin",
		} {
			if h[header] != want {
				t.Errorf("%s: %s is %q", name, header, h[header])
			}
		}
		policy := h["Content-Security-Policy"]
		for _, directive := range []string{"default-src 'none';", "form-action '", "base-uri 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, directive) { // default-src is not a fallback for the others
				t.Errorf("%s: policy %q lacks %s", name, policy, directive)
			}
		}
		if h["Set-Cookie"] != "" || len(got.Response.Cookies) > 0 || h["Location"] != "" || len(got.Response.MultiValueHeaders) > 0 {
			t.Errorf("%s: a cookie, a redirect or headers past these checks: %+v", name, got.Response)
		}
		if got.Response.Body != "" && !strings.Contains(h["Content-Type"], "charset=utf-8") {
			t.Errorf("%s: content type %q", name, h["Content-Type"])
		}
		if strings.HasPrefix(h["Content-Type"], "text/html") &&
			(h["Cross-Origin-Opener-Policy"] != "same-origin" || h["X-Robots-Tag"] != "noindex") {
			t.Errorf("%s: page headers %v", name, h)
		}
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	api := newTestAPI()
	for origin, allowed := range map[string]bool{
		siteOrigin:                        true,
		"https://other.example":           true,
		"":                                false,
		"null":                            false,
		"*":                               false,
		"https://www.example.org:443":     false,
		"http://www.example.org":          false,
		"https://www.example.org.evil":    false,
		"https://evilwww.example.org":     false,
		"HTTPS://WWW.EXAMPLE.ORG":         false,
		siteOrigin + "/":                  false,
		siteOrigin + ", https://evil.com": false,
	} {
		preflight, denied, broken := newEvent("OPTIONS", jsonPath), newEvent("GET", jsonPath), withQuery(newEvent("GET", failPath), "token=bug")
		panicked := newEvent("GET", formPath)
		for _, e := range []map[string]string{preflight.Headers, denied.Headers, broken.Headers, panicked.Headers} {
			e["origin"] = origin
			e["access-control-request-method"] = "POST"
		}
		results := []Result{api.Serve(t.Context(), preflight), api.Serve(t.Context(), denied), api.Serve(t.Context(), broken), api.Failed(panicked)}
		for i, status := range []int{204, 405, 500, 500} {
			h := results[i].Response.Headers
			want := map[bool]string{true: origin}[allowed]
			if h["Access-Control-Allow-Origin"] != want || results[i].Response.StatusCode != status || h["Vary"] != "Origin" {
				t.Errorf("origin %q, answer %d: %d %v", origin, i, results[i].Response.StatusCode, h)
			}
			if _, set := h["Access-Control-Allow-Credentials"]; set {
				t.Error("credentials are allowed")
			}
			if allowed && (h["Cross-Origin-Resource-Policy"] != "cross-origin" ||
				!strings.Contains(h["Access-Control-Expose-Headers"], "Retry-After")) {
				t.Errorf("origin %q: %v", origin, h)
			}
		}
		h := results[0].Response.Headers
		if granted := h["Access-Control-Allow-Methods"] == "OPTIONS, POST" && h["Access-Control-Allow-Headers"] == "Content-Type"; granted != allowed {
			t.Errorf("origin %q: preflight %v", origin, h)
		}
	}
}

// TestPreflightsAllowWhatPagesCarry checks the headers of tracing and of libraries, and that none of them carries authority.
func TestPreflightsAllowWhatPagesCarry(t *testing.T) {
	t.Parallel()
	api := newTestAPI()
	for requested, want := range map[string]string{
		"":                                    "Content-Type",
		"content-type":                        "Content-Type",
		"baggage,content-type,sentry-trace":   "Content-Type, Baggage, Sentry-Trace",
		"traceparent, tracestate":             "Content-Type, Traceparent, Tracestate",
		"hx-current-url,hx-request,hx-target": "Content-Type, Hx-Current-Url, Hx-Request, Hx-Target",
		"x-requested-with":                    "Content-Type, X-Requested-With",
		"authorization,traceparent,AUTHORIZATION": "Content-Type, Traceparent",
		"a\r\nset-cookie: x,b c,,*,é":             "Content-Type",
	} {
		event := newEvent("OPTIONS", jsonPath)
		event.Headers["origin"], event.Headers["access-control-request-method"] = siteOrigin, "POST"
		event.Headers["access-control-request-headers"] = requested
		h := api.Serve(t.Context(), event).Response.Headers
		if got := h["Access-Control-Allow-Headers"]; got != want {
			t.Errorf("%q: %q", requested, got)
		}
		if _, set := h["Access-Control-Allow-Credentials"]; set {
			t.Errorf("%q: credentials are allowed", requested)
		}
		event.Headers["origin"] = "https://evil.example"
		if h := api.Serve(t.Context(), event).Response.Headers; h["Access-Control-Allow-Headers"] != "" {
			t.Errorf("%q, from another origin: %v", requested, h)
		}
	}
}
