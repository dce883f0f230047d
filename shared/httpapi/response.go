package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Response is an answer before the headers that every answer carries.
type Response struct {
	Status  int
	Header  http.Header // never nil in what the constructors give
	Body    []byte
	Outcome string // a word for the log line: what happened, never who it was
}

// JSON answers with v. It panics when v cannot be encoded, which only a wrong type of ours can cause.
func JSON(status int, v any) *Response {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode an answer: %v", err))
	}
	return &Response{Status: status, Body: body, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}}
}

// Text answers with plain text.
func Text(status int, text string) *Response {
	return &Response{Status: status, Body: []byte(text), Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}}
}

// As sets the word for the log line.
func (r *Response) WithOutcome(outcome string) *Response {
	r.Outcome = outcome
	return r
}

// With adds headers.
func (r *Response) WithHeader(header http.Header) *Response {
	for name, values := range header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	return r
}
