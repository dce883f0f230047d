package functiontest

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"newsletter/internal/canary"
	"newsletter/internal/openapicheck"
	"newsletter/shared/httpapi"
)

// folder is the path of events/ from a function's folder, where its tests run.
const folder = "../../events"

// SampleNames lists the sample events of a function, without ".json".
func SampleNames(t testing.TB, function string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, function, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no events/%s: %v", function, err)
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(filepath.Base(file), ".json")
	}
	slices.Sort(files)
	return files
}

// Sample reads a sample event.
func Sample(t testing.TB, function, name string) json.RawMessage {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, function, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// SampleHTTP reads a sample event of the HTTP API. A nonempty token replaces the sample's token, which no key has
// signed. Deliberately broken tokens stay.
func SampleHTTP(t testing.TB, function, name, token string) events.APIGatewayV2HTTPRequest {
	t.Helper()
	content := string(Sample(t, function, name))
	if token != "" {
		content = strings.ReplaceAll(content, sampleToken(t, function), token)
	}
	var event events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal([]byte(content), &event); err != nil {
		t.Fatalf("events/%s/%s.json: %v", function, name, err)
	}
	return event
}

// sampleToken returns the token that a function's samples share: that of "show".
func sampleToken(t testing.TB, function string) string {
	t.Helper()
	var show events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(Sample(t, function, "show"), &show); err != nil || show.QueryStringParameters["token"] == "" {
		t.Fatalf("events/%s/show.json has no token: %v", function, err)
	}
	return show.QueryStringParameters["token"]
}

// Serve answers an event and checks the answer against docs/openapi.yaml.
func Serve(t testing.TB, api *httpapi.API, event events.APIGatewayV2HTTPRequest) httpapi.Result {
	t.Helper()
	result := api.Serve(t.Context(), event)
	answer := response(t, result)
	defer func() { _ = answer.Body.Close() }() // a string in memory
	openapicheck.Check(t, request(t, event), answer)
	canary.RecordAnswer(event.RequestContext.HTTP.Method+" "+event.RawPath, answer.StatusCode, answer.Header,
		decoded(t, result.Response.Body, result.Response.IsBase64Encoded))
	return result
}

// CheckPaths checks that a read-only route answers an event in the same way with any prefix and suffix of its path
// (the key of an API mapping, a stage, a slash), and below a catch-all route of the gateway.
func CheckPaths(t testing.TB, api *httpapi.API, event events.APIGatewayV2HTTPRequest) {
	t.Helper()
	want := Serve(t, api, event)
	if want.Route != event.RawPath {
		t.Fatalf("%s is answered by the route %s", event.RawPath, want.Route)
	}
	for _, around := range []struct{ before, after, stage string }{
		{"/news", "", "$default"}, {"/news/v1", "/", "$default"}, {"", "/", "$default"}, {"/prod", "", "prod"}, {"/news/prod", "", "prod"},
	} {
		for _, routeKey := range []string{event.RouteKey, event.RequestContext.HTTP.Method + " " + event.RawPath, "$default", "ANY /{proxy+}"} {
			moved := event
			moved.RouteKey, moved.RequestContext.RouteKey, moved.RequestContext.Stage = routeKey, routeKey, around.stage
			moved.RawPath = around.before + event.RawPath + around.after
			moved.RequestContext.HTTP.Path = moved.RawPath
			got := Serve(t, api, moved)
			if got.Route != want.Route || got.Response.StatusCode != want.Response.StatusCode || got.Response.Body != want.Response.Body {
				t.Errorf("%s, matched by %q: %s %d %s, want %d", moved.RawPath, routeKey, got.Route, got.Response.StatusCode, got.Response.Body,
					want.Response.StatusCode)
			}
		}
	}
}

func request(t testing.TB, event events.APIGatewayV2HTTPRequest) *http.Request {
	t.Helper()
	body := decoded(t, event.Body, event.IsBase64Encoded)
	url := "https://api.example.org" + event.RawPath
	if !strings.Contains(event.RawQueryString, "%zz") { // the parser of the OpenAPI check refuses it
		url += "?" + event.RawQueryString
	}
	r, err := http.NewRequestWithContext(t.Context(), event.RequestContext.HTTP.Method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range event.Headers {
		r.Header.Set(name, value)
	}
	return r
}

func response(t testing.TB, result httpapi.Result) *http.Response {
	t.Helper()
	header := http.Header{}
	for name, value := range result.Response.Headers {
		header.Set(name, value)
	}
	body := decoded(t, result.Response.Body, result.Response.IsBase64Encoded)
	return &http.Response{StatusCode: result.Response.StatusCode, Header: header, Body: io.NopCloser(strings.NewReader(body))}
}

func decoded(t testing.TB, body string, encoded bool) string {
	t.Helper()
	if !encoded {
		return body
	}
	raw, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
