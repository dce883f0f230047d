package lambdalocal

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// Limits of an HTTP API that cannot be raised (HTTP API quotas).
const (
	gatewayTimeout = 30 * time.Second // for an integration
	maxRequest     = 10 << 20         // for a body
	maxHeaders     = 10240            // for the request line and all headers together
)

// ServeHTTP implements the HTTP API. Its own answers, without a function, have short bodies.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := gatewayRequestID()
	w.Header().Set("Apigw-Requestid", id)
	path := s.match(r.URL.Path)
	function, found := s.routes[path]
	if !found {
		gatewayAnswer(w, http.StatusNotFound)
		return
	}
	if headerSize(r) > maxHeaders {
		gatewayAnswer(w, http.StatusRequestHeaderFieldsTooLarge)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	if err != nil {
		gatewayAnswer(w, http.StatusBadRequest)
		return
	}
	if len(body) > maxRequest {
		gatewayAnswer(w, http.StatusRequestEntityTooLarge)
		return
	}
	payload, err := json.Marshal(newEvent(r, path, id, body, s.config.Now()))
	if err != nil {
		gatewayAnswer(w, http.StatusBadRequest)
		return
	}
	// The function is not notified when the visitor disconnects, as on AWS.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), s.gatewayTimeout)
	defer cancel()
	result, err := s.Invoke(ctx, function, payload)
	switch {
	case errors.Is(err, errTooLarge): // above what Lambda takes, though not above the gateway's own limit
		gatewayAnswer(w, http.StatusRequestEntityTooLarge)
	case err != nil:
		gatewayAnswer(w, http.StatusServiceUnavailable)
	case result.FunctionError != "":
		s.logs.writeLine("gateway | ", append([]byte(function+": "), result.Payload...))
		gatewayAnswer(w, http.StatusInternalServerError)
	default:
		s.answer(w, r, function, result.Payload)
	}
}

// match returns the path of the route that a request's path matches, or one that no route has. A slash at the end makes
// no difference (aws-powertools/powertools-lambda-python#1552, measured on AWS), and the key of a mapping is no part of
// a route.
func (s *Server) match(path string) string {
	if below, mapped := strings.CutPrefix(path, "/"+s.config.MappingKey+"/"); mapped && s.config.MappingKey != "" {
		path = "/" + below
	}
	path = strings.TrimSuffix(path, "/")
	if _, found := s.routes[path]; found {
		return path
	}
	return path[:max(0, strings.LastIndex(path, "/"))] + pathID
}

// answer turns the function's answer into HTTP.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, function string, payload []byte) {
	answer, err := readAnswer(payload)
	if err != nil {
		s.logs.writeLine("gateway | ", []byte(function+": read the answer: "+err.Error()))
		gatewayAnswer(w, http.StatusInternalServerError)
		return
	}
	answer.write(w, r)
}

// gatewayAnswer writes an answer of the gateway itself, with the name of the status as its text.
func gatewayAnswer(w http.ResponseWriter, status int) {
	body, _ := json.Marshal(map[string]string{"message": http.StatusText(status)}) // a string always encodes
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the visitor may have disconnected
}

func headerSize(r *http.Request) int {
	size := len(r.Method) + len(r.RequestURI) + len(r.Proto) + len("  \r\n") + len("Host: \r\n") + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + len(": \r\n")
		}
	}
	return size
}
