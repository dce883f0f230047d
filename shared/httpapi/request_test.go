package httpapi

import (
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

func withQuery(e events.APIGatewayV2HTTPRequest, query string) events.APIGatewayV2HTTPRequest {
	e.RawQueryString = query
	return e
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"192.0.2.7":              "192.0.2.7",
		"2001:db8::7":            "2001:db8::7",
		"2001:DB8:0:0::7":        "2001:db8::7",
		"::ffff:192.0.2.7":       "192.0.2.7",
		"::ffff:c000:207":        "192.0.2.7",
		"fe80::1%eth0":           "fe80::1",
		"::ffff:192.0.2.7%eth0":  "192.0.2.7",
		"":                       "invalid IP",
		"192.0.2.7:443":          "invalid IP",
		"192.0.2.7, 203.0.113.9": "invalid IP",
		"jane":                   "invalid IP",
	} {
		event := newEvent("GET", formPath)
		event.RequestContext.HTTP.SourceIP = source
		for _, header := range []string{"x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip", "true-client-ip"} {
			event.Headers[header] = "203.0.113.9"
		}
		r := newRequest(event)
		if r.Client.String() != want {
			t.Errorf("%q: %v", source, r.Client)
		}
		if want == "invalid IP" && r.Client != (netip.Addr{}) {
			t.Errorf("%q is %v", source, r.Client)
		}
	}
}

func TestQueryToken(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"token=abc":                  "abc",
		"utm_source=x&token=abc":     "abc",
		"token=abc&x=%zz":            "abc",
		"token=abc&a;b":              "abc",
		"token=a%2Db":                "a-b",
		"":                           "",
		"token=":                     "",
		"token=a&token=b":            "",
		"token=a&token=a":            "",
		"token=a,b":                  "",
		"token=%zz":                  "",
		"Token=abc":                  "",
		"token%00=abc":               "",
		"amp;token=abc":              "",
		strings.Repeat("&", 100_000): "",
	} {
		r := newRequest(withQuery(newEvent("GET", formPath), query))
		if r.QueryToken() != want {
			t.Errorf("%.40q: token %q", query, r.QueryToken())
		}
	}
}

func TestBase64Bodies(t *testing.T) {
	t.Parallel()
	encode := base64.StdEncoding.EncodeToString
	for name, tc := range map[string]struct {
		body   string
		status int
	}{
		"JSON":            {encode([]byte(`{"email":"x"}`)), 202},
		"invalid UTF-8":   {encode([]byte("{\"email\":\"\xff\"}")), 400},
		"not base64":      {"{}", 400},
		"wrong alphabet":  {"e-_9", 400},
		"without padding": {strings.TrimRight(encode([]byte(`{"a":1}`)), "="), 400},
		"largest":         {encode([]byte(`{"email":"` + strings.Repeat("x", maxBodyBytes-12) + `"}`)), 202},
		"too large":       {encode([]byte(`{"email":"` + strings.Repeat("x", maxBodyBytes-11) + `"}`)), 413},
		"far too large":   {strings.Repeat("AAAA", 1<<20), 413},
	} {
		event := post(jsonPath, "application/json", tc.body)
		event.IsBase64Encoded = true
		got := newTestAPI().Serve(t.Context(), event)
		if got.Response.StatusCode != tc.status {
			t.Errorf("%s: %d %s", name, got.Response.StatusCode, got.Response.Body)
		}
	}
}

// TestOnlyRoutesThatReadABodyRejectIt checks every method with invalid bodies.
func TestOnlyRoutesThatReadABodyRejectIt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body    string
		encoded bool
		status  int // of the route that reads it
	}{
		"too large":          {strings.Repeat("x", maxBodyBytes+1), false, 413},
		"6 MB":               {strings.Repeat("x", 6<<20), false, 413},
		"6 MB in base64":     {strings.Repeat("AAAA", 6<<18), true, 413},
		"not base64":         {"List-Unsubscribe=One-Click", true, 400},
		"base64 cut":         {"TGlzdA=", true, 400},
		"base64, not marked": {"TGlzdC1VbnN1YnNjcmliZT1PbmUtQ2xpY2s=", false, 200},
		"invalid UTF-8":      {"email=\xff", false, 200},
		"invalid escapes":    {"email=%zz", false, 200},
	} {
		event := post(formPath, "application/x-www-form-urlencoded", tc.body)
		event.IsBase64Encoded = tc.encoded
		if got := newTestAPI().Serve(t.Context(), event); got.Response.StatusCode != tc.status {
			t.Errorf("%s: %d %s, want %d", name, got.Response.StatusCode, got.Response.Body, tc.status)
		}
		for method, want := range map[string]int{"GET": 200, "HEAD": 200, "OPTIONS": 204, "PUT": 405} {
			event.RequestContext.HTTP.Method = method
			if got := newTestAPI().Serve(t.Context(), event); got.Response.StatusCode != want {
				t.Errorf("%s, %s: %d %s, want %d", name, method, got.Response.StatusCode, got.Response.Body, want)
			}
		}
		event.RequestContext.HTTP.Method, event.RouteKey, event.RawPath = "POST", "ANY "+ignorePath, ignorePath
		if got := newTestAPI().Serve(t.Context(), event); got.Response.StatusCode != 200 {
			t.Errorf("%s, not read: %d %s", name, got.Response.StatusCode, got.Response.Body)
		}
		event.RouteKey, event.RawPath, event.RequestContext.HTTP.Path = "$default", "/api/none", "/api/none"
		if got := newTestAPI().Serve(t.Context(), event); got.Response.StatusCode != 404 {
			t.Errorf("%s, no route: %d %s", name, got.Response.StatusCode, got.Response.Body)
		}
	}
}

// TestRouteMatching checks that a base path, a stage and slashes make no difference.
func TestRouteMatching(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ key, path, stage, route string }{
		{"ANY /api/form", "/api/form", "$default", formPath},
		{"ANY /api/form", "/news/api/form", "$default", formPath},
		{"ANY /api/form", "/a/b/api/form", "$default", formPath},
		{"ANY /api/form", "/prod/api/form", "prod", formPath},
		{"ANY /api/form", "/api/form", "prod", formPath},
		{"ANY /api/form", "/news/prod/api/form", "prod", formPath},
		{"ANY /api/form", "/api/form/", "$default", formPath},
		{"ANY /api/form", "/news/api/form/", "$default", formPath},
		{"ANY /api/form", "/what/ever", "$default", formPath},
		{"ANY /api/form", "", "$default", formPath},
		{"GET /api/form", "/news/api/form", "$default", formPath},
		{"ANY /news/api/form", "/news/api/form", "$default", formPath},
		{"ANY /api/form/live", "/news/api/form/live", "$default", livePath},
		{"$default", "/api/form", "$default", formPath},
		{"$default", "/news/api/form", "$default", formPath},
		{"$default", "/api/form//", "$default", formPath},
		{"$default", "/api/form/live", "$default", livePath},
		{"ANY /api/{proxy+}", "/prod/api/form", "prod", formPath},
		{"ANY /{proxy+}", "/api/form", "$default", formPath},
		{"", "/api/form", "", formPath},
		{"$default", "/", "$default", "none"},
		{"$default", "", "$default", "none"},
		{"$default", "/api", "$default", "none"},
		{"$default", "/newsapi/form", "$default", "none"},
		{"$default", "/api/former", "$default", "none"},
		{"$default", "/api/form/more", "$default", "none"},
		{"ANY /api/none", "/api/none", "$default", "none"},
	} {
		event := newEvent("GET", tc.path)
		event.RouteKey, event.RequestContext.Stage = tc.key, tc.stage
		status := 200
		if tc.route == "none" {
			status = 404
		}
		if got := newTestAPI().Serve(t.Context(), event); got.Route != tc.route || got.Response.StatusCode != status {
			t.Errorf("%q, path %q: %s, %d, want %s", tc.key, tc.path, got.Route, got.Response.StatusCode, tc.route)
		}
	}
}

func TestRequestFields(t *testing.T) {
	t.Parallel()
	event := withQuery(newEvent("GET", formPath), "a=1&b")
	event.RequestContext.HTTP.UserAgent = "Mozilla\x00\r\n\x1b[31m\xff " + strings.Repeat("ü", 400)
	event.Headers["origin"] = siteOrigin
	r := newRequest(event)
	if r.Query.Get("a") != "1" || r.Origin != siteOrigin || r.RequestID != "JKJaXmPLvHcESHA=" {
		t.Errorf("request %+v", r)
	}
	if want := time.UnixMilli(1767225600123).UTC(); !r.Time.Equal(want) || r.Time.Location() != time.UTC {
		t.Errorf("time %v", r.Time)
	}
	if len(r.UserAgent) > maxUserAgentBytes || !utf8.ValidString(r.UserAgent) || !strings.HasPrefix(r.UserAgent, "Mozilla[31m ü") {
		t.Errorf("user agent %q", r.UserAgent)
	}

	event.RequestContext.RequestID = "JKJ\x00a\xff\r\n" + strings.Repeat("ü", 100_000)
	event.RequestContext.TimeEpoch = 0
	r = newRequest(event)
	if len(r.RequestID) > maxRequestIDBytes || !utf8.ValidString(r.RequestID) || !strings.HasPrefix(r.RequestID, "JKJaüü") {
		t.Errorf("request id %q", r.RequestID)
	}
	if time.Since(r.Time) > time.Hour {
		t.Errorf("time %v", r.Time)
	}
}
