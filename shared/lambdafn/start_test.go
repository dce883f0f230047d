package lambdafn

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

type gatewayAnswer struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body"`
}

func (a *runtimeAPI) request(query, body string) gatewayAnswer {
	a.t.Helper()
	result := a.invoke(httpEvent(query, body))
	var answer gatewayAnswer
	if err := json.Unmarshal([]byte(result.body), &answer); err != nil || result.kind != "response" {
		a.t.Fatalf("%s %s", result.kind, result.body)
	}
	return answer
}

func TestEnvironmentSurvivesAnyEvent(t *testing.T) {
	t.Parallel()
	sentry := newSentryRecorder(t)
	child := startChild(t, "web", "SENTRY_DSN="+sentry.dsn, "RELEASE=1.2.3")

	if got := child.request("do=echo&token="+canaryToken, `{"echo":"`+canaryBody+`"}`); got.StatusCode != 200 || !strings.Contains(got.Body, canaryBody) {
		t.Errorf("answered %+v", got)
	}
	if got := child.request("do=panic", canaryBody); got.StatusCode != 500 || !strings.Contains(got.Body, "urn:newsletter:problem:internal-error") ||
		got.Headers["X-Content-Type-Options"] != "nosniff" || !strings.Contains(got.Body, "JKJaXmPLvHcESHA=") {
		t.Errorf("a panic: %+v", got)
	}
	if got := child.request("do=fail", ""); got.StatusCode != 500 || strings.Contains(got.Body, "canary") {
		t.Errorf("an error: %+v", got)
	}
	if got := child.request("do=lost", ""); got.StatusCode != 503 || got.Headers["Retry-After"] != "1" {
		t.Errorf("a lost dependency: %+v", got)
	}
	for event, want := range map[string]string{
		`{"requestContext":`:                "invalid JSON",
		`"` + canaryAddress + "\x01":        "invalid JSON",
		`{"email":"` + canaryAddress + `"}`: "only HTTP API events",
		`[]`:                                "only HTTP API events",
		`{"httpMethod":"GET","path":"/","resource":"/"}`:                                         "only HTTP API events",
		`{"headers":{"x":["` + canaryAddress + `"]},"requestContext":{"http":{"method":"GET"}}}`: "headers",
		`{"requestContext":{"timeEpoch":99999999999999999999,"http":{"method":"GET"}}}`:          "requestContext.timeEpoch",
	} {
		result := child.invoke(event)
		if result.kind != "error" || !strings.Contains(result.body, want) || strings.Contains(result.body, "canary") {
			t.Errorf("%s: %s %s", event, result.kind, result.body)
		}
	}
	if got := child.request("do=note", ""); got.StatusCode != 200 {
		t.Errorf("after all that: %+v", got)
	}
	poll(t, "the arrival of three reports", func() bool { return strings.Count(sentry.raw.String(), `"type":"event"`) == 3 })
	if code := child.end(); code != 0 {
		t.Errorf("exit %d", code)
	}
	checkWebLines(t, child)
	checkSentry(t, sentry)
}

// checkWebLines checks the log lines of TestEnvironmentSurvivesAnyEvent.
func checkWebLines(t *testing.T, child *runtimeAPI) {
	t.Helper()
	lines := child.lines()
	info := slices.DeleteFunc(ofLevel(lines, "INFO"), func(line map[string]any) bool { return line["message"] == "metrics" || line["message"] == "security" })
	if len(info) != child.count {
		t.Fatalf("%d INFO lines for %d invocations", len(info), child.count)
	}
	for i, line := range info {
		if _, measured := line["Duration"].(float64); i > 0 && line["status"] != nil && (!measured || line["endpoint"] != "web POST") {
			t.Errorf("line %d: no duration with its endpoint: %v", i, line)
		}
		if line["cold_start"] != (i == 0) || (line["ColdStarts"] != nil) != (i == 0) {
			t.Errorf("line %d: cold_start %v", i, line["cold_start"])
		}
		if _, timed := line["duration_ms"].(float64); !timed || line["function_name"] != "stack-web" || line["function_version"] != "7" ||
			line["function_memory_size"] != 256.0 || line["message"] != "invocation" ||
			line["function_request_id"] != fmt.Sprintf("8476a536-e9f4-11e8-9739-2dfe598c3fc%d", i+1) ||
			!strings.HasPrefix(fmt.Sprint(line["xray_trace_id"]), "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700") {
			t.Errorf("line %v", line)
		}
	}
	for i, want := range []struct {
		outcome string
		status  float64
	}{{"answered", 200}, {"panic", 500}, {"internal-error", 500}, {"service-unavailable", 503}} {
		line := info[i]
		if line["outcome"] != want.outcome || line["status"] != want.status || line["route"] != "/api/web" || line["method"] != "POST" ||
			line["correlation_id"] != "JKJaXmPLvHcESHA=" {
			t.Errorf("line %v", line)
		}
	}
	last := info[len(info)-1]
	if last["outcome"] != "accepted" || last["mails"] != 2.0 || last["reason"] != "[address] [ip]" || last["request"] != "[not shown]" ||
		last["client"] != "[ip]" || last["reasons"] != "a,[ip]" {
		t.Errorf("line %v", last)
	}
	if errors := ofLevel(lines, "ERROR"); len(errors) != 3+7 {
		t.Errorf("%d ERROR lines: %v", len(errors), errors)
	}
}

// sentryRecorder records what a Sentry server receives.
type sentryRecorder struct {
	dsn string
	raw lockedBuffer
}

func newSentryRecorder(t *testing.T) *sentryRecorder {
	t.Helper()
	recorder := &sentryRecorder{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(&recorder.raw, r.Body)
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(server.Close)
	recorder.dsn = strings.Replace(server.URL, "://", "://0123456789abcdef0123456789abcdef@", 1) + "/1"
	return recorder
}

// checkSentry checks the reports of TestEnvironmentSurvivesAnyEvent.
func checkSentry(t *testing.T, sentry *sentryRecorder) {
	t.Helper()
	arrived := sentry.raw.String()
	for _, part := range []string{"panic: lost [address] and [key]", "query [address] from [ip]: unsupported operation", "dial [ip]:5432: refused",
		`"request_id":"JKJaXmPLvHcESHA="`, `"xray_trace_id":"Root=1-`, `"server_name":"web"`, `"release":"1.2.3"`} {
		if !strings.Contains(arrived, part) {
			t.Errorf("no %s in %s", part, arrived)
		}
	}
	if got := strings.Count(arrived, `"route":"/api/web"`); got != 3 {
		t.Errorf("%d reports contain their route", got)
	}
	for _, canary := range []string{canaryAddress, canaryToken, canaryIP, canaryBody} {
		if strings.Contains(arrived, canary) {
			t.Errorf("%s arrived", canary)
		}
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	child := startChild(t, "events", "LOG_LEVEL=DEBUG")
	for _, tc := range []struct{ event, kind, body string }{
		{`{"command":"ok"}`, "response", `{"command":"ok","scheduled":false}`},
		{`{"command":"panic"}`, "error", `{"errorMessage":"panic: [address]","errorType":"panic"}`},
		{`{"command":"fail"}`, "error", `{"errorMessage":"send to [address]: unsupported operation","errorType":"failed"}`},
		{`{"command":"unencodable"}`, "error", `{"errorMessage":"encode the result: json: unsupported type: func()","errorType":"failed"}`},
		{`{"command":5}`, "error", `{"errorMessage":"the event is no command","errorType":"failed"}`},
		{`{`, "error", `{"errorMessage":"parse event: invalid JSON","errorType":"malformed-event"}`},
		{httpEvent("", ""), "response", `{"command":"","scheduled":false}`},
		{`{"detail-type":"Scheduled Event","source":"aws.events"}`, "response", `{"command":"","scheduled":true}`},
		{`{"scheduled":true}`, "response", `{"command":"","scheduled":true}`},
	} {
		if got := child.invoke(tc.event); got.kind != tc.kind || got.body != tc.body {
			t.Errorf("%.60s: %s %s", tc.event, got.kind, got.body)
		}
	}
	child.end()
	lines := child.lines()
	if got := len(ofLevel(lines, "INFO")); got != child.count {
		t.Errorf("%d INFO lines for %d invocations", got, child.count)
	}
	if got := len(ofLevel(lines, "ERROR")); got != 5 {
		t.Errorf("%d ERROR lines", got)
	}
	if got := ofLevel(lines, "WARN"); len(got) != 0 {
		t.Errorf("WARN lines %v", got)
	}
}

func TestEndOfAnEnvironment(t *testing.T) {
	t.Parallel()
	child := startChild(t, "web")
	child.request("", "")
	if code := child.end(); code != 0 {
		t.Errorf("exit %d", code)
	}
	if got := ofLevel(child.lines(), "WARN"); len(got) != 1 || got[0]["message"] != "closing" || got[0]["limited"] != true {
		t.Errorf("WARN lines %v", got)
	}
}

func TestFunctionThatDoesNotStart(t *testing.T) {
	t.Parallel()
	for function, tc := range map[string]struct {
		variables []string
		told      []string
	}{
		"misconfigured": {[]string{"PROXY_SECRET=" + canaryAddress, "SITE_ALLOWED_ORIGINS=*", "LOG_LEVEL=" + canaryToken, "SENTRY_DSN=" + canaryToken},
			[]string{"PROXY_SECRET: ", "SITE_ALLOWED_ORIGINS: ", "OTHER: ", "LOG_LEVEL: ", "SENTRY_DSN: "}},
		"panicking": {nil, []string{"panic: no luck [address]"}},
		"empty":     {nil, []string{"neither HTTP nor Event"}},
		"web":       {[]string{"SECRETS_ARN=arn:aws:secretsmanager:eu-central-1:123456789012:secret:app"}, []string{"secret:app", "AWS_ACCESS_KEY_ID"}},
	} {
		t.Run(function, func(t *testing.T) {
			t.Parallel()
			child := startChild(t, function, tc.variables...)
			if code := child.wait(); code != 1 {
				t.Errorf("exit %d", code)
			}
			lines := child.lines()
			if len(lines) != 1 || lines[0]["level"] != "ERROR" {
				t.Fatalf("lines %v", lines)
			}
			for _, part := range tc.told {
				if strings.Count(fmt.Sprint(lines[0]["err"]), part) != 1 {
					t.Errorf("no %q in %v", part, lines[0]["err"])
				}
			}
			if child.failure != lines[0]["err"] {
				t.Errorf("Lambda received %q, the log %v", child.failure, lines[0]["err"])
			}
		})
	}
}

func TestFailedStartIsReported(t *testing.T) {
	t.Parallel()
	sentry := newSentryRecorder(t)
	if code := startChild(t, "misconfigured", "SITE_ALLOWED_ORIGINS=*", "SENTRY_DSN="+sentry.dsn).wait(); code != 1 {
		t.Errorf("exit %d", code)
	}
	if got := sentry.raw.String(); !strings.Contains(got, `"value":"SITE_ALLOWED_ORIGINS: each must be`) || strings.Count(got, `"value":`) != 1 {
		t.Errorf("reported %s", got)
	}
}
