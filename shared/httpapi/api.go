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

	"newsletter/shared/capture"
)

// HandlerFunc answers one request. A *Problem that it returns as error is the answer; another error is the problem that
// API.Map gives it, or a 500 that says nothing.
type HandlerFunc func(ctx context.Context, r *Request) (*Response, error)

// Route is a path and what answers it. A nil handler means that the method is not allowed there.
type Route struct {
	Path string
	GET  HandlerFunc // answers HEAD too, whose body is dropped
	POST HandlerFunc
	// Direct routes answer also who does not come through CloudFront, where the site stands behind it: for whoever
	// proves in another way who they are, and for what tells nothing.
	AllowBypass bool
}

func (r Route) methods() string {
	var methods []string
	if r.GET != nil {
		methods = append(methods, http.MethodGet, http.MethodHead)
	}
	methods = append(methods, http.MethodOptions)
	if r.POST != nil {
		methods = append(methods, http.MethodPost)
	}
	return strings.Join(methods, ", ")
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
	front    front
	routes   []Route
	problems []mapping
}

type mapping struct {
	err     error
	problem func(cause error) *Problem
}

// New makes an API of routes.
func New(cfg Config, routes ...Route) *API {
	return &API{config: cfg, front: newFront(cfg.CloudFrontSecret), routes: routes}
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
	Outcome  string // the handler's word for what happened, or the name of the problem
	// Err is what led to an answer of 5xx, to be reported; nil for every other answer.
	Err error
}

// Serve answers one event. It does not recover from panics: the caller does, and answers with Failed.
func (a *API) Serve(ctx context.Context, event events.APIGatewayV2HTTPRequest) Result {
	request := a.read(event)
	request.step = func(outcome string, took time.Duration) { capture.Breadcrumb(ctx, "decode", outcome, took) }
	err := a.front.pass(request, request.route != nil && request.route.AllowBypass)
	if err == nil {
		var response *Response
		if response, err = a.route(ctx, request); err == nil {
			return a.finish(request, response)
		}
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
	request := a.read(event)
	return a.finish(request, internalError().response(request))
}

func (a *API) read(event events.APIGatewayV2HTTPRequest) *Request {
	r := newRequest(event)
	r.route = a.match(event.RouteKey, r.path)
	return r
}

// match returns the route that the gateway matched, by its route key, such as "ANY /api/health". A catch-all route
// ("$default", "ANY /{proxy+}") names none of ours; then the path decides. It may begin with a stage or with the base path of
// a custom domain's mapping, and end with slashes, which the gateway ignores.
func (a *API) match(routeKey, path string) *Route {
	_, matched, _ := strings.Cut(routeKey, " ")
	for _, sent := range []string{matched, strings.TrimRight(path, "/")} {
		for i, route := range a.routes {
			if strings.HasSuffix(sent, route.Path) {
				return &a.routes[i]
			}
		}
	}
	return nil
}

func (a *API) route(ctx context.Context, r *Request) (*Response, error) {
	route := r.route
	if route == nil {
		return nil, NotFound()
	}
	if r.Method == http.MethodOptions {
		return a.options(r, *route), nil
	}
	handle := route.handler(r.Method)
	if handle == nil {
		problem := NewProblem("method-not-allowed", http.StatusMethodNotAllowed, "The method is not allowed here.", "")
		problem.Header = http.Header{"Allow": {route.methods()}}
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

// finish adds what every answer carries.
func (a *API) finish(r *Request, response *Response) Result {
	header := response.Header.Clone()
	if header == nil {
		header = make(http.Header)
	}
	secure(header)
	a.allowOrigin(header, r.Origin)
	result := Result{Route: "none", Method: "other", Outcome: response.Outcome}
	if r.route != nil {
		result.Route = r.route.Path
	}
	if slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, r.Method) {
		result.Method = r.Method
	}
	out := events.APIGatewayV2HTTPResponse{StatusCode: response.Status, Headers: make(map[string]string, len(header))}
	for name, values := range header {
		out.Headers[name] = strings.Join(values, ", ")
	}
	switch {
	case r.Method == http.MethodHead:
	case utf8.Valid(response.Body):
		out.Body = string(response.Body)
	default:
		out.Body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString(response.Body), true
	}
	result.Response = out
	return result
}
