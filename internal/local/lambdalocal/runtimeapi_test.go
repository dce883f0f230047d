package lambdalocal

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// runtimeAPI is the API of an environment whose process is this test.
func runtimeAPI(t *testing.T) (*environment, *httptest.Server) {
	t.Helper()
	p := newPool(Function{Name: "f"}, "eu-central-1", &lockedWriter{}, time.Now)
	e := &environment{pool: p, ready: make(chan struct{}), events: make(chan event, 1), results: make(chan Result, 1)}
	server := httptest.NewServer(e.handler())
	t.Cleanup(server.Close)
	return e, server
}

func post(t *testing.T, url, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text), response.Header
}

func TestAnEventIsHandedOutWithItsHeaders(t *testing.T) {
	t.Parallel()
	e, server := runtimeAPI(t)
	deadline := time.UnixMilli(1_700_000_000_123)
	e.events <- event{requestID: "id", traceID: "Root=1-2-3", deadline: deadline, payload: []byte(`{"a":1}`)}
	response, err := http.Get(server.URL + "/2018-06-01/runtime/invocation/next")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK || string(body) != `{"a":1}` {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	for name, want := range map[string]string{
		"Lambda-Runtime-Aws-Request-Id": "id", "Lambda-Runtime-Deadline-Ms": "1700000000123", "Lambda-Runtime-Trace-Id": "Root=1-2-3",
		"Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:123456789012:function:f", "Content-Type": "application/json",
	} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	select {
	case <-e.ready:
	default:
		t.Error("INIT has not ended")
	}
}

func TestAnEventIsAnsweredOnceAndByItsID(t *testing.T) {
	t.Parallel()
	e, server := runtimeAPI(t)
	e.current = "now"
	base := server.URL + "/2018-06-01/runtime/invocation/"
	for _, step := range []struct {
		path   string
		status int
	}{{"before/response", 400}, {"before/error", 400}, {"now/response", 202}, {"now/response", 400}, {"now/error", 400}, {"now/nothing", 404}} {
		status, body, _ := post(t, base+step.path, `"`+step.path+`"`)
		if status != step.status || status == 400 && !strings.Contains(body, `"errorType":"InvalidRequestID"`) {
			t.Errorf("%s: %d %s", step.path, status, body)
		}
	}
	if r := <-e.results; string(r.Payload) != `"now/response"` || r.FunctionError != "" {
		t.Errorf("%+v", r)
	}
	e.current = "then"
	post(t, base+"then/error", `{"errorType":"E"}`)
	if r := <-e.results; string(r.Payload) != `{"errorType":"E"}` || r.FunctionError != "Unhandled" {
		t.Errorf("%+v", r)
	}
	e.current = "large"
	if status, body, _ := post(t, base+"large/response", strings.Repeat("x", maxPayload+1)); status != 413 || !strings.Contains(body, "RequestEntityTooLarge") {
		t.Errorf("%d %s", status, body)
	}
	if r := <-e.results; !strings.Contains(string(r.Payload), "Function.ResponseSizeTooLarge") {
		t.Errorf("%s", r.Payload)
	}
}

func TestInitErrorsAreKept(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]startError{
		`{"errorType":"T","errorMessage":"m","stackTrace":[]}`: {"T", "m"},
		`nonsense`: {"Runtime.Unknown", ""},
	} {
		e, server := runtimeAPI(t)
		if status, _, _ := post(t, server.URL+"/2018-06-01/runtime/init/error", body); status != 202 || *e.failure != want {
			t.Errorf("%s: %d %+v", body, status, e.failure)
		}
	}
}

func TestExtensionsRegister(t *testing.T) {
	t.Parallel()
	e, server := runtimeAPI(t)
	register, next := server.URL+"/2020-01-01/extension/register", server.URL+"/2020-01-01/extension/event/next"
	if status, body, _ := post(t, register, `{"events":[]}`); status != 403 || !strings.Contains(body, "Extension.InvalidExtensionName") || e.extension != "" {
		t.Errorf("without a name: %d %s", status, body)
	}
	status, body, header := post(t, register, `{"events":[]}`, "Lambda-Extension-Name", "x")
	if status != 200 || header.Get("Lambda-Extension-Identifier") == "" || !strings.Contains(body, `"functionName":"f"`) {
		t.Errorf("%d %s %v", status, body, header)
	}
	get := func(id string, wait time.Duration) (int, error) {
		request, _ := http.NewRequest(http.MethodGet, next, nil)
		request.Header.Set("Lambda-Extension-Identifier", id)
		response, err := (&http.Client{Timeout: wait}).Do(request)
		if err != nil {
			return 0, err
		}
		return response.StatusCode, response.Body.Close()
	}
	if status, err := get("other", time.Minute); status != 403 {
		t.Errorf("an unknown extension: %d %v", status, err)
	}
	if status, err := get(header.Get("Lambda-Extension-Identifier"), 100*time.Millisecond); err == nil {
		t.Errorf("an extension without events got one: %d", status)
	}
}
