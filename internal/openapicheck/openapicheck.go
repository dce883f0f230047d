// Package openapicheck compares real answers with docs/openapi.yaml, for tests.
//
// The document must describe an answer completely: path, method, status, headers, content type and every member of
// its body. It must also describe every accepted request. HEAD is checked as GET without a body. An undocumented
// method of a path must be answered with 405, any other path with 404.
package openapicheck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"newsletter/docs"
)

// document is parsed once for each test binary.
var document = sync.OnceValues(func() (*openapi3.T, error) {
	openapi3filter.RegisterBodyDecoder("application/health+json", openapi3filter.JSONBodyDecoder)
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.PlainBodyDecoder)
	return openapi3.NewLoader().LoadFromData(docs.OpenAPI)
})

// everywhere lists the headers that every answer must have.
var everywhere = []string{
	"Strict-Transport-Security", "X-Content-Type-Options", "Cache-Control", "Content-Security-Policy", "Referrer-Policy",
	"Cross-Origin-Resource-Policy", "Vary",
}

// Check fails the test for each way in which the answer to a request differs from the document. It reads resp.Body
// and replaces it with a copy. It also checks an accepted request if its body can be read again (GetBody, as
// http.NewRequest sets it).
func Check(t testing.TB, req *http.Request, resp *http.Response) {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if err := compare(req, resp.StatusCode, resp.Header, body); err != nil {
		t.Errorf("docs/openapi.yaml does not describe the answer %d to %s %s: %v\n%.500s", resp.StatusCode, req.Method,
			req.URL.Path, err, body)
	}
}

func compare(req *http.Request, status int, header http.Header, body []byte) error {
	doc, err := document()
	if err != nil {
		return err
	}
	var problems []error
	for _, name := range everywhere {
		if header.Get(name) == "" {
			problems = append(problems, fmt.Errorf("the header %s is missing", name))
		}
	}
	path := documented(req.URL.Path)
	item := doc.Paths.Value(path)
	method := req.Method
	if method == http.MethodHead {
		method = http.MethodGet
		if len(body) > 0 {
			problems = append(problems, errors.New("an answer to HEAD has no body"))
		}
	}
	want, operation := 0, (*openapi3.Operation)(nil)
	switch {
	case item == nil:
		item, want, operation = &openapi3.PathItem{}, http.StatusNotFound, only(doc, "404", "NotFound")
	case item.GetOperation(method) == nil:
		want, operation = http.StatusMethodNotAllowed, only(doc, "405", "MethodNotAllowed")
	default:
		operation = item.GetOperation(method)
	}
	if want != 0 && status != want {
		return errors.Join(append(problems, fmt.Errorf("want status %d", want))...)
	}
	request := &openapi3filter.RequestValidationInput{
		Request:     req,
		QueryParams: req.URL.Query(),
		Route:       &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: operation},
		Options:     &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true, ExcludeResponseBody: req.Method == http.MethodHead},
	}
	problems = append(problems, response(request, status, header, body))
	if status < http.StatusMultipleChoices && req.GetBody != nil && isJSON(req.Header) {
		problems = append(problems, accepted(request))
	}
	return errors.Join(problems...)
}

// documented returns the path as in the document: without the base path or stage before it, and without a slash at
// the end.
func documented(path string) string {
	return strings.TrimSuffix(path[max(0, strings.Index(path, "/api/")):], "/")
}

// only returns an operation whose single answer is a component.
func only(doc *openapi3.T, status, component string) *openapi3.Operation {
	response := &openapi3.ResponseRef{}
	if found := doc.Components.Responses[component]; found != nil {
		response = found
	}
	return &openapi3.Operation{Responses: openapi3.NewResponses(openapi3.WithName(status, response.Value))}
}

func response(request *openapi3filter.RequestValidationInput, status int, header http.Header, body []byte) error {
	if documented := request.Route.Operation.Responses.Status(status); documented != nil && documented.Value != nil &&
		len(documented.Value.Content) == 0 && len(body) > 0 {
		return errors.New("the body is not documented")
	}
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: request,
		Status:                 status,
		Header:                 header,
		Body:                   io.NopCloser(bytes.NewReader(body)),
		Options:                request.Options,
	})
}

// accepted checks a request that was answered with success.
func accepted(input *openapi3filter.RequestValidationInput) error {
	body, err := input.Request.GetBody()
	if err != nil {
		return err
	}
	again := input.Request.Clone(context.Background())
	again.Body = body
	copied := *input
	copied.Request = again
	if err := openapi3filter.ValidateRequest(context.Background(), &copied); err != nil {
		return fmt.Errorf("the request was accepted but is not documented: %w", err)
	}
	return nil
}

func isJSON(header http.Header) bool {
	return strings.HasPrefix(header.Get("Content-Type"), "application/json")
}
