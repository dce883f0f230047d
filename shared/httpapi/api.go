// Package httpapi turns API Gateway HTTP API events (payload format 2.0) into requests, and answers into what the
// gateway sends.
//
// Every answer of ours, errors too, carries the security headers and, for an allowed origin, the CORS headers. HEAD,
// OPTIONS and 405 are answered here, because one ANY route per path hands every method to the function. Bad input is
// answered with a problem (RFC 9457) that names the field; nothing that a client sends gives a 5xx.
package httpapi

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"newsletter/shared/config"
)

// Config is what all HTTP functions share.
type Config struct {
	// PublicURL is where visitors reach the API: scheme and host, without a path, e.g. "https://api.example.org". Links in
	// mails begin with it.
	PublicURL string `env:"PUBLIC_URL,required"`
	// AllowedOrigins lists the web origins whose scripts may call the API, exactly as browsers send them, e.g.
	// "https://www.example.org". Several are separated by commas. Defaults to none: forms and servers need no entry.
	AllowedOrigins []string `env:"ALLOWED_ORIGINS"`
}

// ReadConfig reads Config.
func ReadConfig(e *config.Env) Config {
	var c Config
	e.Read(&c)
	return c
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	var problems []error
	if !isOrigin(c.PublicURL) {
		problems = append(problems, errors.New(`PUBLIC_URL: must be a scheme and a host, such as "https://api.example.org"`))
	}
	for _, origin := range c.AllowedOrigins {
		if !isOrigin(origin) {
			problems = append(problems, errors.New(`ALLOWED_ORIGINS: each must be a scheme and a host in lower case, such as "https://www.example.org"`))
			break
		}
	}
	return errors.Join(problems...)
}

// HandlerFunc answers one request. A *Problem that it returns as error is the answer; any other error is a 500 that is
// reported and says nothing.
type HandlerFunc func(ctx context.Context, r *Request) (*Response, error)

// Route is a path and what answers it. A nil handler means that the method is not allowed there.
type Route struct {
	Path string
	GET  HandlerFunc // answers HEAD too, whose body is dropped
	POST HandlerFunc
}

func (r Route) methods() []string {
	methods := []string{http.MethodOptions}
	if r.GET != nil {
		methods = append(methods, http.MethodGet, http.MethodHead)
	}
	if r.POST != nil {
		methods = append(methods, http.MethodPost)
	}
	slices.Sort(methods)
	return methods
}

func (r Route) handler(method string) HandlerFunc {
	switch method {
	case http.MethodGet, http.MethodHead:
		return r.GET
	case http.MethodPost:
		return r.POST
	}
	return nil
}

// API is the routes of one function. It is safe for concurrent use once it is wired.
type API struct {
	config   Config
	routes   map[string]Route
	problems []mapping
}

type mapping struct {
	err     error
	problem func(cause error) *Problem
}

// New makes an API of routes.
func New(cfg Config, routes ...Route) *API {
	a := &API{config: cfg, routes: make(map[string]Route, len(routes))}
	for _, route := range routes {
		a.routes[route.Path] = route
	}
	return a
}

// Map answers an error that is err, as errors.Is sees it, with a problem. It belongs into the wiring, before the first
// Serve, and returns the API. The first mapping that fits wins.
func (a *API) Map(err error, problem func(cause error) *Problem) *API {
	a.problems = append(a.problems, mapping{err, problem})
	return a
}

// Result is an answer and what the log line of the request says about it.
type Result struct {
	Response events.APIGatewayV2HTTPResponse
	Route    string // the path if it is one of ours, else "none"
	Method   string // the method if it is a known one, else "other"
	Outcome  string // the handler's word for what happened
	// Err is what led to an answer of 5xx, to be reported; nil for every other answer.
	Err error
}

// Serve answers one event. It does not recover from panics: the caller does, and answers with Failed.
func (a *API) Serve(ctx context.Context, event events.APIGatewayV2HTTPRequest) Result {
	request, err := newRequest(event)
	var response *Response
	if err == nil {
		response, err = a.route(ctx, request)
	}
	if err == nil {
		return a.finish(request, response)
	}
	problem := a.problemOf(err)
	result := a.finish(request, problem.response(request))
	if problem.Status >= http.StatusInternalServerError {
		result.Err = err
	}
	return result
}

// Failed is the answer when the handler panicked.
func (a *API) Failed(event events.APIGatewayV2HTTPRequest) Result {
	request, _ := newRequest(event)
	return a.finish(request, internalError().response(request))
}

func (a *API) route(ctx context.Context, r *Request) (*Response, error) {
	route, found := a.routes[r.Path]
	if !found {
		return nil, NotFound()
	}
	if r.Method == http.MethodOptions {
		return a.options(r, route), nil
	}
	handle := route.handler(r.Method)
	if handle == nil {
		problem := newProblem("method-not-allowed", http.StatusMethodNotAllowed, "Method not allowed", "")
		problem.Header = http.Header{"Allow": {strings.Join(route.methods(), ", ")}}
		return nil, problem
	}
	return handle(ctx, r)
}

// problemOf gives the answer to an error: itself, the one it is mapped to, or a 500 that says nothing.
func (a *API) problemOf(err error) *Problem {
	if problem, ok := errors.AsType[*Problem](err); ok {
		return problem
	}
	for _, m := range a.problems {
		if errors.Is(err, m.err) {
			return m.problem(err)
		}
	}
	return internalError()
}

func (a *API) finish(r *Request, response *Response) Result {
	header := response.Header.Clone()
	if header == nil {
		header = make(http.Header)
	}
	secure(header)
	a.allowOrigin(header, r.Origin)
	body := response.Body
	if r.Method == http.MethodHead {
		body = nil
	}
	result := Result{Route: "none", Method: "other", Outcome: response.Outcome}
	if _, ours := a.routes[r.Path]; ours {
		result.Route = r.Path
	}
	if slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, r.Method) {
		result.Method = r.Method
	}
	out := events.APIGatewayV2HTTPResponse{StatusCode: response.Status, Headers: make(map[string]string, len(header))}
	for name, values := range header {
		out.Headers[name] = strings.Join(values, ", ")
	}
	out.Body = string(body)
	if !utf8.Valid(body) {
		out.Body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	result.Response = out
	return result
}

// clock is the time of a request as the gateway gave it, or now where an event has none.
func clock(millis int64) time.Time {
	if millis <= 0 {
		return time.Now().UTC()
	}
	return time.UnixMilli(millis).UTC()
}
