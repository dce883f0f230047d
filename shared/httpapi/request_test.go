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

func TestClientIsTheConnectionsOtherEnd(t *testing.T) {
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
		r, err := newRequest(event)
		if err != nil || r.Client.String() != want {
			t.Errorf("%q: %v, %v", source, r.Client, err)
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
		r, err := newRequest(withQuery(newEvent("GET", formPath), query))
		if err != nil || r.QueryToken() != want {
			t.Errorf("%.40q: token %q, %v", query, r.QueryToken(), err)
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

func TestRequestFields(t *testing.T) {
	t.Parallel()
	event := withQuery(newEvent("GET", "/prod"+formPath), "a=1&b")
	event.RequestContext.Stage = "prod"
	event.RequestContext.HTTP.UserAgent = "Mozilla\x00\r\n\x1b[31m\xff " + strings.Repeat("ü", 400)
	event.Headers["origin"] = siteOrigin
	r, err := newRequest(event)
	if err != nil {
		t.Fatal(err)
	}
	if r.Path != formPath || r.RawQuery != "a=1&b" || r.Query.Get("a") != "1" || r.Origin != siteOrigin || r.RequestID != "JKJaXmPLvHcESHA=" {
		t.Errorf("request %+v", r)
	}
	if want := time.UnixMilli(1767225600123).UTC(); !r.Time.Equal(want) || r.Time.Location() != time.UTC {
		t.Errorf("time %v", r.Time)
	}
	if len(r.UserAgent) > maxUserAgentBytes || !utf8.ValidString(r.UserAgent) || !strings.HasPrefix(r.UserAgent, "Mozilla[31m ü") {
		t.Errorf("user agent %q", r.UserAgent)
	}

	event.RequestContext.Stage, event.RawPath = "$default", ""
	event.RequestContext.HTTP.Path = formPath
	event.RequestContext.TimeEpoch = 0
	r, err = newRequest(event)
	if err != nil || r.Path != formPath || time.Since(r.Time) > time.Hour {
		t.Errorf("request %+v, %v", r, err)
	}
}
