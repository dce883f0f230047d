package devstack

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"newsletter/internal/fixtures/canary"
)

// Fault is one failure of a fake.
type Fault struct {
	// Status is the status of the answer with Body; 0 leaves the answer as it would be.
	Status     int
	RetryAfter int // seconds; 0 leaves the header out
	Body       string
	// Delay passes before the answer, Drip between its header and its body.
	Delay, Drip time.Duration
	// Lost does what is asked for and then ends the connection without an answer.
	Lost bool
}

// faults are what a fake shall do wrong, and what it was sent wrong. Its methods are safe for concurrent use.
type faults struct {
	mu       sync.Mutex
	failing  []Fault
	problems []string
	calls    map[string]int
}

// Fail makes the next requests fail, one fault each.
func (f *faults) Fail(next ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failing = append(f.failing, next...)
}

// Heal cancels the faults of Fail.
func (f *faults) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failing = nil
}

// Problems lists the requests that the service would have refused, and why. There should be none.
func (f *faults) Problems() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.problems)
}

// Calls counts the requests by method and path, such as "POST /api/v1/transactional".
func (f *faults) Calls() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.calls)
}

func (f *faults) problem(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.problems = append(f.problems, text)
}

func (f *faults) next(r *http.Request) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == nil {
		f.calls = map[string]int{}
	}
	f.calls[r.Method+" "+r.URL.Path]++
	if len(f.failing) == 0 {
		return Fault{}
	}
	fault := f.failing[0]
	f.failing = f.failing[1:]
	return fault
}

// maxBody bounds what a fake reads of a request. No service here takes as much.
const maxBody = 5 << 20

// serve answers a request to a service by handle, or as the next fault says.
func (f *faults) serve(service canary.Sink, w http.ResponseWriter, r *http.Request, handle http.HandlerFunc) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody)) // the server detects a disconnect only after a complete request
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	recordRequest(service, r, body)
	fault := f.next(r)
	pause(r, fault.Delay)
	if fault.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(fault.RetryAfter))
	}
	switch {
	case fault.Lost:
		handle(discard{}, r)
		panic(http.ErrAbortHandler)
	case fault.Status == 0 && fault.Drip == 0:
		handle(w, r)
		return
	case fault.Status == 0:
		fault.Status = http.StatusOK
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(fault.Status)
	if fault.Drip > 0 {
		w.(http.Flusher).Flush()
		pause(r, fault.Drip)
	}
	_, _ = w.Write([]byte(fault.Body)) // the client may have disconnected
}

// pause ends early when the other side goes.
func pause(r *http.Request, d time.Duration) {
	select {
	case <-r.Context().Done():
	case <-time.After(d):
	}
}

// discard is an answer that nobody gets.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
