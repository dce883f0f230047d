package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

const (
	siteOrigin = "https://www.example.org"
	jsonPath   = "/api/json"
	formPath   = "/api/form"
	failPath   = "/api/fail"
	livePath   = "/api/form/live"
	ignorePath = "/api/ignore"
)

type input struct {
	Email   string `json:"email"`
	Consent *struct {
		Granted     bool   `json:"granted"`
		TextVersion string `json:"text_version"`
	} `json:"consent"`
	Tags  []string       `json:"tags"`
	Count int            `json:"count"`
	At    Moment         `json:"started_at,omitzero"`
	More  map[string]any `json:"more"`
}

var (
	errLost = errors.New("database lost")
	errBug  = errors.New("jane@example.org broke it")
)

// newTestAPI returns an API with one route of each kind.
func newTestAPI() *API {
	readJSON := func(_ context.Context, r *Request) (*Response, error) {
		in, err := DecodeJSON[input](r)
		if err != nil {
			return nil, err
		}
		return JSON(http.StatusAccepted, map[string]string{"email": in.Email}).WithOutcome("accepted"), nil
	}
	readForm := func(_ context.Context, r *Request) (*Response, error) {
		fields, err := Form(r, "email")
		if err != nil {
			return nil, err
		}
		return HTML(http.StatusOK, Page{Title: "Done", Paragraphs: []string{strings.Join(fields["email"], "|")}}), nil
	}
	show := func(_ context.Context, r *Request) (*Response, error) {
		return Text(http.StatusOK, r.QueryToken()).WithOutcome("shown"), nil
	}
	fail := func(_ context.Context, r *Request) (*Response, error) {
		switch r.QueryToken() {
		case "lost":
			return nil, errLost
		case "bug":
			return nil, errBug
		case "limited":
			return nil, Limited([]string{"subscribe"}, 90*time.Second, http.Header{"Ratelimit": {`"subscribe";r=0;t=90`}})
		}
		return nil, Invalid(FieldError{Detail: "This is not an email address.", Pointer: "#/email"})
	}
	cfg := Config{AllowedOrigins: Origins{"https://other.example", siteOrigin}}
	return New(cfg,
		Route{Path: jsonPath, POST: readJSON},
		Route{Path: formPath, GET: show, POST: readForm},
		Route{Path: failPath, GET: fail, POST: fail},
		Route{Path: livePath, GET: show},
		Route{Path: ignorePath, POST: show},
	).Map(errLost, func(cause error) *Problem { return Unavailable(1500*time.Millisecond, cause) })
}

// newEvent returns an event as the gateway sends it.
func newEvent(method, path string) events.APIGatewayV2HTTPRequest {
	return events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "ANY " + path, RawPath: path, Headers: map[string]string{},
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RequestID: "JKJaXmPLvHcESHA=", Stage: "$default", TimeEpoch: 1767225600123,
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
				Method: method, Path: path, Protocol: "HTTP/1.1", SourceIP: "192.0.2.7", UserAgent: "test",
			},
		},
	}
}

func post(path, contentType, body string) events.APIGatewayV2HTTPRequest {
	e := newEvent(http.MethodPost, path)
	e.Headers["content-type"] = contentType
	e.Body = body
	return e
}

func readProblem(t *testing.T, r Result) Problem {
	t.Helper()
	if got := r.Response.Headers["Content-Type"]; got != "application/problem+json; charset=utf-8" {
		t.Fatalf("content type %q, body %s", got, r.Response.Body)
	}
	var p Problem
	if err := json.Unmarshal([]byte(r.Response.Body), &p); err != nil {
		t.Fatal(err)
	}
	if p.Status != r.Response.StatusCode || p.Title == "" || p.Type == "" || p.RequestID != "JKJaXmPLvHcESHA=" {
		t.Errorf("problem %+v with status %d", p, r.Response.StatusCode)
	}
	return p
}
