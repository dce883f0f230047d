package lambdafn

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"newsletter/internal/fixtures/emfcheck"
)

// patience is far longer than a busy machine needs.
const patience = 30 * time.Second

// runtimeAPI is Lambda's Runtime and Extensions API for one child process of this test binary.
type runtimeAPI struct {
	t       *testing.T
	events  chan string
	results chan invocation
	child   *exec.Cmd
	exited  chan error
	stdout  lockedBuffer
	stderr  lockedBuffer
	count   int
	failure string // the child's message of a failed start
}

// invocation is the child's result of an event.
type invocation struct {
	id, kind string // kind: response or error
	body     string
}

// startChild runs a function of child_test.go with the real Start and further variables.
func startChild(t *testing.T, function string, variables ...string) *runtimeAPI {
	t.Helper()
	api := &runtimeAPI{t: t, events: make(chan string), results: make(chan invocation, 1), exited: make(chan error, 1)}
	server := httptest.NewServer(api.routes())
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	api.child = exec.Command(executable)
	api.child.Env = append([]string{
		childEnv + "=" + function,
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(server.URL, "http://"),
		"AWS_LAMBDA_FUNCTION_NAME=stack-" + function, "AWS_LAMBDA_FUNCTION_VERSION=7", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256",
	}, variables...)
	api.child.Stdout, api.child.Stderr = &api.stdout, &api.stderr
	if err := api.child.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { api.exited <- api.child.Wait() }()
	t.Cleanup(func() {
		_ = api.child.Process.Kill()
		server.CloseClientConnections()
		server.Close()
	})
	return api
}

func (a *runtimeAPI) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case event := <-a.events:
			a.count++
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprintf("8476a536-e9f4-11e8-9739-2dfe598c3fc%d", a.count))
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(patience).UnixMilli()))
			w.Header().Set("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1")
			_, _ = io.WriteString(w, event)
		case <-r.Context().Done():
		}
	})
	for _, kind := range []string{"response", "error"} {
		mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/"+kind, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				a.t.Error(err)
			}
			w.WriteHeader(http.StatusAccepted)
			a.results <- invocation{r.PathValue("id"), kind, string(body)}
		})
	}
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", func(w http.ResponseWriter, r *http.Request) {
		var said struct{ ErrorMessage, ErrorType string }
		if err := json.NewDecoder(r.Body).Decode(&said); err != nil || said.ErrorType == "" {
			a.t.Errorf("%+v, %v", said, err)
		}
		a.failure = said.ErrorMessage // the child ends after the answer
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("POST /2020-01-01/extension/register", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Lambda-Extension-Identifier", "extension")
		_, _ = io.WriteString(w, "{}")
	})
	mux.HandleFunc("GET /2020-01-01/extension/event/next", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	return mux
}

// invoke sends the child one event.
func (a *runtimeAPI) invoke(event string) invocation {
	a.t.Helper()
	select {
	case a.events <- event:
	case err := <-a.exited:
		a.t.Fatalf("the environment is dead: %v\n%s%s", err, a.stdout.String(), a.stderr.String())
	case <-time.After(patience):
		a.t.Fatal("the child does not ask for an event")
	}
	select {
	case result := <-a.results:
		return result
	case err := <-a.exited:
		a.t.Fatalf("the environment died: %v\n%s%s", err, a.stdout.String(), a.stderr.String())
	case <-time.After(patience):
		a.t.Fatal("the child does not answer")
	}
	return invocation{}
}

// wait returns the child's exit code. All its output has arrived by then.
func (a *runtimeAPI) wait() int {
	a.t.Helper()
	select {
	case err := <-a.exited:
		a.exited <- err // for the next caller
	case <-time.After(patience):
		a.t.Fatal("the child does not end")
	}
	return a.child.ProcessState.ExitCode()
}

// end sends SIGTERM, as Lambda does when an environment ends, and returns the exit code.
func (a *runtimeAPI) end() int {
	a.t.Helper()
	if err := a.child.Process.Signal(syscall.SIGTERM); err != nil {
		a.t.Fatal(err)
	}
	return a.wait()
}

// lines returns the lines that the ended child logged. They must contain no canary.
func (a *runtimeAPI) lines() []map[string]any {
	a.t.Helper()
	a.wait()
	if text := a.stderr.String(); text != "" {
		a.t.Errorf("stderr: %s", text)
	}
	var lines []map[string]any
	for line := range strings.Lines(a.stdout.String()) {
		for _, canary := range []string{canaryAddress, canaryToken, canaryIP, canaryBody} {
			if strings.Contains(line, canary) {
				a.t.Errorf("%s is logged: %s", canary, line)
			}
		}
		var fields map[string]any
		decoder := json.NewDecoder(strings.NewReader(line))
		if err := decoder.Decode(&fields); err != nil {
			a.t.Errorf("not JSON: %s", line)
		}
		if _, err := time.Parse(time.RFC3339Nano, fmt.Sprint(fields["timestamp"])); err != nil || fields["service"] != "newsletter" {
			a.t.Errorf("line %s: %v", line, err)
		}
		if _, err := emfcheck.Parse([]byte(line)); err != nil {
			a.t.Errorf("metrics: %v: %s", err, line)
		}
		lines = append(lines, fields)
	}
	return lines
}

// ofLevel returns the lines of one level.
func ofLevel(lines []map[string]any, level string) []map[string]any {
	var picked []map[string]any
	for _, line := range lines {
		if line["level"] == level {
			picked = append(picked, line)
		}
	}
	return picked
}

// httpEvent returns an event in the gateway's form, full of canaries.
func httpEvent(query, body string) string {
	raw, err := json.Marshal(map[string]any{
		"version": "2.0", "rawPath": "/api/web", "rawQueryString": query, "body": body,
		"headers": map[string]string{"content-type": "application/json", "referer": canaryAddress, "cookie": canaryToken},
		"requestContext": map[string]any{
			"requestId": "JKJaXmPLvHcESHA=", "stage": "$default",
			"http": map[string]string{"method": "POST", "path": "/api/web", "sourceIp": canaryIP, "userAgent": canaryAddress},
		},
	})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// lockedBuffer is a bytes.Buffer that a process can write while a test reads.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// poll waits until the condition holds.
func poll(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timeout: %s", what)
		}
	}
}
