package capture

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestManyEqualErrorsAreOneEvent(t *testing.T) {
	server := newSentryServer(t)
	r := server.open(t)
	var storm sync.WaitGroup
	for i := range 200 {
		storm.Go(func() {
			ctx := r.Begin(t.Context(), fmt.Sprint(i))
			Error(ctx, fmt.Errorf("take %d: %w", i, fmt.Errorf("dial 192.0.2.%d:6379: %w", i, errors.ErrUnsupported)))
			Error(ctx, fmt.Errorf("insert: %w", timeoutError{}))
			r.Flush(ctx, patience)
		})
	}
	storm.Wait()
	causes := make(map[string]int)
	for _, e := range server.received() {
		causes[strings.Join(e.Fingerprint, "|")]++
	}
	if len(causes) != 2 || causes["*errors.errorString: take 0: dial [ip]:0: unsupported operation"] != 1 {
		t.Errorf("causes %v", causes)
	}
}

func TestDeduplicator(t *testing.T) {
	t.Parallel()
	var q deduplicator
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	step := func(name string, after time.Duration, wantLeftOut int, wantPass bool) {
		t.Helper()
		now = now.Add(after)
		if dropped, pass := q.pass(name, now); dropped != wantLeftOut || pass != wantPass {
			t.Errorf("%s at %s: %d, %v", name, now.Format(time.TimeOnly), dropped, pass)
		}
	}
	step("a", 0, 0, true)
	step("a", time.Second, 0, false)
	step("a", 58*time.Second, 0, false)
	step("b", 0, 0, true)
	step("a", time.Second, 2, true)
	step("a", time.Second, 0, false)
	for i := range maxPerPeriod - 1 {
		step(fmt.Sprint("other", i), 0, 0, true)
	}
	step("one too many", 0, 0, false)
	step("one too many", time.Minute, 0, true)
	step("a", 0, 1, true)
	now = now.Add(time.Hour)
	q.pass("z", now)
	if len(q.causes) != 1 {
		t.Errorf("%d causes are remembered after an hour", len(q.causes))
	}
}

func TestReportContainsTheNumberOfDroppedEvents(t *testing.T) {
	server := newSentryServer(t)
	r := server.open(t)
	err := errors.New("lost")
	for range 4 {
		r.dedup.pass(causeOf(err), time.Now().Add(-2*dedupPeriod))
	}
	ctx := r.Begin(t.Context(), "")
	Error(ctx, err)
	Error(ctx, errors.New("something else"))
	r.Flush(ctx, patience)
	got := make(map[string]string)
	for _, e := range server.received() {
		got[e.Exception[0].Value] = e.Tags[tagRepeats]
	}
	if want := map[string]string{"lost": "3", "something else": ""}; !maps.Equal(got, want) {
		t.Errorf("repeats %v", got)
	}
}
