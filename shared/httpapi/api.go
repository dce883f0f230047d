// Package httpapi converts API Gateway HTTP API events (payload format 2.0) to requests, and responses to the gateway's
// format.
//
// Every response, including errors, carries the security headers and, for an allowed origin, the CORS headers. The
// package handles HEAD, OPTIONS and 405 itself, because one ANY route per path passes every method to the function. Bad
// input results in a problem (RFC 9457) that names the field; no client input causes a 5xx.
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

// HandlerFunc handles one request. If the error is a *Problem, it is the response. Any other error becomes the problem
// that API.Map assigns to it, or a 500 without details.
type HandlerFunc func(ctx context.Context, r *Request) (*Response, error)

// Route is a path and its handlers. A method with a nil handler is not allowed.
type Route struct {
	Path string      // may end in pathID
	GET  HandlerFunc // also handles HEAD, whose body is dropped
	POST HandlerFunc
	// AllowBypass also serves requests that did not come through the trusted proxy. It is for
	// routes that authenticate the client in another way or reveal nothing.
	AllowBypass bool
	// AllowBypassByKey does so for requests with a server's key, which the handler verifies before all else.
	AllowBypassByKey bool
}

// allowsBypass reports whether to serve a request that did not come through the trusted proxy.
func (r *Route) allowsBypass(request *Request) bool {
	if r == nil {
		return false
	}
	_, sent := request.ServerKey()
	return r.AllowBypass || r.AllowBypassByKey && sent
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

// API serves the routes of one function. It is safe for concurrent use once Map is no longer called.
type API struct {
	config   Config
	proxy    trustedProxy
	routes   []Route
	problems []mapping
	page     func(r *Request, p *Problem, err error) *Response // nil for pages in English
}

type mapping struct {
	err     error
	problem func(cause error) *Problem
}

// New returns an API with routes.
func New(cfg Config, routes ...Route) *API {
	return &API{config: cfg, proxy: newTrustedProxy(cfg), routes: routes}
}

// Routes lists the methods that have a handler with their paths, such as "GET /api/health", sorted.
func (a *API) Routes() []string {
	var all []string
	for _, route := range a.routes {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if route.handler(method) != nil {
				all = append(all, method+" "+route.Path)
			}
		}
	}
	slices.Sort(all)
	return all
}

// Map converts errors that match err, as errors.Is defines it, to problems, and returns the API. The first match wins.
// Call it before the first Serve.
func (a *API) Map(err error, problem func(cause error) *Problem) *API {
	a.problems = append(a.problems, mapping{err, problem})
	return a
}

// RenderPages sets the function that renders problems as pages, and returns the API. err is the error that the problem was
// made of; nil for a panic. Call it before the first Serve.
func (a *API) RenderPages(page func(r *Request, p *Problem, err error) *Response) *API {
	a.page = page
	return a
}

// Result is a response with the fields of the request's log line.
type Result struct {
	Response events.APIGatewayV2HTTPResponse
	Route    string // the path if it is one of ours, else "none"
	Method   string // the method if it is a known one, else "other"
	Outcome  string // set by the handler, or the name of the problem
	// Err is the cause of a 5xx, for error reporting; nil for every other response.
	Err error
}

// Serve handles one event. It does not recover from panics; the caller recovers and responds with Failed.
func (a *API) Serve(ctx context.Context, event events.APIGatewayV2HTTPRequest) Result {
	request := a.read(event)
	request.step = func(outcome string, took time.Duration) { capture.Breadcrumb(ctx, "decode", outcome, took) }
	err := a.proxy.admit(request, request.route.allowsBypass(request))
	if err == nil {
		var response *Response
		if response, err = a.route(ctx, request); err == nil {
			return a.finish(request, response)
		}
	}
	problem := a.problemOf(err)
	result := a.finish(request, a.response(request, problem, err))
	if problem.Status >= http.StatusInternalServerError {
		result.Err = err
	}
	return result
}

// Failed returns the response for a handler that panicked.
func (a *API) Failed(event events.APIGatewayV2HTTPRequest) Result {
	request := a.read(event)
	return a.finish(request, a.response(request, internalError(), nil))
}

func (a *API) read(event events.APIGatewayV2HTTPRequest) *Request {
	r := newRequest(event)
	r.route = a.match(event.RouteKey, r.path)
	return r
}

// match returns the route of the gateway's route key, such as "ANY /api/health". For a catch-all route ("$default",
// "ANY /{proxy+}") it uses the path, which may begin with a stage or the base path of a custom domain's mapping, and
// end with slashes, which the gateway ignores.
func (a *API) match(routeKey, path string) *Route {
	_, matched, _ := strings.Cut(routeKey, " ")
	for _, sent := range []string{matched, strings.TrimRight(path, "/")} {
		for i, route := range a.routes {
			if strings.HasSuffix(sent, route.Path) || strings.HasSuffix(withPathID(sent), route.Path) {
				return &a.routes[i]
			}
		}
	}
	return nil
}

// pathID is the last segment of a path that has any value.
const pathID = "/{id}"

// withPathID returns a path with pathID in place of its last segment.
func withPathID(path string) string { return path[:max(0, strings.LastIndex(path, "/"))] + pathID }

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
		problem := newProblem("method-not-allowed", http.StatusMethodNotAllowed, "The method is not allowed here.", "")
		problem.Header = http.Header{"Allow": {route.methods()}}
		return nil, problem
	}
	return handle(ctx, r)
}

// problemOf returns the problem for an error: the error itself, its mapping, or a 500 without details.
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

// finish adds the common headers and converts the response to the gateway's format.
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
