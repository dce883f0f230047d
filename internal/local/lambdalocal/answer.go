package lambdalocal

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/net/http/httpguts"
)

// answer is a function's answer as HTTP.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// readAnswer reads format 2.0. A payload that is not an object with a status is taken whole, as the body of a 200 that
// calls itself JSON, whether it is or not; of a JSON string the text is taken.
func readAnswer(payload []byte) (answer, error) {
	var shape map[string]json.RawMessage
	if err := json.Unmarshal(payload, &shape); err != nil || shape["statusCode"] == nil {
		var text string
		if bytes.HasPrefix(payload, []byte{'"'}) && json.Unmarshal(payload, &text) == nil {
			payload = []byte(text)
		}
		return answer{http.StatusOK, http.Header{"Content-Type": {"application/json"}}, payload}, nil
	}
	var response events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(payload, &response); err != nil {
		return answer{}, err
	}
	if response.StatusCode < 200 || response.StatusCode > 599 {
		return answer{}, fmt.Errorf("status %d is none of HTTP's final ones", response.StatusCode)
	}
	body := []byte(response.Body)
	if response.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(response.Body); err != nil {
			return answer{}, err
		}
	}
	header, err := readHeader(response)
	return answer{response.StatusCode, header, body}, err
}

// readHeader takes the answer's headers and cookies over; multiValueHeaders are not of this format. A header that would
// break out of its line is an error, as on AWS, and not silently repaired.
func readHeader(response events.APIGatewayV2HTTPResponse) (http.Header, error) {
	header := make(http.Header)
	for name, value := range response.Headers {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, fmt.Errorf("header %q cannot be sent", name)
		}
		if name = strings.ToLower(name); name != "content-length" && !slices.Contains(hopByHop, name) {
			header.Set(name, value)
		}
	}
	for _, cookie := range response.Cookies {
		if !httpguts.ValidHeaderFieldValue(cookie) {
			return nil, fmt.Errorf("a cookie cannot be sent")
		}
		header.Add("Set-Cookie", cookie)
	}
	if header.Get("Content-Type") == "" && len(response.Body) > 0 {
		header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	return header, nil
}

// write sends the answer. For HEAD it sends only the length of the body, if there is one.
func (a answer) write(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	for name, values := range a.header {
		if name != "Apigw-Requestid" { // the gateway's own
			header[name] = values
		}
	}
	hasBody := a.status != http.StatusNoContent && a.status != http.StatusNotModified
	if hasBody && (r.Method != http.MethodHead || len(a.body) > 0) {
		header.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	if hasBody && r.Method != http.MethodHead {
		_, _ = w.Write(a.body) // the visitor may have disconnected
	}
}
