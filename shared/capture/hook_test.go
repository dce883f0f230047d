package capture

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// hookReports are the reports that a hook received.
type hookReports struct {
	mu  sync.Mutex
	all []Report
}

func (r *hookReports) hook(_ context.Context, told Report) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, told)
	return nil
}

// hooked is a Reporter with a hook and without Sentry.
func hooked(t *testing.T, hook Hook) *Reporter {
	t.Helper()
	r, err := New(Config{Environment: "test", Release: "1.2.3"}, hook, "subscribe")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestHookReceivesAnError(t *testing.T) {
	t.Parallel()
	told := &hookReports{}
	r := hooked(t, told.hook)
	ctx := r.Begin(t.Context(), "JKJaXmPLvHcESHA=")
	Route(ctx, "/api/newsletter/subscribe")
	Breadcrumb(ctx, "decode", "done", 0)
	Breadcrumb(ctx, "query", "unavailable "+canaries["address"], 4003*time.Millisecond)
	text := ""
	for _, value := range canaries {
		text += fmt.Sprintf(" '%s'", value)
	}
	Error(ctx, fmt.Errorf("insert subscriber:%s %w", text, timeoutError{}))
	Error(ctx, errors.New("insert subscriber: again"))
	r.Flush(ctx, patience)

	calls := told.all
	if len(calls) != 2 {
		t.Fatalf("%d calls", len(calls))
	}
	if calls[0].Data["error"] == "insert subscriber: again" { // they are sent in parallel
		calls[0], calls[1] = calls[1], calls[0]
	}
	got := calls[0].Data
	for name, want := range map[string]string{
		"function": "subscribe", "environment": "test", "release": "1.2.3", "level": "error", "request_id": "JKJaXmPLvHcESHA=",
		"route": "/api/newsletter/subscribe", "steps": "decode done 0 ms, query unavailable [address] 4003 ms"} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if len(calls[0].ID) != 32 || calls[0].At.IsZero() || !strings.HasPrefix(got["error"], "insert subscriber: ") || !strings.HasPrefix(got["cause"], "capture.timeoutError: ") ||
		got["stack"] != "" || calls[1].Data["error"] != "insert subscriber: again" {
		t.Errorf("%+v", calls)
	}
	for name, value := range canaries {
		if strings.Contains(fmt.Sprint(calls), value) {
			t.Errorf("the %s arrived", name)
		}
	}
}

func TestHookReceivesTheStackOfAPanic(t *testing.T) {
	t.Parallel()
	told := &hookReports{}
	r := hooked(t, told.hook)
	ctx := r.Begin(t.Context(), "")
	_ = recovered(ctx, func() { panic("lost " + canaries["token"]) })
	r.Flush(ctx, patience)
	calls := told.all
	if len(calls) != 1 || calls[0].Data["level"] != "fatal" || calls[0].Data["error"] != "panic: lost [key]" ||
		!strings.Contains(calls[0].Data["stack"], "shared/capture.TestHookReceivesTheStackOfAPanic.func1:") {
		t.Errorf("%+v", calls)
	}
}

func TestManyEqualErrorsAreOneCall(t *testing.T) {
	t.Parallel()
	told := &hookReports{}
	r := hooked(t, told.hook)
	for range 50 {
		ctx := r.Begin(t.Context(), "")
		Error(ctx, timeoutError{})
		r.Flush(ctx, patience)
	}
	if got := len(told.all); got != 1 {
		t.Errorf("%d calls", got)
	}
}

// A hook that does not return is still running when Flush returns, and its context ends later.
func TestSlowHookCostsOnlyTheBudget(t *testing.T) {
	t.Parallel()
	arrived, ended := make(chan struct{}), make(chan struct{})
	r := hooked(t, func(ctx context.Context, _ Report) error {
		close(arrived)
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	})
	ctx := r.Begin(t.Context(), "")
	Error(ctx, errors.New("lost"))
	<-arrived
	r.Flush(ctx, 20*time.Millisecond)
	select {
	case <-ended:
		t.Error("Flush waited for the call")
	default:
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the call never ends")
	}
}
