package lambdalocal

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

func get(t *testing.T, client *http.Client, request *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func TestRequestBecomesTheGatewaysEvent(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	request, _ := http.NewRequest(http.MethodPost, server.URL+"/http?a=1&a=2&token=x%2By&empty=", strings.NewReader("email=a%40b"))
	request.Header["X-Twice"] = []string{"one", "two"}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Cookie", "k=v; l=w")
	request.Header.Set("X-Forwarded-For", "203.0.113.9")
	request.Header.Set("User-Agent", "test/1")
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 4, 5, 6)}}
	_, body := get(t, &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}, request)
	var event events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal([]byte(body), &event); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for what, pair := range map[string][2]string{
		"version":        {event.Version, "2.0"},
		"route":          {event.RouteKey, "ANY /http"},
		"path":           {event.RawPath, "/http"},
		"query":          {event.RawQueryString, "a=1&a=2&token=x%2By&empty="},
		"joined query":   {event.QueryStringParameters["a"], "1,2"},
		"decoded query":  {event.QueryStringParameters["token"], "x+y"},
		"joined header":  {event.Headers["x-twice"], "one,two"},
		"no cookie":      {event.Headers["cookie"], ""},
		"cookies":        {strings.Join(event.Cookies, "|"), "k=v|l=w"},
		"peer":           {event.RequestContext.HTTP.SourceIP, "127.4.5.6"},
		"forwarded":      {event.Headers["x-forwarded-for"], "203.0.113.9, 127.4.5.6"},
		"agent":          {event.RequestContext.HTTP.UserAgent, "test/1"},
		"method":         {event.RequestContext.HTTP.Method, "POST"},
		"body":           {event.Body, "ZW1haWw9YSU0MGI="},
		"stage":          {event.RequestContext.Stage, "$default"},
		"content length": {event.Headers["content-length"], "11"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %q, want %q", what, pair[0], pair[1])
		}
	}
	if !event.IsBase64Encoded {
		t.Error("a form body is not text to the gateway")
	}
	if age := time.Since(time.UnixMilli(event.RequestContext.TimeEpoch)); age < -time.Minute || age > time.Minute {
		t.Errorf("time %d", event.RequestContext.TimeEpoch)
	}
}

func TestBodiesAreTextOrBase64(t *testing.T) {
	for kind, isText := range map[string]bool{
		"application/json": true, "text/plain; charset=utf-8": true, "application/problem+json": true,
		"application/x-www-form-urlencoded": false, "multipart/form-data; boundary=x": false, "": false, "image/png": false,
	} {
		if _, encoded := mapBody([]byte("{}"), kind); encoded == isText {
			t.Errorf("%q: text %v, want %v", kind, !encoded, isText)
		}
	}
	if _, encoded := mapBody([]byte{0xff}, "text/plain"); !encoded {
		t.Error("bytes that are not UTF-8 do not fit into an event as text")
	}
}

func TestGatewaysOwnAnswers(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	for name, test := range map[string]struct {
		path, header string
		body         int
		status       int
		answer       string
	}{
		"no route":       {path: "/nothing", status: 404, answer: `{"message":"Not Found"}`},
		"function error": {path: "/error", status: 500, answer: `{"message":"Internal Server Error"}`},
		"bad answer":     {path: "/bad-answer", status: 500, answer: `{"message":"Internal Server Error"}`},
		"inferred":       {path: "/inferred", status: 200, answer: `{"hello":"world"}`},
		"large headers":  {path: "/inferred", header: strings.Repeat("h", 11000), status: 431},
		"large body":     {path: "/inferred", body: 10<<20 + 1, status: 413},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request, _ := http.NewRequest(http.MethodPost, server.URL+test.path, bytes.NewReader(make([]byte, test.body)))
			if test.header != "" {
				request.Header.Set("X-Large", test.header)
			}
			response, body := get(t, server.Client(), request)
			if response.StatusCode != test.status || test.answer != "" && body != test.answer {
				t.Errorf("got %d %s", response.StatusCode, body)
			}
		})
	}
}

func TestAnswerBecomesHTTP(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		request, _ := http.NewRequest(method, server.URL+"/cookies", nil)
		response, body := get(t, server.Client(), request)
		want := map[string]string{http.MethodGet: "hi"}[method]
		if response.StatusCode != 201 || body != want || response.Header.Get("X-One") != "1" ||
			!slices.Equal(response.Header.Values("Set-Cookie"), []string{"a=1", "b=2"}) {
			t.Errorf("%s: %d %q %v", method, response.StatusCode, body, response.Header)
		}
	}
}

// FuzzEvent sends arbitrary requests through the mapping: what comes out is an event that says what was sent.
func FuzzEvent(f *testing.F) {
	f.Add("/a", "token=x&y", "text/plain", "body", "value")
	f.Add("/%2F", "%zz&;", "multipart/form-data", "\xff\x00", "a,b")
	f.Add("", "", "", "", "")
	f.Fuzz(func(t *testing.T, path, query, kind, body, header string) {
		request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		request.URL.Path, request.URL.RawQuery = "/"+path, query
		request.Header.Set("Content-Type", kind)
		request.Header.Set("X-Fuzz", header)
		payload, err := json.Marshal(newEvent(request, "/", []byte(body), time.Unix(1, 0)))
		if err != nil {
			t.Fatal(err)
		}
		var event events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal(payload, &event); err != nil {
			t.Fatal(err)
		}
		if event.IsBase64Encoded == (event.Body == body) && body != "" && event.IsBase64Encoded {
			t.Errorf("body %q is marked as base64", event.Body)
		}
		if !event.IsBase64Encoded && event.Body != body {
			t.Errorf("body %q became %q", body, event.Body)
		}
	})
}
