package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"newsletter/shared/config"
)

// patience is far longer than a busy machine needs.
const patience = 30 * time.Second

type timeoutError struct{}

func (timeoutError) Error() string { return "read tcp " + canaries["IPv4"] + ":5432: i/o timeout" }

func TestReportContainsOnlyAllowedFields(t *testing.T) {
	server := newSentryServer(t)
	r := server.open(t)
	ctx := r.Begin(t.Context(), "JKJaXmPLvHcESHA=")
	Trace(ctx, "Root=1-5759e988-bd862e3fe1be46a994272793")
	Route(ctx, "/api/newsletter/subscribe")
	Breadcrumb(ctx, "decode", "ok", 2*time.Millisecond)
	Breadcrumb(ctx, "query", "lost "+canaries["address"], 1500*time.Millisecond)
	text := ""
	for _, value := range canaries {
		text += fmt.Sprintf(" %s, '%s';", value, value)
	}
	Error(ctx, fmt.Errorf("insert subscriber 01890a5d-ac96-774b-bcce-b302099a8057:%s %w", text, timeoutError{}))
	r.Flush(ctx, patience)

	events := server.received()
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	e := events[0]
	if e.Level != "error" || e.Environment != "test" || e.Release != "newsletter@1.2.3" || e.ServerName != "subscribe" ||
		e.Tags["request_id"] != "JKJaXmPLvHcESHA=" || e.Tags["route"] != "/api/newsletter/subscribe" ||
		e.Tags["xray_trace_id"] != "Root=1-5759e988-bd862e3fe1be46a994272793" || len(e.Tags) != 3 {
		t.Errorf("event %+v", e)
	}
	if len(e.Exception) != 2 || e.Exception[0].Type != "capture.timeoutError" || e.Exception[0].Value != "read tcp [ip]:5432: i/o timeout" ||
		!strings.HasPrefix(e.Exception[1].Value, "insert subscriber 01890a5d-ac96-774b-bcce-b302099a8057: ") {
		t.Errorf("exceptions %+v", e.Exception)
	}
	if len(e.Breadcrumbs) != 2 || e.Breadcrumbs[0].Category != "decode" || e.Breadcrumbs[1].Message != "lost [address]" ||
		e.Breadcrumbs[1].Data["duration_ms"] != 1500.0 {
		t.Errorf("breadcrumbs %+v", e.Breadcrumbs)
	}
	for name, value := range canaries {
		if strings.Contains(server.raw.String(), value) {
			t.Errorf("the %s arrived", name)
		}
	}
	for _, part := range []string{`"user"`, `"request"`, `"contexts"`, `"modules"`, `"vars"`, "abs_path", "context_line", "pre_context"} {
		if strings.Contains(server.raw.String(), part) {
			t.Errorf("%s arrived", part)
		}
	}
}

func TestPanicIsReportedWithItsStack(t *testing.T) {
	for name, tc := range map[string]struct {
		cause func()
		told  string
	}{
		"runtime":   {func() { maps.Copy(*new(map[string]int), map[string]int{"x": 1}) }, "panic: assignment to entry in nil map"},
		"text":      {func() { panic("no such user " + canaries["address"]) }, "panic: no such user [address]"},
		"error":     {func() { panic(timeoutError{}) }, "panic: read tcp [ip]:5432: i/o timeout"},
		"value":     {func() { panic(struct{ email string }{canaries["address"]}) }, "panic: a value of type struct { email string }"},
		"nil error": {func() { panic((*brokenError)(nil)) }, "panic: an error of type *capture.brokenError"},
	} {
		t.Run(name, func(t *testing.T) {
			server := newSentryServer(t)
			r := server.open(t)
			ctx := r.Begin(t.Context(), "")
			err := recovered(ctx, tc.cause)
			if err == nil || err.Error() != tc.told {
				t.Errorf("got %v", err)
			}
			Error(ctx, fmt.Errorf("serve: %w", err)) // the same panic, wrapped
			r.Flush(ctx, patience)
			events := server.received()
			if len(events) != 1 || events[0].Level != "fatal" || events[0].Exception[0].Value != tc.told {
				t.Fatalf("events %+v", events)
			}
			stack := events[0].Exception[0].Stacktrace
			if stack == nil || !slices.ContainsFunc(stack.Frames, func(f struct {
				Function string `json:"function"`
				Lineno   int    `json:"lineno"`
			}) bool {
				return strings.HasPrefix(f.Function, "TestPanicIsReportedWithItsStack.func") && f.Lineno > 0
			}) {
				t.Errorf("stack %+v", stack)
			}
			if strings.Contains(server.raw.String(), canaries["address"]) {
				t.Error("the address arrived")
			}
		})
	}
}

type brokenError struct{ text string }

func (e *brokenError) Error() string { return e.text }

func TestErrorThatPanicsWhenPrintedIsHarmless(t *testing.T) {
	r := newSentryServer(t).open(t)
	ctx := r.Begin(t.Context(), "")
	Error(ctx, (*brokenError)(nil))
	Error(ctx, fmt.Errorf("wrapped: %w", (*brokenError)(nil)))
	r.Flush(ctx, patience)
}

func recovered(ctx context.Context, f func()) (err error) {
	defer func() { err = Panic(ctx, recover()) }()
	f()
	return nil
}

func TestInvocationsDoNotMix(t *testing.T) {
	server := newSentryServer(t)
	r := server.open(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			id := string(rune('a' + i))
			ctx := r.Begin(t.Context(), id)
			var steps sync.WaitGroup // two goroutines of one invocation
			for _, step := range []string{" in one", " in two"} {
				steps.Go(func() {
					Breadcrumb(ctx, "query", id, 0)
					Error(ctx, errors.New("broken "+id+step))
				})
			}
			steps.Wait()
			r.Flush(ctx, patience)
		})
	}
	all.Wait()
	events := server.received()
	if len(events) != 16 {
		t.Errorf("%d events", len(events))
	}
	for _, e := range events {
		id := e.Tags["request_id"]
		if value := e.Exception[0].Value; !strings.HasPrefix(value, "broken "+id) || !strings.HasSuffix(e.Fingerprint[0], value) {
			t.Errorf("event of %s: %s with fingerprint %s", id, value, e.Fingerprint)
		}
		for _, crumb := range e.Breadcrumbs {
			if crumb.Message != id {
				t.Errorf("event of %s holds a breadcrumb of %s", id, crumb.Message)
			}
		}
	}
}

// The server never answers, so it is still handling the request when Flush returns: Flush did not wait for the
// delivery.
func TestSlowSentryCostsOnlyTheBudget(t *testing.T) {
	arrived, ended := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the client has canceled
		<-r.Context().Done()
		close(ended)
	}))
	defer server.Close()
	r, err := New(Config{DSN: config.Seal(strings.Replace(server.URL, "://", "://"+publicKey+"@", 1) + "/1")}, nil, "f")
	if err != nil {
		t.Fatal(err)
	}
	ctx := r.Begin(t.Context(), "")
	Error(ctx, errors.New("lost"))
	<-arrived
	r.Flush(ctx, 20*time.Millisecond)
	select {
	case <-ended:
		t.Error("Flush waited for the delivery")
	default:
	}
	select {
	case <-ended: // the delivery times out
	case <-time.After(patience):
		t.Error("the delivery never ends")
	}
}

func TestDeadSentryIsHarmless(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	dsn := strings.Replace(server.URL, "://", "://"+publicKey+"@", 1) + "/1"
	server.Close()
	r, err := New(Config{DSN: config.Seal(dsn)}, nil, "f")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		ctx := r.Begin(t.Context(), "")
		Error(ctx, errors.New("lost"))
		r.Flush(ctx, patience)
	}
}

func TestNothingHappensWithoutADSN(t *testing.T) {
	t.Setenv("SENTRY_DSN", "http://key@127.0.0.1:1/1") // the SDK would use it
	before := runtime.NumGoroutine()
	r, err := New(Config{}, nil, "f")
	if err != nil {
		t.Fatal(err)
	}
	for _, ctx := range []context.Context{r.Begin(t.Context(), "id"), t.Context()} {
		Breadcrumb(ctx, "query", "ok", 0)
		Route(ctx, "/")
		Error(ctx, errors.New("lost"))
		if err := Panic(ctx, "boom"); err.Error() != "panic: boom" {
			t.Errorf("got %v", err)
		}
		r.Flush(ctx, patience)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines more", after-before)
	}
}

func TestInvalidDSNIsNotPrinted(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]bool{
		"https://5ecret@sentry.example/42": true, "http://5ecret@127.0.0.1:9000/1": true, "http://5ecret@localhost:9000/1": true,
		"https://5ecret@sentry.example/no-project/": false, "http://5ecret@sentry.example/42": false, "http://5ecret@10.0.0.1/42": false,
		"http://5ecret@127.0.0.1.example/42": false, "http://5ecret@localhost.example/42": false, "HTTP://5ecret@sentry.example/42": false,
		"5ecret": false, "https://sentry.example/42": false,
	} {
		_, err := New(Config{DSN: config.Seal(dsn)}, nil, "f")
		if (err == nil) != want || err != nil && (strings.Contains(err.Error(), "5ecret") || !strings.Contains(err.Error(), "SENTRY_DSN")) {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

// The target of a redirect receives nothing.
func TestReportDoesNotFollowRedirects(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(inside.Close)
	asked := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, inside.URL, http.StatusTemporaryRedirect)
		asked <- struct{}{}
	}))
	t.Cleanup(server.Close)
	r, err := New(Config{DSN: config.Seal(strings.Replace(server.URL, "://", "://"+publicKey+"@", 1) + "/1")}, nil, "f")
	if err != nil {
		t.Fatal(err)
	}
	ctx := r.Begin(t.Context(), "")
	Error(ctx, errors.New("lost"))
	<-asked
	r.Flush(ctx, patience)
	if n := reached.Load(); n != 0 {
		t.Errorf("sent on %d times", n)
	}
}
