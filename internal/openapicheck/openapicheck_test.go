package openapicheck

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

func TestDocumentIsValid(t *testing.T) {
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	if !doc.IsOpenAPI31OrLater() {
		t.Errorf("the document is OpenAPI %s, want 3.1", doc.OpenAPI)
	}
	if err := doc.Validate(context.Background(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaFormatValidation(),
		openapi3.EnableSchemaPatternValidation()); err != nil {
		t.Error(err)
	}
}

// TestEveryAnswerIsShown requires an example for every answer and request body, except pages and repeated forms.
func TestEveryAnswerIsShown(t *testing.T) {
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			for status, answer := range operation.Responses.Map() {
				for kind, media := range answer.Value.Content {
					if kind != "text/html" && media.Example == nil && len(media.Examples) == 0 {
						t.Errorf("%s %s: the answer %s %s has no example; add one to docs/openapi.yaml", method, path, status, kind)
					}
				}
			}
			if operation.RequestBody == nil {
				continue
			}
			for kind, media := range operation.RequestBody.Value.Content {
				if kind != "multipart/form-data" && media.Example == nil && len(media.Examples) == 0 {
					t.Errorf("%s %s: the body %s has no example; add one to docs/openapi.yaml", method, path, kind)
				}
			}
		}
	}
}

// TestExampleProblems requires the status of each example to be that of its answer.
func TestExampleProblems(t *testing.T) {
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			for status, answer := range operation.Responses.Map() {
				media := answer.Value.Content["application/problem+json"]
				if media == nil {
					continue
				}
				examples := []any{media.Example}
				for _, example := range media.Examples {
					examples = append(examples, example.Value.Value)
				}
				for _, example := range examples {
					if problem, ok := example.(map[string]any); ok && status != fmt.Sprint(problem["status"]) {
						t.Errorf("%s %s: the example of %s says status %v", method, path, status, problem["status"])
					}
				}
			}
		}
	}
}

const subscribe = "http://127.0.0.1:3000/api/newsletter/subscribe"

func header(contentType string, more ...string) http.Header {
	h := http.Header{}
	for _, name := range everywhere {
		h.Set(name, "x")
	}
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(more); i += 2 {
		h.Set(more[i], more[i+1])
	}
	return h
}

func TestCompare(t *testing.T) {
	const (
		accepted = `{"status":"accepted","message":"m"}`
		problem  = `{"type":"urn:newsletter:problem:not-found","title":"t","status":404,"request_id":"r"}`
		wrong    = `{"type":"urn:newsletter:problem:method-not-allowed","title":"t","status":405,"request_id":"r"}`
	)
	for name, c := range map[string]struct {
		method, url, request string
		status               int
		header               http.Header
		body                 string
		want                 string // part of the error; empty for none
	}{
		"documented":            {"POST", subscribe, `{"email":"a@b.example"}`, 202, header("application/json"), accepted, ""},
		"with charset":          {"POST", subscribe, `{"email":"a@b.example"}`, 202, header("application/json; charset=utf-8"), accepted, ""},
		"page":                  {"GET", "http://h/api/newsletter/confirm?token=x", "", 200, header("text/html; charset=utf-8"), "<p>", ""},
		"further member":        {"POST", subscribe, `{"email":"a@b.example"}`, 202, header("application/json"), `{"status":"accepted","message":"m","id":7}`, "id"},
		"undocumented status":   {"POST", subscribe, `{"email":"a@b.example"}`, 409, header("application/json"), accepted, "status is not supported"},
		"undocumented type":     {"POST", subscribe, `{"email":"a@b.example"}`, 202, header("text/plain"), "ok", "Content-Type"},
		"missing header":        {"POST", subscribe, `{"email":"a@b.example"}`, 202, http.Header{"Content-Type": {"application/json"}}, accepted, "Referrer-Policy"},
		"undocumented request":  {"POST", subscribe, `{"mail":"a@b.example"}`, 202, header("application/json"), accepted, "accepted but is not documented"},
		"unknown problem":       {"POST", subscribe, `{}`, 400, header("application/problem+json"), `{"type":"about:blank","title":"t","status":400,"request_id":"r"}`, "type"},
		"limited, no hint":      {"POST", subscribe, `{}`, 429, header("application/problem+json"), `{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"t","status":429,"request_id":"r"}`, "Retry-After"},
		"unknown path":          {"GET", "http://h/nowhere", "", 404, header("application/problem+json"), problem, ""},
		"unknown path answered": {"GET", "http://h/nowhere", "", 200, header("application/json"), accepted, "want status 404"},
		"other method":          {"DELETE", subscribe, "", 405, header("application/problem+json", "Allow", "POST"), wrong, ""},
		"other method, no list": {"DELETE", subscribe, "", 405, header("application/problem+json"), wrong, "Allow"},
		"other method answered": {"DELETE", subscribe, "", 202, header("application/json"), accepted, "want status 405"},
		"preflight":             {"OPTIONS", subscribe, "", 204, header("", "Allow", "OPTIONS, POST"), "", ""},
		"preflight with body":   {"OPTIONS", subscribe, "", 204, header("text/plain", "Allow", "OPTIONS, POST"), "x", "body is not documented"},
		"head":                  {"HEAD", "http://h/api/health/live", "", 200, header("application/health+json"), "", ""},
		"head with body":        {"HEAD", "http://h/api/health/live", "", 200, header("application/health+json"), "{}", "no body"},
		"health":                {"GET", "http://h/api/health", "", 503, header("application/health+json"), `{"status":"fail"}`, ""},
		"health with details":   {"GET", "http://h/api/health", "", 503, header("application/health+json"), `{"status":"fail","host":"h"}`, "host"},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequest(c.method, c.url, strings.NewReader(c.request))
			if err != nil {
				t.Fatal(err)
			}
			if c.request != "" {
				req.Header.Set("Content-Type", "application/json")
			}
			err = compare(req, c.status, c.header, []byte(c.body))
			if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
		})
	}
}

func TestCheckLeavesTheBody(t *testing.T) {
	req, err := http.NewRequest(http.MethodGet, "http://h/api/health/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp := &http.Response{StatusCode: 200, Header: header("application/health+json"), Body: io.NopCloser(strings.NewReader(`{"status":"pass"}`))}
	Check(t, req, resp)
	if body, _ := io.ReadAll(resp.Body); string(body) != `{"status":"pass"}` {
		t.Errorf("the body is %q after the check", body)
	}
}
