package lambdalocal

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

var update = flag.Bool("update", false, "write the expected events anew")

// sent is the time of the requests in testdata/events.
var sent = time.Date(2020, 3, 4, 19, 3, 58, 390e6, time.UTC)

// parse reads a request as the server reads it from the network.
func parse(raw []byte, peer string) (*http.Request, []byte, error) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, nil, err
	}
	r.RemoteAddr = peer
	body, err := io.ReadAll(r.Body)
	return r, body, err
}

// The requests in testdata/events become the events beside them. documented.json is the example of AWS's documentation
// of the payload format 2.0, with what this API does not have left out; get.json was captured by others on AWS.
func TestRequestsBecomeTheGatewaysEvents(t *testing.T) {
	files, _ := filepath.Glob("testdata/events/*.http")
	if len(files) < 4 {
		t.Fatalf("found only %v", files)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r, body, err := parse(raw, "192.0.2.1:55555")
		if err != nil {
			t.Fatal(file, err)
		}
		var got bytes.Buffer
		encoder := json.NewEncoder(&got)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(newEvent(r, r.URL.Path, "JKJaXmPLvHcESHA=", body, sent)); err != nil {
			t.Fatal(err)
		}
		expected := strings.TrimSuffix(file, ".http") + ".json"
		if *update {
			if err := os.WriteFile(expected, got.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(expected)
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != string(want) {
			t.Errorf("%s: got\n%s", file, &got)
		}
	}
}

// The sample events of the repository are what the gateway would make of the requests that they stand for.
func TestSampleEventsAreWhatTheGatewaySends(t *testing.T) {
	files, _ := filepath.Glob("../../../events/*/*.json")
	compared := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var sample events.APIGatewayV2HTTPRequest
		if json.Unmarshal(raw, &sample) != nil || sample.Version != "2.0" {
			continue
		}
		compared++
		r, body := requestOf(t, sample)
		at := time.UnixMilli(sample.RequestContext.TimeEpoch)
		_, path, _ := strings.Cut(sample.RouteKey, " ")
		if served := strings.TrimSuffix(path, pathID); !strings.Contains(sample.RawPath, served) || served == path && !strings.HasSuffix(sample.RawPath, path) {
			t.Errorf("%s: the route %s does not serve %s", file, sample.RouteKey, sample.RawPath)
		}
		got := throughJSON(t, newEvent(r, path, sample.RequestContext.RequestID, body, at))
		got.RequestContext.APIID = sample.RequestContext.APIID
		got.Headers["x-forwarded-proto"], got.Headers["x-forwarded-port"] = "https", "443"
		if sample.Headers["content-length"] == "" && len(body) == 0 { // some samples leave it out
			delete(got.Headers, "content-length")
		}
		if !reflect.DeepEqual(got, sample) {
			t.Errorf("%s: got\n%+v\nit says\n%+v", file, got, sample)
		}
	}
	if compared < 10 {
		t.Errorf("only %d sample events of %d files are HTTP events", compared, len(files))
	}
}

// requestOf is the request that became an event.
func requestOf(t testing.TB, event events.APIGatewayV2HTTPRequest) (*http.Request, []byte) {
	t.Helper()
	body := []byte(event.Body)
	if event.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(event.Body); err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.NewRequest(event.RequestContext.HTTP.Method, "http://"+event.Headers["host"], bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Path, r.URL.RawQuery, r.Proto = event.RawPath, event.RawQueryString, event.RequestContext.HTTP.Protocol
	r.RemoteAddr = net.JoinHostPort(event.RequestContext.HTTP.SourceIP, "1")
	for name, value := range event.Headers {
		if name != "host" && name != "content-length" {
			r.Header[http.CanonicalHeaderKey(name)] = []string{value}
		}
	}
	for _, cookie := range event.Cookies {
		r.Header.Add("Cookie", cookie)
	}
	forwarded := strings.TrimSuffix(strings.TrimSuffix(event.Headers["x-forwarded-for"], event.RequestContext.HTTP.SourceIP), ", ")
	if r.Header.Set("X-Forwarded-For", forwarded); forwarded == "" {
		r.Header.Del("X-Forwarded-For")
	}
	return r, body
}

func TestBodiesAreTextOrBase64(t *testing.T) {
	for kind, isText := range map[string]bool{
		"application/json": true, "APPLICATION/JSON": true, "text/plain; charset=utf-8": true, "text/csv": true, "application/xml": true,
		"application/javascript": true, "application/problem+json": false, "image/svg+xml": false, "application/jsonp": false,
		"application/x-www-form-urlencoded": false, "multipart/form-data; boundary=x": false, "": false, "image/png": false, ";": false,
	} {
		if _, encoded := mapBody([]byte("{}"), kind); encoded == isText {
			t.Errorf("%q: text %v, want %v", kind, !encoded, isText)
		}
	}
	if _, encoded := mapBody([]byte{0xff}, "text/plain"); !encoded {
		t.Error("bytes that are not UTF-8 do not fit into an event as text")
	}
	if text, encoded := mapBody(nil, "image/png"); text != "" || encoded {
		t.Error("no body is no binary body")
	}
}

func TestTheClientIsThePeer(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:1": "192.0.2.1", "[2001:db8::1]:1": "2001:db8::1", "[::ffff:192.0.2.1]:1": "192.0.2.1", "[fe80::1%eth0]:1": "fe80::1", "nobody": "0.0.0.0",
	} {
		raw := "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\nX-Real-Ip: 203.0.113.9\r\n\r\n"
		r, _, err := parse([]byte(raw), remote)
		if err != nil {
			t.Fatal(err)
		}
		event := newEvent(r, "/", "", nil, sent)
		if got := event.RequestContext.HTTP.SourceIP; got != want || event.Headers["x-forwarded-for"] != "203.0.113.9, "+want {
			t.Errorf("%s: %s, forwarded for %s", remote, got, event.Headers["x-forwarded-for"])
		}
		if !regexp.MustCompile(`^Root=1-5e5ffb9e-[0-9a-f]{24}$`).MatchString(event.Headers["x-amzn-trace-id"]) {
			t.Errorf("trace id %q", event.Headers["x-amzn-trace-id"])
		}
	}
}

// FuzzEvent sends whatever the server could read from the network through the mapping. The event contains the request,
// and the request that can be made of it becomes the same event.
func FuzzEvent(f *testing.F) {
	files, _ := filepath.Glob("testdata/events/*.http")
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte("GET /?%zz&;=&a=1;b HTTP/1.0\r\nCookie: ;;a;=\r\nHost: [::1]:80\r\n\r\n"))
	f.Add([]byte("POST http://h/%FF HTTP/1.1\r\nHost: h\r\nContent-Type: text/x\r\nContent-Length: 2\r\nX: \xff\r\n\r\n\xff\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, body, err := parse(raw, "192.0.2.1:1")
		if err != nil {
			return
		}
		event := throughJSON(t, newEvent(r, r.URL.Path, "id", body, sent))
		valid := func(s string) string { return string([]rune(s)) } // as JSON can say it
		if event.RawPath != valid(r.URL.Path) || event.RawQueryString != valid(r.URL.RawQuery) || event.RequestContext.HTTP.Method != valid(r.Method) {
			t.Errorf("%q became %q %q %q", raw, event.RequestContext.HTTP.Method, event.RawPath, event.RawQueryString)
		}
		for name, values := range r.Header {
			name = strings.ToLower(name)
			own := []string{"cookie", "content-length", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "host"}
			if got := event.Headers[valid(name)]; got != valid(strings.Join(values, ",")) && !slices.Contains(own, name) && !slices.Contains(hopByHop, name) {
				t.Errorf("header %q: %q became %q", name, values, got)
			}
		}
		again, sentBody := requestOf(t, withHost(event))
		if !bytes.Equal(sentBody, body) {
			t.Errorf("body %q became %q", body, sentBody)
		}
		if twin := throughJSON(t, newEvent(again, again.URL.Path, "id", sentBody, sent)); !reflect.DeepEqual(withHost(twin), withHost(event)) {
			t.Errorf("%q became\n%+v and then\n%+v", raw, event, twin)
		}
	})
}

func throughJSON(t *testing.T, event httpEvent) (decoded events.APIGatewayV2HTTPRequest) {
	t.Helper()
	payload, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

// withHost replaces what depends on the Host header: not every one that a client may send makes a URL.
func withHost(event events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPRequest {
	event.Headers["host"], event.Headers["x-forwarded-port"] = "h", "80"
	event.RequestContext.DomainName, event.RequestContext.DomainPrefix = "h", "h"
	return event
}
