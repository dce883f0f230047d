package httpapi

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// problemPrefix begins the type of every problem that is ours. The types are listed in docs/openapi.yaml.
const problemPrefix = "urn:newsletter:problem:"

// quotaExceeded is the type that the RateLimit header draft registers with IANA
// (draft-ietf-httpapi-ratelimit-headers, section "Problem Types").
const quotaExceeded = "https://iana.org/assignments/http-problem-types#quota-exceeded"

// Problem is an answer of RFC 9457. It is returned as an error and is the answer as it stands.
type Problem struct {
	Type             string       `json:"type"`
	Title            string       `json:"title"` // the same for all problems of a type
	Status           int          `json:"status"`
	Detail           string       `json:"detail,omitempty"` // for this occurrence; never a value that was sent, never an inner error
	Errors           []FieldError `json:"errors,omitempty"`
	ViolatedPolicies []string     `json:"violated-policies,omitempty"`
	RequestID        string       `json:"request_id"`
	Header           http.Header  `json:"-"` // further headers of the answer

	cause error
}

// FieldError says what is wrong with one member.
type FieldError struct {
	Detail  string `json:"detail"`
	Pointer string `json:"pointer"` // JSON pointer as a URI fragment, e.g. "#/source/page"
}

// Error implements error.
func (p *Problem) Error() string {
	if p.cause != nil {
		return p.Title + ": " + p.cause.Error()
	}
	return p.Title
}

// Unwrap gives the cause of a 5xx; it is reported, never answered.
func (p *Problem) Unwrap() error { return p.cause }

// NewProblem makes a problem of a type of ours. name becomes the type; title is the same for all problems of the type;
// detail may be empty. Neither holds a value that was sent.
func NewProblem(name string, status int, title, detail string) *Problem {
	return &Problem{Type: problemPrefix + name, Title: title, Status: status, Detail: detail}
}

// Invalid is the 422 for a request that can be read but breaks the rules; each error names its member.
func Invalid(errors ...FieldError) *Problem {
	p := NewProblem("validation-error", http.StatusUnprocessableEntity, "Your request is not valid.", "")
	p.Errors = errors
	return p
}

// NotFound is the 404 for everything that is not there. Links that are unknown, expired, malformed or made for another
// purpose get the same.
func NotFound() *Problem {
	return NewProblem("not-found", http.StatusNotFound, "There is nothing here.", "")
}

// Limited is the 429 of the network policies. violated names them; after is when a repetition will be let through,
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

// Busy is the 429 for a subject that so many ask about at once that one of them does not get its turn. Nothing was done.
func Busy(after time.Duration) *Problem {
	p := NewProblem("too-many-at-once", http.StatusTooManyRequests, "Too many requests came for the same thing at once.",
		"Please repeat the request later; repeating it is safe.")
	p.Header = http.Header{"Retry-After": {seconds(after)}}
	return p
}

// Unavailable is the 503 for a dependency that is lost. Repeating the request is safe. cause is reported.
func Unavailable(after time.Duration, cause error) *Problem {
	p := NewProblem("service-unavailable", http.StatusServiceUnavailable, "The service is not available at the moment.",
		"Please repeat the request later; repeating it is safe.")
	p.Header = http.Header{"Retry-After": {seconds(after)}}
	p.cause = cause
	return p
}

func internalError() *Problem {
	return NewProblem("internal-error", http.StatusInternalServerError, "Something went wrong on our side.",
		"The error was reported. Please repeat the request later; repeating it is safe.")
}

func malformed(detail string) *Problem {
	return NewProblem("malformed-body", http.StatusBadRequest, "The request cannot be read.", detail)
}

func malformedAt(pointer, detail string) *Problem {
	p := malformed("")
	p.Errors = []FieldError{at(pointer, detail)}
	return p
}

func tooLarge() *Problem {
	return NewProblem("body-too-large", http.StatusRequestEntityTooLarge, "The request is too large.",
		"At most 16 KiB are accepted.")
}

func unsupported(wanted string) *Problem {
	return NewProblem("unsupported-media-type", http.StatusUnsupportedMediaType, "The content type is not supported.",
		"Send "+wanted+".")
}

func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}

// response renders the problem: as a page for a person who sent a form or opened a link, as JSON for everybody else.
func (p *Problem) response(r *Request) *Response {
	shown := *p
	shown.RequestID = r.RequestID
	var response *Response
	if WantsHTML(r) {
		response = HTML(p.Status, shown.page())
	} else {
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

// page tells a person what the problem document tells a program. A field is named as the form names it.
func (p *Problem) page() Page {
	page := Page{Title: p.Title}
	if p.Detail != "" {
		page.Paragraphs = append(page.Paragraphs, p.Detail)
	}
	for _, e := range p.Errors {
		field := strings.TrimPrefix(e.Pointer, "#/")
		if field == "" || field == "#" {
			page.Items = append(page.Items, e.Detail)
		} else {
			page.Items = append(page.Items, field+": "+e.Detail)
		}
	}
	if p.Status < http.StatusInternalServerError && len(p.Errors) > 0 {
		page.Paragraphs = append(page.Paragraphs, "Please go back, correct this and send the form again.")
	}
	if seconds := p.Header.Get("Retry-After"); seconds != "" {
		page.Paragraphs = append(page.Paragraphs, "Please try again in "+seconds+" seconds.")
	}
	if p.RequestID != "" {
		page.Footer = []string{"Reference: " + p.RequestID}
	}
	return page
}
