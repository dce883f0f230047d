package capture

import (
	"fmt"
	"regexp"
	"sync"
	"time"
)

const (
	// dedupPeriod is the time for which further events of the same cause are dropped.
	dedupPeriod = time.Minute
	// maxPerPeriod limits the events of all causes together, for errors whose texts never repeat.
	maxPerPeriod = 20
)

// deduplicator passes one event of each cause per period. The zero value is ready. It is safe for concurrent use.
type deduplicator struct {
	mu     sync.Mutex
	causes map[string]*cause
	began  time.Time // of the period over all causes
	passed int       // in that period
}

type cause struct {
	last    time.Time
	dropped int
}

// pass reports whether an event of a cause may be sent now, and how many of that cause were dropped since the last one
// that was sent.
func (q *deduplicator) pass(name string, now time.Time) (dropped int, pass bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if now.Sub(q.began) >= dedupPeriod {
		q.began, q.passed = now, 0
		q.forget(now)
	}
	known := q.causes[name]
	if known != nil && now.Sub(known.last) < dedupPeriod || q.passed >= maxPerPeriod {
		if known != nil {
			known.dropped++
		}
		return 0, false
	}
	if known == nil {
		known = &cause{}
		if q.causes == nil {
			q.causes = make(map[string]*cause)
		}
		q.causes[name] = known // at most maxPerPeriod a period, until forgotten
	}
	dropped = known.dropped
	known.last, known.dropped = now, 0
	q.passed++
	return dropped, true
}

// forget removes the causes without an event for ten periods.
func (q *deduplicator) forget(now time.Time) {
	for name, known := range q.causes {
		if now.Sub(known.last) > 10*dedupPeriod {
			delete(q.causes, name)
		}
	}
}

// changing matches the parts that differ between errors of one cause: ids and numbers.
var changing = regexp.MustCompile(`[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\d+`)

// causeOf returns a key for a chain of errors: the type of the innermost one and the scrubbed text of the chain,
// without ids and numbers. The text distinguishes a timeout of one dependency from that of another.
func causeOf(err error) string {
	return fmt.Sprintf("%T: %s", innermost(err), changing.ReplaceAllString(Scrub(errorText(err)), "0"))
}

func innermost(err error) error {
	for {
		var inner error
		switch wrapped := err.(type) { //nolint:errorlint // it walks the chain itself
		case interface{ Unwrap() error }:
			inner = wrapped.Unwrap()
		case interface{ Unwrap() []error }:
			if all := wrapped.Unwrap(); len(all) > 0 {
				inner = all[len(all)-1] // "%w: %w" puts the sentinel first and the cause last
			}
		}
		if inner == nil {
			return err
		}
		err = inner
	}
}
