package httpapi

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"

	"newsletter/shared/config"
)

func TestMethods(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", formPath, 200, ""},
		{"HEAD", formPath, 200, ""},
		{"POST", formPath, 200, ""},
		{"OPTIONS", formPath, 204, "GET, HEAD, OPTIONS, POST"},
		{"OPTIONS", jsonPath, 204, "OPTIONS, POST"},
		{"GET", jsonPath, 405, "OPTIONS, POST"},
		{"HEAD", jsonPath, 405, "OPTIONS, POST"},
		{"PUT", formPath, 405, "GET, HEAD, OPTIONS, POST"},
		{"DELETE", formPath, 405, "GET, HEAD, OPTIONS, POST"},
		{"TRACE", formPath, 405, "GET, HEAD, OPTIONS, POST"},
		{"get", formPath, 405, "GET, HEAD, OPTIONS, POST"},
		{"GET", "/", 404, ""},
		{"OPTIONS", "/api/none", 404, ""},
		{"GET", formPath + "/", 200, ""},
	} {
		got := newTestAPI().Serve(t.Context(), newEvent(tc.method, tc.path))
		if got.Response.StatusCode != tc.status || got.Response.Headers["Allow"] != tc.allow {
			t.Errorf("%s %s: %d, Allow %q", tc.method, tc.path, got.Response.StatusCode, got.Response.Headers["Allow"])
		}
		if (tc.method == "HEAD" || tc.status == 204) && got.Response.Body != "" {
			t.Errorf("%s %s: body %q", tc.method, tc.path, got.Response.Body)
		}
		if tc.status == 405 && tc.method != "HEAD" {
			if p := readProblem(t, got); p.Type != "urn:newsletter:problem:method-not-allowed" {
				t.Errorf("type %s", p.Type)
			}
		}
	}
}

func TestHEAD(t *testing.T) {
	t.Parallel()
	api := newTestAPI()
	get, head := newEvent("GET", formPath), newEvent("HEAD", formPath)
	get.RawQueryString, head.RawQueryString = "token=abc", "token=abc"
	want, got := api.Serve(t.Context(), get), api.Serve(t.Context(), head)
	if want.Response.Body != "abc" || got.Response.Body != "" || got.Response.StatusCode != want.Response.StatusCode {
		t.Errorf("GET %+v, HEAD %+v", want.Response, got.Response)
	}
	for name, value := range want.Response.Headers {
		if got.Response.Headers[name] != value {
			t.Errorf("%s: %q, want %q", name, got.Response.Headers[name], value)
		}
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	api := newTestAPI()
	for token, want := range map[string]struct {
		kind       string
		status     int
		retryAfter string
		reported   error
	}{
		"":        {"urn:newsletter:problem:validation-error", 422, "", nil},
		"lost":    {"urn:newsletter:problem:service-unavailable", 503, "2", errLost},
		"bug":     {"urn:newsletter:problem:internal-error", 500, "", errBug},
		"limited": {"https://iana.org/assignments/http-problem-types#quota-exceeded", 429, "90", nil},
	} {
		got := api.Serve(t.Context(), withQuery(newEvent("GET", failPath), "token="+token))
		p := readProblem(t, got)
		if p.Type != want.kind || p.Status != want.status || got.Response.Headers["Retry-After"] != want.retryAfter {
			t.Errorf("%q: %+v, Retry-After %q", token, p, got.Response.Headers["Retry-After"])
		}
		if !errors.Is(got.Err, want.reported) {
			t.Errorf("%q: reported %v", token, got.Err)
		}
		if strings.Contains(got.Response.Body, "jane") || strings.Contains(got.Response.Body, "lost") {
			t.Errorf("the response contains an internal error: %s", got.Response.Body)
		}
		if got.Outcome == "" || strings.Contains(got.Outcome, ":") {
			t.Errorf("outcome %q", got.Outcome)
		}
		if token == "limited" && (len(p.ViolatedPolicies) != 1 || got.Response.Headers["Ratelimit"] == "") {
			t.Errorf("limited: %+v %v", p, got.Response.Headers)
		}
	}
}

func TestProblemPages(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded"
	for _, tc := range []struct {
		accept, contentType string
		page                bool
	}{
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", form, true},
		{"text/html", "application/json", true},
		{"", form, true},
		{"*/*", form, true},
		{"*/*", "application/json", false},
		{"", "", false},
		{"application/json", form, false},
		{"application/json, text/html;q=0.5", form, false},
		{"text/html;q=0", "application/json", false},
		{"text/html; q=0.3, application/json;q=0.2", "", true},
		{"text/html;q=bad", "application/json", false},
	} {
		event := post(failPath, tc.contentType, "email=x")
		event.Headers["accept"] = tc.accept
		got := newTestAPI().Serve(t.Context(), event).Response
		if page := strings.HasPrefix(got.Headers["Content-Type"], "text/html"); page != tc.page || got.StatusCode != 422 {
			t.Errorf("Accept %q of %s: %s", tc.accept, tc.contentType, got.Headers["Content-Type"])
		} else if page {
			checkPage(t, got.Headers["Content-Security-Policy"], got.Body)
			for _, part := range []string{"<li>This is not an email address.</li>", "Reference: JKJaXmPLvHcESHA="} {
				if !strings.Contains(got.Body, part) {
					t.Errorf("no %q in %s", part, got.Body)
				}
			}
		}
	}
}

func TestBinaryBodiesAreEncoded(t *testing.T) {
	t.Parallel()
	got := newTestAPI().finish(&Request{}, &Response{Status: http.StatusOK, Body: []byte{0xff, 0}}).Response
	if body, err := base64.StdEncoding.DecodeString(got.Body); err != nil || !got.IsBase64Encoded || string(body) != "\xff\x00" {
		t.Errorf("answered %+v", got)
	}
}

func TestLogFields(t *testing.T) {
	t.Parallel()
	got := newTestAPI().Serve(t.Context(), newEvent("<script>", "/jane@example.org"))
	if got.Route != "none" || got.Method != "other" || got.Outcome != "not-found" {
		t.Errorf("got %+v", got)
	}
	got = newTestAPI().Serve(t.Context(), newEvent("GET", formPath))
	if got.Route != formPath || got.Method != "GET" || got.Outcome != "shown" {
		t.Errorf("got %+v", got)
	}
}

func TestAllowedOrigins(t *testing.T) {
	t.Parallel()
	for origins, right := range map[string]bool{
		" https://www.example.org , https://x.example:8443,": true,
		"http://localhost:5173":                              true,
		"":                                                   true,
		"*":                                                  false,
		"null":                                               false,
		"https://*.example.org":                              false,
		"https://WWW.example.org":                            false,
		"https://www.example.org:443":                        false,
		"https://www.example.org:":                           false,
		"https://bücher.example":                             false,
		"https://www.example.org https://b.example": false,
	} {
		env := config.FromMap(map[string]string{"SITE_ALLOWED_ORIGINS": origins})
		config.Read[Config](env)
		if err := env.Err(); right != (err == nil) || err != nil && !strings.HasPrefix(err.Error(), "SITE_ALLOWED_ORIGINS: ") {
			t.Errorf("%q: %v", origins, err)
		}
	}
}

func TestPublicURL(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]PublicURL{ // "" is refused
		"https://api.example.org":            "https://api.example.org",
		"https://api.example.org/":           "https://api.example.org",
		"https://api.example.org//":          "https://api.example.org",
		"https://example.org/news":           "https://example.org/news",
		"https://example.org/news/":          "https://example.org/news",
		"https://example.org/News/v1.2":      "https://example.org/News/v1.2",
		"https://example.org/prod":           "https://example.org/prod",
		"https://api.example.org:8443/a":     "https://api.example.org:8443/a",
		"http://127.0.0.1:3000":              "http://127.0.0.1:3000",
		"http://[::1]:3000/news":             "http://[::1]:3000/news",
		"http://api.example.org":             "",
		"https://u:p@api.example.org":        "",
		"https://API.example.org":            "",
		"https://api.example.org?a=b":        "",
		"https://api.example.org/#news":      "",
		"https://api.example.org/a b":        "",
		"https://api.example.org/%61":        "",
		"https://api.example.org/a//b":       "",
		"https://api.example.org/a/../b":     "",
		"https://api.example.org/a/.":        "",
		"https://api.example.org/bücher":     "",
		"https://api.example.org/<b>":        "",
		"https://example.org/api/newsletter": "",
		"https://example.org/api":            "",
		"api.example.org":                    "",
		"https://:443":                       "",
		"https://":                           "",
		"/":                                  "",
	} {
		env := config.FromMap(map[string]string{"SITE_PUBLIC_URL": typed})
		got := config.Read[LinkConfig](env).PublicURL
		if err := env.Err(); got != want || (err == nil) != (want != "") || err != nil && !strings.HasPrefix(err.Error(), "SITE_PUBLIC_URL: must ") {
			t.Errorf("%q is %q, %v", typed, got, err)
		}
	}
}
