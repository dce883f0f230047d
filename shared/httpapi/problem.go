package httpapi

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// problemPrefix is the prefix of our problem types, which docs/openapi.yaml lists.
const problemPrefix = "urn:newsletter:problem:"

// quotaExceeded is the type that the RateLimit header draft registers with IANA
// (draft-ietf-httpapi-ratelimit-headers, section "Problem Types").
const quotaExceeded = "https://iana.org/assignments/http-problem-types#quota-exceeded"

// Problem is an error response as RFC 9457 defines it. Handlers return it as an error.
type Problem struct {
	Type             string       `json:"type"`
	Title            string       `json:"title"` // the same for all problems of a type
	Status           int          `json:"status"`
	Detail           string       `json:"detail,omitempty"` // for this occurrence; never contains a value from the request or an internal error
	Errors           []FieldError `json:"errors,omitempty"`
	ViolatedPolicies []string     `json:"violated-policies,omitempty"`
	RequestID        string       `json:"request_id"`
	Header           http.Header  `json:"-"` // additional response headers

	cause error
}

// FieldError describes what is wrong with one member.
type FieldError struct {
	Detail  string `json:"detail"`
	Pointer string `json:"pointer"` // JSON pointer as a URI fragment, e.g. "#/source/page"
	// Code is a short identifier, by which pages translate Detail; empty for what only programs meet.
	Code string `json:"-"`
}

// Error implements error.
func (p *Problem) Error() string {
	if p.cause != nil {
		return p.Title + ": " + p.cause.Error()
	}
	return p.Title
}

// Unwrap returns the cause of a 5xx, which is reported and never sent to the client.
func (p *Problem) Unwrap() error { return p.cause }

// newProblem returns a problem whose type is name with our prefix. title is the same for all problems of the type;
// detail may be empty. Neither may contain a value from the request.
func newProblem(name string, status int, title, detail string) *Problem {
	return &Problem{Type: problemPrefix + name, Title: title, Status: status, Detail: detail}
}

// Invalid returns the 422 for a well-formed request with invalid members; each error names its member.
func Invalid(errors ...FieldError) *Problem {
	p := newProblem("validation-error", http.StatusUnprocessableEntity, "Your request is not valid.", "")
	p.Errors = errors
	return p
}

// NotFound returns the 404 for unknown paths, and for links that are unknown, expired, malformed or for another
// purpose.
func NotFound() *Problem {
	return newProblem("not-found", http.StatusNotFound, "Not found.", "")
}

// Unsigned returns the 403 for a call whose signature is missing, wrong or too old.
func Unsigned() *Problem {
	return newProblem("not-signed", http.StatusForbidden, "The signature is not valid.",
		"Sign the call with the configured secret, and send it within five minutes.")
}

// LinkEnded returns the 410 for a link that no longer does what it says, while its reader can still do what detail
// says.
func LinkEnded(detail string) *Problem {
	return newProblem("link-ended", http.StatusGone, "This link is no longer valid.", detail)
}

// Limited returns the 429 of the rate limiter. violated names the policies; after is the time until a retry is allowed,
// rounded up to seconds.
func Limited(violated []string, after time.Duration, header http.Header) *Problem {
	p := &Problem{Type: quotaExceeded, Title: "Request cannot be satisfied as assigned quota has been exceeded",
		Status: http.StatusTooManyRequests, ViolatedPolicies: violated, Header: header.Clone()}
	if p.Header == nil {
		p.Header = make(http.Header)
	}
	if p.Header.Get("Retry-After") == "" {
		p.Header.Set("Retry-After", seconds(after))
	}
	return p
}

// Busy returns the 429 for too many concurrent requests for the same address or subscriber. The request changed
// nothing.
func Busy(after time.Duration) *Problem {
	p := newProblem("too-many-concurrent-requests", http.StatusTooManyRequests, "Too many concurrent requests for the same address or link.",
		"Please try again later. It is safe to repeat the request.")
	p.Header = http.Header{"Retry-After": {seconds(after)}}
	return p
}

// Unavailable returns the 503 for an unavailable dependency. Retrying the request is safe. cause is reported.
func Unavailable(after time.Duration, cause error) *Problem {
	p := newProblem("service-unavailable", http.StatusServiceUnavailable, "The service is temporarily unavailable.",
		"Please try again later. It is safe to repeat the request.")
	p.Header = http.Header{"Retry-After": {seconds(after)}}
	p.cause = cause
	return p
}

func internalError() *Problem {
	return newProblem("internal-error", http.StatusInternalServerError, "Something went wrong on our side.",
		"The error was reported. Please try again later. It is safe to repeat the request.")
}

func malformed(detail string) *Problem {
	return newProblem("malformed-body", http.StatusBadRequest, "The request cannot be read.", detail)
}

func malformedAt(pointer, detail string) *Problem {
	p := malformed("")
	p.Errors = []FieldError{At(pointer, detail)}
	return p
}

func tooLarge() *Problem {
	return newProblem("body-too-large", http.StatusRequestEntityTooLarge, "The request is too large.",
		"At most 64 KiB are accepted.")
}

func unsupported(wanted string) *Problem {
	return newProblem("unsupported-media-type", http.StatusUnsupportedMediaType, "The content type is not supported.",
		"Send "+wanted+".")
}

// encodedContent returns the 415 for a compressed body.
func encodedContent() *Problem {
	p := unsupported("the body without a content encoding")
	p.Header = http.Header{"Accept-Encoding": {"identity"}} // RFC 9110 §12.5.3
	return p
}

func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}

// response renders the problem: as a page for browsers that send a form or open a link, otherwise as JSON. err is the
// error that it was made of; nil for a panic.
func (a *API) response(r *Request, p *Problem, err error) *Response {
	shown := *p
	shown.RequestID = r.RequestID
	var response *Response
	switch {
	case WantsHTML(r) && a.page != nil:
		response = a.page(r, &shown, err)
	case WantsHTML(r):
		response = HTML(p.Status, shown.page())
	default:
		body, err := json.Marshal(&shown)
		if err != nil { // strings, numbers and slices of them always encode
			body = []byte(`{"status":500}`)
		}
		response = &Response{Status: p.Status, Body: body, Header: http.Header{"Content-Type": {"application/problem+json; charset=utf-8"}}}
	}
	for name, values := range p.Header {
		response.Header[name] = values
	}
	response.Outcome = outcomeOf(p.Type)
	return response
}

func outcomeOf(kind string) string {
	if kind == quotaExceeded {
		return "quota-exceeded"
	}
	return strings.TrimPrefix(kind, problemPrefix)
}

// page returns the problem as a page.
func (p *Problem) page() Page {
	page := Page{Title: p.Title, Footer: []string{"Reference: " + p.RequestID}}
	if p.Detail != "" {
		page.Paragraphs = append(page.Paragraphs, p.Detail)
	}
	for _, e := range p.Errors {
		page.Items = append(page.Items, e.Detail)
	}
	return page
}
