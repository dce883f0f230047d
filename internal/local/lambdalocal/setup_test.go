package lambdalocal

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"newsletter/internal/local/gobuild"
)

// probe is the built testdata/probe.
var probe string

func TestMain(m *testing.M) {
	if binary := os.Getenv("LAMBDALOCAL_TEST_PARENT"); binary != "" {
		playParent(binary)
		return
	}
	dir, err := os.MkdirTemp("", "lambdalocal-")
	if err != nil {
		panic(err)
	}
	probe = filepath.Join(dir, "probe")
	build(probe)
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

func build(to string, flags ...string) {
	if err := gobuild.Local(context.Background(), ".", to, flags, "./testdata/probe"); err != nil {
		panic(err)
	}
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

// start makes a server of one function, the probe, with a route for each word that its events may begin with.
func start(t testing.TB, f Function, more ...Schedule) (*Server, *syncBuffer) {
	t.Helper()
	f.Name = "probe"
	if f.Binary == "" {
		f.Binary = probe
	}
	if f.Timeout == 0 {
		f.Timeout = time.Minute // this machine may be busy
	}
	logs := &syncBuffer{}
	cfg := Config{Functions: []Function{f}, Schedules: more, Log: logs}
	for _, path := range []string{"/http", "/error", "/hang", "/answer"} {
		cfg.Routes = append(cfg.Routes, Route{path, "probe"})
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // what still runs is to be cut off
		_ = s.Close(ctx)
	})
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

// seen is the probe's report about itself.
type seen struct {
	PID       int             `json:"pid"`
	Calls     int             `json:"calls"`
	LeftMS    int64           `json:"left_ms"`
	RequestID string          `json:"request_id"`
	ARN       string          `json:"arn"`
	TraceID   string          `json:"trace_id"`
	Function  string          `json:"function"`
	Folder    string          `json:"folder"`
	Env       []string        `json:"env"`
	Event     json.RawMessage `json:"event"`
}

func decode(t testing.TB, r Result) seen {
	t.Helper()
	var s seen
	if err := json.Unmarshal(r.Payload, &s); err != nil || r.FunctionError != "" {
		t.Fatalf("%s %s: %v", r.FunctionError, r.Payload, err)
	}
	return s
}

// eventually polls until ok, because how long a process takes to start or end is not ours to say.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30 s: %s", what)
		}
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
