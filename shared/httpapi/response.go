package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Response is a response without the common headers.
type Response struct {
	Status  int
	Header  http.Header // the constructors never return nil
	Body    []byte
	Outcome string // for the log line: what happened, never personal data
}

// JSON returns a response with v. It panics if v cannot be encoded, which is a programming error.
func JSON(status int, v any) *Response {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode an answer: %v", err))
	}
	return &Response{Status: status, Body: body, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}}
}

// Text returns a plain-text response.
func Text(status int, text string) *Response {
	return &Response{Status: status, Body: []byte(text), Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}}
}

// WithOutcome sets the outcome for the log line.
func (r *Response) WithOutcome(outcome string) *Response {
	r.Outcome = outcome
	return r
}

// WithHeader sets headers.
func (r *Response) WithHeader(header http.Header) *Response {
	for name, values := range header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	return r
}
