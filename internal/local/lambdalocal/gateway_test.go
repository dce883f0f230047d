package lambdalocal

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

func serve(t testing.TB, s *Server) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server
}

func do(t testing.TB, client *http.Client, request *http.Request) (*http.Response, string) {
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

// A request over a real connection from a network of its own reaches the function as an event.
func TestARequestReachesTheFunction(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{})
	server := serve(t, s)
	request, _ := http.NewRequest(http.MethodPost, server.URL+"/http?a=1&a=2&token=x%2By", strings.NewReader("email=a%40b"))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("X-Forwarded-For", "203.0.113.9")
	client := server.Client()
	if l, err := net.Listen("tcp", "127.4.5.6:0"); err == nil { // only where all of 127/8 is ours
		_ = l.Close()
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 4, 5, 6)}}
		client = &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}
	}
	response, body := do(t, client, request)
	var event events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal([]byte(body), &event); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	peer := event.RequestContext.HTTP.SourceIP
	if peer != "127.4.5.6" && client != server.Client() || !strings.HasPrefix(peer, "127.") {
		t.Errorf("peer %s", peer)
	}
	for what, pair := range map[string][2]string{
		"route":      {event.RouteKey, "ANY /http"},
		"query":      {event.RawQueryString, "a=1&a=2&token=x%2By"},
		"parameters": {event.QueryStringParameters["a"] + event.QueryStringParameters["token"], "1,2x+y"},
		"forwarded":  {event.Headers["x-forwarded-for"], "203.0.113.9, " + peer},
		"body":       {event.Body, "ZW1haWw9YSU0MGI="},
		"request id": {event.RequestContext.RequestID, response.Header.Get("Apigw-Requestid")},
		"domain":     {event.RequestContext.DomainName, "127.0.0.1"},
	} {
		if pair[0] != pair[1] || pair[0] == "" {
			t.Errorf("%s: %q, want %q", what, pair[0], pair[1])
		}
	}
	if age := time.Since(time.UnixMilli(event.RequestContext.TimeEpoch)); age < -time.Minute || age > time.Minute {
		t.Errorf("time %d", event.RequestContext.TimeEpoch)
	}
}

// The key of a mapping and a slash at the end stay in the path, and the route is the same.
func TestAMappingAndASlashMatchTheRoute(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{})
	s.config.MappingKey = "news/v1"
	server := serve(t, s)
	for path, found := range map[string]bool{
		"/http": true, "/http/": true, "/news/v1/http": true, "/news/v1/http/": true,
		"/news/http": false, "/v1/http": false, "/news/v1/": false, "/news/v1/http/more": false, "/news/v1/news/v1/http": false,
	} {
		request, _ := http.NewRequest(http.MethodGet, server.URL+path, nil)
		response, body := do(t, server.Client(), request)
		var event events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal([]byte(body), &event); err != nil || (response.StatusCode == http.StatusOK) != found {
			t.Fatalf("%s: %d %s %v", path, response.StatusCode, body, err)
		}
		if found && (event.RouteKey != "ANY /http" || event.RequestContext.RouteKey != "ANY /http" || event.RawPath != path || event.RequestContext.HTTP.Path != path) {
			t.Errorf("%s: route %s, path %s", path, event.RouteKey, event.RawPath)
		}
	}
}

func TestGatewaysOwnAnswers(t *testing.T) {
	t.Parallel()
	s, logs := start(t, Function{})
	server := serve(t, s)
	for name, test := range map[string]struct {
		path, header, log string
		body              int
		status            int
		answer            string
	}{
		"no route":              {path: "/nothing", status: 404, answer: `{"message":"Not Found"}`},
		"more than a route":     {path: "/http/more", status: 404, answer: `{"message":"Not Found"}`},
		"no mapping":            {path: "/news/http", status: 404, answer: `{"message":"Not Found"}`},
		"function error":        {path: "/error", status: 500, answer: `{"message":"Internal Server Error"}`, log: `gateway | probe: {"errorMessage":"no luck"`},
		"bad answer":            {path: "/answer?" + url.PathEscape(`{"statusCode":7}`), status: 500, answer: `{"message":"Internal Server Error"}`},
		"large headers":         {path: "/http", header: strings.Repeat("h", 10_300), status: 431, answer: `{"message":"Request Header Fields Too Large"}`},
		"headers just fit":      {path: "/http", header: strings.Repeat("h", 9_800), status: 200},
		"long query":            {path: "/http?" + strings.Repeat("q", 10_200), status: 431},
		"large body":            {path: "/http", body: 10<<20 + 1, status: 413, answer: `{"message":"Request Entity Too Large"}`},
		"too large for Lambda":  {path: "/http", body: 5 << 20, status: 413, answer: `{"message":"Request Entity Too Large"}`}, // base64 adds a third
		"a body that just fits": {path: "/http", body: 2 << 20, status: 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request, err := http.NewRequest(http.MethodPost, server.URL+test.path, bytes.NewReader(make([]byte, test.body)))
			if err != nil {
				t.Fatal(err)
			}
			if test.header != "" {
				request.Header.Set("X-Large", test.header)
			}
			response, body := do(t, server.Client(), request)
			if response.StatusCode != test.status || test.answer != "" && body != test.answer {
				t.Errorf("got %d %.200s", response.StatusCode, body)
			}
			if response.Header.Get("Apigw-Requestid") == "" || response.Header.Get("Content-Type") != "application/json" {
				t.Errorf("headers %v", response.Header)
			}
			if !strings.Contains(logs.String(), test.log) {
				t.Errorf("no %q in the log %q", test.log, logs.String())
			}
		})
	}
}

// At the gateway's limit the visitor gets 503, whether the function still works or none was free; the function goes on.
func TestTheGatewayGivesUp(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{Concurrency: 1})
	s.gatewayTimeout = 200 * time.Millisecond
	server := serve(t, s)
	for _, path := range []string{"/hang", "/http"} { // the second finds the only environment busy
		request, _ := http.NewRequest(http.MethodGet, server.URL+path, nil)
		response, body := do(t, server.Client(), request)
		if response.StatusCode != 503 || body != `{"message":"Service Unavailable"}` {
			t.Errorf("%s: %d %s", path, response.StatusCode, body)
		}
	}
	if s.Environments("probe") != 1 {
		t.Error("the function was ended with its visitor")
	}
}

// A HEAD request over a real connection neither waits for a body nor gets one.
func TestHEADOverAConnection(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{})
	server := serve(t, s)
	for query, length := range map[string]int64{`{"statusCode":200,"body":"hi"}`: 2, `{"statusCode":200}`: -1, `{"statusCode":204}`: -1} {
		response, err := server.Client().Head(server.URL + "/answer?" + url.PathEscape(query))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.ContentLength != length {
			t.Errorf("%s: length %d, want %d", query, response.ContentLength, length)
		}
	}
}

func BenchmarkInvoke(b *testing.B) {
	s, _ := start(b, Function{Concurrency: 1})
	call(b, s, `{}`)
	for b.Loop() {
		call(b, s, `{}`)
	}
}

func BenchmarkRequest(b *testing.B) {
	s, _ := start(b, Function{Concurrency: 1})
	server := serve(b, s)
	for b.Loop() {
		request, _ := http.NewRequest(http.MethodPost, server.URL+"/http", strings.NewReader(`{"email":"jane@example.org"}`))
		request.Header.Set("Content-Type", "application/json")
		if response, body := do(b, server.Client(), request); response.StatusCode != 200 {
			b.Fatal(response.StatusCode, body)
		}
	}
}

func BenchmarkEvent(b *testing.B) {
	raw := "POST /api?a=1 HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 28\r\n\r\n" + `{"email":"jane@example.org"}`
	r, body, err := parse([]byte(raw), "192.0.2.1:1")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := json.Marshal(newEvent(r, "/api", "id", body, sent)); err != nil {
			b.Fatal(err)
		}
	}
}
