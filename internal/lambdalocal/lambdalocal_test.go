package lambdalocal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var probe string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "lambdalocal-")
	if err != nil {
		panic(err)
	}
	probe = filepath.Join(dir, "probe")
	if output, err := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", probe, "./testdata/probe").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build the probe: %v: %s", err, output))
	}
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// syncBuffer is a log that a test may read while functions write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func start(t testing.TB, f Function, more ...Schedule) (*Server, *syncBuffer) {
	t.Helper()
	f.Name, f.Binary = "probe", probe
	logs := &syncBuffer{}
	s, err := New(Config{Functions: []Function{f}, Schedules: more, Log: logs,
		Routes: []Route{{"/http", "probe"}, {"/error", "probe"}, {"/bad-answer", "probe"}, {"/inferred", "probe"}, {"/cookies", "probe"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s, logs
}

func call(t testing.TB, s *Server, format string, args ...any) Result {
	t.Helper()
	result, err := s.Invoke(t.Context(), "probe", fmt.Appendf(nil, format, args...))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

type seen struct {
	PID       int   `json:"pid"`
	Calls     int   `json:"calls"`
	LeftMS    int64 `json:"left_ms"`
	RequestID string
	Function  string   `json:"function"`
	Env       []string `json:"env"`
}

func decode(t testing.TB, r Result) seen {
	t.Helper()
	var s seen
	if err := json.Unmarshal(r.Payload, &s); err != nil || r.FunctionError != "" {
		t.Fatalf("%s %s: %v", r.FunctionError, r.Payload, err)
	}
	return s
}

func TestAnEnvironmentServesOneEventAfterAnother(t *testing.T) {
	t.Parallel()
	s, logs := start(t, Function{Env: []string{"OWN=value"}, Timeout: 5 * time.Second})
	first, second := decode(t, call(t, s, `{}`)), decode(t, call(t, s, `{}`))
	if first.PID != second.PID || second.Calls != 2 {
		t.Errorf("two environments for two events in a row: %+v %+v", first, second)
	}
	if first.LeftMS <= 0 || first.LeftMS > 5000 {
		t.Errorf("%d ms left of 5000", first.LeftMS)
	}
	if first.Function != "probe" || !slices.Contains(first.Env, "OWN=value") {
		t.Errorf("environment variables: %v", first.Env)
	}
	for _, variable := range first.Env {
		if strings.HasPrefix(variable, "HOME=") || strings.HasPrefix(variable, "GOPATH=") {
			t.Errorf("inherited %s", variable)
		}
	}
	if !strings.Contains(logs.String(), "probe | started\n") {
		t.Errorf("log: %q", logs.String())
	}
}

func TestFailuresAreTheResultAndTheEnvironmentIsReplaced(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		order, want string
		survives    bool
	}{
		"error":    {`{"do":"error"}`, "no luck", true},
		"panic":    {`{"do":"panic"}`, "on purpose", false},
		"exit":     {`{"do":"exit"}`, "exit status 4", false},
		"timeout":  {`{"do":"hang"}`, "Task timed out after 1.00 seconds", false},
		"too big":  {`{"do":"big","bytes":7000000}`, "exceeded maximum allowed payload size", false},
		"not JSON": {`nonsense`, "invalid character", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := start(t, Function{Concurrency: 1, Timeout: time.Second})
			before := decode(t, call(t, s, `{}`)).PID
			got := call(t, s, "%s", test.order)
			if got.FunctionError != "Unhandled" || !strings.Contains(string(got.Payload), test.want) {
				t.Fatalf("got %q %s", got.FunctionError, got.Payload)
			}
			if after := decode(t, call(t, s, `{}`)).PID; (after == before) != test.survives {
				t.Errorf("environment %d before, %d after", before, after)
			}
		})
	}
}

func TestAFunctionThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	s, logs := start(t, Function{Env: []string{"PROBE_INIT=exit"}})
	got := call(t, s, `{}`)
	if got.FunctionError == "" || !strings.Contains(string(got.Payload), "ended before") {
		t.Errorf("got %q %s", got.FunctionError, got.Payload)
	}
	if !strings.Contains(logs.String(), "probe | cannot start\n") {
		t.Errorf("log: %q", logs.String())
	}
}

func TestEnvironmentsAreBoundedAndNeverShareAnEvent(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{Concurrency: 3})
	var (
		callers sync.WaitGroup
		mu      sync.Mutex
		calls   = map[int][]int{}
	)
	for range 50 {
		callers.Go(func() {
			result, err := s.Invoke(t.Context(), "probe", []byte(`{"do":"sleep","ms":5}`))
			if err != nil {
				t.Error(err)
				return
			}
			got := decode(t, result)
			mu.Lock()
			defer mu.Unlock()
			calls[got.PID] = append(calls[got.PID], got.Calls)
		})
	}
	callers.Wait()
	if len(calls) > 3 {
		t.Errorf("%d environments, want at most 3", len(calls))
	}
	total := 0
	for pid, numbers := range calls {
		slices.Sort(numbers)
		for i, n := range numbers {
			if n != i+1 {
				t.Errorf("environment %d served calls %v", pid, numbers)
				break
			}
		}
		total += len(numbers)
	}
	if total != 50 {
		t.Errorf("%d answers, want 50", total)
	}
}

func TestBusyEnvironmentsThrottle(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{Concurrency: 1})
	go func() { _, _ = s.Invoke(context.Background(), "probe", []byte(`{"do":"sleep","ms":2000}`)) }()
	for s.Environments("probe") == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Invoke(ctx, "probe", []byte(`{}`)); !errors.Is(err, ErrThrottled) {
		t.Errorf("got %v", err)
	}
}

func TestCloseLetsFunctionsSayFarewell(t *testing.T) {
	t.Parallel()
	farewell := filepath.Join(t.TempDir(), "farewell")
	s, _ := start(t, Function{Env: []string{"PROBE_FAREWELL=" + farewell}})
	call(t, s, `{}`)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if content, _ := os.ReadFile(farewell); string(content) != "bye" {
		t.Errorf("the function was not told of its end: %q", content)
	}
	if _, err := s.Invoke(t.Context(), "probe", []byte(`{}`)); err == nil {
		t.Error("an event was taken after Close")
	}
}

func TestSchedulesSendEventBridgesEnvelope(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{}, Schedule{Function: "probe", Every: time.Hour})
	event := string(scheduledEvent("eu-central-1", "probe", time.Unix(0, 0)))
	var envelope map[string]any
	if err := json.Unmarshal([]byte(event), &envelope); err != nil || envelope["detail-type"] != "Scheduled Event" || envelope["time"] != "1970-01-01T00:00:00Z" {
		t.Errorf("envelope %s: %v", event, err)
	}
	s.Start(t.Context())
	for deadline := time.Now().Add(30 * time.Second); s.Environments("probe") == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the schedule never fired")
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

// A function that was built for coverage writes its data when it is ended, because it ends by itself.
func TestCloseKeepsCoverageData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary, data := filepath.Join(dir, "probe"), filepath.Join(dir, "data")
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-cover", "-tags", "lambda.norpc", "-o", binary, "./testdata/probe").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Functions: []Function{{Name: "probe", Binary: binary, Env: []string{"GOCOVERDIR=" + data}}}})
	if err != nil {
		t.Fatal(err)
	}
	call(t, s, `{}`)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if counters, err := filepath.Glob(filepath.Join(data, "covcounters.*")); err != nil || len(counters) != 1 {
		t.Errorf("counters %v: %v", counters, err)
	}
}
