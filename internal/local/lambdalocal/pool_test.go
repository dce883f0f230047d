package lambdalocal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestEnvironmentsAreBoundedAndNeverShareAnEvent(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{Concurrency: 3})
	var (
		callers sync.WaitGroup
		mu      sync.Mutex
		calls   = map[int][]int{}
	)
	for i := range 50 {
		callers.Go(func() {
			event := fmt.Appendf(nil, `{"do":"sleep","ms":5,"caller":%d}`, i)
			result, err := s.Invoke(t.Context(), "probe", event)
			if err != nil {
				t.Error(err)
				return
			}
			got := decode(t, result)
			if !bytes.Equal(got.Event, event) {
				t.Errorf("caller %d got the answer to %s", i, got.Event)
			}
			mu.Lock()
			defer mu.Unlock()
			calls[got.PID] = append(calls[got.PID], got.Calls)
		})
	}
	callers.Wait()
	if len(calls) > 3 || s.Environments("probe") != len(calls) {
		t.Errorf("%d environments, %d live, want at most 3", len(calls), s.Environments("probe"))
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

// Half of the callers end their environment; the others must never notice.
func TestEnvironmentsThatDieUnderLoadAreReplaced(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{Concurrency: 4})
	var callers sync.WaitGroup
	for i := range 50 {
		order, want := `{}`, ""
		if i%2 == 0 {
			order, want = []string{`{"do":"kill"}`, `{"do":"exit"}`, `{"do":"panic"}`}[i/2%3], "Unhandled"
		}
		callers.Go(func() {
			result, err := s.Invoke(t.Context(), "probe", []byte(order))
			if err != nil || result.FunctionError != want {
				t.Errorf("%s: %v %q %s", order, err, result.FunctionError, result.Payload)
			}
		})
	}
	callers.Wait()
	if n := s.Environments("probe"); n > 4 {
		t.Errorf("%d environments live", n)
	}
}

func TestBusyEnvironmentsThrottle(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{Concurrency: 1})
	busy := filepath.Join(t.TempDir(), "busy")
	done, err := s.send(t.Context(), "probe", []byte(`{"do":"hang","file":"`+busy+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = s.Invoke(ctx, "probe", []byte(`{}`))
	if !errors.Is(err, errThrottled) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	// Close ends the calls that wait for an environment.
	waiting := make(chan error, 1)
	go func() { _, err := s.Invoke(context.Background(), "probe", []byte(`{}`)); waiting <- err }()
	eventually(t, "the function is busy", func() bool { return exists(busy) })
	closed, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(closed); !errors.Is(err, context.Canceled) {
		t.Errorf("Close cut an event off and said %v", err)
	}
	if err := <-waiting; !errors.Is(err, errClosed) {
		t.Errorf("who waited got %v", err)
	}
	if o := <-done; !strings.Contains(string(o.result.Payload), "Runtime exited") {
		t.Errorf("who was cut off got %s, %v", o.result.Payload, o.err)
	}
}

// A caller who cancels does not take the event back, and the environment stays whole.
func TestACallerMayGiveUp(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{Concurrency: 1})
	pid := decode(t, call(t, s, `{}`)).PID
	busy := filepath.Join(t.TempDir(), "busy")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for !exists(busy) && t.Context().Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
	}()
	if _, err := s.Invoke(ctx, "probe", []byte(`{"do":"sleep","ms":300,"file":"`+busy+`"}`)); !errors.Is(err, context.Canceled) || errors.Is(err, errThrottled) {
		t.Errorf("got %v", err)
	}
	if got := decode(t, call(t, s, `{}`)); got.PID != pid || got.Calls != 3 {
		t.Errorf("environment %d after call %d, want %d after call 3", got.PID, got.Calls, pid)
	}
}

func TestFunctionsAreApart(t *testing.T) {
	t.Parallel()
	logs := &syncBuffer{}
	s, err := New(Config{Log: logs, Region: "us-east-1", Functions: []Function{
		{Name: "one", Binary: probe, Env: []string{"MINE=1"}}, {Name: "two", Binary: probe, Concurrency: 1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	for _, name := range []string{"one", "two"} {
		result, err := s.Invoke(t.Context(), name, []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		got := decode(t, result)
		if got.Function != name || got.ARN != "arn:aws:lambda:us-east-1:123456789012:function:"+name || slices.Contains(got.Env, "MINE=1") != (name == "one") {
			t.Errorf("%s: %+v", name, got)
		}
		eventually(t, "its output is logged", func() bool { return strings.Contains(logs.String(), name+" | started\n") })
	}
	if _, err := s.Invoke(t.Context(), "three", nil); err == nil || s.Environments("three") != 0 {
		t.Error("a function that does not exist was invoked")
	}
	if _, err := s.Invoke(t.Context(), "one", make([]byte, maxPayload+1)); !errors.Is(err, errTooLarge) {
		t.Errorf("too large an event: %v", err)
	}
}

func TestWrongConfigurationsAreRefused(t *testing.T) {
	t.Parallel()
	f := Function{Name: "f", Binary: probe}
	for name, cfg := range map[string]Config{
		"no name":               {Functions: []Function{{Binary: probe}}},
		"no binary":             {Functions: []Function{{Name: "f"}}},
		"twice":                 {Functions: []Function{f, f}},
		"route to nowhere":      {Functions: []Function{f}, Routes: []Route{{"/a", "g"}}},
		"route without a slash": {Functions: []Function{f}, Routes: []Route{{"a", "f"}}},
		"route twice":           {Functions: []Function{f}, Routes: []Route{{"/a", "f"}, {"/a", "f"}}},
		"schedule of nothing":   {Functions: []Function{f}, Schedules: []Schedule{{Function: "g", Every: time.Hour}}},
		"schedule without rate": {Functions: []Function{f}, Schedules: []Schedule{{Function: "f"}}},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
