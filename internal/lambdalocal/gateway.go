package lambdalocal

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

const (
	// gatewayTimeout is an HTTP API's limit for an integration; it cannot be raised.
	gatewayTimeout = 30 * time.Second
	// maxRequest is an HTTP API's limit for a body.
	maxRequest = 10 << 20
	// maxHeaders is an HTTP API's limit for the request line and all headers together.
	maxHeaders = 10240
)

// ServeHTTP is the HTTP API. Its own answers, for which no function is to blame or asked, have its own short bodies.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	function, found := s.routes[r.URL.Path]
	if !found {
		gatewayAnswer(w, http.StatusNotFound, "Not Found")
		return
	}
	if headerSize(r) > maxHeaders {
		gatewayAnswer(w, http.StatusRequestHeaderFieldsTooLarge, "Request Header Fields Too Large")
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	if err != nil {
		gatewayAnswer(w, http.StatusBadRequest, "Bad Request")
		return
	}
	if len(body) > maxRequest {
		gatewayAnswer(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return
	}
	payload, err := json.Marshal(newEvent(r, r.URL.Path, body, s.config.Now()))
	if err != nil {
		gatewayAnswer(w, http.StatusBadRequest, "Bad Request")
		return
	}
	// The visitor may go away; the function is not told, as on AWS.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), gatewayTimeout)
	defer cancel()
	result, err := s.invokeWithin(ctx, function, payload)
	switch {
	case err != nil:
		gatewayAnswer(w, http.StatusServiceUnavailable, "Service Unavailable")
	case result.FunctionError != "":
		s.logs.writeLine("gateway | ", append([]byte(function+": "), result.Payload...))
		gatewayAnswer(w, http.StatusInternalServerError, "Internal Server Error")
	default:
		s.write(w, r, result.Payload)
	}
}

// invokeWithin gives up when ctx ends, though the function goes on.
func (s *Server) invokeWithin(ctx context.Context, function string, payload []byte) (Result, error) {
	type outcome struct {
		result Result
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		result, err := s.Invoke(ctx, function, payload)
		done <- outcome{result, err}
	}()
	select {
	case o := <-done:
		return o.result, o.err
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

// write turns the function's answer into HTTP.
func (s *Server) write(w http.ResponseWriter, r *http.Request, payload []byte) {
	answer, body, err := readAnswer(payload)
	if err != nil {
		s.logs.writeLine("gateway | ", []byte("the function's answer cannot be read: "+err.Error()))
		gatewayAnswer(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	header := w.Header()
	for name, value := range answer.Headers {
		header.Set(name, value)
	}
	for _, cookie := range answer.Cookies {
		header.Add("Set-Cookie", cookie)
	}
	header.Set("Apigw-Requestid", gatewayRequestID())
	if answer.StatusCode != http.StatusNoContent && answer.StatusCode != http.StatusNotModified && r.Method != http.MethodHead {
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(answer.StatusCode)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the visitor may be gone
	}
}

var errStatus = errors.New("the status is not one of HTTP")

// readAnswer reads format 2.0. An answer without a status is taken whole, as a JSON body with status 200.
func readAnswer(payload []byte) (events.APIGatewayV2HTTPResponse, []byte, error) {
	var shape map[string]json.RawMessage
	if err := json.Unmarshal(payload, &shape); err != nil || shape["statusCode"] == nil {
		var text string
		if json.Unmarshal(payload, &text) == nil {
			payload = []byte(text)
		} else if !json.Valid(payload) {
			return events.APIGatewayV2HTTPResponse{}, nil, errors.New("it is not JSON")
		}
		return events.APIGatewayV2HTTPResponse{StatusCode: http.StatusOK, Headers: map[string]string{"Content-Type": "application/json"}}, payload, nil
	}
	var answer events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(payload, &answer); err != nil {
		return answer, nil, err
	}
	if answer.StatusCode < 100 || answer.StatusCode > 599 {
		return answer, nil, errStatus
	}
	body := []byte(answer.Body)
	if answer.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(answer.Body)
		if err != nil {
			return answer, nil, err
		}
		body = decoded
	}
	return answer, body, nil
}

func gatewayAnswer(w http.ResponseWriter, status int, message string) {
	body, _ := json.Marshal(map[string]string{"message": message}) // a string always encodes
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func headerSize(r *http.Request) int {
	size := len(r.Method) + len(r.URL.RequestURI()) + len(r.Proto) + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + len(": \r\n")
		}
	}
	return size
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
